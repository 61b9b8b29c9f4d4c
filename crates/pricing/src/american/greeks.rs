//! Greeks of an American option: the European ones, exact, plus those of the premium for early exercise.
//!
//! Formula  delta, gamma: under the premium's integral, with the boundary held (premium.rs); theta: what the Black–Scholes equation says
//!          of a held option, r V − (r − q) S delta − ½ σ² S² gamma; dual delta and gamma: by homogeneity, (V − S delta)/K and
//!          (S/K)² gamma; speed: the same equation differentiated by S, (2/(σS)²) (q delta − (r − q + σ²) S gamma − charm)
//! Method   vega, rho, phi, vanna, charm, vomma, zomma, color: central differences of fourth order of the premium, its delta or its gamma,
//!          steps of 1 % of the argument (a rate's or a yield's: of the greater of the two); veta and vera: of second order over 0.2 %;
//!          ultima: of second order over 1 %. One-sided where the put's rate is 0. 25 premiums in all, valued in lockstep
//! Limits   where exercise is best, the exact values of what is exercised: every Greek beyond delta jumps at the boundary; where the path is
//!          all but certain, `certain`
//! Accuracy tolerance.rs: american/greeks, against differences of high_precision

use std::ops::Range;

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::accuracy::Accuracy;
use super::batch::{CHUNK_ROWS, Room, assert_lengths, checked, with_room};
use super::certain;
use super::lanes::{Answer, Job};
use super::put::{Early, Valued, by_boundary};
use crate::black::{Greek, GreekColumns, Model, Row, RowColumns, scalar};
use crate::math::Target;

/// Step of a single difference, and of a mixed one: share of the argument.
const STEP: f64 = 0.01;
const MIXED_STEP: f64 = 0.002;

/// All Greeks in the order of [`Greek::ALL`], raw units (design: conventions of the field). Lambda is NaN where the value is 0.
///
/// Errors: those of [`price_with`](super::price_with).
pub fn greeks_with(row: &Row, accuracy: &Accuracy) -> Result<[f64; 19], Status> {
    let mut found = [Err(Status::NotConverged)];
    with_room(|room| greeks_of_begun(room, &[Begun::new(row)], accuracy, &mut found));
    found[0]
}

/// [`greeks_with`] of each row; NaN stands where a status is not `Ok`. Row i depends on row i alone.
///
/// # Panics
/// Where the columns, those of `out` and `status` are not of one length.
pub fn greeks_batch(rows: &RowColumns<'_>, accuracy: &Accuracy, out: &mut GreekColumns, status: &mut [Status]) {
    let n = status.len();
    assert_lengths(rows, n);
    let columns = out.columns_mut();
    assert!(columns.iter().all(|column| column.len() == n), "columns of one length");
    let few = |range: Range<usize>| {
        let begun: Vec<Begun> = range.map(|i| Begun::new(&rows.row(i))).collect();
        let mut found = vec![Err(Status::NotConverged); begun.len()];
        with_room(|room| greeks_of_begun(room, &begun, accuracy, &mut found));
        found
    };
    for start in (0..n).step_by(CHUNK_ROWS) {
        let range = start..n.min(start + CHUNK_ROWS);
        let starts: Vec<usize> = range.clone().step_by(ROWS_AT_A_TIME).collect();
        let some = |from: usize| few(from..range.end.min(from + ROWS_AT_A_TIME));
        let found: Vec<_> = starts.into_par_iter().map(some).collect();
        for (i, found) in range.zip(found.into_iter().flatten()) {
            let (values, code) = match found {
                Ok(values) => (values, Status::Ok),
                Err(code) => ([f64::NAN; 19], code),
            };
            status[i] = code;
            for (column, value) in columns.iter_mut().zip(values) {
                column[i] = value;
            }
        }
    }
}

/// Rows whose premiums a thread values together: 25 of each fill its groups of eight but for the last.
const ROWS_AT_A_TIME: usize = 16;

/// A row whose Greeks are asked for.
pub(super) enum Begun {
    Done(Result<[f64; 19], Status>),
    Bumped(Box<Bumped>),
}

