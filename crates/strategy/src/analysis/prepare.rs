//! The first half of an analysis: clean rows, forwards, volatilities, and the slices that a surface is fitted to.

use std::collections::BTreeMap;

use zomma_base::Status;
use zomma_market::chain::Chain;

use super::{
    AnalysisConfig, AnalysisError,
    cash_dividends::CashDividends,
    clean,
    clock::StageClock,
    expiries::{self, Expiries},
    forwards::{self, Forwards},
    notes,
    quote_time::{self, QuoteTime},
    smile::{self, Slices},
    volatilities::{self, RowTerms, Volatilities},
};

/// What a chain says before a surface is fitted to it.
pub(super) struct Prepared {
    /// When the quotes were made.
    pub quote_time: QuoteTime,
    /// Rows by expiry.
    pub expiries: Expiries,
    /// Status of every row.
    pub status: Vec<Status>,
    /// Rejected rows by reason.
    pub rejected: BTreeMap<Status, usize>,
    /// Forward and discount factor by expiry.
    pub forwards: Forwards,
    /// The same by row.
    pub terms: RowTerms,
    /// Volatilities by row.
    pub vols: Volatilities,
    /// What a surface is fitted to.
    pub slices: Slices,
}

/// What a chain says before its prices are inverted.
pub(super) struct Carried {
    /// When the quotes were made.
    pub quote_time: QuoteTime,
    /// Rows by expiry.
    pub expiries: Expiries,
    /// Status of every row.
    pub status: Vec<Status>,
    /// Rejected rows by reason.
    pub rejected: BTreeMap<Status, usize>,
    /// Forward and discount factor by expiry.
    pub forwards: Forwards,
}

/// Cleans a chain and finds its forwards; an error where it has no usable row.
pub(super) fn carried(
    chain: &Chain,
    previous: Option<&Chain>,
    config: &AnalysisConfig,
    clock: &mut StageClock,
) -> Result<Carried, AnalysisError> {
    let quote_time = quote_time::resolve(chain, config.quote_time);
    let mut expiries = expiries::group(chain, quote_time.instant, config.exercise_style);
    let clean::Cleaned { mut status, is_copy } = clean::clean(chain, previous, &mut expiries);
    clock.lap("clean");

    let scheduled = config.dividends.as_deref().and_then(|calendar| calendar.of(&chain.underlying));
    let cash = scheduled.map(|scheduled| CashDividends::new(scheduled, quote_time.instant));
    let forwards = forwards::find(chain, &expiries, config, cash);
    for (status, expiry) in status.iter_mut().zip(&expiries.row_expiry) {
        let has_forward = forwards.carries.get(*expiry as usize).is_some_and(Option::is_some);
        if status.is_ok() && !has_forward {
            *status = Status::NoForward;
        }
    }
    let rejected = count_rejected(&status);
    if !status.iter().any(|status| status.is_ok()) {
        return Err(AnalysisError::NoUsableRow {
            source_name: chain.source.clone(),
            rows_read: status.len(),
            reasons: notes::reasons(&rejected, is_copy),
            status,
        });
    }
    clock.lap("forwards");
    Ok(Carried { quote_time, expiries, status, rejected, forwards })
}

/// Prepares a chain; an error where it has no usable row.
pub(super) fn prepare(
    chain: &Chain,
    previous: Option<&Chain>,
    config: &AnalysisConfig,
    clock: &mut StageClock,
) -> Result<Prepared, AnalysisError> {
    let quotes = &chain.quotes;
    let Carried { quote_time, expiries, status, rejected, forwards } = carried(chain, previous, config, clock)?;
    let terms = volatilities::row_terms(&expiries, &forwards);
    let vols = volatilities::invert(quotes, &status, &expiries, &forwards, &terms);
    clock.lap("implied_volatility");
    let slices = smile::slices(quotes, &expiries, &forwards, &vols);
    Ok(Prepared { quote_time, expiries, status, rejected, forwards, terms, vols, slices })
}

fn count_rejected(status: &[Status]) -> BTreeMap<Status, usize> {
    let mut rejected = BTreeMap::new();
    for status in status.iter().filter(|status| !status.is_ok()) {
        *rejected.entry(*status).or_insert(0) += 1;
    }
    rejected
}
