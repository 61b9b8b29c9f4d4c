//! What a fit asks of a slice, as cheaply as it goes: out-of-the-money values and their gradient by the parameters alone, to an error that
//! the caller chooses.
//!
//! Formula   [`super::series`]'s rule on a forward of one, v = 1 − m (x ≥ 0, a call) or k − m (a put).
//! Method    Lanes are nodes: each block of nodes is summed at every strike at once, whose waves e^(−iux) turn by one complex product a
//!           block and serve the value and all derivatives. No table is kept.
//! Error     The period's and the tail's are each at most the one asked for, in forwards; the gradient's is that times its weight's
//!           growth, about the last node squared over the value's.

#![allow(clippy::needless_range_loop, reason = "loops over lanes read as their formulae do with indices")]

use std::cell::RefCell;

use super::complex::{Complex, complex};
use super::elementary::{Elementary, Lanes};
use super::exponent::Exponent;
use super::heston::HestonExponent;
use super::jumps::{BatesExponent, KouExponent, MertonExponent};
use super::model::{MOST_PARAMETERS, Model};
use super::period;
use super::quantities::Slice;
use super::variance_gamma::VarianceGammaExponent;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};
use zomma_base::Status;

/// Nodes of a block.
const BLOCK: usize = 32;
/// Lanes of a sum.
const LANES: usize = 8;
/// The most nodes.
const MOST: usize = 3072;
/// Value and derivatives.
const PLACES: usize = 1 + MOST_PARAMETERS;

/// The undiscounted out-of-the-money option (a call where k ≥ 0) on a forward of one, and its gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OutOfTheMoney {
    /// Its value in forwards, within the error asked for; it may be below zero by as much.
    pub value: f64,
    /// Its derivatives by the parameters in the order of [`Model::parameter_names`]; the rest 0.
    pub parameters: [f64; MOST_PARAMETERS],
}

/// Values the log-strikes k = ln(K/F) of one expiry to `error` of a forward (1e-12 to 1e-3). `out` and `status` have the length of
/// `log_moneyness`; a row whose status is not `Ok` is NaN. Statuses as in [`super::price_slice`], except that a slice that 3,072 nodes do
/// not do for is `NotConverged` as a whole: a fit goes elsewhere, or asks [`super::gradient_slice`].
pub fn out_of_the_money_slice(
    model: &Model,
    expiry_years: f64,
    log_moneyness: &[f64],
    error: f64,
    out: &mut [OutOfTheMoney],
    status: &mut [Status],
) {
    let slice = Slice { spot: 1.0, expiry_years, risk_free_rate: 0.0, dividend_yield: 0.0 };
    if let Err(bad) = model.check().and_then(|()| slice.check()) {
        fail(bad, out, status);
        return;
    }
    let task = Task { x: log_moneyness, bound: -error.clamp(1e-12, 1e-3).ln() };
    let done = match *model {
        Model::Heston(model) => task.run(HestonExponent { model, expiry: expiry_years }, out, status),
        Model::Bates(model) => task.run(BatesExponent::new(&model, expiry_years), out, status),
        Model::Merton(model) => task.run(MertonExponent::new(&model, expiry_years), out, status),
        Model::Kou(model) => task.run(KouExponent { model, expiry: expiry_years }, out, status),
        Model::VarianceGamma(model) => task.run(VarianceGammaExponent { model, expiry: expiry_years }, out, status),
    };
    if !done {
        fail(Status::NotConverged, out, status);
    }
}

fn fail(bad: Status, out: &mut [OutOfTheMoney], status: &mut [Status]) {
    out.fill(OutOfTheMoney { value: f64::NAN, parameters: [f64::NAN; MOST_PARAMETERS] });
    status.fill(bad);
}

/// One strike's wave at the nodes of the present block, what turns it to the next, and its sums by lane.
#[derive(Clone, Copy)]
struct Strike {
    re: [f64; BLOCK],
    im: [f64; BLOCK],
    turn: Complex,
    sums: [[f64; LANES]; PLACES],
}

thread_local! {
    static STRIKES: RefCell<Vec<Strike>> = RefCell::default();
}

struct Task<'a> {
    x: &'a [f64],
    /// −ln of the error.
    bound: f64,
}

