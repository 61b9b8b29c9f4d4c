//! First derivatives of an American option by all that it depends on, for whoever wants them of many rows: five premiums a row, where all
//! Greeks take 25.
//!
//! Formula  delta, gamma: as in `greeks`; theta: what the Black–Scholes equation says of a held option; vega: a value is a function of
//!          S/K, rT, qT and σ√T, so that T ∂/∂T = r ∂/∂r + q ∂/∂q + ½ σ ∂/∂σ
//! Method   rho, phi: central differences of second order of the premium, steps of 0.1 % of the argument (a rate's or a yield's: of the
//!          greater of the two); one-sided where the put's rate is 0
//! Accuracy tolerance.rs: american/gradient, against `greeks_with`

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::accuracy::Accuracy;
use super::batch::{assert_lengths, checked, with_room};
use super::certain::{self, Certain};
use super::greeks::in_money;
use super::lanes::{Answer, Job};
use super::put::{Early, Valued, by_boundary};
use crate::black::{Greek, Model, Row, RowColumns, scalar};
use crate::math::Target;

/// Rows that a thread takes at a time.
const CHUNK_ROWS: usize = 128;
/// Premiums of a row: its own, two of the rate, two of the yield.
const JOBS: usize = 5;
/// Step of a difference, share of the argument.
const STEP: f64 = 1e-3;

/// A value and its derivatives, raw units (design: conventions of the field).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gradient {
    /// The value.
    pub price: f64,
    /// ∂/∂S
    pub delta: f64,
    /// ∂²/∂S²
    pub gamma: f64,
    /// ∂/∂σ, per 1.00
    pub vega: f64,
    /// −∂/∂T, per year
    pub theta: f64,
    /// ∂/∂r, per 1.00
    pub rho: f64,
    /// ∂/∂q, per 1.00
    pub phi: f64,
    /// Whether exercise now is best: the price is then what is exercised, and so are the derivatives.
    pub is_exercised: bool,
}

/// The gradient of each row; the statuses are those of [`price_with`](super::price_with), and NaN stands where one is not `Ok`. Row i
/// depends on row i alone.
///
/// # Panics
/// Where the columns, `out` and `status` are not of one length.
pub fn gradient_batch(rows: &RowColumns<'_>, accuracy: &Accuracy, out: &mut [Gradient], status: &mut [Status]) {
    assert_lengths(rows, out.len());
    assert_eq!(out.len(), status.len(), "columns of one length");
    let chunks = out.par_chunks_mut(CHUNK_ROWS).zip(status.par_chunks_mut(CHUNK_ROWS)).enumerate();
    chunks.for_each(|(chunk, (out, status))| {
        let rows: Vec<Row> = (0..out.len()).map(|i| rows.row(chunk * CHUNK_ROWS + i)).collect();
        let found = gradients(&rows, accuracy);
        for ((out, status), found) in out.iter_mut().zip(status).zip(found) {
            (*out, *status) = match found {
                Ok(gradient) => (gradient, Status::Ok),
                Err(code) => (NOTHING, code),
            };
        }
    });
}

const NOTHING: Gradient = Gradient {
    price: f64::NAN,
    delta: f64::NAN,
    gamma: f64::NAN,
    vega: f64::NAN,
    theta: f64::NAN,
    rho: f64::NAN,
    phi: f64::NAN,
    is_exercised: false,
};

/// A row that may be exercised early, with the steps of its rate and its yield.
struct Stepped {
    row: Row,
    option: Early,
    rate: Step,
    dividend: Step,
}

/// A step, and whether both places are above.
#[derive(Clone, Copy)]
struct Step {
    size: f64,
    is_one_sided: bool,
}

impl Step {
    /// Of a rate; that of the put must not change its sign, beyond which there are two boundaries or none.
    fn new(rate: f64, most: f64, is_of_put: bool) -> Self {
        let size = if is_of_put && rate != 0.0 { rate.abs() } else { most };
        Self { size: STEP * size, is_one_sided: is_of_put && rate == 0.0 }
    }

    fn places(self) -> [f64; 2] {
        if self.is_one_sided { [self.size, 2.0 * self.size] } else { [-self.size, self.size] }
    }

    /// The derivative from the values in the middle and at the places.
    fn slope(self, middle: f64, [first, second]: [f64; 2]) -> f64 {
        let sum = if self.is_one_sided { 4.0 * first - 3.0 * middle - second } else { second - first };
        sum / (2.0 * self.size)
    }
}

