//! The scalar twin: one row, f64, the specification that every faster path is held against.

use std::f64::consts::{LN_2, PI, TAU};

use zomma_base::{OptionType, Status};

use super::guess;
use super::mills::{LEAST_ARGUMENT, mills_and_difference};
use crate::black::Row;
use crate::math::Plain;

/// A row whose volatility would move by this share of itself within the rounding of its price is `Undetermined`.
pub(super) const UNDETERMINED_RELATIVE_NOISE: f64 = 1e-3;

/// What is left of a row once currency, time and the side of the strike are gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reduced {
    /// |ln(forward/strike)|.
    pub log_moneyness: f64,
    /// Out-of-the-money value over the discounted lesser of forward and strike, in (0, 1).
    pub ratio: f64,
    /// 1 − ratio, without the cancellation.
    pub complement: f64,
    /// ln(ratio), finite where `ratio` underflows.
    pub log_ratio: f64,
    /// What the rounding of the price and of the intrinsic value may add to `ratio`.
    pub noise: f64,
}

/// One rounding of the product, and what it lost.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

/// One rounding of the sum, and what it lost.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let shadow = sum - a;
    (sum, (a - (sum - shadow)) + (b - shadow))
}

/// Half the distance from `x` to its neighbour.
fn half_ulp(x: f64) -> f64 {
    0.5 * (x.next_up() - x)
}

/// The forward and the strike, discounted to today, each as a rounded value and what the rounding lost.
pub(super) struct Legs {
    pub forward: (f64, f64),
    pub strike: (f64, f64),
    /// |ln(forward/strike)|, positive `log` where the forward is above the strike.
    pub log_forward_over_strike: f64,
    /// Largest error of forward − strike that their own computation leaves.
    pub noise: f64,
}

/// ln(a/b), accurate also where the ratio is near one, overflows or underflows.
pub(super) fn log_ratio(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if (0.5..=2.0).contains(&ratio) {
        ((a - b) / b).ln_1p() // a − b is exact here
    } else if ratio.is_normal() {
        ratio.ln()
    } else {
        a.ln() - b.ln()
    }
}

impl Reduced {
    /// Reduces a row, or says why it has no volatility.
    pub(super) fn new(option_type: OptionType, legs: &Legs, price: f64) -> Result<Self, Status> {
        let call = option_type == OptionType::Call;
        let (lesser, greater) =
            if legs.log_forward_over_strike > 0.0 { (legs.strike, legs.forward) } else { (legs.forward, legs.strike) };
        let in_the_money = (legs.log_forward_over_strike > 0.0) == call && legs.log_forward_over_strike != 0.0;
        let mut noise = half_ulp(price);
        let mut time_value = price;
        let mut lost = 0.0;
        if in_the_money {
            // price − (greater − lesser), every rounding kept
            let (above, e1) = two_sum(price, -greater.0);
            let (sum, e2) = two_sum(above, lesser.0);
            lost = e1 + e2 - greater.1 + lesser.1;
            time_value = sum + lost;
            lost -= time_value - sum;
            noise += legs.noise;
        }
        if time_value <= 0.0 {
            return Err(if -time_value <= noise { Status::Undetermined } else { Status::BelowIntrinsic });
        }
        let complement = ((lesser.0 - time_value) + (lesser.1 - lost)) / lesser.0;
        if complement <= 0.0 {
            return Err(Status::AboveMaximum);
        }
        let ratio = time_value / lesser.0;
        Ok(Self {
            log_moneyness: legs.log_forward_over_strike.abs(),
            ratio,
            complement,
            log_ratio: if ratio > 1e-290 { ratio.ln() } else { time_value.ln() - lesser.0.ln() },
            noise: noise / lesser.0,
        })
    }
}

/// The Black function and its inverse's derivatives at one total volatility.
pub(super) struct Point {
    /// d₁ = s/2 − |x|/s.
    pub d1: f64,
    /// ratio / vega where `upper` is false, (1 − ratio) / vega where it is true; vega = φ(d₁).
    pub over_vega: f64,
}

/// Evaluates the Black function at `s` for |ln(F/K)| = `k`: its value over its vega, or that of its complement.
pub(super) fn evaluate(k: f64, s: f64, upper: bool) -> Point {
    let (h, t) = (k / s, 0.5 * s);
    let (d1, a2) = (t - h, t + h);
    let (a1, gap) = if upper { (d1, 2.0 * h) } else { (-d1, s) };
    let (first, difference) = mills_and_difference::<Plain>(a1.max(LEAST_ARGUMENT), a2, gap);
    Point { d1, over_vega: if upper { 2.0 * first - difference } else { difference } }
}

