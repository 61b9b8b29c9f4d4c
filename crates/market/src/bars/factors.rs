//! Dividend and split factors as LEAN keeps them.
//!
//! Format     no header; `date,price factor,split factor,reference price` with dates as YYYYMMDD, ascending. A row's factors
//!            hold for the days up to and including its date, back to the row before. The last row lies in the far future
//!            with factors of 1. Adjusted close = close × price factor × split factor.
//! Dividends  A change of the price factor from p to q behind a row is a dividend of reference price × (1 − p/q), with the
//!            first day behind the row as its ex-date.
//! Source     QuantConnect LEAN, `FactorFile`.

use jiff::civil::Date;

use super::{BarsError, DailyBars};
use crate::chain::cell::{Cell, Number};
use crate::chain::{ChainError, Member};

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
