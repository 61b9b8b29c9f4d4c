//! The price history of the generated index: a volatility that clusters, a drift, a crash now and then.

use jiff::{ToSpan, civil::Date};
use zomma_base::calendar;

use super::DemoBar;
use crate::random::SplitMix64;

/// Sessions of history.
const SESSIONS: usize = 1260;
/// Where it starts.
const FIRST_CLOSE: f64 = 4100.0;
/// The session of the quotes falls by this, so that what repeats the session before shows.
const LAST_RETURN: f64 = -0.011;

/// Closes of a history whose last one is that of the quote date.
pub(super) struct Closes {
    bars: Vec<DemoBar>,
}

impl Closes {
    /// The close of the session before, and of the quote date.
    pub fn last_two(&self) -> [f64; 2] {
        let close =
            |back: usize| self.bars.get(self.bars.len().saturating_sub(back)).map_or(FIRST_CLOSE, |bar| bar.close);
        [close(2), close(1)]
    }
}

/// Daily bars of some five years up to the session before `quote_date` (the bar of the date itself is not over when the quotes are
/// taken). Deterministic.
pub fn demo_history(seed: u64, quote_date: Date) -> Vec<DemoBar> {
    let mut bars = closes(seed, calendar::session_on_or_before(quote_date)).bars;
    bars.pop();
    bars
}

/// The bars up to and with `last`.
pub(super) fn closes(seed: u64, last: Date) -> Closes {
    let start = last.saturating_sub(((SESSIONS as i64) * 366 / 252).days());
    let dates: Vec<Date> = calendar::sessions_between(start, last).collect();
    let mut random = SplitMix64::new(seed ^ 0x6261_7273);
    let (mut close, mut variance) = (FIRST_CLOSE, MEAN_VARIANCE);
    let count = dates.len();
    let bars = dates
        .into_iter()
        .enumerate()
        .map(|(index, date)| {
            // Engle and Bollerslev's GARCH(1, 1) with a fall that weighs more than a rise.
            let shock = random.bell();
            let wild = random.uniform();
            let tail = if wild < 0.01 { 2.2 } else { 1.0 };
            let r = if index + 1 == count { LAST_RETURN } else { DRIFT + variance.sqrt() * shock * tail };
            let lean = if r < 0.0 { 1.6 } else { 0.4 };
            variance = 0.06 * MEAN_VARIANCE + 0.84 * variance + 0.10 * lean * r * r;
            let open = close * (1.0 + 0.3 * variance.sqrt() * random.bell());
            let next = close * (1.0 + r);
            let reach = 0.5 * variance.sqrt();
            let high = open.max(next) * (1.0 + reach * random.uniform());
            let low = open.min(next) * (1.0 - reach * random.uniform());
            close = next;
            DemoBar { date, open, high, low, close }
        })
        .collect();
    Closes { bars }
}

/// Variance of a session that the process returns to: 15 % a year.
const MEAN_VARIANCE: f64 = 0.15 * 0.15 / 252.0;
/// Mean simple return of a session: 8 % a year.
const DRIFT: f64 = 0.08 / 252.0;
