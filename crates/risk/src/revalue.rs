//! The value of a portfolio in each scenario, by valuing every position again.

use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::{
    black::{self, Model, RowColumns},
    math::Target,
    valuation::{self, Kind, Order, Settings},
};

use crate::{
    Portfolio, Scenario, VOLATILITY_FLOOR,
    portfolio::Part,
    shock::{ended, settled, shifted, shock, without_barriers},
};

/// What became of the portfolio in one scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Σ shares × value by group, of the rows that have one.
    pub value: Vec<f64>,
    /// Rows of each group that have no value in this scenario though they have one in the market as it is.
    pub rows_failed: Vec<usize>,
    /// What was wrong with the first of them.
    pub fault: Status,
}

impl Outcome {
    pub(crate) fn zero(groups: usize) -> Self {
        Self { value: vec![0.0; groups], rows_failed: vec![0; groups], fault: Status::Ok }
    }

    /// Rows of all groups that have no value.
    pub fn all_failed(&self) -> usize {
        self.rows_failed.iter().sum()
    }

    /// Adds a row's value, or counts it where it has none.
    pub(crate) fn add(&mut self, group: u32, shares: f64, value: f64, status: Status) {
        match held(shares, value, status) {
            Ok(held) => self.value[group as usize] += held,
            Err(status) => self.fail(group, status, 1),
        }
    }

    /// Counts rows that have no value.
    pub(crate) fn fail(&mut self, group: u32, status: Status, rows: usize) {
        if self.fault.is_ok() {
            self.fault = status;
        }
        self.rows_failed[group as usize] += rows;
    }
}

/// The value of a row with its shares; `Overflow` where it is not representable.
fn held(shares: f64, value: f64, status: Status) -> Result<f64, Status> {
    let held = shares * value;
    match status {
        Status::Ok if held.is_finite() => Ok(held),
        Status::Ok => Err(Status::Overflow),
        _ => Err(status),
    }
}

/// The value of the portfolio in each scenario, over the threads of the current rayon pool; `done` is called after each. The bits do
/// not depend on the number of threads.
pub fn revalue(portfolio: &Portfolio, scenarios: &[Scenario], done: impl Fn() + Sync) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::zero(portfolio.groups()); scenarios.len()];
    add_parts(portfolio, scenarios, |_| true, &mut outcomes, done);
    outcomes
}

/// The same of the positions that [`device::Black`](crate::device::Black) does not hold: what has no kernel.
pub fn revalue_rest(portfolio: &Portfolio, scenarios: &[Scenario], done: impl Fn() + Sync) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::zero(portfolio.groups()); scenarios.len()];
    add_parts(portfolio, scenarios, |kind| !matches!(kind, Kind::Black(_)), &mut outcomes, done);
    outcomes
}

fn add_parts(
    portfolio: &Portfolio,
    scenarios: &[Scenario],
    take: impl Fn(Kind) -> bool + Sync,
    outcomes: &mut [Outcome],
    done: impl Fn() + Sync,
) {
    outcomes.par_iter_mut().zip(scenarios).for_each(|(outcome, scenario)| {
        for part in portfolio.parts().iter().filter(|part| take(part.kind)) {
            add_part(part, scenario, VOLATILITY_FLOOR, outcome);
        }
        done();
    });
}

/// The value of each row, with its shares, in a scenario, by row of the table that the portfolio was made of; NaN where there is none.
pub fn row_values(portfolio: &Portfolio, scenario: &Scenario) -> Vec<f64> {
    let mut values = vec![f64::NAN; portfolio.rows()];
    for part in portfolio.parts() {
        let (value, status) = part_values(part, scenario, VOLATILITY_FLOOR);
        for (i, &row) in part.row.iter().enumerate() {
            values[row] = held(part.shares[i], value[i], status[i]).unwrap_or(f64::NAN);
        }
    }
    values
}

/// Adds one part's values to an outcome; no volatility is shifted below `floor`.
pub(crate) fn add_part(part: &Part, scenario: &Scenario, floor: f64, outcome: &mut Outcome) {
    if let Kind::Black(model) = part.kind {
        return add_black(part, model, scenario, floor, outcome);
    }
    let (value, status) = part_values(part, scenario, floor);
    for i in 0..part.row.len() {
        outcome.add(part.group[i], part.shares[i], value[i], status[i]);
    }
}

/// The value of one share of each row of a part.
pub(crate) fn part_values(part: &Part, scenario: &Scenario, floor: f64) -> (Vec<f64>, Vec<Status>) {
    let mut moved = part.table.clone();
    shock(&part.table, scenario, floor, &mut moved);
    let mut results = valuation::evaluate_kind(part.kind, &moved, Order::None, &Settings::default());
    let mut value = results.columns.swap_remove(0);
    let mut started = Vec::new();
    for (i, status) in results.status.iter_mut().enumerate() {
        let known = match *status {
            Status::Expired if moved.expiry_years[i].is_finite() => settled(&moved, i),
            Status::BarrierHit => match ended(&moved, i) {
                None => {
                    started.push(i);
                    None
                }
                rebate => rebate,
            },
            _ => None,
        };
        if let Some(known) = known {
            (value[i], *status) = (known, Status::Ok);
        }
    }
    // An option that the move has started is one without a barrier.
    if !started.is_empty() {
        let mut rows = moved.gather(&started);
        without_barriers(&mut rows);
        let found = valuation::evaluate(&rows, Order::None, &Settings::default());
        for (at, i) in started.into_iter().enumerate() {
            (value[i], results.status[i]) = (found.columns[0][at], found.status[at]);
        }
    }
    (value, results.status)
}

/// Rows that are moved and valued together: their columns stay in the first-level cache.
const BLOCK_ROWS: usize = 256;

/// Black's formula, without a copy of the table.
fn add_black(part: &Part, model: Model, scenario: &Scenario, floor: f64, outcome: &mut Outcome) {
    let table = &part.table;
    let (factor, years) = (1.0 + scenario.spot_change, scenario.years());
    let [mut spot, mut expiry, mut rate, mut volatility, mut value] = [[0.0; BLOCK_ROWS]; 5];
    let mut status = [Status::Ok; BLOCK_ROWS];
    let target = Target::best();
    for start in (0..part.row.len()).step_by(BLOCK_ROWS) {
        let at = start..part.row.len().min(start + BLOCK_ROWS);
        let n = at.len();
        for i in 0..n {
            spot[i] = table.spot[start + i] * factor;
            expiry[i] = table.expiry_years[start + i] - years;
            rate[i] = table.risk_free_rate[start + i] + scenario.rate_shift;
            volatility[i] = shifted(table.volatility[start + i], scenario.volatility_shift, floor);
        }
        let rows = RowColumns {
            option_type: &table.option_type[at.clone()],
            spot: &spot[..n],
            strike: &table.strike[at.clone()],
            expiry_years: &expiry[..n],
            risk_free_rate: &rate[..n],
            dividend_yield: &table.dividend_yield[at.clone()],
            volatility: &volatility[..n],
        };
        black::batch::evaluate(target, &rows, model, [&mut value[..n]], &mut status[..n]);
        for i in 0..n {
            let row = start + i;
            let settles = status[i] == Status::Expired;
            let exercised = (table.option_type[row].sign() * (spot[i] - table.strike[row])).max(0.0);
            let (value, status) = if settles { (exercised, Status::Ok) } else { (value[i], status[i]) };
            outcome.add(part.group[row], part.shares[row], value, status);
        }
    }
}
