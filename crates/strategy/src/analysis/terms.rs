//! What a chain says before its prices are inverted: which rows are usable, the expiries, and their forwards.

use jiff::{Timestamp, civil::Date};
use zomma_base::{ExerciseStyle, Settlement, Status};
use zomma_market::chain::Chain;

use super::{AnalysisConfig, AnalysisError, ForwardSource, RateSource, clock, prepare, rate_curve::given_rate};

/// Terms of one chain.
#[derive(Clone, Debug)]
pub struct ChainTerms {
    /// Instant of the quotes.
    pub quote_instant: Timestamp,
    /// Where the instant came from, in words.
    pub quote_time_source: &'static str,
    /// Spot: the parity forward's, discounted back; else what the file said; NaN where neither says one.
    pub spot: f64,
    /// Why each row was rejected, or `Ok`.
    pub status: Vec<Status>,
    /// Every living expiry (root, instant and exercise style), ascending.
    pub expiries: Vec<ExpiryTerms>,
}

/// Terms of one expiry.
#[derive(Clone, Debug)]
pub struct ExpiryTerms {
    /// Instant of expiry.
    pub expiry: Timestamp,
    /// Local date of expiry.
    pub expiry_date: Date,
    /// Option root.
    pub root: String,
    /// AM or PM.
    pub settlement: Settlement,
    /// Exercise style of its rows.
    pub exercise_style: ExerciseStyle,
    /// ACT/365F years, above zero.
    pub years: f64,
    /// Its rows by ascending strike, rejected ones too; a second row for a contract has the status `Duplicate`.
    pub rows: Vec<u32>,
    /// Forward and discount factor, where they could be found.
    pub carry: Option<[f64; 2]>,
    /// Where the forward came from.
    pub forward_source: Option<ForwardSource>,
    /// Where the discount factor came from.
    pub rate_source: Option<RateSource>,
    /// The rate that the caller gave for this expiry, continuously compounded.
    pub given_rate: Option<f64>,
}

/// Cleans a chain and finds its forwards. `previous` is the chain of the date before, where there is one.
///
/// Errors: a chain without a usable row.
pub fn chain_terms(
    chain: &Chain,
    previous: Option<&Chain>,
    config: &AnalysisConfig,
) -> Result<ChainTerms, AnalysisError> {
    let carried = prepare::carried(chain, previous, config, &mut clock::StageClock::start())?;
    let prepare::Carried { quote_time, expiries, status, forwards, .. } = carried;
    let terms = expiries.alive.into_iter().zip(forwards.carries).map(|(expiry, carry)| ExpiryTerms {
        expiry: expiry.instant,
        expiry_date: expiry.date,
        root: chain.quotes.roots.get(usize::from(expiry.root)).cloned().unwrap_or_default(),
        settlement: expiry.settlement,
        exercise_style: expiry.style,
        years: expiry.years,
        rows: expiry.rows,
        carry: carry.map(|carry| [carry.forward, carry.discount_factor]),
        forward_source: carry.map(|carry| carry.forward_source),
        rate_source: carry.map(|carry| carry.rate_source),
        given_rate: given_rate(&config.rate_curve, expiry.years),
    });
    Ok(ChainTerms {
        quote_instant: quote_time.instant,
        quote_time_source: quote_time.source,
        spot: forwards.spot,
        expiries: terms.collect(),
        status,
    })
}
