//! Li's QD+ boundary of eight puts at a time.

use super::{Group, LANES, Lane, bounded, exp_at_least};
use crate::american::accuracy::Tables;
use crate::american::boundary::{
    GUESS_CORRECTION, GUESS_CORRECTION_BELOW, GUESS_CORRECTION_END, GUESS_DEVIATIONS, GUESS_STEPS, GUESS_STEPS_FIRST,
};
use crate::math::{FRAC_1_SQRT_2PI, MultiplyAdd, mills, polynomial};

impl Group {
    /// Li's QD+ boundary; see the twin.
    #[inline(always)]
    pub(super) fn guess<M: MultiplyAdd>(&self, tables: &Tables, y: &mut [Lane]) {
        for (i, root) in tables.root.iter().enumerate() {
            let time = root * root;
            let before = if i == 0 { [0.0; LANES] } else { y[i - 1] };
            let grown = if i == 0 { 0.0 } else { root / tables.root[i - 1] };
            let (rates, dividends, deviations, log_ends) = (self.rate, self.dividend, self.deviation, self.log_end);
            let (mut discount, mut forward) = ([0.0; LANES], [0.0; LANES]);
            let (mut elasticity, mut alpha_over_spread) = ([0.0; LANES], [0.0; LANES]);
            let mut x = [0.0; LANES];
            for lane in 0..LANES {
                let (rate, deviation) = (rates[lane], deviations[lane]);
                let alpha = 2.0 / (deviation * deviation);
                let omega = (rate - dividends[lane]) * alpha;
                discount[lane] = exp_at_least::<M>(-rate * time);
                forward[lane] = exp_at_least::<M>(-dividends[lane] * time);
                let m = alpha / (time * mean_discount(rate * time, discount[lane]));
                let spread = M::multiply_add(omega - 1.0, omega - 1.0, 4.0 * m).sqrt();
                let inverse = 1.0 / spread;
                let share = m * inverse;
                elasticity[lane] = 0.5 * (1.0 - omega - spread) + discount[lane] * (share - share * share * inverse);
                alpha_over_spread[lane] = alpha * inverse;
                let [far, near] = GUESS_DEVIATIONS;
                let first = if log_ends[lane] < 0.0 { near } else { far };
                x[lane] = if i == 0 { first * deviation * root } else { before[lane] * grown };
            }
            let steps = if i == 0 { GUESS_STEPS_FIRST } else { GUESS_STEPS };
            for _ in 0..steps {
                for lane in 0..LANES {
                    x[lane] = self.guess_step::<M>(
                        lane,
                        *root,
                        [discount[lane], forward[lane]],
                        [elasticity[lane], alpha_over_spread[lane]],
                        x[lane],
                    );
                }
            }
            y[i] = x;
        }
        self.correct::<M>(tables, y);
    }

    /// Takes the mean error of QD+ out.
    #[inline(always)]
    fn correct<M: MultiplyAdd>(&self, tables: &Tables, y: &mut [Lane]) {
        let (deviation, log_end) = (self.deviation, self.log_end);
        for (y, root) in y.iter_mut().zip(&tables.root) {
            let (guess, mut corrected) = (*y, [0.0; LANES]);
            for lane in 0..LANES {
                let x = guess[lane];
                let z = (x / (deviation[lane] * root)).min(GUESS_CORRECTION_END);
                let at_strike = polynomial::<M, 3>(z, &GUESS_CORRECTION);
                corrected[lane] = x * if log_end[lane] < 0.0 { GUESS_CORRECTION_BELOW } else { at_strike };
            }
            *y = corrected;
        }
    }

    #[inline(always)]
    fn guess_step<M: MultiplyAdd>(
        &self,
        lane: usize,
        root: f64,
        [discount, forward]: [f64; 2],
        [elasticity, alpha_over_spread]: [f64; 2],
        x: f64,
    ) -> f64 {
        let (rate, dividend, deviation) = (self.rate[lane], self.dividend[lane], self.deviation[lane]);
        let v = deviation * root;
        let one_over_v = 1.0 / v;
        let log = self.log_end[lane] - x;
        let b = exp_at_least::<M>(log);
        let d_plus = (log + (rate - dividend) * root * root) * one_over_v + 0.5 * v;
        let d_minus = d_plus - v;
        let density = b * forward * FRAC_1_SQRT_2PI * exp_at_least::<M>(-0.5 * d_plus * d_plus);
        let stock_tail = density * mills::<M>(bounded(d_plus));
        let cash_tail = density * mills::<M>(bounded(d_minus));
        let stock = if d_plus > 0.0 { stock_tail } else { b * forward - stock_tail };
        let cash = if d_minus > 0.0 { cash_tail } else { discount - cash_tail };
        let half = 0.5 * deviation * deviation * one_over_v * density;
        let theta = rate * cash - dividend * stock - half;
        let theta_slope =
            (dividend - rate) * density * one_over_v - dividend * stock - half * (1.0 - d_plus * one_over_v);
        let error = b - stock + elasticity * (1.0 - b - cash + stock) - alpha_over_spread * theta;
        let slope = b - stock + density * one_over_v + elasticity * (stock - b) - alpha_over_spread * theta_slope;
        let change = error / slope;
        let most = 0.5 * if x > v { x } else { v };
        let change = if change < most { change } else { most };
        let change = if change > -0.5 * x { change } else { -0.5 * x };
        x + change
    }
}

/// (1 − e^(−x))/x: by its series where the difference would cancel.
#[inline(always)]
fn mean_discount(x: f64, exponential: f64) -> f64 {
    let series = 1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0))));
    let divided = (1.0 - exponential) / x;
    if x.abs() < 1e-3 { series } else { divided }
}
