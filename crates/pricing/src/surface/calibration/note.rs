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
    /// Rows of the table are no quotes and took no part.
    RowsLeftOut {
        /// How many.
        count: usize,
        /// Of so many rows.
        of: usize,
        /// The first of them: from 1 on the command line, from 0 in Python.
        rows: Vec<usize>,
        /// The column that holds no such number in all of them.
        field: String,
        /// What the first of them has there; none where that is empty or no finite number.
        #[serde(default)]
        value: Option<f64>,
        /// What is allowed.
        allowed: String,
    },
    /// Several rows of the table quote one strike. All take part; a model that goes through the mids goes through their weighted mean.
    RepeatedStrikes {
        /// Strikes that are quoted more than once.
        strikes: usize,
        /// The rows of the first of them, counted as in [`Reason::RowsLeftOut`].
        rows: Vec<Vec<usize>>,
        /// How many rows more each of these strikes has; empty where none has.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unlisted: Vec<usize>,
    },
}

/// Notes by ascending expiry, those on the whole surface first; the order is else kept.
pub(in crate::surface) fn by_expiry(notes: impl IntoIterator<Item = Note>) -> Vec<Note> {
    let mut notes: Vec<Note> = notes.into_iter().collect();
    notes.sort_by(|x, y| x.expiry_years.unwrap_or(0.0).total_cmp(&y.expiry_years.unwrap_or(0.0)));
    notes
}

/// Row numbers in words.
fn listed(rows: &[usize]) -> String {
    match rows {
        [] => String::new(),
        [row] => row.to_string(),
        [rows @ .., last] => {
            let rows: Vec<String> = rows.iter().map(usize::to_string).collect();
            format!("{} and {last}", rows.join(", "))
        }
    }
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
            Reason::RowsLeftOut { count, of, rows, field, value, allowed } => {
                let (first, others) = (rows.first().copied().unwrap_or(0), rows.get(1..).unwrap_or_default());
                let value = value.map_or("empty or no finite number".into(), |value| value.to_string());
                write!(f, "{count} of {of} rows take no part: row {first}, {field} = {value}; allowed: {allowed}")?;
                match (others, count.saturating_sub(rows.len())) {
                    ([], _) => Ok(()),
                    (_, 0) => write!(f, "; likewise {}", listed(others)),
                    (_, more) => write!(f, "; likewise {} and {more} more", listed(others)),
                }
            }
            Reason::RepeatedStrikes { strikes, rows, unlisted } => {
                let group = |(i, rows): (usize, &Vec<usize>)| match unlisted.get(i) {
                    None | Some(0) => listed(rows),
                    Some(more) => {
                        let rows: Vec<String> = rows.iter().map(usize::to_string).collect();
                        format!("{} and {more} more", rows.join(", "))
                    }
                };
                let groups: Vec<String> = rows.iter().enumerate().map(group).collect();
                let more = strikes.saturating_sub(rows.len());
                let stand = if *strikes == 1 { "strike stands" } else { "strikes stand" };
                write!(f, "{strikes} {stand} in several rows, all of which take part: rows {}", groups.join("; "))?;
                if more > 0 { write!(f, "; and {more} strikes more") } else { Ok(()) }
            }
        }
    }
}