impl Begun {
    pub fn new(row: &Row) -> Self {
        let early = match checked(row) {
            Ok(Valued::European(_)) => return Self::Done(scalar::greeks(row, Model::Bsm)),
            Ok(Valued::Certain(certain)) => return Self::Done(certain.greeks(row)),
            Ok(Valued::Early(option)) => Bumped::new(row, option),
            Err(code) => Err(code),
        };
        match early {
            Ok(bumped) => Self::Bumped(Box::new(bumped)),
            // A change of the row may leave the boundary's domain where it is certain when the row itself is exercised.
            Err(Status::NotConverged) => Self::Done(match certain::of(row) {
                Some(certain) => certain.greeks(row),
                None => Err(Status::NotConverged),
            }),
            Err(code) => Self::Done(Err(code)),
        }
    }

    /// What is to be valued.
    pub fn jobs(&self) -> &[Job] {
        match self {
            Self::Done(_) => &[],
            Self::Bumped(bumped) => &bumped.jobs,
        }
    }

    /// The Greeks from the answers to the jobs.
    pub fn greeks(&self, answers: &[Answer]) -> Result<[f64; 19], Status> {
        match self {
            Self::Done(found) => *found,
            Self::Bumped(bumped) => bumped.greeks(answers),
        }
    }
}

/// A premium and its first two derivatives by spot, in money.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    pub value: f64,
    pub delta: f64,
    pub gamma: f64,
}

/// Premiums that the Greeks of a row are made of.
pub(super) const JOBS_PER_ROW: usize = 25;

/// A row with the puts whose premiums its Greeks are made of.
pub(super) struct Bumped {
    row: Row,
    option: Early,
    bumps: Bumps,
    /// The row's own put first; [`JOBS_PER_ROW`] in all.
    jobs: Vec<Job>,
}

impl Bumped {
    /// Errors: `NotConverged` where a change of the row has no boundary, or one out of reach.
    fn new(row: &Row, option: Early) -> Result<Self, Status> {
        let bumps = Bumps::new(row);
        let mut jobs = Vec::with_capacity(bumps.rows.len());
        for bumped in &bumps.rows {
            match by_boundary(bumped)? {
                Valued::Early(option) => jobs.push(option.job),
                Valued::European(_) | Valued::Certain(_) => return Err(Status::NotConverged),
            }
        }
        Ok(Self { row: *row, option, bumps, jobs })
    }

    fn greeks(&self, answers: &[Answer]) -> Result<[f64; 19], Status> {
        let price = self.option.price(&answers[0])?;
        if self.option.is_exercised(&answers[0]) {
            return Ok(exercised(&self.row));
        }
        if answers.iter().any(|answer| !answer.is_converged) {
            return Err(Status::NotConverged);
        }
        held(&self.row, price, &self.bumps, answers)
    }
}

/// The Greeks of some rows, whose premiums are valued together.
fn greeks_of_begun(room: &mut Room, begun: &[Begun], accuracy: &Accuracy, found: &mut [Result<[f64; 19], Status>]) {
    let jobs: Vec<Job> = begun.iter().flat_map(Begun::jobs).copied().collect();
    let mut answers = vec![Answer::default(); jobs.len()];
    room.answer(Target::best(), accuracy, &jobs, &mut answers);
    let mut rest = answers.as_slice();
    for (begun, found) in begun.iter().zip(found) {
        let (own, others) = rest.split_at(begun.jobs().len());
        *found = begun.greeks(own);
        rest = others;
    }
}

/// What the boundary's method alone says: for tests, also where [`greeks_with`] has something better.
#[cfg(test)]
pub(super) fn by_the_boundary(row: &Row, accuracy: &Accuracy) -> Result<[f64; 19], Status> {
    let Valued::Early(option) = by_boundary(row)? else { return Err(Status::NotConverged) };
    let bumped = Bumped::new(row, option)?;
    let answers: Vec<Answer> = bumped.jobs.iter().map(|job| super::put::answer(job, accuracy)).collect();
    bumped.greeks(&answers)
}

