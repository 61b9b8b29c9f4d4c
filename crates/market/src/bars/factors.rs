//! Dividend and split factors as LEAN keeps them.
//!
//! Format     no header; `date,price factor,split factor,reference price` with dates as YYYYMMDD, ascending. A row's factors
//!            hold for the days up to and including its date, back to the row before. The last row lies in the far future
//!            with factors of 1. Adjusted close = close × price factor × split factor.
//! Dividends  A change of the price factor from p to q behind a row is a dividend of reference price × (1 − p/q), with the
//!            first day behind the row as its ex-date.
//! Source     QuantConnect LEAN, `FactorFile`.

use jiff::civil::{Date, Time};
use zomma_base::time::new_york_instant;

use super::{BarsError, DailyBars};
use crate::chain::cell::{Cell, Number};
use crate::chain::{ChainError, Member};
use crate::instruments::{Action, DatedAction};

struct Factor {
    last_date: Date,
    price: f64,
    split: f64,
    reference: f64,
}

impl DailyBars {
    /// The same bars with `adjusted_close` and `dividend` from a LEAN factor file.
    pub fn with_factors(mut self, factor_file: &Member) -> Result<Self, BarsError> {
        let factors = read(factor_file)?;
        self.dividend = vec![0.0; self.len()];
        for day in 0..self.len() {
            let at = factors.partition_point(|factor| factor.last_date < self.date[day]);
            let (price, split) = factors.get(at).map_or((1.0, 1.0), |factor| (factor.price, factor.split));
            self.adjusted_close[day] = self.close[day] * price * split;
        }
        for pair in factors.windows(2) {
            let cash = pair[0].reference * (1.0 - pair[0].price / pair[1].price);
            let ex_date = self.date.partition_point(|day| *day <= pair[0].last_date);
            // Below a hundredth of a cent it is the rounding of the factors.
            if cash > 1e-4 && ex_date > 0 && ex_date < self.len() {
                self.dividend[ex_date] += cash;
            }
        }
        self.notes.retain(|note| !note.starts_with(super::splits::NOTE));
        self.notes.push(format!("closes adjusted by the {} factors of {}", factors.len(), factor_file.name));
        Ok(self)
    }
}

/// What a LEAN factor file says to have happened: splits and dividends, each on the day behind its row, from that day's midnight in New York.
///
/// A split is the simple ratio (terms up to 100) nearest to the change of the split factor, which has some eight digits.
///
/// # Errors
///
/// [`BarsError`] where the file is none, or a split is no simple ratio.
pub fn actions(factor_file: &Member) -> Result<Vec<DatedAction>, BarsError> {
    /// Beyond this two factors are not the same number rounded.
    const RELATIVE: f64 = 1e-5;
    let factors = read(factor_file)?;
    let mut found = Vec::new();
    for (row, pair) in factors.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let Ok(day) = before.last_date.tomorrow() else { continue };
        let midnight = new_york_instant(day.to_datetime(Time::midnight())).as_nanosecond();
        let from_ns = u64::try_from(midnight).unwrap_or(0);
        let cash = before.reference * (1.0 - before.price / after.price);
        if cash > 1e-4 {
            let nanos = |amount: f64| (amount * 1e9).round() as i64;
            let action = Action::CashDividend { amount_nanos: nanos(cash), close_nanos: nanos(before.reference) };
            found.push(DatedAction { from_ns, action });
        }
        let ratio = after.split / before.split;
        if (ratio - 1.0).abs() > RELATIVE {
            let (new_shares, old_shares) = simple_ratio(ratio, RELATIVE).ok_or_else(|| BarsError::BadField {
                path: factor_file.name.clone(),
                row: row + 1,
                field: "split factor",
                value: before.split.to_string(),
                allowed: "the next row's over a ratio of whole numbers up to 100",
            })?;
            found.push(DatedAction { from_ns, action: Action::Split { new_shares, old_shares } });
        }
    }
    Ok(found)
}

/// The ratio of whole numbers up to 100 that is within a relative distance, with the least terms.
fn simple_ratio(ratio: f64, relative: f64) -> Option<(u32, u32)> {
    (1..=100_u32).find_map(|old| {
        let new = (ratio * f64::from(old)).round();
        let is_near = (ratio * f64::from(old) / new - 1.0).abs() <= relative;
        (is_near && (1.0..=100.0).contains(&new)).then_some((new as u32, old))
    })
}

fn read(file: &Member) -> Result<Vec<Factor>, BarsError> {
    let path = file.name.as_str();
    let mut factors: Vec<Factor> = Vec::new();
    let lines = file.bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    for (at, line) in lines.enumerate() {
        let row = at + 1;
        let cells: Vec<Cell<'_>> = line.split(|byte| *byte == b',').map(Cell::Text).collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or(Cell::Absent);
        let bad = |field, column: usize, allowed| BarsError::BadField {
            path: path.to_owned(),
            row,
            field,
            value: cell(column).shown(),
            allowed,
        };
        let factor = |field, column: usize| match cell(column).number() {
            Number::Is(value) if value.is_finite() && value > 0.0 => Ok(value),
            _ => Err(bad(field, column, "a finite number above zero")),
        };
        let last_date = cell(0).moment().ok_or_else(|| bad("date", 0, "a date as 20190426"))?.date;
        if factors.last().is_some_and(|before| before.last_date >= last_date) {
            return Err(bad("date", 0, "dates that ascend from row to row"));
        }
        let (price, split) = (factor("price factor", 1)?, factor("split factor", 2)?);
        factors.push(Factor { last_date, price, split, reference: cell(3).number().or_nan() });
    }
    if factors.is_empty() {
        return Err(ChainError::Empty { path: path.to_owned() }.into());
    }
    Ok(factors)
}
