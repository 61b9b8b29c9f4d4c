//! What one chain says on one day: clean quotes, forwards, volatilities, surface, Greeks, wheel candidates.
//!
//! `zomma analyze`, the backtest and Python all call [`analyze`].

mod result;

pub use result::{
    Analysis, AnalyzedQuotes, Candidate, CandidateKind, ExpirySummary, ForwardSource, RateSource, StageTimings,
};

use jiff::civil::Time;
use zomma_base::ExerciseStyle;
use zomma_market::{bars::DailyBars, chain::Chain};

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
pub fn analyze(
    chain: &Chain,
    previous: Option<&Chain>,
    history: Option<&DailyBars>,
    config: &AnalysisConfig,
) -> Result<Analysis, AnalysisError> {
    let _ = (chain, previous, history, config);
    todo!()
}
