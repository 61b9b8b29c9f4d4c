//! The quotes of a chain as a surface is fitted to them, without the fit.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use zomma_base::{ExerciseStyle, Settlement, Status};
use zomma_market::chain::Chain;
use zomma_pricing::surface::SliceQuotes;

use super::{AnalysisConfig, AnalysisError, clock::StageClock, dividend_notes, prepare};

/// A chain as slices of out-of-the-money volatilities.
#[derive(Clone, Debug)]
pub struct SurfaceQuotes {
    /// Ticker.
    pub underlying: String,
    /// Date of the quotes.
    pub quote_date: Date,
    /// Instant of the quotes.
    pub quote_instant: Timestamp,
    /// Spot.
    pub spot: f64,
    /// Rows read.
    pub rows_read: usize,
    /// Rejected rows by reason.
    pub rejected: BTreeMap<Status, usize>,
    /// By ascending expiry.
    pub slices: Vec<SliceQuotes>,
    /// What each slice belongs to.
    pub terms: Vec<SliceTerms>,
    /// What a reader should know of cash dividends, in sentences.
    pub notes: Vec<String>,
}

/// What a slice belongs to.
#[derive(Clone, Debug)]
pub struct SliceTerms {
    /// Instant of expiry.
    pub expiry: Timestamp,
    /// Option root of the first of its rows.
    pub root: String,
    /// AM or PM.
    pub settlement: Settlement,
    /// Exercise style of its rows.
    pub exercise_style: ExerciseStyle,
    /// Discount factor.
    pub discount_factor: f64,
}

/// The quotes of one chain. `previous` is the chain of the date before, where there is one (a day that repeats it is stale).
///
/// # Errors
/// Where no row of the chain is usable.
pub fn surface_quotes(
    chain: &Chain,
    previous: Option<&Chain>,
    config: &AnalysisConfig,
) -> Result<SurfaceQuotes, AnalysisError> {
    let prepared = prepare::prepare(chain, previous, config, &mut StageClock::start())?;
    let notes = dividend_notes::write(chain, config, &prepared.expiries, &prepared.forwards);
    let terms = (0..prepared.slices.quotes.len())
        .filter_map(|slice| {
            let index = prepared.slices.of_expiry.iter().position(|of| *of == Some(slice))?;
            let (expiry, carry) = (&prepared.expiries.alive[index], prepared.forwards.carries[index].as_ref()?);
            Some(SliceTerms {
                expiry: expiry.instant,
                root: chain.quotes.roots[usize::from(expiry.root)].clone(),
                settlement: expiry.settlement,
                exercise_style: expiry.style,
                discount_factor: carry.discount_factor,
            })
        })
        .collect();
    Ok(SurfaceQuotes {
        underlying: chain.underlying.clone(),
        quote_date: chain.quote_date,
        quote_instant: prepared.quote_time.instant,
        spot: prepared.forwards.spot,
        rows_read: prepared.status.len(),
        rejected: prepared.rejected,
        slices: prepared.slices.quotes,
        terms,
        notes,
    })
}
