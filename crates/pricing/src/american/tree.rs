//! The Leisen–Reimer binomial tree (Leisen and Reimer 1996, Peizer–Pratt inversion, method 2): the independent check of the
//! boundary's method.
//!
//! Method    The exact European price plus the premium that two trees give, extrapolated to infinitely many steps: the premium's error
//!           is all but proportional to the distance between exercise dates
//! Accuracy  tolerance.rs: american/tree, at 101 and 51 steps; it falls with the number of steps

use std::cell::RefCell;

use multiversion::multiversion;
use zomma_base::Status;

use super::put::waits_always;
use super::{best_certain_exercise, check, check_volatility, european_of_checked, exercise_value, representable};
use crate::black::Row;

/// Most steps: a tree costs their square.
const STEPS_MAX: usize = 20_001;

/// Value of an American option by trees of `steps` and half as many steps, made odd, between 3 and 20,001. It handles every sign of
/// rate and yield, two boundaries too.
///
/// Errors: those of [`price`](super::price) by field; `NotConverged` where the volatility is too great for so few steps.
pub fn price(row: &Row, steps: usize) -> Result<f64, Status> {
    check(row)?;
    check_volatility(row)?;
    let european = european_of_checked(row);
    if waits_always(row) {
        return representable(european);
    }
    let least = european.max(exercise_value(row));
    let fine_steps = steps.clamp(3, STEPS_MAX) | 1;
    let coarse_steps = (fine_steps / 2) | 1;
    let (Some(coarse), Some(fine)) = (american_and_european(row, coarse_steps), american_and_european(row, fine_steps))
    else {
        let is_nearly_certain = row.volatility * row.expiry_years.sqrt() < 1.0;
        return if is_nearly_certain {
            representable(least.max(best_certain_exercise(row)))
        } else {
            Err(Status::NotConverged)
        };
    };
    // Where the finer tree exercises at once there is nothing to extrapolate.
    if fine.0 <= exercise_value(row) * (1.0 + 1e-12) {
        return representable(least);
    }
    let (m, n) = (coarse_steps as f64, fine_steps as f64);
    let premium = fine.0 - fine.1;
    let extrapolated = premium + (premium - (coarse.0 - coarse.1)) * m / (n - m).max(1.0);
    representable((european + extrapolated).max(least))
}

/// The Peizer–Pratt inversion and its complement, both without cancellation.
fn peizer_pratt(z: f64, steps: f64) -> (f64, f64) {
    let scaled = z / (steps + 1.0 / 3.0 + 0.1 / (steps + 1.0));
    let exponential = (-scaled * scaled * (steps + 1.0 / 6.0)).exp();
    let root = (1.0 - exponential).sqrt();
    let (large, small) = (0.5 * (1.0 + root), 0.5 * exponential / (1.0 + root));
    if z >= 0.0 { (large, small) } else { (small, large) }
}

thread_local! {
    /// Spots and the two value columns of a tree, kept between calls.
    static COLUMNS: RefCell<[Vec<f64>; 3]> = const { RefCell::new([Vec::new(), Vec::new(), Vec::new()]) };
}

/// American and European value on one tree with an odd number of steps; none where the volatility is too small or too great for a
/// tree to have two branches.
fn american_and_european(row: &Row, steps: usize) -> Option<(f64, f64)> {
    let total = row.volatility * row.expiry_years.sqrt();
    let n = steps as f64;
    let dt = row.expiry_years / n;
    let carry = (row.risk_free_rate - row.dividend_yield) * row.expiry_years;
    let d1 = ((row.spot / row.strike).ln() + carry) / total + 0.5 * total;
    let (up_share, down_share) = peizer_pratt(d1, n);
    let (up_risk_neutral, down_risk_neutral) = peizer_pratt(d1 - total, n);
    let growth = (carry / n).exp();
    let up = growth * up_share / up_risk_neutral;
    let down = growth * down_share / down_risk_neutral;
    let discount = (-row.risk_free_rate * dt).exp();
    let usable = up.is_finite() && down > 1e-3 && up < 1e3 && up > down * (1.0 + 1e-9);
    if !usable {
        return None;
    }
    let sign = row.option_type.sign();
    COLUMNS.with_borrow_mut(|[spots, american, european]| {
        spots.clear();
        // From the lowest end node up: spot · downⁿ · (up/down)ⁱ, by powers so that rounding does not pile up.
        spots.extend((0..=steps).map(|i| row.spot * up.powi(i as i32) * down.powi((steps - i) as i32)));
        american.clear();
        american.extend(spots.iter().map(|s| (sign * (s - row.strike)).max(0.0)));
        european.clear();
        european.extend_from_slice(american);
        let level = Level {
            up: discount * up_risk_neutral,
            down: discount * down_risk_neutral,
            back: 1.0 / down,
            strike: row.strike,
            sign,
        };
        roll_back(&level, spots, american, european);
        Some((american[0], european[0]))
    })
}

/// What one step back needs.
struct Level {
    /// Discounted probability of the upper node.
    up: f64,
    /// Discounted probability of the lower node.
    down: f64,
    /// Spot of a node over spot of its lower successor.
    back: f64,
    strike: f64,
    sign: f64,
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
fn roll_back(level: &Level, spots: &mut [f64], american: &mut [f64], european: &mut [f64]) {
    let steps = spots.len() - 1;
    for n in (1..=steps).rev() {
        let (spots, american, european) = (&mut spots[..=n], &mut american[..=n], &mut european[..=n]);
        for i in 0..n {
            spots[i] *= level.back;
            let held = level.up * american[i + 1] + level.down * american[i];
            american[i] = held.max(level.sign * (spots[i] - level.strike));
            european[i] = level.up * european[i + 1] + level.down * european[i];
        }
    }
}