impl Stepped {
    /// The row's own job, then those of the steps.
    ///
    /// Errors: `NotConverged` where a step has no boundary, or one out of reach.
    fn new(row: &Row, option: Early, jobs: &mut Vec<Job>) -> Result<Self, Status> {
        let most = row.risk_free_rate.abs().max(row.dividend_yield.abs());
        let is_put = row.option_type == OptionType::Put;
        let rate = Step::new(row.risk_free_rate, most, is_put);
        let dividend = Step::new(row.dividend_yield, most, !is_put);
        let begun = jobs.len();
        jobs.push(option.job);
        let by_rate = rate.places().map(|by| Row { risk_free_rate: row.risk_free_rate + by, ..*row });
        let by_yield = dividend.places().map(|by| Row { dividend_yield: row.dividend_yield + by, ..*row });
        for stepped in by_rate.iter().chain(&by_yield) {
            match by_boundary(stepped) {
                Ok(Valued::Early(option)) => jobs.push(option.job),
                _ => {
                    jobs.truncate(begun);
                    return Err(Status::NotConverged);
                }
            }
        }
        Ok(Self { row: *row, option, rate, dividend })
    }

    fn gradient(&self, answers: &[Answer]) -> Result<Gradient, Status> {
        let Self { row, option, rate, dividend } = self;
        let price = option.price(&answers[0])?;
        if option.is_exercised(&answers[0]) {
            return Ok(Gradient { price, delta: row.option_type.sign(), is_exercised: true, ..Gradient::default() });
        }
        if answers.iter().any(|answer| !answer.is_converged) {
            return Err(Status::NotConverged);
        }
        let premium = in_money(row, &answers[0]);
        let at = |i: usize| in_money(row, &answers[i]).value;
        let european = scalar::greeks(row, Model::Bsm)?;
        let of = |greek: Greek| european[greek as usize];
        let delta = of(Greek::Delta) + premium.delta;
        let gamma = of(Greek::Gamma) + premium.gamma;
        let rho = of(Greek::Rho) + rate.slope(premium.value, [at(1), at(2)]);
        let phi = of(Greek::Phi) + dividend.slope(premium.value, [at(3), at(4)]);
        let Row { spot, risk_free_rate: r, dividend_yield: q, volatility, .. } = *row;
        let diffusion = 0.5 * (volatility * spot).powi(2) * gamma;
        let theta = r * price - (r - q) * spot * delta - diffusion;
        let vega = -2.0 / volatility * (row.expiry_years * theta + r * rho + q * phi);
        let gradient = Gradient { price, delta, gamma, vega, theta, rho, phi, is_exercised: false };
        let numbers = [price, delta, gamma, vega, theta, rho, phi];
        if numbers.iter().all(|x| x.is_finite()) { Ok(gradient) } else { Err(Status::Overflow) }
    }
}

fn gradients(rows: &[Row], accuracy: &Accuracy) -> Vec<Result<Gradient, Status>> {
    let mut jobs: Vec<Job> = Vec::with_capacity(JOBS * rows.len());
    let options: Vec<Result<Known, Status>> = rows
        .iter()
        .map(|row| match checked(row)? {
            Valued::European(_) => Ok(Known::European),
            Valued::Certain(certain) => Ok(Known::Certain(certain)),
            Valued::Early(option) => {
                let stepped = Stepped::new(row, option, &mut jobs).map(|stepped| Known::Stepped(Box::new(stepped)));
                // A step may leave the boundary's domain where it is certain when the row itself is exercised.
                stepped.or_else(|code| certain::of(row).map(Known::Certain).ok_or(code))
            }
        })
        .collect();
    let mut answers = vec![Answer::default(); jobs.len()];
    with_room(|room| room.answer(Target::best(), accuracy, &jobs, &mut answers));
    let mut answers = answers.chunks_exact(JOBS);
    rows.iter()
        .zip(options)
        .map(|(row, option)| match option? {
            Known::European => of_quantities(&scalar::greeks(row, Model::Bsm)?, false),
            Known::Certain(certain) => of_quantities(&certain.greeks(row)?, certain.is_exercised()),
            Known::Stepped(stepped) => stepped.gradient(answers.next().ok_or(Status::NotConverged)?),
        })
        .collect()
}

/// What is known of a row before any premium is.
enum Known {
    /// Never exercised early.
    European,
    /// Certain when it is exercised.
    Certain(Certain),
    Stepped(Box<Stepped>),
}

fn of_quantities(greeks: &[f64; 19], is_exercised: bool) -> Result<Gradient, Status> {
    let [price, delta, gamma, vega, theta, rho, phi] =
        [Greek::Price, Greek::Delta, Greek::Gamma, Greek::Vega, Greek::Theta, Greek::Rho, Greek::Phi]
            .map(|greek| greeks[greek as usize]);
    Ok(Gradient { price, delta, gamma, vega, theta, rho, phi, is_exercised })
}
