//! The vectorised path: rows in blocks, every step of the inversion branch-free on all lanes, and whatever is not certainly right at
//! the end (a bad field, a price that determines nothing, a lane that has not converged) goes to the scalar twin.
//!
//! Guess     Pólya's approximation of Φ makes the Black formula a quadratic equation (Stefanica and Radoičić 2017, here in terms that
//!           are all positive): the volatility to 10 % or better everywhere
//! Steps     Householder's of the fourth order: on 1/ln p below one half, on ln(1 − p) above
//! Error     that of the twin: see tolerance.rs, implied_vol

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::mills::{LEAST_ARGUMENT, mills_and_difference};
use super::scalar::UNDETERMINED_RELATIVE_NOISE;
use super::{BsmPriceColumns, PriceColumns, implied_volatility_bsm_row, implied_volatility_row, put};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp, exp_moderate, ln_ratio};

/// Rows in a block: what a loop turns into vectors without a remainder.
const BLOCK: usize = 64;
/// Rows in a task: large enough that handing it to a thread costs nothing beside it.
const TASK: usize = 4096;
/// Two steps end the search of nearly every row; a block with a row that needs more takes more, its other rows standing still.
const MOST_STEPS: usize = 4;
/// A step no longer than this, relative to the result, was the last: what it leaves is of its fourth power.
const LAST_STEP: f64 = 2e-5;
/// The guess and its logarithms keep their meaning up to here.
const MOST_LOG_MONEYNESS: f64 = 40.0;
/// √(2π).
const SQRT_TAU: f64 = 2.506_628_274_631_000_7;

type Lanes = [f64; BLOCK];

/// The reduced rows of a block.
struct Reduced {
    /// |ln(forward/strike)|.
    log_moneyness: Lanes,
    /// exp(log_moneyness) − 1.
    excess: Lanes,
    /// Out-of-the-money value over the discounted lesser of forward and strike, or its complement where `side` is −1.
    part: Lanes,
    /// +1 where the ratio is at most one half, −1 above.
    side: Lanes,
    /// What rounding may add to `part`, relative to it.
    noise: Lanes,
    /// 1 where every field is in the range of this path.
    usable: Lanes,
}

impl Reduced {
    fn new() -> Self {
        Self {
            log_moneyness: [0.0; BLOCK],
            excess: [0.0; BLOCK],
            part: [0.0; BLOCK],
            side: [0.0; BLOCK],
            noise: [0.0; BLOCK],
            usable: [0.0; BLOCK],
        }
    }

    /// One lane: legs as (rounded, rest), both discounted; what remains of `price` beyond the intrinsic value, every rounding kept.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "a lane's numbers, inlined into two loops")]
    fn lane(
        &mut self,
        i: usize,
        in_the_money: bool,
        lesser: (f64, f64),
        greater: (f64, f64),
        price: f64,
        leg_noise: f64,
        log_moneyness: f64,
        fields_usable: bool,
    ) {
        let (above, e1) = two_sum(price, -greater.0);
        let (sum, e2) = two_sum(above, lesser.0);
        let rest = (e1 + e2) - (greater.1 - lesser.1);
        let value = if in_the_money { sum + rest } else { price };
        let lost = if in_the_money { rest - (value - sum) } else { 0.0 };
        let complement = (lesser.0 - value) + (lesser.1 - lost);
        let upper = value > 0.5 * lesser.0;
        let part = if upper { complement } else { value };
        let half_ulp = 0.5 * (f64::from_bits(price.to_bits().wrapping_add(1)) - price);
        let noise = if in_the_money { half_ulp + leg_noise } else { half_ulp };
        let usable = fields_usable & (part > 1e-280 * lesser.0) & (log_moneyness < MOST_LOG_MONEYNESS);
        let part = if usable { part } else { 0.25 };
        let scale = if usable { lesser.0 } else { 1.0 };
        self.log_moneyness[i] = if usable { log_moneyness } else { 0.1 };
        self.excess[i] = if usable { ((greater.0 - lesser.0) + (greater.1 - lesser.1)) / lesser.0 } else { 0.1 };
        self.side[i] = if usable & upper { -1.0 } else { 1.0 };
        self.noise[i] = noise / part;
        self.part[i] = part / scale;
        self.usable[i] = if usable { 1.0 } else { 0.0 };
    }
}