/// The Greeks of an option that is held.
fn held(row: &Row, price: f64, bumps: &Bumps, answers: &[Answer]) -> Result<[f64; 19], Status> {
    let premiums: Vec<Share> = bumps.rows.iter().zip(answers).map(|(row, answer)| in_money(row, answer)).collect();
    let european = scalar::greeks(row, Model::Bsm)?;
    let values: Vec<f64> = premiums.iter().map(|premium| premium.value).collect();
    let deltas: Vec<f64> = premiums.iter().map(|premium| premium.delta).collect();
    let gammas: Vec<f64> = premiums.iter().map(|premium| premium.gamma).collect();
    let (spot, strike) = (row.spot, row.strike);

    let mut q = [f64::NAN; 19];
    let mut set = |greek: Greek, x: f64| q[greek as usize] = x;
    let of = |greek: Greek| european[greek as usize];
    let delta = of(Greek::Delta) + premiums[0].delta;
    let gamma = of(Greek::Gamma) + premiums[0].gamma;
    let (rate, dividend) = (row.risk_free_rate, row.dividend_yield);
    set(Greek::Price, price);
    set(Greek::Delta, delta);
    set(Greek::Gamma, gamma);
    let diffusion = 0.5 * (row.volatility * spot).powi(2) * gamma;
    set(Greek::Theta, rate * price - (rate - dividend) * spot * delta - diffusion);
    set(Greek::Vega, of(Greek::Vega) + bumps.first(Axis::Volatility, &values));
    set(Greek::Rho, of(Greek::Rho) + bumps.first(Axis::Rate, &values));
    set(Greek::Phi, of(Greek::Phi) + bumps.first(Axis::Yield, &values));
    set(Greek::Vanna, of(Greek::Vanna) + bumps.first(Axis::Volatility, &deltas));
    let charm = of(Greek::Charm) - bumps.first(Axis::Time, &deltas);
    set(Greek::Charm, charm);
    let variance = row.volatility * row.volatility;
    let drifted = dividend * delta - (rate - dividend + variance) * spot * gamma - charm;
    set(Greek::Speed, 2.0 * drifted / (variance * spot * spot));
    set(Greek::Zomma, of(Greek::Zomma) + bumps.first(Axis::Volatility, &gammas));
    set(Greek::Color, of(Greek::Color) - bumps.first(Axis::Time, &gammas));
    set(Greek::Ultima, of(Greek::Ultima) + bumps.third_by_volatility(&values));
    set(Greek::Vomma, of(Greek::Vomma) + bumps.second_by_volatility(&values));
    set(Greek::Veta, of(Greek::Veta) - bumps.mixed(Axis::Time, &values));
    set(Greek::Vera, of(Greek::Vera) + bumps.mixed(Axis::Rate, &values));
    set(Greek::DualDelta, (price - spot * delta) / strike);
    set(Greek::DualGamma, gamma * (spot / strike).powi(2));
    set(Greek::Lambda, if price > 0.0 { spot * delta / price } else { f64::NAN });
    let is_sound = |greek: &Greek| *greek == Greek::Lambda || q[*greek as usize].is_finite();
    if Greek::ALL.iter().all(is_sound) { Ok(q) } else { Err(Status::Overflow) }
}

/// What is exercised now is worth ω(S − K), whatever else changes.
pub(super) fn exercised(row: &Row) -> [f64; 19] {
    let sign = row.option_type.sign();
    let value = sign * (row.spot - row.strike);
    let mut q = [0.0; 19];
    q[Greek::Price as usize] = value;
    q[Greek::Delta as usize] = sign;
    q[Greek::DualDelta as usize] = -sign;
    q[Greek::Lambda as usize] = if value > 0.0 { sign * row.spot / value } else { f64::NAN };
    q
}

/// A put's premium K f(S/K) has the derivatives of f; a call's is S f(K/S) of the put that it is.
pub(super) fn in_money(row: &Row, answer: &Answer) -> Share {
    let premium = &answer.premium;
    match row.option_type {
        OptionType::Put => Share {
            value: row.strike * premium.value,
            delta: row.strike / row.spot * premium.delta,
            gamma: row.strike / row.spot * premium.gamma / row.spot,
        },
        OptionType::Call => Share {
            value: row.spot * premium.value,
            delta: premium.value - premium.delta,
            gamma: premium.gamma / row.spot,
        },
    }
}

/// An argument that is changed.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Axis {
    Volatility,
    Rate,
    Yield,
    Time,
}

