//! The premium over the boundaries of eight puts at a time.

use super::algebra::{interpolate, square};
use super::{EXPONENT_LEAST, Group, LANES, Lane, Scratch, bounded, exp_at_least};
use crate::american::accuracy::Tables;
use crate::american::boundary::FLOOR_SHARE;
use crate::math::{FRAC_1_SQRT_2PI, MultiplyAdd, mills_parts};

impl Group {
    /// The premium, S times its derivative by S, and S² times the second.
    #[inline(always)]
    pub(super) fn premium<M: MultiplyAdd>(&self, tables: &Tables, scratch: &mut Scratch) -> [Lane; 3] {
        let n = tables.root.len();
        let points = &tables.premium;
        let count = points.sin.len();
        square(&scratch.y, &mut scratch.squares, n);
        interpolate::<M>(&tables.premium_weight, &scratch.squares[..n], &mut scratch.points[..count]);
        let last = scratch.y[n - 1];
        let (mut inverse, mut spot) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            inverse[lane] = 1.0 / self.deviation[lane];
            let log = self.log_spot[lane];
            spot[lane] = exp_at_least::<M>(if log < -EXPONENT_LEAST { log } else { -EXPONENT_LEAST });
        }
        let (mut value, mut delta, mut gamma) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for k in 0..count {
            let (sin, cos, share) = (points.sin[k], points.cos[k], points.weight[k]);
            let s = sin * sin;
            let one_over_sin = 1.0 / sin;
            for lane in 0..LANES {
                let (rate, dividend) = (self.rate[lane], self.dividend[lane]);
                let floor = FLOOR_SHARE * cos * last[lane];
                let square = scratch.points[k][lane];
                let inner = if square > floor * floor { square.sqrt() } else { floor };
                let one_over_v = inverse[lane] * one_over_sin;
                let v = self.deviation[lane] * sin;
                let distance = self.log_spot[lane] - self.log_end[lane] + inner;
                let d_minus = M::multiply_add(M::multiply_add(rate - dividend, s, distance), one_over_v, -0.5 * v);
                let d_plus = d_minus + v;
                let density = FRAC_1_SQRT_2PI * exp_at_least::<M>(M::multiply_add(-0.5 * d_minus, d_minus, -rate * s));
                let discount = exp_at_least::<M>(-rate * s);
                let carried = spot[lane] * exp_at_least::<M>(-dividend * s);
                let boundary = exp_at_least::<M>(self.log_end[lane] - inner);
                let (minus, plus) = (mills_parts::<M>(bounded(d_minus)), mills_parts::<M>(bounded(d_plus)));
                let quotient = 1.0 / (minus.q * plus.q);
                let cash_tail = density * (minus.p * plus.q * quotient);
                let stock_tail = density * boundary * (plus.p * minus.q * quotient);
                let cash = rate * if d_minus > 0.0 { cash_tail } else { discount - cash_tail };
                let stock = dividend * if d_plus > 0.0 { stock_tail } else { carried - stock_tail };
                let weighted = density * one_over_v;
                let gain = weighted * (rate - dividend * boundary);
                value[lane] += share * (cash - stock);
                delta[lane] -= share * (gain + stock);
                gamma[lane] += share * M::multiply_add(gain * d_minus, one_over_v, weighted * rate);
            }
        }
        [value, delta, gamma]
    }
}