impl Task<'_> {
    /// Whether the series answered.
    fn run<X: Exponent<P>, const P: usize>(
        &self,
        exponent: X,
        out: &mut [OutOfTheMoney],
        status: &mut [Status],
    ) -> bool {
        let (least, most) = self
            .x
            .iter()
            .filter(|x| x.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), x| (low.min(*x), high.max(*x)));
        if !exponent.has_gradient() {
            return false;
        }
        let Some(period) = period::find(|s| exponent.moment(s), |_| 0.0, self.bound, [least, most]) else {
            return false;
        };
        STRIKES.with_borrow_mut(|strikes| {
            let step = 2.0 * std::f64::consts::PI / period.length;
            let error = (-self.bound - 0.5 * most.min(period.highest)).exp();
            let mut met = false;
            dispatch(Target::best(), Sums { exponent, step, error, x: self.x, strikes, met: &mut met });
            if !met {
                return false;
            }
            let alias = 1.0 / (0.5 * period.length).exp_m1();
            for (((&x, strike), out), status) in self.x.iter().zip(strikes.iter()).zip(out).zip(status) {
                *status = Status::Ok;
                if !x.is_finite() {
                    *status = Status::BadStrike;
                    *out = OutOfTheMoney { value: f64::NAN, parameters: [f64::NAN; MOST_PARAMETERS] };
                    continue;
                }
                *out = OutOfTheMoney::default();
                if x < period.lowest || x > period.highest {
                    continue;
                }
                let k = x.exp();
                let factor = (0.5 * x).exp() * step * std::f64::consts::FRAC_1_PI;
                let sum = |place: usize| factor * strike.sums[place].iter().sum::<f64>();
                let covered = sum(0) - (1.0 + k) * alias;
                out.value = if x < 0.0 { k - covered } else { 1.0 - covered };
                for p in 0..P {
                    out.parameters[p] = -sum(1 + p);
                }
            }
            true
        })
    }
}

/// Sums all strikes until the rest is under `error`.
struct Sums<'a, X, const P: usize> {
    exponent: X,
    step: f64,
    error: f64,
    x: &'a [f64],
    strikes: &'a mut Vec<Strike>,
    /// Whether it came under the error.
    met: &'a mut bool,
}

impl<X: Exponent<P>, const P: usize> Kernel for Sums<'_, X, P> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { exponent, step, error, x, strikes, met } = self;
        let ends = |size: f64, u: f64| size <= error * std::f64::consts::PI * u;
        if !ends(exponent.envelope(0.5, step * MOST as f64).exp(), step * MOST as f64) {
            return;
        }
        strikes.clear();
        for &x in x {
            let mut strike =
                Strike { re: [0.0; BLOCK], im: [0.0; BLOCK], turn: Complex::ZERO, sums: [[0.0; LANES]; PLACES] };
            for i in 0..BLOCK {
                (strike.im[i], strike.re[i]) = Lanes::<M>::sin_cos(-step * x * i as f64);
            }
            let (sin, cos) = Lanes::<M>::sin_cos(-step * x * BLOCK as f64);
            strike.turn = complex(cos, sin);
            strikes.push(strike);
        }
        for first in (0..MOST).step_by(BLOCK) {
            let (mut re, mut im) = ([[0.0; BLOCK]; PLACES], [[0.0; BLOCK]; PLACES]);
            for i in 0..BLOCK {
                let u = step * (first + i) as f64;
                let gradient = exponent.gradient::<Lanes<M>>(complex(0.5, u));
                let weight = gradient.value.exp::<Lanes<M>>().scale(1.0 / (u * u + 0.25));
                (re[0][i], im[0][i]) = (weight.re, weight.im);
                for p in 0..P {
                    let by = weight * gradient.parameters[p];
                    (re[1 + p][i], im[1 + p][i]) = (by.re, by.im);
                }
            }
            if first == 0 {
                for place in 0..=P {
                    re[place][0] *= 0.5;
                    im[place][0] *= 0.5;
                }
            }
            for strike in strikes.iter_mut() {
                add::<M, P>(strike, &re, &im);
            }
            let last = step * (first + BLOCK - 1) as f64;
            let size = re[0][BLOCK - 1].hypot(im[0][BLOCK - 1]) * (last * last + 0.25);
            let next = step * (first + BLOCK) as f64;
            // The envelope is never under the size itself, and dearer.
            if ends(size, next) && ends(exponent.envelope(0.5, next).exp(), next) {
                *met = true;
                return;
            }
        }
    }
}

/// Adds a block at one strike, and turns its wave to the next.
#[inline(always)]
fn add<M: MultiplyAdd, const P: usize>(strike: &mut Strike, re: &[[f64; BLOCK]; PLACES], im: &[[f64; BLOCK]; PLACES]) {
    for place in 0..=P {
        let mut sum = strike.sums[place];
        for from in (0..BLOCK).step_by(LANES) {
            for i in 0..LANES {
                let at = from + i;
                sum[i] = M::multiply_add(
                    strike.re[at],
                    re[place][at],
                    M::multiply_add(-strike.im[at], im[place][at], sum[i]),
                );
            }
        }
        strike.sums[place] = sum;
    }
    let turn = strike.turn;
    for i in 0..BLOCK {
        let (re, im) = (strike.re[i], strike.im[i]);
        strike.re[i] = M::multiply_add(re, turn.re, -im * turn.im);
        strike.im[i] = M::multiply_add(re, turn.im, im * turn.re);
    }
}