/// One rounding of the sum, and what it lost.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let shadow = sum - a;
    (sum, (a - (sum - shadow)) + (b - shadow))
}

/// Total volatility of each lane; NaN where it is for the twin to say.
#[inline(always)]
fn total_volatilities<M: MultiplyAdd>(rows: &Reduced, out: &mut Lanes) {
    let mut log_part = [0.0; BLOCK];
    let mut last = Last { step: [f64::INFINITY; BLOCK], over_vega: [0.0; BLOCK] };
    for i in 0..BLOCK {
        log_part[i] = ln_ratio::<M>(rows.part[i], 1.0);
        out[i] = guess::<M>(rows.log_moneyness[i], rows.excess[i], rows.part[i], rows.side[i] < 0.0);
    }
    for taken in 1..=MOST_STEPS {
        step::<M>(rows, &log_part, out, &mut last);
        if taken >= 2 && last.moving(out) == 0 {
            break;
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        let s = *out;
        let noise = rows.noise[i] * last.over_vega[i];
        let sure = (last.step[i].abs() <= LAST_STEP * s)
            & (noise <= 0.9 * UNDETERMINED_RELATIVE_NOISE * s)
            & (rows.usable[i] > 0.0);
        *out = if sure { s } else { f64::NAN };
    }
}

/// What the last step leaves behind.
struct Last {
    step: Lanes,
    /// Value (or complement) over vega before the step.
    over_vega: Lanes,
}

impl Last {
    /// Lanes that have not ended.
    #[inline(always)]
    fn moving(&self, s: &Lanes) -> u64 {
        let mut count = 0;
        for (step, s) in self.step.iter().zip(s) {
            count += if step.abs() <= LAST_STEP * s { 0 } else { 1 };
        }
        count
    }
}

/// One Householder step on every lane.
#[inline(always)]
fn step<M: MultiplyAdd>(rows: &Reduced, log_part: &Lanes, out: &mut Lanes, last: &mut Last) {
    for i in 0..BLOCK {
        let (k, part, side, s) = (rows.log_moneyness[i], rows.part[i], rows.side[i], out[i]);
        let upper = side < 0.0;
        let inverse = 1.0 / s;
        let (h, t) = (k * inverse, 0.5 * s);
        let a2 = t + h;
        let a1 = side * (h - t);
        let gap = if upper { 2.0 * h } else { s };
        let a1_kept = if a1 < LEAST_ARGUMENT { LEAST_ARGUMENT } else { a1 };
        let (first, difference) = mills_and_difference::<M>(a1_kept, a2, gap);
        let over_vega = if upper { M::multiply_add(2.0, first, -difference) } else { difference };
        let residual = M::multiply_add(-0.5 * a1, a1, ln_ratio::<M>(over_vega, SQRT_TAU * part));
        // Derivatives of the ratio in s over the first, then of its logarithm, then of the objective.
        let slope = side / over_vega;
        let per_s = h * inverse;
        let f2 = M::multiply_add(per_s, h, -0.25 * s);
        let f3 = M::multiply_add(f2, f2, M::multiply_add(-3.0 * per_s, per_s, -0.25));
        let l2 = f2 - slope;
        let l3 = M::multiply_add(slope, M::multiply_add(2.0, slope, -3.0 * f2), f3);
        let log_model = log_part[i] + residual;
        let q = if upper { 0.0 } else { slope / log_model };
        let scale = if upper { 1.0 } else { log_model / log_part[i] };
        let nu = -residual * scale * side * over_vega;
        let g2 = M::multiply_add(-2.0, q, l2);
        let g3 = M::multiply_add(6.0 * q, q - l2, l3);
        let change = nu * M::multiply_add(0.5 * g2, nu, 1.0)
            / M::multiply_add(nu, M::multiply_add(g3 * (1.0 / 6.0), nu, g2), 1.0);
        let least = -0.5 * s;
        let change = if change < least { least } else { change };
        let change = if change > s { s } else { change };
        // A lane that has ended stands still, whatever its neighbours need: a row's answer is its own.
        let ended = last.step[i].abs() <= LAST_STEP * s;
        last.step[i] = if ended { last.step[i] } else { change };
        last.over_vega[i] = over_vega;
        out[i] = if ended { s } else { s + change };
    }
}

/// The total volatility under Pólya's approximation 2Φ(x) − 1 ≈ ±√(1 − exp(−2x²/π)): with E = exp(−(2/π)(k²/s² + s²/4)) the Black
/// formula, squared twice, is A E² + B E = C.
#[inline(always)]
fn guess<M: MultiplyAdd>(k: f64, excess: f64, part: f64, upper: bool) -> f64 {
    let other = 1.0 - part;
    let (p, complement) = if upper { (other, part) } else { (part, other) };
    let ratio = 1.0 + excess;
    let g = exp_moderate::<M>(FRAC_2_PI * k);
    let inverse_g = 1.0 / g;
    let ratio_over_g = ratio * inverse_g;
    let h = M::multiply_add(ratio, ratio_over_g, g);
    let root_a = M::multiply_add(ratio, ratio_over_g, -g);
    let intrinsic_part = p * (p + excess);
    let b = M::multiply_add(ratio * excess, g - ratio_over_g, 2.0 * h * intrinsic_part);
    let c = intrinsic_part * complement * (p + ratio);
    // A/4, B/4 and C/4 divided through, so that E = 2C/(B + √(B² + 4AC))
    let e = 8.0 * c / (b + M::multiply_add(4.0 * root_a * root_a, c, b * b).sqrt());
    let gamma = -FRAC_PI_2 * ln_ratio::<M>(e, 1.0);
    let at_centre = 0.5 * M::multiply_add(ratio, (1.0 - inverse_g * inverse_g).sqrt() - 1.0, 1.0);
    let below = gamma - k;
    let inner = (if below > 0.0 { below } else { 0.0 }).sqrt();
    let outer = (gamma + k).sqrt();
    // Below the inflection the difference of the roots, as 2k over their sum.
    if p > at_centre { outer + inner } else { 2.0 * k / (outer + inner) }
}

/// Black rows: forward and discount factor given.
struct BlackKernel<'a> {
    rows: PriceColumns<'a>,
    out: &'a mut [f64],
    status: &'a mut [Status],
}

