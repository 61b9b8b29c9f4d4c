//! The volatility of an American price.
//!
//! Method   Newton's method with the European vega (the American one is near it wherever the option lives), then secant and inverse
//!          quadratic steps, kept between the ends of a bracket that every price narrows; a batch prices one step of all its rows at once
//! Accuracy tolerance.rs: american/implied_volatility, where the price determines the volatility

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::batch::{CHUNK_ROWS, Room, assert_lengths, prices_of_checked, with_room};
use super::put::waits_always;
use super::{best_certain_exercise, check, european_of_checked, exercise_value, legs, tree};
use crate::black::{Row, RowColumns};
use crate::implied_vol::{implied_volatility_bsm_row, reduced_vega};

/// Relative change of the volatility at which the search ends: the next change would be its square or so.
const TOLERANCE: f64 = 1e-6;
const MOST_STEPS: usize = 60;
/// Steps of the tree that leads where no price is known.
const GUIDE_STEPS: usize = 101;
/// Share of the greater of spot and strike to which the fast scheme knows a price: nearer the exercise value no volatility is determined.
const PRICE_SHARE: f64 = 1e-8;
/// Total volatilities between which one is sought.
const TOTAL_RANGE: [f64; 2] = [1e-4, 6.0];

/// The volatility at which [`price`](super::price) gives `price`; the row's own volatility is ignored.
///
/// Errors: those of [`price`](super::price) by field; `BadPrice`; `BelowIntrinsic` below the exercise value (or the European
/// intrinsic value) and `AboveMaximum` at or above what any volatility gives; `Undetermined` within 1e-8 of
/// the greater of spot and strike of a positive exercise value, which every small enough volatility has; `NotConverged`.
pub fn implied_volatility(row_without_vol: &Row, price: f64) -> Result<f64, Status> {
    let mut search = match Search::start(row_without_vol, price)? {
        Start::Known(volatility) => return Ok(volatility),
        Start::Unknown(search) => search,
    };
    with_room(|room| {
        let mut value = [Err(Status::NotConverged)];
        loop {
            prices_of_checked(room, &[search.trial()], &mut value);
            if let Some(answer) = search.learn(value[0]) {
                return answer;
            }
        }
    })
}

/// The volatility of each row at its price; the columns' own volatilities are ignored. NaN stands where a status is not `Ok`; statuses
/// are those of [`implied_volatility`]. Row i depends on row i alone.
///
/// # Panics
/// Where the columns, `price`, `out` and `status` are not of one length.
pub fn implied_volatility_batch(rows: &RowColumns<'_>, price: &[f64], out: &mut [f64], status: &mut [Status]) {
    assert_lengths(rows, out.len());
    assert!(price.len() == out.len() && status.len() == out.len(), "columns of one length");
    let work = |(chunk, (out, status)): (usize, (&mut [f64], &mut [Status]))| {
        with_room(|room| search_chunk(room, rows, price, chunk * CHUNK_ROWS, out, status));
    };
    if out.len() <= CHUNK_ROWS || rayon::current_num_threads() == 1 {
        out.chunks_mut(CHUNK_ROWS).zip(status.chunks_mut(CHUNK_ROWS)).enumerate().for_each(work);
    } else {
        out.par_chunks_mut(CHUNK_ROWS).zip(status.par_chunks_mut(CHUNK_ROWS)).enumerate().for_each(work);
    }
}

/// One chunk, which begins at row `start`.
fn search_chunk(
    room: &mut Room,
    rows: &RowColumns<'_>,
    price: &[f64],
    start: usize,
    out: &mut [f64],
    status: &mut [Status],
) {
    let mut open: Vec<(usize, Search)> = Vec::with_capacity(out.len());
    let mut put = |i: usize, answer: Result<f64, Status>| {
        (out[i], status[i]) = match answer {
            Ok(volatility) => (volatility, Status::Ok),
            Err(code) => (f64::NAN, code),
        };
    };
    for i in 0..price[start..].len().min(CHUNK_ROWS) {
        match Search::start(&rows.row(start + i), price[start + i]) {
            Ok(Start::Unknown(search)) => open.push((i, search)),
            Ok(Start::Known(volatility)) => put(i, Ok(volatility)),
            Err(code) => put(i, Err(code)),
        }
    }
    let (mut trials, mut values) = (Vec::with_capacity(open.len()), Vec::with_capacity(open.len()));
    while !open.is_empty() {
        trials.clear();
        trials.extend(open.iter().map(|(_, search)| search.trial()));
        values.clear();
        values.resize(trials.len(), Err(Status::NotConverged));
        prices_of_checked(room, &trials, &mut values);
        let mut values = values.iter();
        open.retain_mut(|(i, search)| match values.next().and_then(|value| search.learn(*value)) {
            Some(answer) => {
                put(*i, answer);
                false
            }
            None => true,
        });
    }
}

/// Where a search begins.
enum Start {
    Known(f64),
    Unknown(Search),
}

/// A search for the volatility of one price.
struct Search {
    row: Row,
    price: f64,
    low: f64,
    high: f64,
    volatility: f64,
    /// The latest volatilities and how much their prices exceed the price sought, newest first.
    known: [Option<(f64, f64)>; 2],
    steps: usize,
}

