//! One thing that a span of time says of a price, however many rows it has: the last five minutes of `return:5min`.
//!
//! A window at t holds the rows later than t − span, up to the row itself, and begins from the price that stood at t − span, the last at or before it. It is
//! full once there is such a price. Times are whole nanoseconds, so that a row a whole span before is on the same side of the edge always. Means and deviations are over the window's rows, each counting the same.

use std::collections::VecDeque;

use zomma_market::features::realised::Realised;

use super::series_feature::{FEWEST_RETURNS, Measure};

/// What a window may be asked.
pub(super) const KNOWN: &str = "return:SPAN, realised_volatility:SPAN, bipower_volatility:SPAN, jump_share:SPAN, sma_gap:SPAN, percent_b:SPAN:DEVIATIONS";
/// Most rows of a window: of a return, which looks at two of them, and of what looks at all with each row.
const MOST_ROWS: [usize; 2] = [10_000_000, 100_000];
/// Shortest and longest span, in seconds: a millisecond and a year.
const SPANS: [f64; 2] = [1e-3, 366.0 * 86_400.0];

enum What {
    Return,
    Realised(Measure),
    SmaGap,
    PercentB(f64),
}

/// A feature and the rows of its window.
pub(super) struct TimedFeature {
    what: What,
    span_ns: i64,
    /// Times in nanoseconds, and prices; the first may be the one that stood when the window began.
    rows: VecDeque<(i64, f64)>,
}

/// The seconds of a span such as 30s, 5min, 2h, 1d; none of what is no such word.
pub(super) fn seconds_of(word: &str) -> Option<f64> {
    let units = [("min", 60.0), ("ms", 1e-3), ("s", 1.0), ("h", 3600.0), ("d", 86_400.0)];
    units.iter().find_map(|(unit, seconds)| Some(word.strip_suffix(unit)?.parse::<f64>().ok()? * seconds))
}

impl TimedFeature {
    /// Of a window of so many seconds; `parameters` are those behind the span.
    ///
    /// Errors: what is wrong with it, in words.
    pub(super) fn parse(name: &str, span: f64, parameters: &[&str]) -> Result<Self, String> {
        let [shortest, longest] = SPANS;
        if !(shortest..=longest).contains(&span) {
            return Err(format!("has a span of {span} s; allowed: 1ms to 366d"));
        }
        let what = match (name, parameters) {
            ("return", []) => What::Return,
            ("realised_volatility", []) => What::Realised(Measure::Volatility),
            ("bipower_volatility", []) => What::Realised(Measure::Bipower),
            ("jump_share", []) => What::Realised(Measure::JumpShare),
            ("sma_gap", []) => What::SmaGap,
            ("percent_b", [deviations]) => {
                let width: Option<f64> =
                    deviations.parse().ok().filter(|width: &f64| *width > 0.0 && width.is_finite());
                What::PercentB(
                    width.ok_or_else(|| format!("has {deviations:?} deviations; allowed: a number above 0"))?,
                )
            }
            _ => return Err(format!("is not of a span of time; allowed: {KNOWN}")),
        };
        Ok(Self { what, span_ns: (span * 1e9).round() as i64, rows: VecDeque::new() })
    }

    /// Takes the next price, which is above 0, at a time in nanoseconds that is none before the last, and gives the value; none where the window is not
    /// full yet, or has too few rows to say anything.
    pub(super) fn push(&mut self, (time, price): (i64, f64)) -> Option<f64> {
        let begin = time.saturating_sub(self.span_ns);
        self.rows.push_back((time, price));
        while self.rows.get(1).is_some_and(|(second, _)| *second <= begin) {
            self.rows.pop_front();
        }
        // There is the row itself at least.
        let (first, before) = *self.rows.front()?;
        if first > begin {
            return None;
        }
        match self.what {
            What::Return => Some((price / before).ln()),
            What::Realised(measure) => {
                let prices = || self.rows.iter().map(|(_, price)| price);
                let returns: Vec<f64> = prices().zip(prices().skip(1)).map(|(from, to)| (to / from).ln()).collect();
                if returns.len() < FEWEST_RETURNS {
                    return None;
                }
                Realised::of(&returns).ok().map(|found| measure.of(&found))
            }
            What::SmaGap => Some(price / self.mean() - 1.0),
            What::PercentB(width) => {
                let mean = self.mean();
                let squares = self.within().map(|price| (price - mean).powi(2)).sum::<f64>();
                let deviation = (squares / self.within().count() as f64).sqrt();
                // Where the bands meet the price is between them.
                let is_apart = deviation > 1e-14 * mean;
                Some(if is_apart { 0.5 + 0.5 * (price - mean) / (width * deviation) } else { 0.5 })
            }
        }
    }

    /// The most rows that its window may have, where it has more now.
    pub(super) fn exceeded(&self) -> Option<usize> {
        let [of_two, of_all] = MOST_ROWS;
        let most = if matches!(self.what, What::Return) { of_two } else { of_all };
        (self.rows.len() > most).then_some(most)
    }

    /// The window's prices, without the one that stood when it began.
    fn within(&self) -> impl Iterator<Item = f64> + '_ {
        self.rows.iter().skip(1).map(|(_, price)| *price)
    }

    fn mean(&self) -> f64 {
        self.within().sum::<f64>() / self.within().count() as f64
    }
}
