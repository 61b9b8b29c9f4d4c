//! What one chain says on one day: clean quotes, forwards, volatilities, surface, Greeks, wheel candidates.
//!
//! `zomma analyze`, the backtest and Python all call [`analyze`].

mod carry_line;
mod cash_dividends;
mod clean;
mod clock;
mod deamericanize;
mod dividend_calendar;
mod dividend_notes;
mod expiries;
mod forwards;
mod greeks;
mod history;
mod notes;
mod prepare;
mod quote_time;
mod rate_curve;
mod result;
mod smile;
mod stale;
mod summary;
mod surface_quotes;
mod terms;
mod volatilities;
mod wheel;

pub use dividend_calendar::{DividendCalendar, ExTime, ScheduledDividend};
pub use quote_time::quote_instant;
pub use result::{
    Analysis, AnalyzedQuotes, Candidate, CandidateKind, ExpirySummary, ForwardSource, RateSource, StageTimings,
};

pub use surface_quotes::{SliceTerms, SurfaceQuotes, surface_quotes};
pub use terms::{ChainTerms, ExpiryTerms, chain_terms};

use std::sync::Arc;

use jiff::civil::Time;
use zomma_base::{ExerciseStyle, Status};
use zomma_market::{bars::DailyBars, chain::Chain};
use zomma_pricing::surface;

use self::prepare::Prepared;

/// Which strikes a seller of the wheel looks at. A bound that is `None` does not filter.
#[derive(Clone, Debug, PartialEq)]
pub struct WheelFilters {
    /// Least and greatest |delta|.
    pub delta: [f64; 2],
    /// Least and greatest calendar days to expiry.
    pub days_to_expiry: [i64; 2],
    /// Least open interest; refused where the chain has no such column.
    pub min_open_interest: Option<f64>,
    /// Greatest (ask − bid)/mid.
    pub max_spread: Option<f64>,
}

/// What [`analyze`] is told. Nothing is read from the air.
#[derive(Clone, Debug)]
pub struct AnalysisConfig {
    /// `--exercise`: overrides column and root.
    pub exercise_style: Option<ExerciseStyle>,
    /// `--quote-time`: New York; overrides the layout's default.
    pub quote_time: Option<Time>,
    /// `--rate`: points (years, continuously compounded rate), ascending; one point is a flat rate. Empty: parity alone.
    pub rate_curve: Vec<[f64; 2]>,
    /// `--dividend-yield`, where parity cannot say.
    pub dividend_yield: Option<f64>,
    /// `--dividends`: cash dividends. American rows that expire behind one are inverted on a grid with them, and no yield stands for
    /// them.
    pub dividends: Option<Arc<DividendCalendar>>,
    /// Filters of the wheel.
    pub wheel: WheelFilters,
}

/// Why a chain gave no analysis at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// Every row was rejected.
    #[error("{source_name}: no usable row of {rows_read}: {reasons}")]
    NoUsableRow {
        /// File.
        source_name: String,
        /// Rows read.
        rows_read: usize,
        /// Counts by reason.
        reasons: String,
        /// Why each row was rejected, in the order of the chain.
        status: Vec<Status>,
    },
    /// A filter's column is not in the chain.
    #[error("--{filter} needs the column {column}, which {source_name} does not have")]
    FilterWithoutColumn {
        /// Flag.
        filter: &'static str,
        /// Column.
        column: &'static str,
        /// File.
        source_name: String,
    },
}

/// Analyses one chain. `previous` is the chain of the date before, where there is one (a day that repeats it is stale).
///
/// Every row of the chain has its entry in the answer, with a status; one bad row never loses the others. Rows depend on one another
/// through forwards and surface, never through their order, but that of two rows for one contract the first is kept.
///
/// Errors: a filter whose column the chain does not have, and a chain without a usable row.
pub fn analyze(
    chain: &Chain,
    previous: Option<&Chain>,
    history: Option<&DailyBars>,
    config: &AnalysisConfig,
) -> Result<Analysis, AnalysisError> {
    wheel::check_columns(chain, &config.wheel)?;
    let mut clock = clock::StageClock::start();
    let quotes = &chain.quotes;
    let Prepared { quote_time, expiries, status, rejected, forwards, terms, vols, slices } =
        prepare::prepare(chain, previous, config, &mut clock)?;
    let surface = surface::fit(&slices.quotes);
    clock.lap("surface");

    let model = smile::surface_volatility(quotes, &expiries, &terms.forward, &slices, &surface);
    let fitted = smile::Fitted { forward: &terms.forward, slices: &slices, vols: &vols, model: &model };
    let fit = smile::quality(quotes, &status, &expiries, &fitted);
    let greeks = greeks::value(quotes, &status, &expiries, &forwards, &model);
    clock.lap("greeks");

    let past = history.and_then(|bars| history::History::before(bars, chain.quote_date));
    let board = wheel::Board {
        chain,
        status: &status,
        expiries: &expiries,
        forwards: &forwards,
        slices: &slices,
        surface: &surface,
        volatility: &model,
        greeks: &greeks,
        history: past.as_ref(),
    };
    let candidates = wheel::scan(&board, &config.wheel);
    clock.lap("wheel");

    let summaries = summary::summarize(&summary::Outcome {
        quotes,
        status: &status,
        expiries: &expiries,
        forwards: &forwards,
        slices: &slices,
        surface: &surface,
        fit: &fit,
    });
    let facts = notes::Facts {
        chain,
        forwards: &forwards,
        summaries: &summaries,
        history: past.as_ref(),
        bars: history,
        given_style: config.exercise_style.is_some(),
        dividends: dividend_notes::write(chain, config, &expiries, &forwards),
    };
    let notes = notes::write(&facts);
    Ok(Analysis {
        underlying: chain.underlying.clone(),
        quote_date: chain.quote_date,
        quote_instant: quote_time.instant,
        quote_time_source: quote_time.source,
        spot: forwards.spot,
        underlying_last: chain.underlying_last,
        rows_read: status.len(),
        rejected,
        quotes: AnalyzedQuotes {
            status,
            expiry: expiries.row_expiry,
            exercise_style: expiries.row_style,
            expiry_years: expiries.row_years,
            forward: terms.forward,
            bid_volatility: vols.bid.volatility,
            bid_volatility_status: vols.bid.status,
            mid_volatility: vols.mid.volatility,
            mid_volatility_status: vols.mid.status,
            ask_volatility: vols.ask.volatility,
            ask_volatility_status: vols.ask.status,
            surface_volatility: model,
            greeks: greeks.greeks,
            greeks_status: greeks.status,
        },
        expiries: summaries,
        surface,
        quality: fit.all,
        candidates,
        notes,
        timings: clock.finish(),
    })
}