impl Search {
    fn start(row: &Row, price: f64) -> Result<Start, Status> {
        check(row)?;
        if !(price.is_finite() && price >= 0.0) {
            return Err(Status::BadPrice);
        }
        let european = || implied_volatility_bsm_row(row, price);
        if waits_always(row) {
            return european().map(Start::Known);
        }
        let (forward, strike) = legs(row);
        let exercise = exercise_value(row);
        let certain = best_certain_exercise(row).max(exercise);
        let rounding = 64.0 * f64::EPSILON * row.spot.max(row.strike);
        if price < certain - rounding {
            return Err(Status::BelowIntrinsic);
        }
        let known = if exercise > 0.0 { PRICE_SHARE * row.spot.max(row.strike) } else { rounding };
        if price <= certain + known {
            return Err(Status::Undetermined);
        }
        let most = match row.option_type {
            OptionType::Call => row.spot.max(forward),
            OptionType::Put => row.strike.max(strike),
        };
        if price >= most {
            return Err(Status::AboveMaximum);
        }
        let root_years = row.expiry_years.sqrt();
        let low = TOTAL_RANGE[0] / root_years;
        // The European option is worth no more at any volatility, so its volatility is no lower.
        let european = european().ok();
        let high = european.unwrap_or(f64::INFINITY).min(TOTAL_RANGE[1] / root_years) * (1.0 + 1e-9);
        let volatility = european.unwrap_or_else(|| first_volatility(row, price)).max(low).min(high);
        let known = [None; 2];
        Ok(Start::Unknown(Self { row: *row, price, low, high, volatility, known, steps: 0 }))
    }

    /// The option to price next.
    fn trial(&self) -> Row {
        Row { volatility: self.volatility, ..self.row }
    }

    /// Takes the price of the trial; the answer where the search is over.
    fn learn(&mut self, price: Result<f64, Status>) -> Option<Result<f64, Status>> {
        // A trial on the way may be where no price is known to the accuracy promised: the tree says at least which way to go, but ends no search.
        let (price, fault) = match price {
            Ok(price) => (price, None),
            Err(code) => match tree::price(&self.trial(), GUIDE_STEPS) {
                Ok(price) => (price, Some(code)),
                Err(_) => return Some(Err(code)),
            },
        };
        let answer = self.step(price)?;
        Some(match fault {
            Some(code) => Err(code),
            None if self.is_beyond(&answer) => Err(Status::NotConverged),
            None => answer,
        })
    }

    /// Whether the search has run into the end of its range, where every price was below the one sought.
    fn is_beyond(&self, answer: &Result<f64, Status>) -> bool {
        let end = TOTAL_RANGE[1] / self.row.expiry_years.sqrt();
        answer.is_ok_and(|volatility| volatility > end * (1.0 - 1e-5)) && self.high >= end
    }

    /// The answer by the price of the trial where the search is over, else the next trial.
    fn step(&mut self, price: f64) -> Option<Result<f64, Status>> {
        let (volatility, excess) = (self.volatility, price - self.price);
        if excess == 0.0 {
            return Some(Ok(volatility));
        }
        if excess > 0.0 {
            self.high = self.high.min(volatility);
        } else {
            self.low = self.low.max(volatility);
        }
        let next = self.guess(volatility, excess);
        self.known = [Some((volatility, excess)), self.known[0]];
        let middle = 0.5 * (self.low + self.high.min(4.0 * self.low.max(volatility)));
        let next = if next > self.low && next < self.high { next } else { middle };
        if (next - volatility).abs() <= TOLERANCE * volatility || self.high - self.low <= TOLERANCE * self.low {
            return Some(Ok(next));
        }
        self.volatility = next;
        self.steps += 1;
        (self.steps >= MOST_STEPS).then_some(Err(Status::NotConverged))
    }

    /// The volatility at no excess by what is known: a polynomial of it in the excess, or the European slope.
    fn guess(&self, volatility: f64, excess: f64) -> f64 {
        let rises = |(v, e): (f64, f64)| (excess - e) * (volatility - v) > 0.0;
        match self.known {
            [Some(a), Some(b)] if rises(a) && rises(b) && (a.1 - b.1) * (a.0 - b.0) > 0.0 => {
                let slope = (volatility - a.0) / (excess - a.1);
                let slope_before = (a.0 - b.0) / (a.1 - b.1);
                let bend = (slope - slope_before) / (excess - b.1);
                volatility - excess * (slope - a.1 * bend)
            }
            [Some(a), _] if rises(a) => volatility - excess * (volatility - a.0) / (excess - a.1),
            _ => volatility - excess / vega(&self.trial()),
        }
    }
}

/// A first volatility where the price has no European one: the one whose at-the-money time value is the price's own.
fn first_volatility(row: &Row, price: f64) -> f64 {
    let value = (price - exercise_value(row)).max(1e-4 * row.strike);
    let moneyness = (row.spot / row.strike).ln().abs();
    (2.5 * value / row.spot.min(row.strike)).max(0.25 * moneyness) / row.expiry_years.sqrt()
}

/// European ∂V/∂σ, not below a share of the greatest so that a step from the flat part stays finite.
fn vega(row: &Row) -> f64 {
    let (forward, strike) = legs(row);
    let log = (row.spot / row.strike).ln() + (row.risk_free_rate - row.dividend_yield) * row.expiry_years;
    let root_years = row.expiry_years.sqrt();
    let value = european_of_checked(row);
    let least = 1e-3 * value.max(1e-3 * row.strike) / row.volatility;
    (forward.min(strike) * reduced_vega(log.abs(), row.volatility * root_years) * root_years).max(least)
}
