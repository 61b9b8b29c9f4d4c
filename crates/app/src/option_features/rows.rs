//! The features of one day, flat.

use serde::Serialize;
use zomma_market::chain::Chain;
use zomma_strategy::{
    alpha::options::{DealerPosition, OptionFeatures, OptionFeaturesConfig, PutCall, Skew, StrikeExposure},
    analysis::Analysis,
};

/// One day of one underlying.
#[derive(Clone, Debug, Serialize)]
pub struct DayFeatures {
    /// File.
    pub source: String,
    /// Date of the quotes.
    pub quote_date: String,
    /// Ticker.
    pub underlying: String,
    /// Price of the underlying that the analysis used.
    pub spot: f64,
    /// Features at the two tenors.
    pub tenors: [TenorRow; 2],
    /// Volatility at the money of the second tenor less the first.
    pub term_slope: Option<f64>,
    /// Volume of puts and calls.
    pub volume: PutCall,
    /// Open interest of puts and calls.
    pub open_interest: PutCall,
    /// Who is assumed to hold the open contracts.
    pub dealers: DealerPosition,
    /// Dealers' gamma, currency for 1 % of the underlying.
    pub gamma_exposure: f64,
    /// Of the calls.
    pub call_gamma_exposure: f64,
    /// Of the puts.
    pub put_gamma_exposure: f64,
    /// Price of the underlying at which it changes its sign.
    pub zero_gamma: Option<f64>,
    /// Dealers' vanna, currency for one point of volatility.
    pub vanna_exposure: f64,
    /// Dealers' charm, currency for a calendar day.
    pub charm_exposure: f64,
    /// Part of the open interest whose rows have Greeks.
    pub open_interest_covered: Option<f64>,
    /// Strike of least payout of the nearest expiry with open interest.
    pub max_pain: Option<f64>,
    /// That expiry's date.
    pub max_pain_expiry: Option<String>,
    /// By expiry.
    pub expiries: Vec<ExpiryRow>,
    /// By strike.
    pub strikes: Vec<StrikeExposure>,
}

/// Features at a tenor.
#[derive(Clone, Debug, Serialize)]
pub struct TenorRow {
    /// Calendar days.
    pub days: f64,
    #[serde(flatten)]
    pub skew: SkewRow,
}

/// Skew, with what is made of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SkewRow {
    /// Volatility at K = F.
    pub atm: Option<f64>,
    /// 25-delta call less put.
    pub rr25: Option<f64>,
    /// Their mean less at the money.
    pub bf25: Option<f64>,
    /// σ(0.9 F) − σ(1.1 F).
    pub skew_90_110: Option<f64>,
    /// ∂σ/∂k at K = F.
    pub slope: Option<f64>,
}

/// One expiry.
#[derive(Clone, Debug, Serialize)]
pub struct ExpiryRow {
    /// Root.
    pub root: String,
    /// Instant of expiry.
    pub expiry: String,
    /// Years to it.
    pub expiry_years: f64,
    /// Forward.
    pub forward: Option<f64>,
    #[serde(flatten)]
    pub skew: SkewRow,
    /// Open contracts.
    pub open_interest: f64,
    /// Strike of least payout.
    pub max_pain: Option<f64>,
}

impl SkewRow {
    fn of(skew: &Skew, years: f64) -> Self {
        Self {
            atm: skew.atm,
            rr25: skew.risk_reversal_25(),
            bf25: skew.butterfly_25(),
            skew_90_110: skew.skew_90_110(),
            slope: skew.slope(years),
        }
    }
}

impl DayFeatures {
    /// Of an analysed chain.
    pub fn of(chain: &Chain, analysis: &Analysis, features: &OptionFeatures, config: &OptionFeaturesConfig) -> Self {
        let expiries = features.expiries.iter().map(|it| {
            let summary = &analysis.expiries[it.expiry];
            ExpiryRow {
                root: summary.root.clone(),
                expiry: summary.expiry.to_string(),
                expiry_years: it.years,
                forward: Some(summary.forward).filter(|forward| forward.is_finite()),
                skew: SkewRow::of(&it.skew, it.years),
                open_interest: it.open_interest,
                max_pain: it.max_pain,
            }
        });
        let exposure = &features.exposure;
        Self {
            source: chain.source.clone(),
            quote_date: chain.quote_date.to_string(),
            underlying: chain.underlying.clone(),
            spot: analysis.spot,
            tenors: features
                .tenors
                .map(|tenor| TenorRow { days: tenor.days, skew: SkewRow::of(&tenor.skew, tenor.days / 365.0) }),
            term_slope: features.term_slope(),
            volume: features.volume,
            open_interest: features.open_interest,
            dealers: config.dealers,
            gamma_exposure: exposure.gamma,
            call_gamma_exposure: exposure.call_gamma,
            put_gamma_exposure: exposure.put_gamma,
            zero_gamma: features.zero_gamma,
            vanna_exposure: exposure.vanna,
            charm_exposure: exposure.charm,
            open_interest_covered: exposure.covered,
            max_pain: features.max_pain.map(|(_, strike)| strike),
            max_pain_expiry: features.max_pain.map(|(expiry, _)| analysis.expiries[expiry].expiry_date.to_string()),
            expiries: expiries.collect(),
            strikes: exposure.strikes.clone(),
        }
    }
}