impl Kernel for BlackKernel<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { rows, out, status } = self;
        let mut reduced = Reduced::new();
        let mut volatility = [0.0; BLOCK];
        for start in (0..out.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(out.len());
            black_block::<M>(&part_of(&rows, range.clone()), &mut reduced, &mut volatility);
            settle(&volatility, &mut out[range.clone()], &mut status[range.clone()], |i| {
                implied_volatility_row(
                    rows.option_type[start + i],
                    rows.forward[start + i],
                    rows.strike[start + i],
                    rows.expiry_years[start + i],
                    rows.discount_factor[start + i],
                    rows.price[start + i],
                )
            });
        }
    }
}

/// A range of rows.
#[inline(always)]
fn part_of<'a>(rows: &PriceColumns<'a>, range: std::ops::Range<usize>) -> PriceColumns<'a> {
    PriceColumns {
        option_type: &rows.option_type[range.clone()],
        forward: &rows.forward[range.clone()],
        strike: &rows.strike[range.clone()],
        expiry_years: &rows.expiry_years[range.clone()],
        discount_factor: &rows.discount_factor[range.clone()],
        price: &rows.price[range],
    }
}

/// Volatilities of at most a block of rows; NaN where it is for the twin to say.
#[inline(always)]
fn black_block<M: MultiplyAdd>(rows: &PriceColumns<'_>, reduced: &mut Reduced, out: &mut Lanes) {
    let sign = signs(rows.option_type);
    let forward = lanes(rows.forward);
    let strike = lanes(rows.strike);
    let years = lanes(rows.expiry_years);
    let discount = lanes(rows.discount_factor);
    let price = lanes(rows.price);
    for i in 0..BLOCK {
        let above = forward[i] > strike[i];
        let (less, more) = if above { (strike[i], forward[i]) } else { (forward[i], strike[i]) };
        let lesser = discount[i] * less;
        let greater = discount[i] * more;
        let legs = (
            (lesser, M::product_error(discount[i], less, lesser)),
            (greater, M::product_error(discount[i], more, greater)),
        );
        let usable = in_range(forward[i])
            & in_range(strike[i])
            & in_range(discount[i])
            & in_range(years[i])
            & in_range(lesser)
            & in_range(greater)
            & (price[i] < MOST);
        let in_the_money = (sign[i] > 0.0) == above;
        let in_the_money = in_the_money & (forward[i] != strike[i]);
        reduced.lane(i, in_the_money, legs.0, legs.1, price[i], 0.0, ln_ratio::<M>(more, less), usable);
    }
    finish::<M>(reduced, &years, out);
}

