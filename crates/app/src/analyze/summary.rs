//! `summary.json` of one date: the day on one machine-readable page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use zomma_base::{OptionType, Status, time};
use zomma_market::chain::Chain;
use zomma_pricing::surface::{FitQuality, QualityCount};
use zomma_strategy::analysis::{Analysis, Candidate, ExpirySummary};

/// What `model` says: the surface that Greeks and fit figures are of.
pub const MODEL: &str = "arbitrage_free_svi";

/// One date of one underlying.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub quote_date: String,
    /// New York, with offset.
    pub quote_time: String,
    pub quote_time_source: &'static str,
    pub underlying: String,
    pub source: String,
    pub layout: zomma_market::chain::Layout,
    /// Of the parity forward, where there is one.
    pub spot: f64,
    pub underlying_last: Option<f64>,
    /// spot − underlying_last.
    pub spot_gap: Option<f64>,
    pub rows_read: usize,
    pub rows_kept: usize,
    pub rejected: Counts,
    /// Rows by the status of their mid's volatility.
    pub implied_volatility_status: Counts,
    pub model: &'static str,
    /// Over every unexpired out-of-the-money row with 0 < bid ≤ ask.
    pub inside_bid_ask_share: Option<f64>,
    pub rmse_vol_points: f64,
    pub quotes_judged: usize,
    /// The same within one standard deviation of the forward, where the volatility matters most.
    pub near_the_money: Fit,
    /// The same of unconstrained slices, which may have arbitrage.
    pub unconstrained: Fit,
    pub arbitrage_violations: usize,
    pub arbitrage: zomma_pricing::surface::ArbitrageReport,
    pub candidates: usize,
    pub best_candidates: Vec<CandidateRow>,
    pub expiries: Vec<ExpiryRow>,
    pub notes: Vec<String>,
    pub timings_ms: Timings,
}

/// Fit figures of another model, beside those of the surface.
#[derive(Clone, Debug, Serialize)]
pub struct Fit {
    pub inside_bid_ask_share: Option<f64>,
    pub rmse_vol_points: f64,
}

impl From<FitQuality> for Fit {
    fn from(quality: FitQuality) -> Self {
        Self { inside_bid_ask_share: quality.inside_share(), rmse_vol_points: quality.rmse_vol_points }
    }
}

