//! The features of an analysed chain.

use std::collections::BTreeMap;

use zomma_base::OptionType;
use zomma_market::chain::Chain;
use zomma_pricing::{black::Greek, surface::SliceSource};

use super::{
    exposure::{DealerPosition, Exposure, ExposureColumns, exposure},
    max_pain::{OpenStrike, max_pain},
    put_call::{PutCall, put_call},
    skew::{Skew, skew},
    smile::Smile,
    term::{TermPoint, at_tenor, between},
    zero_gamma::{GammaProfile, GammaRow},
};
use crate::analysis::Analysis;

/// What [`option_features`] is told.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionFeaturesConfig {
    /// Shares in a contract.
    pub multiplier: f64,
    /// Who is assumed to hold the open contracts.
    pub dealers: DealerPosition,
    /// Tenors in calendar days.
    pub tenor_days: [f64; 2],
}

impl Default for OptionFeaturesConfig {
    /// A hundred shares, dealers long calls and short puts, 30 and 90 days.
    fn default() -> Self {
        Self { multiplier: 100.0, dealers: DealerPosition::default(), tenor_days: [30.0, 90.0] }
    }
}

/// Features of one expiry.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpiryFeatures {
    /// Index into `Analysis::expiries`.
    pub expiry: usize,
    /// Years to expiry.
    pub years: f64,
    /// Skew of the surface's slice within its quotes; empty where the slice is not of the expiry's own quotes.
    pub skew: Skew,
    /// Strike of least payout.
    pub max_pain: Option<f64>,
    /// Open contracts.
    pub open_interest: f64,
}

/// Features at a fixed number of days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TenorFeatures {
    /// Calendar days.
    pub days: f64,
    /// The smile's volatilities at this tenor: each interpolated in total variance at its delta or moneyness.
    pub skew: Skew,
}

impl TenorFeatures {
    /// ∂σ/∂k at the money.
    pub fn slope(&self) -> Option<f64> {
        self.skew.slope(self.days / 365.0)
    }
}

/// Features of a chain on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionFeatures {
    /// By expiry, ascending.
    pub expiries: Vec<ExpiryFeatures>,
    /// At the tenors asked for.
    pub tenors: [TenorFeatures; 2],
    /// Volume of puts and calls.
    pub volume: PutCall,
    /// Open interest of puts and calls.
    pub open_interest: PutCall,
    /// Dealers' exposure.
    pub exposure: Exposure,
    /// Price of the underlying at which dealers' gamma changes its sign.
    pub zero_gamma: Option<f64>,
    /// The nearest expiry (a day or more ahead) with open interest: its index and its strike of least payout.
    pub max_pain: Option<(usize, f64)>,
}

impl OptionFeatures {
    /// Volatility at the money of the second tenor less the first.
    pub fn term_slope(&self) -> Option<f64> {
        Some(self.tenors[1].skew.atm? - self.tenors[0].skew.atm?)
    }
}

/// Makes the features of an analysed chain.
///
/// Volatilities and Greeks are the surface's (an American row has its European twin's). Rows that were rejected for their quotes keep their volume and
/// open interest; those of expired or unreadable contracts are left out.
pub fn option_features(chain: &Chain, analysis: &Analysis, config: &OptionFeaturesConfig) -> OptionFeatures {
    let quotes = &chain.quotes;
    let rows = &analysis.quotes;
    let is_alive = |row: usize| (rows.expiry[row] as usize) < analysis.expiries.len() && !is_copy(rows.status[row]);
    let alive_only = |column: &[f64]| -> Vec<f64> {
        column.iter().enumerate().map(|(row, &value)| if is_alive(row) { value } else { f64::NAN }).collect()
    };
    let (volume, open_interest) = (alive_only(&quotes.volume), alive_only(&quotes.open_interest));

    let expiries: Vec<ExpiryFeatures> =
        (0..analysis.expiries.len()).map(|expiry| expiry_features(chain, analysis, &open_interest, expiry)).collect();
    let tenors = config.tenor_days.map(|days| tenor_features(&expiries, days));
    let greek = |greek: Greek| rows.greeks.column(greek);
    let columns = ExposureColumns {
        option_type: &quotes.option_type,
        strike: &quotes.strike,
        gamma: greek(Greek::Gamma),
        vanna: greek(Greek::Vanna),
        charm: greek(Greek::Charm),
        open_interest: &open_interest,
    };
    let gamma_rows = gamma_rows(chain, analysis, &open_interest);
    let profile = GammaProfile::new(&gamma_rows, config.multiplier, config.dealers);
    let nearest = expiries
        .iter()
        .find(|features| analysis.expiries[features.expiry].calendar_days >= 1 && features.max_pain.is_some());
    OptionFeatures {
        tenors,
        volume: put_call(&quotes.option_type, &volume),
        open_interest: put_call(&quotes.option_type, &open_interest),
        exposure: exposure(&columns, analysis.spot, config.multiplier, config.dealers),
        zero_gamma: profile.zero(analysis.spot),
        max_pain: nearest.and_then(|features| Some((features.expiry, features.max_pain?))),
        expiries,
    }
}

