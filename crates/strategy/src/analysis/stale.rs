//! Finds quotes that repeat the day before: a whole date that is a copy, and single rows.
//!
//! A date is a copy when nothing traded on it: among the contracts that both dates list and that show a volume, at least 90 %
//! repeat volume and last trade (on sessions under 1 % do). Quotes are not asked, because a vendor may take a fresh snapshot of
//! a resting book on a holiday. Where a file has no volume, at least 90 % of its quotes must repeat bid and ask.
//!
//! A single row with a bid is stale when bid, ask, volume and last all repeat although the nearest rows on both sides that do not repeat,
//! of its own expiry and type, moved the same way by more than its spread. A deep out-of-the-money quote that rests at its minimum
//! has nothing beyond it that moved, so it is not stale.

use std::collections::HashMap;

use jiff::civil::DateTime;
use zomma_base::{ExerciseStyle, OptionType, Settlement};
use zomma_market::chain::{Chain, Quotes};

use super::{clean::bid_or_zero, expiries::Expiries};

/// What the day before says.
pub(super) struct Repeats {
    /// Whether the whole date is a copy.
    pub is_copy: bool,
    /// Single stale rows.
    pub stale_rows: Vec<u32>,
}

/// Least share of repeating rows that makes a date a copy.
const COPY_SHARE: f64 = 0.9;
/// Least number of rows that can show that a date is a copy.
const COPY_ROWS_MIN: usize = 10;

#[derive(PartialEq, Eq, Hash)]
struct Contract<'a> {
    root: &'a str,
    expiry: DateTime,
    settlement: Settlement,
    style: Option<ExerciseStyle>,
    option_type: OptionType,
    strike_bits: u64,
}

/// Compares a chain with that of the date before.
pub(super) fn compare(chain: &Chain, previous: &Chain, expiries: &Expiries) -> Repeats {
    let (quotes, before) = (&chain.quotes, &previous.quotes);
    let row_before = match_rows(quotes, before);
    if is_copy(quotes, before, &row_before) {
        return Repeats { is_copy: true, stale_rows: Vec::new() };
    }
    Repeats { is_copy: false, stale_rows: stale_rows(quotes, before, &row_before, expiries) }
}

/// The row of the day before that has the same contract.
fn match_rows(quotes: &Quotes, before: &Quotes) -> Vec<Option<u32>> {
    let mut earlier: HashMap<Contract<'_>, u32> = HashMap::with_capacity(before.status.len());
    for row in (0..before.status.len()).filter(|&row| before.status[row].is_ok()) {
        earlier.entry(contract(before, row)).or_insert(row as u32);
    }
    (0..quotes.status.len())
        .map(|row| if quotes.status[row].is_ok() { earlier.get(&contract(quotes, row)).copied() } else { None })
        .collect()
}

fn contract(quotes: &Quotes, row: usize) -> Contract<'_> {
    Contract {
        root: quotes.roots.get(usize::from(quotes.root[row])).map_or("", String::as_str),
        expiry: quotes.expiry[row],
        settlement: quotes.settlement[row],
        style: quotes.exercise_style[row],
        option_type: quotes.option_type[row],
        strike_bits: quotes.strike[row].to_bits(),
    }
}

fn is_same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

fn repeats_quote(quotes: &Quotes, before: &Quotes, row: usize, earlier: usize) -> bool {
    is_same(quotes.bid[row], before.bid[earlier]) && is_same(quotes.ask[row], before.ask[earlier])
}

fn repeats_trade(quotes: &Quotes, before: &Quotes, row: usize, earlier: usize) -> bool {
    is_same(quotes.volume[row], before.volume[earlier]) && is_same(quotes.last[row], before.last[earlier])
}

fn is_copy(quotes: &Quotes, before: &Quotes, row_before: &[Option<u32>]) -> bool {
    let share = |evidence: &dyn Fn(usize) -> bool, repeats: &dyn Fn(usize, usize) -> bool| {
        let (mut rows, mut repeated) = (0usize, 0usize);
        for (row, earlier) in row_before.iter().enumerate() {
            if let (Some(earlier), true) = (earlier, evidence(row)) {
                rows += 1;
                repeated += usize::from(repeats(row, *earlier as usize));
            }
        }
        (rows, rows >= COPY_ROWS_MIN && repeated as f64 >= COPY_SHARE * rows as f64)
    };
    let (traded, trades_repeat) =
        share(&|row| quotes.volume[row] > 0.0, &|row, earlier| repeats_trade(quotes, before, row, earlier));
    if traded >= COPY_ROWS_MIN {
        return trades_repeat;
    }
    let is_quoted = |row: usize| quotes.ask[row] > 0.0;
    share(&is_quoted, &|row, earlier| {
        repeats_quote(quotes, before, row, earlier) && is_same(quotes.volume[row], before.volume[earlier])
    })
    .1
}

/// A row with a sound quote on both dates.
struct Matched {
    row: usize,
    change: f64,
    repeats: bool,
}

impl Matched {
    fn new(quotes: &Quotes, before: &Quotes, row: usize, earlier: usize) -> Option<Self> {
        let change = mid(quotes, row)? - mid(before, earlier)?;
        // A zero bid is no sign of a maker who went home: it rests because nobody bids.
        let repeats = quotes.bid[row] > 0.0
            && repeats_quote(quotes, before, row, earlier)
            && repeats_trade(quotes, before, row, earlier);
        Some(Self { row, change, repeats })
    }
}

fn stale_rows(quotes: &Quotes, before: &Quotes, row_before: &[Option<u32>], expiries: &Expiries) -> Vec<u32> {
    let mut stale = Vec::new();
    for expiry in &expiries.alive {
        for option_type in [OptionType::Call, OptionType::Put] {
            let matched: Vec<Matched> = expiry
                .rows
                .iter()
                .map(|&row| row as usize)
                .filter(|&row| quotes.option_type[row] == option_type)
                .filter_map(|row| Matched::new(quotes, before, row, row_before[row]? as usize))
                .collect();
            // The nearest row on each side that does not repeat.
            let mut below: Option<f64> = None;
            let mut waiting: Vec<(usize, f64)> = Vec::new();
            for matched in &matched {
                if matched.repeats {
                    waiting.extend(below.map(|below| (matched.row, below)));
                    continue;
                }
                let above = matched.change;
                for (row, below) in waiting.drain(..) {
                    let spread = quotes.ask[row] - bid_or_zero(quotes, row);
                    if below * above > 0.0 && below.abs().min(above.abs()) > spread {
                        stale.push(row as u32);
                    }
                }
                below = Some(above);
            }
        }
    }
    stale
}

/// The mid of a sound quote.
fn mid(quotes: &Quotes, row: usize) -> Option<f64> {
    let (bid, ask) = (bid_or_zero(quotes, row), quotes.ask[row]);
    (bid >= 0.0 && ask > 0.0 && ask.is_finite() && bid <= ask).then_some(0.5 * (bid + ask))
}