/// Rows by reason, the most frequent first.
#[derive(Clone, Debug, Default)]
pub struct Counts(pub Vec<(&'static str, usize)>);

impl Counts {
    fn of(counts: impl Iterator<Item = (Status, usize)>) -> Self {
        let mut counts: Vec<(&'static str, usize)> = counts.map(|(status, count)| (status.as_str(), count)).collect();
        counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        Self(counts)
    }

    /// All rows counted.
    pub fn total(&self) -> usize {
        self.0.iter().map(|(_, count)| count).sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (reason, count) in &self.0 {
            map.serialize_entry(reason, count)?;
        }
        map.end()
    }
}

/// Wall time by stage, in order.
#[derive(Clone, Debug, Default)]
pub struct Timings(pub Vec<(&'static str, f64)>);

impl Timings {
    /// All stages together.
    pub fn total_ms(&self) -> f64 {
        // An empty sum of floats is -0.0.
        self.0.iter().map(|(_, ms)| ms).fold(0.0, |sum, ms| sum + ms)
    }
}

impl Serialize for Timings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rounded = |ms: f64| (ms * 1e3).round() / 1e3;
        let mut map = serializer.serialize_map(Some(self.0.len() + 1))?;
        for (stage, ms) in &self.0 {
            map.serialize_entry(stage, &rounded(*ms))?;
        }
        map.serialize_entry("total", &rounded(self.total_ms()))?;
        map.end()
    }
}

/// One expiry.
#[derive(Clone, Debug, Serialize)]
pub struct ExpiryRow {
    /// New York, with offset.
    pub expiry: String,
    pub root: String,
    pub settlement: &'static str,
    pub exercise_style: &'static str,
    pub expiry_years: f64,
    pub calendar_days: i64,
    pub forward: f64,
    pub forward_error: Option<f64>,
    pub forward_source: zomma_strategy::analysis::ForwardSource,
    pub discount_factor: f64,
    /// −ln(discount_factor)/expiry_years.
    pub risk_free_rate: f64,
    pub rate_source: zomma_strategy::analysis::RateSource,
    pub parity_pairs: usize,
    pub quotes: usize,
    pub quotes_judged: usize,
    pub slice_source: Option<zomma_pricing::surface::SliceSource>,
    pub inside_bid_ask_share: Option<f64>,
    pub rmse_vol_points: f64,
    pub unconstrained: Fit,
    pub atm_volatility: f64,
}

impl From<&ExpirySummary> for ExpiryRow {
    fn from(expiry: &ExpirySummary) -> Self {
        Self {
            expiry: new_york(expiry.expiry),
            root: expiry.root.clone(),
            settlement: expiry.settlement.as_str(),
            exercise_style: expiry.exercise_style.as_str(),
            expiry_years: expiry.expiry_years,
            calendar_days: expiry.calendar_days,
            forward: expiry.forward,
            forward_error: expiry.forward_error,
            forward_source: expiry.forward_source,
            discount_factor: expiry.discount_factor,
            risk_free_rate: rate(expiry),
            rate_source: expiry.rate_source,
            parity_pairs: expiry.parity_pairs,
            quotes: expiry.quotes,
            quotes_judged: expiry.quality.quotes,
            slice_source: expiry.slice_source,
            inside_bid_ask_share: expiry.quality.inside_share(),
            rmse_vol_points: expiry.quality.rmse_vol_points,
            unconstrained: expiry.unconstrained.into(),
            atm_volatility: expiry.atm_volatility,
        }
    }
}

/// Continuously compounded rate of an expiry's discount factor.
pub fn rate(expiry: &ExpirySummary) -> f64 {
    // A factor of one is a rate of zero, not of -0.0.
    -expiry.discount_factor.ln() / expiry.expiry_years + 0.0
}

/// One wheel candidate.
#[derive(Clone, Debug, Serialize)]
pub struct CandidateRow {
    pub kind: zomma_strategy::analysis::CandidateKind,
    pub symbol: String,
    pub root: String,
    pub expiry: String,
    pub calendar_days: i64,
    pub strike: f64,
    pub bid: f64,
    pub delta: f64,
    pub volatility: f64,
    pub probability_of_profit: f64,
    pub probability_of_touch: f64,
    pub expected_value_rn: f64,
    pub expected_value_p: f64,
    pub annualized_yield: f64,
    pub break_even: f64,
    pub kelly_fraction: f64,
    pub score: f64,
    pub status: &'static str,
}

impl CandidateRow {
    /// Joins a candidate with its contract.
    pub fn of(candidate: &Candidate, chain: &Chain, analysis: &Analysis) -> Self {
        let expiry = &analysis.expiries[candidate.expiry];
        Self {
            kind: candidate.kind,
            symbol: chain.quotes.symbol.get(candidate.row).to_string(),
            root: expiry.root.clone(),
            expiry: new_york(expiry.expiry),
            calendar_days: expiry.calendar_days,
            strike: candidate.strike,
            bid: candidate.bid,
            delta: candidate.delta,
            volatility: candidate.volatility,
            probability_of_profit: candidate.probability_of_profit,
            probability_of_touch: candidate.probability_of_touch,
            expected_value_rn: candidate.expected_value_rn,
            expected_value_p: candidate.expected_value_p,
            annualized_yield: candidate.annualized_yield,
            break_even: candidate.break_even,
            kelly_fraction: candidate.kelly_fraction,
            score: candidate.score,
            status: candidate.status.as_str(),
        }
    }
}

/// An instant as New York's clock shows it, with its offset.
pub fn new_york(instant: Timestamp) -> String {
    instant.to_zoned(time::new_york().clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Candidates in the summary; all of them are in `candidates.csv`.
const BEST: usize = 10;

impl Summary {
    /// Sums up an analysis; the timings are added when all is written.
    pub fn of(chain: &Chain, analysis: &Analysis) -> Self {
        let rejected = Counts::of(analysis.rejected.iter().map(|(status, count)| (*status, *count)));
        let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
        for status in &analysis.quotes.mid_volatility_status {
            *statuses.entry(*status).or_default() += 1;
        }
        let arbitrage = analysis.surface.arbitrage.clone();
        Self {
            quote_date: analysis.quote_date.to_string(),
            quote_time: new_york(analysis.quote_instant),
            quote_time_source: analysis.quote_time_source,
            underlying: analysis.underlying.clone(),
            source: chain.source.clone(),
            layout: chain.layout,
            spot: analysis.spot,
            underlying_last: analysis.underlying_last,
            spot_gap: analysis.underlying_last.map(|last| analysis.spot - last),
            rows_read: analysis.rows_read,
            rows_kept: analysis.rows_read.saturating_sub(rejected.total()),
            rejected,
            implied_volatility_status: Counts::of(statuses.into_iter()),
            model: MODEL,
            inside_bid_ask_share: analysis.quality.inside_share(),
            rmse_vol_points: analysis.quality.rmse_vol_points,
            quotes_judged: analysis.quality.quotes,
            near_the_money: near_the_money(chain, analysis).into(),
            unconstrained: unconstrained(analysis).into(),
            arbitrage_violations: arbitrage.butterfly_violations + arbitrage.calendar_violations,
            arbitrage,
            candidates: analysis.candidates.len(),
            best_candidates: analysis
                .candidates
                .iter()
                .take(BEST)
                .map(|candidate| CandidateRow::of(candidate, chain, analysis))
                .collect(),
            expiries: analysis.expiries.iter().map(ExpiryRow::from).collect(),
            notes: chain.notes.iter().chain(&analysis.notes).cloned().collect(),
            timings_ms: Timings::default(),
        }
    }
}

/// Quality over the usable out-of-the-money quotes with a bid whose strike lies within one standard deviation of its forward.
fn near_the_money(chain: &Chain, analysis: &Analysis) -> FitQuality {
    let (source, result) = (&chain.quotes, &analysis.quotes);
    let mut count = QualityCount::default();
    for (row, &index) in result.expiry.iter().enumerate() {
        let Some(expiry) = analysis.expiries.get(index as usize) else { continue };
        let strike = source.strike[row];
        let is_near = (strike / expiry.forward).ln().abs() <= expiry.atm_volatility * expiry.expiry_years.sqrt();
        let is_out = (strike >= expiry.forward) == (source.option_type[row] == OptionType::Call);
        if !(is_near && is_out && result.status[row].is_ok() && source.bid[row] > 0.0) {
            continue;
        }
        let quote = [result.bid_volatility[row], result.mid_volatility[row], result.ask_volatility[row]];
        count.add(result.surface_volatility[row], quote);
    }
    count.quality()
}

/// Quality of the unconstrained slices over all expiries, counted as the surface's own is.
fn unconstrained(analysis: &Analysis) -> FitQuality {
    FitQuality::pooled(analysis.expiries.iter().map(|expiry| expiry.unconstrained))
}
