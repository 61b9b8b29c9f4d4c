//! Groups the rows of a chain by expiry: option root, instant and exercise style.
//!
//! AM-settled SPX and PM-settled SPXW of one date expire at different instants, so they are different expiries.

use std::collections::HashMap;

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
};
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status, root, time};
use zomma_market::chain::{Chain, Quotes};

/// Index of a row or an expiry that is not there.
pub(super) const NONE: u32 = u32::MAX;

/// One living expiry.
#[derive(Clone, Debug)]
pub(super) struct Expiry {
    /// Instant of expiry.
    pub instant: Timestamp,
    /// Local date of the instant.
    pub date: Date,
    /// Index into `Quotes::roots`.
    pub root: u16,
    /// AM or PM.
    pub settlement: Settlement,
    /// Exercise style of its rows.
    pub style: ExerciseStyle,
    /// ACT/365F years from the quotes, above zero.
    pub years: f64,
    /// Calendar days from the quote date.
    pub calendar_days: i64,
    /// Its rows, by ascending strike; at one strike calls before puts, then by row number.
    pub rows: Vec<u32>,
    /// Its usable rows, one entry a strike, ascending. Filled once the rows are cleaned.
    pub strikes: Vec<StrikeRows>,
}

/// The usable rows at one strike.
#[derive(Clone, Copy, Debug)]
pub(super) struct StrikeRows {
    /// Strike.
    pub strike: f64,
    /// Row of the call, [`NONE`] where there is none.
    pub call: u32,
    /// Row of the put, [`NONE`] where there is none.
    pub put: u32,
}

/// The rows of a chain by expiry.
#[derive(Clone, Debug)]
pub(super) struct Expiries {
    /// Living expiries by ascending instant, then root.
    pub alive: Vec<Expiry>,
    /// Index into `alive` by row, [`NONE`] where the row has none.
    pub row_expiry: Vec<u32>,
    /// ACT/365F years by row, NaN where the row has no readable expiry; zero or below where it has passed.
    pub row_years: Vec<f64>,
    /// Exercise style by row.
    pub row_style: Vec<ExerciseStyle>,
}

/// What makes two rows of one expiry.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    root: u16,
    expiry: DateTime,
    settlement: Settlement,
    style: ExerciseStyle,
}

/// Groups the rows whose contract could be read.
pub(super) fn group(chain: &Chain, quote_instant: Timestamp, given_style: Option<ExerciseStyle>) -> Expiries {
    let quotes = &chain.quotes;
    let rows = quotes.status.len();
    let root_style: Vec<ExerciseStyle> = quotes.roots.iter().map(|name| root::exercise_style(name)).collect();
    let row_style: Vec<ExerciseStyle> = (0..rows)
        .map(|row| {
            given_style
                .or(quotes.exercise_style[row])
                .or(root_style.get(usize::from(quotes.root[row])).copied())
                .unwrap_or(ExerciseStyle::American)
        })
        .collect();

    let mut index_of: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<Expiry> = Vec::new();
    let mut row_group = vec![usize::MAX; rows];
    let mut last: Option<(Key, usize)> = None;
    for row in 0..rows {
        if !has_contract(quotes, row) {
            continue;
        }
        let key = Key {
            root: quotes.root[row],
            expiry: quotes.expiry[row],
            settlement: quotes.settlement[row],
            style: row_style[row],
        };
        // Files list an expiry's rows together, so the last key is mostly the next one.
        let group = match last {
            Some((last_key, group)) if last_key == key => group,
            _ => *index_of.entry(key).or_insert_with(|| {
                groups.push(empty_group(key, chain.quote_date, quote_instant));
                groups.len() - 1
            }),
        };
        last = Some((key, group));
        row_group[row] = group;
    }

    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|&a, &b| {
        let name = |group: usize| quotes.roots.get(usize::from(groups[group].root)).map_or("", String::as_str);
        let key = |group: usize| (groups[group].instant, groups[group].settlement, groups[group].style);
        key(a).cmp(&key(b)).then_with(|| name(a).cmp(name(b)))
    });
    let mut alive: Vec<Expiry> = Vec::new();
    let mut new_index = vec![NONE; groups.len()];
    for &group in &order {
        if groups[group].years <= 0.0 {
            continue;
        }
        // Two ways to write one instant (a date, and a date-time) are one expiry.
        let same = alive.iter().position(|other| {
            (other.root, other.instant, other.style) == (groups[group].root, groups[group].instant, groups[group].style)
        });
        new_index[group] = match same {
            Some(index) => index as u32,
            None => {
                alive.push(groups[group].clone());
                (alive.len() - 1) as u32
            }
        };
    }

    let mut row_expiry = vec![NONE; rows];
    let mut row_years = vec![f64::NAN; rows];
    for row in 0..rows {
        let Some(group) = groups.get(row_group[row]) else { continue };
        row_years[row] = group.years;
        row_expiry[row] = new_index[row_group[row]];
        if let Some(expiry) = alive.get_mut(row_expiry[row] as usize) {
            expiry.rows.push(row as u32);
        }
    }
    for expiry in &mut alive {
        expiry.rows.sort_unstable_by(|&a, &b| {
            let key = |row: u32| (quotes.option_type[row as usize], row);
            quotes.strike[a as usize].total_cmp(&quotes.strike[b as usize]).then_with(|| key(a).cmp(&key(b)))
        });
    }
    Expiries { alive, row_expiry, row_years, row_style }
}

/// Whether the row names a contract. A quote that could not be read leaves the contract readable.
fn has_contract(quotes: &Quotes, row: usize) -> bool {
    let readable = matches!(
        quotes.status[row],
        Status::Ok
            | Status::BadQuote
            | Status::BadPrice
            | Status::NoQuote
            | Status::CrossedQuote
            | Status::ZeroBid
            | Status::Duplicate
    );
    readable && is_strike(quotes.strike[row])
}

/// Whether a number can be a strike.
pub(super) fn is_strike(strike: f64) -> bool {
    strike.is_finite() && strike > 0.0
}

fn empty_group(key: Key, quote_date: Date, quote_instant: Timestamp) -> Expiry {
    let instant = if key.expiry.time() == Time::midnight() {
        time::expiry_instant(key.expiry.date(), key.settlement)
    } else {
        time::new_york_instant(key.expiry)
    };
    // A Saturday of before 2015 settles with Friday: the day that counts is the instant's.
    let date = time::new_york_local(instant).date();
    Expiry {
        instant,
        date,
        root: key.root,
        settlement: key.settlement,
        style: key.style,
        years: time::year_fraction(quote_instant, instant),
        calendar_days: date.duration_since(quote_date).as_hours() / 24,
        rows: Vec::new(),
        strikes: Vec::new(),
    }
}

impl Expiry {
    /// Lists the usable rows by strike. Rows are in order, so one pass does.
    pub fn collect_strikes(&mut self, quotes: &Quotes, status: &[Status]) {
        self.strikes.clear();
        for &row in self.rows.iter().filter(|&&row| status[row as usize].is_ok()) {
            let strike = quotes.strike[row as usize];
            if self.strikes.last().is_none_or(|last| last.strike != strike) {
                self.strikes.push(StrikeRows { strike, call: NONE, put: NONE });
            }
            if let Some(entry) = self.strikes.last_mut() {
                match quotes.option_type[row as usize] {
                    OptionType::Call => entry.call = row,
                    OptionType::Put => entry.put = row,
                }
            }
        }
    }
}
