//! What a fit has to say about a slice that it could not treat as asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One remark about one slice, or about the surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Years to the slice's expiry; none where the whole surface is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_years: Option<f64>,
    /// What was found, and what was done.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Why a slice has not what was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Fewer usable quotes at distinct strikes than the model has parameters.
    TooFewQuotes {
        /// Distinct strikes with a usable quote.
        quotes: usize,
        /// What the model wants.
        needed: usize,
        /// What the slice has instead.
        instead: String,
    },
    /// All quotes lie on one side of the money.
    OneSided {
        /// Lowest log-moneyness quoted.
        low: f64,
        /// Highest log-moneyness quoted.
        high: f64,
    },
    /// The quotes say nothing about curvature: all volatilities are one.
    Flat,
    /// Bid above ask.
    CrossedQuotes {
        /// How many.
        quotes: usize,
    },
    /// The quotes' total variance falls from the expiry before, which no surface without calendar arbitrage can follow.
    CalendarInverted {
        /// Log-moneyness of the deepest fall.
        log_moneyness: f64,
        /// The fall of total variance there.
        fall: f64,
    },
    /// The descent stopped before it settled.
    NotConverged {
        /// Steps made.
        steps: usize,
    },
    /// A parameter ended at the end of its range.
    AtBound {
        /// Its name.
        parameter: String,
        /// The value.
        value: f64,
    },
    /// The fit moved to be free of arbitrage.
    Constrained {
        /// Root mean square change of volatility at the quotes, in vol points.
        change_vol_points: f64,
    },
    /// The slice or the surface has no fit.
    Failed {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(years) = self.expiry_years {
            write!(f, "expiry_years {years:.6}: ")?;
        }
        match &self.reason {
            Reason::TooFewQuotes { quotes, needed, instead } => {
                write!(f, "{quotes} usable strikes, {needed} needed; {instead} instead")
            }
            Reason::OneSided { low, high } => {
                write!(f, "all quotes on one side of the money (log-moneyness {low:.4} to {high:.4})")
            }
            Reason::Flat => write!(f, "all volatilities are one: the smile is flat"),
            Reason::CrossedQuotes { quotes } => write!(f, "{quotes} quotes have the bid above the ask"),
            Reason::CalendarInverted { log_moneyness, fall } => write!(
                f,
                "the quotes' total variance falls by {fall:.3e} from the expiry before at log-moneyness {log_moneyness:.4}"
            ),
            Reason::NotConverged { steps } => write!(f, "not settled after {steps} steps"),
            Reason::AtBound { parameter, value } => write!(f, "{parameter} is at the end of its range, {value}"),
            Reason::Constrained { change_vol_points } => {
                write!(f, "moved by {change_vol_points:.3} vol points to be free of arbitrage")
            }
            Reason::Failed { why } => write!(f, "no fit: {why}"),
        }
    }
}