/// The options whose premiums are differenced.
struct Bumps {
    /// The option itself; four for each axis; four for volatility with time, and with the rate.
    rows: Vec<Row>,
    /// By axis: the step, and whether all four lie on one side.
    steps: [(f64, bool); 4],
}

impl Bumps {
    fn new(row: &Row) -> Self {
        let most = row.risk_free_rate.abs().max(row.dividend_yield.abs());
        // A rate of the put must not change its sign, beyond which there are two boundaries or none.
        let of_rate = |rate: f64, is_of_put: bool| match (is_of_put, rate == 0.0) {
            (true, true) => (STEP * most, true),
            (true, false) => (STEP * rate.abs(), false),
            (false, _) => (STEP * most, false),
        };
        let is_put = row.option_type == OptionType::Put;
        let steps = [
            (STEP * row.volatility, false),
            of_rate(row.risk_free_rate, is_put),
            of_rate(row.dividend_yield, !is_put),
            (STEP * row.expiry_years, false),
        ];
        let mut bumps = Self { rows: vec![*row], steps };
        for axis in [Axis::Volatility, Axis::Rate, Axis::Yield, Axis::Time] {
            let (step, is_one_sided) = steps[axis as usize];
            let places = if is_one_sided { [1.0, 2.0, 3.0, 4.0] } else { [-2.0, -1.0, 1.0, 2.0] };
            bumps.rows.extend(places.map(|place| changed(row, axis, place * step)));
        }
        for axis in [Axis::Time, Axis::Rate] {
            let (step, is_one_sided) = steps[axis as usize];
            let least = if is_one_sided { 0.0 } else { -1.0 };
            for [a, b] in [[-1.0, least], [-1.0, 1.0], [1.0, least], [1.0, 1.0]] {
                let by_volatility = changed(row, Axis::Volatility, a * MIXED_STEP * row.volatility);
                bumps.rows.push(changed(&by_volatility, axis, b * step * (MIXED_STEP / STEP)));
            }
        }
        bumps
    }

    /// The four values of an axis.
    fn values(axis: Axis, values: &[f64]) -> &[f64] {
        &values[1 + 4 * axis as usize..][..4]
    }

    fn first(&self, axis: Axis, values: &[f64]) -> f64 {
        let (step, is_one_sided) = self.steps[axis as usize];
        let v = Self::values(axis, values);
        let sum = if is_one_sided {
            -25.0 * values[0] + 48.0 * v[0] - 36.0 * v[1] + 16.0 * v[2] - 3.0 * v[3]
        } else {
            (v[0] - v[3]) + 8.0 * (v[2] - v[1])
        };
        sum / (12.0 * step)
    }

    fn second_by_volatility(&self, values: &[f64]) -> f64 {
        let step = self.steps[Axis::Volatility as usize].0;
        let v = Self::values(Axis::Volatility, values);
        (16.0 * (v[1] + v[2]) - (v[0] + v[3]) - 30.0 * values[0]) / (12.0 * step * step)
    }

    fn third_by_volatility(&self, values: &[f64]) -> f64 {
        let step = self.steps[Axis::Volatility as usize].0;
        let v = Self::values(Axis::Volatility, values);
        ((v[3] - v[0]) - 2.0 * (v[2] - v[1])) / (2.0 * step.powi(3))
    }

    /// By volatility and time or rate.
    fn mixed(&self, axis: Axis, values: &[f64]) -> f64 {
        let start = if matches!(axis, Axis::Time) { 17 } else { 21 };
        let v = &values[start..start + 4];
        let share = MIXED_STEP / STEP;
        let by_volatility = 2.0 * share * self.steps[Axis::Volatility as usize].0;
        let (step, is_one_sided) = self.steps[axis as usize];
        let by_other = if is_one_sided { share * step } else { 2.0 * share * step };
        ((v[3] - v[2]) - (v[1] - v[0])) / (by_volatility * by_other)
    }
}

fn changed(row: &Row, axis: Axis, change: f64) -> Row {
    let mut row = *row;
    match axis {
        Axis::Volatility => row.volatility += change,
        Axis::Rate => row.risk_free_rate += change,
        Axis::Yield => row.dividend_yield += change,
        Axis::Time => row.expiry_years += change,
    }
    row
}