/// ln √(2π).
const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// Steps of the fourth order that no row comes near to needing.
const MOST_STEPS: usize = 12;

/// The total volatility σ√T of a reduced row.
pub(super) fn total_volatility(row: &Reduced) -> Result<f64, Status> {
    let k = row.log_moneyness;
    let branches = guess::Branches::new(k);
    let mut s = branches.guess(row);
    // Above one half d₁ is at least zero and the complement is a sum of positive terms; below, d₁ is at most 0.68.
    let upper = row.ratio > 0.5;
    let objective = branches.objective(row);
    for _ in 0..MOST_STEPS {
        // Numbers at the ends of their range may leave none.
        if !(s.is_finite() && s > 0.0) {
            break;
        }
        let point = evaluate(k, s, upper);
        let w = point.over_vega;
        let log_model_over_vega = w.ln() - LOG_SQRT_TAU - 0.5 * point.d1 * point.d1;
        // ln of model over market, of the value below one half and of the complement above
        let residual = if upper {
            log_model_over_vega - row.complement.ln()
        } else if row.log_ratio < -700.0 {
            log_model_over_vega - row.log_ratio
        } else {
            (w / (row.ratio * TAU.sqrt())).ln() - 0.5 * point.d1 * point.d1
        };
        let (h2, h3) = vega_derivatives(k, s);
        let slope = if upper { -1.0 / w } else { 1.0 / w };
        let (nu, h2, h3) = match objective {
            // g = ratio
            guess::Objective::Price => ((-residual).exp_m1() / slope, h2, h3),
            // g = 1/ln(ratio)
            guess::Objective::InverseLog => {
                let log_model = row.log_ratio + residual;
                let (l2, l3) = of_log(slope, h2, h3);
                let q = slope / log_model;
                (-residual * (log_model / row.log_ratio) / slope, l2 - 2.0 * q, l3 - 6.0 * q * l2 + 6.0 * q * q)
            }
            // g = ln(1 − ratio)
            guess::Objective::Log => {
                let (l2, l3) = of_log(slope, h2, h3);
                (-residual / slope, l2, l3)
            }
        };
        let step = nu * (1.0 + 0.5 * h2 * nu) / (1.0 + nu * (h2 + h3 * nu / 6.0));
        // The guess is on the right branch, so that a step which leaves it is too long rather than in the wrong direction.
        let step = if step.is_finite() { step.clamp(-0.5 * s, s) } else { nu.clamp(-0.5 * s, s) };
        s += step;
        // The error after a step is of the fourth order of the step.
        if step.abs() <= 1e-5 * s {
            let noise = row.noise / vega(point.d1);
            return if noise <= UNDETERMINED_RELATIVE_NOISE * s { Ok(s) } else { Err(Status::Undetermined) };
        }
    }
    Err(Status::NotConverged)
}

/// φ(d₁), kept off zero.
fn vega(d1: f64) -> f64 {
    ((-0.5 * d1 * d1 - LOG_SQRT_TAU).max(-1400.0 * LN_2)).exp().max(f64::MIN_POSITIVE)
}

/// The total volatility σ√T at which an out-of-the-money option is worth e^`log_ratio` of the lesser of forward and strike, for
/// |ln(F/K)| = `k`: for prices known without rounding of their own, and for those under the range of numbers.
///
/// Errors: `AboveMaximum` where the ratio is not under one; `BadPrice` where it is not a number; `NotConverged`.
pub(crate) fn total_volatility_of_log(k: f64, log_ratio: f64) -> Result<f64, Status> {
    if log_ratio >= 0.0 {
        return Err(Status::AboveMaximum);
    }
    if !(log_ratio.is_finite() && k.is_finite()) {
        return Err(Status::BadPrice);
    }
    let (ratio, complement) = (log_ratio.exp(), -log_ratio.exp_m1());
    total_volatility(&Reduced { log_moneyness: k.abs(), ratio, complement, log_ratio, noise: 0.0 })
}