/// Black–Scholes–Merton rows: spot, rate and yield given.
struct BsmKernel<'a> {
    rows: BsmPriceColumns<'a>,
    out: &'a mut [f64],
    status: &'a mut [Status],
}

impl Kernel for BsmKernel<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { rows, out, status } = self;
        let mut reduced = Reduced::new();
        let mut volatility = [0.0; BLOCK];
        for start in (0..out.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(out.len());
            let sign = signs(&rows.option_type[range.clone()]);
            let spot = lanes(&rows.spot[range.clone()]);
            let strike = lanes(&rows.strike[range.clone()]);
            let years = lanes(&rows.expiry_years[range.clone()]);
            let rate = lanes(&rows.risk_free_rate[range.clone()]);
            let dividend = lanes(&rows.dividend_yield[range.clone()]);
            let price = lanes(&rows.price[range.clone()]);
            for i in 0..BLOCK {
                let (forward, forward_noise) = discounted::<M>(spot[i], dividend[i], years[i]);
                let (discounted_strike, strike_noise) = discounted::<M>(strike[i], rate[i], years[i]);
                let net = rate[i] - dividend[i];
                let carry = net * years[i];
                let (log, lost) = two_sum(ln_ratio::<M>(spot[i], strike[i]), carry);
                let x = log + (lost + M::product_error(net, years[i], carry));
                let above = x > 0.0;
                let (lesser, greater) = if above { (discounted_strike, forward) } else { (forward, discounted_strike) };
                let usable = in_range(spot[i])
                    & in_range(strike[i])
                    & in_range(years[i])
                    & (rate[i].abs() * years[i] < MOST_EXPONENT)
                    & (dividend[i].abs() * years[i] < MOST_EXPONENT)
                    & in_range(lesser.0)
                    & in_range(greater.0)
                    & (price[i] < MOST);
                let in_the_money = ((sign[i] > 0.0) == above) & (x != 0.0);
                reduced.lane(i, in_the_money, lesser, greater, price[i], forward_noise + strike_noise, x.abs(), usable);
            }
            finish::<M>(&reduced, &years, &mut volatility);
            settle(&volatility, &mut out[range.clone()], &mut status[range.clone()], |i| {
                implied_volatility_bsm_row(&rows.row(start + i), rows.price[start + i])
            });
        }
    }
}

/// Ends of the range in which this path's arithmetic neither overflows nor goes subnormal.
const LEAST: f64 = 1e-150;
const MOST: f64 = 1e150;
const MOST_EXPONENT: f64 = 300.0;

#[inline(always)]
fn in_range(x: f64) -> bool {
    (x > LEAST) & (x < MOST)
}

/// amount·exp(−rate·years) as value and rest, and what the exponential may be wrong by.
#[inline(always)]
fn discounted<M: MultiplyAdd>(amount: f64, rate: f64, years: f64) -> ((f64, f64), f64) {
    let exponent = -rate * years;
    let lost = M::product_error(-rate, years, exponent);
    let factor = exp::<M>(exponent);
    let value = amount * factor;
    let rest = M::multiply_add(value, lost, M::product_error(amount, factor, value));
    let noise = if exponent == 0.0 { 0.0 } else { f64::from_bits(value.to_bits().wrapping_add(1)) - value };
    ((value, rest), noise)
}