/// A contract that stands in an earlier row has its volume and open interest there.
fn is_copy(status: zomma_base::Status) -> bool {
    status == zomma_base::Status::Duplicate
}

fn expiry_features(chain: &Chain, analysis: &Analysis, open_interest: &[f64], expiry: usize) -> ExpiryFeatures {
    let summary = &analysis.expiries[expiry];
    let slice = summary.slice.and_then(|slice| analysis.surface.slices.get(slice));
    let own = slice.filter(|slice| slice.source == SliceSource::Svi);
    let smile = own.and_then(|slice| Smile::from_svi(summary.expiry_years, slice.svi, slice.log_moneyness_range));
    // Strikes are above zero, so their bits are in their order.
    let mut open: BTreeMap<u64, OpenStrike> = BTreeMap::new();
    let mut total = 0.0;
    let of_expiry = (0..open_interest.len()).filter(|&row| analysis.quotes.expiry[row] as usize == expiry);
    for row in of_expiry.filter(|&row| open_interest[row] > 0.0 && open_interest[row].is_finite()) {
        let strike = chain.quotes.strike[row];
        let entry = open.entry(strike.to_bits()).or_insert(OpenStrike { strike, calls: 0.0, puts: 0.0 });
        match chain.quotes.option_type[row] {
            OptionType::Call => entry.calls += open_interest[row],
            OptionType::Put => entry.puts += open_interest[row],
        }
        total += open_interest[row];
    }
    let strikes: Vec<OpenStrike> = open.into_values().collect();
    ExpiryFeatures {
        expiry,
        years: summary.expiry_years,
        skew: smile.as_ref().map(skew).unwrap_or_default(),
        max_pain: max_pain(&strikes).map(|[strike, _]| strike),
        open_interest: total,
    }
}

fn tenor_features(expiries: &[ExpiryFeatures], days: f64) -> TenorFeatures {
    let years = days / 365.0;
    let at = |of: fn(&Skew) -> Option<f64>| {
        let points: Vec<TermPoint> = expiries
            .iter()
            .map(|features| TermPoint { years: features.years, volatility: of(&features.skew) })
            .collect();
        at_tenor(&points, years)
    };
    let slopes = expiries.iter().filter_map(|features| Some([features.years, features.skew.variance_slope?]));
    let skew = Skew {
        atm: at(|skew| skew.atm),
        call_25: at(|skew| skew.call_25),
        put_25: at(|skew| skew.put_25),
        moneyness_90: at(|skew| skew.moneyness_90),
        moneyness_110: at(|skew| skew.moneyness_110),
        variance_slope: between(slopes, years),
    };
    TenorFeatures { days, skew }
}

fn gamma_rows(chain: &Chain, analysis: &Analysis, open_interest: &[f64]) -> Vec<GammaRow> {
    (0..open_interest.len())
        .filter(|&row| open_interest[row] > 0.0 && analysis.quotes.greeks_status[row].is_ok())
        .filter_map(|row| {
            let summary = analysis.expiries.get(analysis.quotes.expiry[row] as usize)?;
            let years = summary.expiry_years;
            let rate = -summary.discount_factor.ln() / years;
            Some(GammaRow {
                option_type: chain.quotes.option_type[row],
                strike: chain.quotes.strike[row],
                years,
                rate,
                dividend_yield: rate - (summary.forward / analysis.spot).ln() / years,
                volatility: analysis.quotes.surface_volatility[row],
                open_interest: open_interest[row],
            })
        })
        .collect()
}