/// The out-of-the-money Black price over the lesser of forward and strike, for |ln(F/K)| = `k` and total volatility `s`.
pub(crate) fn reduced_price(k: f64, s: f64) -> f64 {
    if s <= 0.0 {
        return 0.0;
    }
    let upper = 0.5 * s > k / s;
    let point = evaluate(k, s, upper);
    let part = point.over_vega * (-0.5 * point.d1 * point.d1 - LOG_SQRT_TAU).exp();
    if upper { 1.0 - part } else { part }
}

/// ∂/∂s of [`reduced_price`].
pub(crate) fn reduced_vega(k: f64, s: f64) -> f64 {
    let d1 = 0.5 * s - k / s;
    (-0.5 * d1 * d1 - LOG_SQRT_TAU).exp()
}

/// The total volatility s of an out-of-the-money price whose logarithm over the lesser of forward and strike is `log_ratio`, for
/// |ln(F/K)| = `k`. With it, where z = s/2 − k/s and a = s/2 + k/s: that price and Φ(z), both over φ(z), and Φ(−a) over φ(a). None where no
/// volatility gives the price.
pub(crate) fn total_volatility_of_log_price(k: f64, log_ratio: f64) -> Option<[f64; 4]> {
    let s = total_volatility_of_log(k, log_ratio).ok()?;
    let (h, t) = (k / s, 0.5 * s);
    let z = t - h;
    // Two Mills ratios on either side of zero are subtracted without loss as far as the polynomial goes.
    let upper = z > -LEAST_ARGUMENT;
    let (near, gap) = if upper { (z, 2.0 * h) } else { (-z, s) };
    let (first, difference) = mills_and_difference::<Plain>(near.max(LEAST_ARGUMENT), t + h, gap);
    let far = first - difference;
    if upper {
        let beyond = (0.5 * z * z + LOG_SQRT_TAU).exp() - first;
        Some([s, beyond - far, beyond, far])
    } else {
        Some([s, difference, first, far])
    }
}

/// The second and third derivative of the Black function over the first.
fn vega_derivatives(k: f64, s: f64) -> (f64, f64) {
    let h = k / s;
    let h2 = h * h / s - 0.25 * s;
    (h2, h2 * h2 - 3.0 * (h / s) * (h / s) - 0.25)
}

/// The same two of the logarithm of a function whose logarithmic derivative is `slope`.
fn of_log(slope: f64, h2: f64, h3: f64) -> (f64, f64) {
    (h2 - slope, h3 - 3.0 * h2 * slope + 2.0 * slope * slope)
}

/// What a field must be, checked in one order: forward, strike, expiry, discount factor, price.
fn check(forward: f64, strike: f64, expiry_years: f64, price: f64, bad_forward: Status) -> Result<(), Status> {
    let positive = |x: f64| x.is_finite() && x > 0.0;
    if !positive(forward) {
        Err(bad_forward)
    } else if !positive(strike) {
        Err(Status::BadStrike)
    } else if !expiry_years.is_finite() {
        Err(Status::BadExpiry)
    } else if expiry_years <= 0.0 {
        Err(Status::Expired)
    } else if !(price.is_finite() && price >= 0.0) {
        Err(Status::BadPrice)
    } else {
        Ok(())
    }
}

/// The volatility that gives `price` = `discount_factor` · Black(`forward`, `strike`, σ√`expiry_years`): the twin of
/// [`implied_volatility`](super::implied_volatility), and the same statuses.
///
/// Errors: see [`implied_volatility`](super::implied_volatility).
pub fn implied_volatility_row(
    option_type: OptionType,
    forward: f64,
    strike: f64,
    expiry_years: f64,
    discount_factor: f64,
    price: f64,
) -> Result<f64, Status> {
    check(forward, strike, expiry_years, price, Status::BadForward)?;
    if !(discount_factor.is_finite() && discount_factor > 0.0) {
        return Err(Status::BadRate);
    }
    let legs = Legs {
        forward: two_product(discount_factor, forward),
        strike: two_product(discount_factor, strike),
        log_forward_over_strike: log_ratio(forward, strike),
        noise: 0.0,
    };
    if !(legs.forward.0.is_normal() && legs.strike.0.is_normal()) {
        return Err(Status::Overflow);
    }
    finish(&Reduced::new(option_type, &legs, price)?, expiry_years)
}