/// A column's part, padded with ones, which cost nothing and are not written back.
#[inline(always)]
fn lanes(column: &[f64]) -> Lanes {
    let mut out = [1.0; BLOCK];
    out[..column.len()].copy_from_slice(column);
    out
}

#[inline(always)]
fn signs(column: &[OptionType]) -> Lanes {
    let mut out = [1.0; BLOCK];
    for (out, option_type) in out.iter_mut().zip(column) {
        *out = option_type.sign();
    }
    out
}

/// Volatilities of the reduced rows.
#[inline(always)]
fn finish<M: MultiplyAdd>(reduced: &Reduced, years: &Lanes, out: &mut Lanes) {
    total_volatilities::<M>(reduced, out);
    for (out, years) in out.iter_mut().zip(years) {
        *out /= years.sqrt();
    }
}

/// Writes the lanes out; those without an answer go to the twin.
#[inline(always)]
fn settle(volatility: &Lanes, out: &mut [f64], status: &mut [Status], twin: impl Fn(usize) -> Result<f64, Status>) {
    let n = out.len();
    out.copy_from_slice(&volatility[..n]);
    status.fill(Status::Ok);
    for i in 0..n {
        if !out[i].is_finite() {
            put(twin(i), &mut out[i], &mut status[i]);
        }
    }
}

/// See [`implied_volatility`](super::implied_volatility).
pub(super) fn black(target: Target, rows: &PriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let run = |start: usize, out: &mut [f64], status: &mut [Status]| {
        let rows = part_of(rows, start..start + out.len());
        dispatch(target, BlackKernel { rows, out, status });
    };
    by_task(out, status, run);
}

/// See [`implied_volatility_bsm`](super::implied_volatility_bsm).
pub(super) fn bsm(target: Target, rows: &BsmPriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let run = |start: usize, out: &mut [f64], status: &mut [Status]| {
        let range = start..start + out.len();
        let rows = BsmPriceColumns {
            option_type: &rows.option_type[range.clone()],
            spot: &rows.spot[range.clone()],
            strike: &rows.strike[range.clone()],
            expiry_years: &rows.expiry_years[range.clone()],
            risk_free_rate: &rows.risk_free_rate[range.clone()],
            dividend_yield: &rows.dividend_yield[range.clone()],
            price: &rows.price[range],
        };
        dispatch(target, BsmKernel { rows, out, status });
    };
    by_task(out, status, run);
}

/// Splits a batch among the threads of the current pool; a batch of one task stays on its thread.
fn by_task(out: &mut [f64], status: &mut [Status], run: impl Fn(usize, &mut [f64], &mut [Status]) + Sync) {
    if out.len() <= TASK {
        run(0, out, status);
    } else {
        out.par_chunks_mut(TASK)
            .zip(status.par_chunks_mut(TASK))
            .enumerate()
            .for_each(|(n, (out, status))| run(n * TASK, out, status));
    }
}

/// Whether the lanes of the best target answer a Black row without the twin.
#[cfg(test)]
pub(super) fn solves_alone(option_type: OptionType, [forward, strike, years, discount, _, price]: [f64; 6]) -> bool {
    struct One<'a>(PriceColumns<'a>, &'a mut Lanes);
    impl Kernel for One<'_> {
        #[inline(always)]
        fn run<M: MultiplyAdd>(self) {
            black_block::<M>(&self.0, &mut Reduced::new(), self.1);
        }
    }
    let rows = PriceColumns {
        option_type: &[option_type],
        forward: &[forward],
        strike: &[strike],
        expiry_years: &[years],
        discount_factor: &[discount],
        price: &[price],
    };
    let mut out = [0.0; BLOCK];
    dispatch(Target::best(), One(rows, &mut out));
    out[0].is_finite()
}