/// The volatility of a Black–Scholes–Merton price on spot. The discounted forward and strike are spot·exp(−yield·T) and
/// strike·exp(−rate·T), so that a zero yield or rate costs no rounding. The row's own volatility is ignored.
///
/// Errors: see [`implied_volatility_bsm`](super::implied_volatility_bsm).
pub fn implied_volatility_bsm_row(row_without_vol: &Row, price: f64) -> Result<f64, Status> {
    let Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, .. } = *row_without_vol;
    check(spot, strike, expiry_years, price, Status::BadSpot)?;
    if !risk_free_rate.is_finite() {
        return Err(Status::BadRate);
    }
    if !dividend_yield.is_finite() {
        return Err(Status::BadYield);
    }
    let (discounted_spot, spot_noise) = discounted(spot, dividend_yield, expiry_years);
    let (discounted_strike, strike_noise) = discounted(strike, risk_free_rate, expiry_years);
    if !(discounted_spot.0.is_normal() && discounted_strike.0.is_normal()) {
        return Err(Status::Overflow);
    }
    let (carry, lost) = two_product(risk_free_rate - dividend_yield, expiry_years);
    let (log, lost_sum) = two_sum(log_ratio(spot, strike), carry);
    let legs = Legs {
        forward: discounted_spot,
        strike: discounted_strike,
        log_forward_over_strike: log + (lost + lost_sum),
        noise: spot_noise + strike_noise,
    };
    finish(&Reduced::new(option_type, &legs, price)?, expiry_years)
}

/// amount·exp(−rate·T) as value and rest, and the error that may be left in it: of the exponential, not of the products.
fn discounted(amount: f64, rate: f64, expiry_years: f64) -> ((f64, f64), f64) {
    let (exponent, lost) = two_product(-rate, expiry_years);
    if exponent == 0.0 {
        return ((amount, 0.0), 0.0);
    }
    let factor = exponent.exp();
    let (value, rest) = two_product(amount, factor);
    ((value, rest + value * lost), 2.0 * half_ulp(value))
}

/// Total volatility to volatility.
fn finish(row: &Reduced, expiry_years: f64) -> Result<f64, Status> {
    let s = total_volatility(row)?;
    let volatility = s / expiry_years.sqrt();
    if volatility.is_finite() { Ok(volatility) } else { Err(Status::Overflow) }
}

/// 2π/(3√3), the scale of the lowest branch.
pub(super) const LOWEST_SCALE: f64 = 2.0 * PI / (3.0 * 1.732_050_807_568_877_2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{normal_cdf, normal_pdf};

    #[test]
    fn a_log_price_gives_its_volatility_and_its_parts_over_the_density() {
        for k in [0.0, 1e-6, 0.01, 0.3, 1.0, 5.0] {
            for s in [0.02, 0.1, 0.5, 1.5, 1.7, 3.0, 5.0] {
                let price = reduced_price(k, s);
                if price < 1e-300 {
                    continue;
                }
                let [found, over, near, far] = total_volatility_of_log_price(k, price.ln()).expect("a price");
                // What the price's own rounding leaves of the volatility.
                let noise = 1e-14 + 4e-16 * (1.0 + price.ln().abs()) * price / (reduced_vega(k, s) * s);
                assert!((found / s - 1.0).abs() < noise, "{k} {s}: {found}");
                let (z, a) = (0.5 * s - k / s, 0.5 * s + k / s);
                let density = normal_pdf::<Plain>(z);
                if density > 1e-280 {
                    for (name, ours, theirs) in [
                        ("price", over, price / density),
                        ("near", near, normal_cdf::<Plain>(z) / density),
                        ("far", far, normal_cdf::<Plain>(-a) / normal_pdf::<Plain>(a)),
                    ] {
                        let slack = 1e-9 * (1.0 + z * z) + 10.0 * noise * (1.0 + z.abs() / s);
                        assert!((ours / theirs - 1.0).abs() < slack, "{name} at {k} {s}: {ours} {theirs}");
                    }
                }
            }
        }
        // Far below what a number holds, and where nothing is left of a price.
        let [s, over, near, far] = total_volatility_of_log_price(20.0, -2000.0).expect("a price");
        let z = 0.5 * s - 20.0 / s;
        assert!((over.ln() - LOG_SQRT_TAU - 0.5 * z * z + 2000.0).abs() < 1e-9 && near > far && far > 0.0);
        for nothing in [0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(total_volatility_of_log_price(0.1, nothing).is_none(), "{nothing}");
        }
    }
}
