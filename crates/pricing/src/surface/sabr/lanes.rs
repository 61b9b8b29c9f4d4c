//! Hagan's lognormal expansion and its gradient for all quotes of a slice at once, in loops that are compiled for the machine's vectors.

use super::curve::Curve;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp_moderate, ln};

/// Quotes in one block.
pub(super) const BLOCK: usize = 32;
/// Terms of the series of x(z)/z, and where it stands in for the closed form. Rounding leaves 1e-14 of the value and 1e-11 of the gradient.
pub(super) const TERMS: usize = 7;
const SERIES_BELOW: f64 = 0.01;

/// Adds the total deviation at every `k`, and its gradient by the first N of (level, ρ, vol of vol, β), to `out`.
pub(super) fn lognormal<const N: usize>(
    curve: &Curve,
    mut k: impl Iterator<Item = f64>,
    out: &mut Vec<(f64, [f64; N])>,
) {
    let target = Target::best();
    let mut columns = Columns { k: [0.0; BLOCK], values: [[0.0; BLOCK]; 5] };
    loop {
        let mut count = 0;
        for (place, k) in columns.k.iter_mut().zip(&mut k) {
            *place = k;
            count += 1;
        }
        if count == 0 {
            return;
        }
        // Where β is not fitted its derivative is not asked for.
        if N < 4 && curve.beta == 1.0 {
            dispatch(target, Block::<true> { curve, columns: &mut columns });
        } else {
            dispatch(target, Block::<false> { curve, columns: &mut columns });
        }
        let values = &columns.values;
        out.extend((0..count).map(|i| (values[0][i], std::array::from_fn(|j| values[1 + j][i]))));
        if count < BLOCK {
            return;
        }
    }
}

/// Total variance at every `k`; the columns are of one length.
pub(super) fn lognormal_total_variances(curve: &Curve, k: &[f64], out: &mut [f64]) {
    let target = Target::best();
    if curve.beta == 1.0 {
        dispatch(target, Totals::<true> { curve, k, out });
    } else {
        dispatch(target, Totals::<false> { curve, k, out });
    }
}

struct Totals<'a, const IS_LOGNORMAL: bool> {
    curve: &'a Curve,
    k: &'a [f64],
    out: &'a mut [f64],
}

impl<const IS_LOGNORMAL: bool> Kernel for Totals<'_, IS_LOGNORMAL> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let lane = Lane::<IS_LOGNORMAL>::new(self.curve);
        for (out, k) in self.out.iter_mut().zip(self.k) {
            let deviation = lane.at::<M>(*k)[0];
            *out = deviation * deviation;
        }
    }
}

/// A block of quotes and what the expansion says of them.
pub(super) struct Columns {
    pub(super) k: [f64; BLOCK],
    /// The deviation, and its derivatives.
    pub(super) values: [[f64; BLOCK]; 5],
}

/// One block; β is 1 or not.
pub(super) struct Block<'a, const IS_LOGNORMAL: bool> {
    pub(super) curve: &'a Curve,
    pub(super) columns: &'a mut Columns,
}

impl<const IS_LOGNORMAL: bool> Kernel for Block<'_, IS_LOGNORMAL> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let lane = Lane::<IS_LOGNORMAL>::new(self.curve);
        let Columns { k, values: [deviation, by_level, by_rho, by_vol_of_vol, by_beta] } = self.columns;
        for i in 0..BLOCK {
            let at = lane.at::<M>(k[i]);
            deviation[i] = at[0];
            by_level[i] = at[1];
            by_rho[i] = at[2];
            by_vol_of_vol[i] = at[3];
            by_beta[i] = at[4];
        }
    }
}

/// What does not depend on the strike.
struct Lane<const IS_LOGNORMAL: bool> {
    level: f64,
    inverse_level: f64,
    rho: f64,
    vol_of_vol: f64,
    beta: f64,
    inverse: [f64; 2],
    series: [[f64; TERMS]; 2],
}

impl<const IS_LOGNORMAL: bool> Lane<IS_LOGNORMAL> {
    #[inline(always)]
    fn new(curve: &Curve) -> Self {
        let rho = curve.rho;
        Self {
            level: curve.level,
            inverse_level: 1.0 / curve.level,
            rho,
            vol_of_vol: curve.vol_of_vol,
            beta: curve.beta,
            inverse: [1.0 / (1.0 - rho), 1.0 / (1.0 + rho)],
            series: curve.first_terms(),
        }
    }

    /// x(z)/z with its derivatives by z and ρ: see [`super::distance`].
    #[inline(always)]
    fn ratio<M: MultiplyAdd>(&self, z: f64) -> [f64; 3] {
        let rho = self.rho;
        let square = 1.0 - 2.0 * rho * z + z * z;
        let root = square.sqrt();
        let slope = 1.0 / root;
        let (sign, inverse) = if z >= rho { (1.0, self.inverse[0]) } else { (-1.0, self.inverse[1]) };
        let sum = root + sign * (z - rho);
        let over = 1.0 / z;
        let far_value = sign * ln::<M>(sum * inverse) * over;
        let far_by_z = (slope - far_value) * over;
        let far_by_rho = (inverse - (1.0 + sign * z * slope) / sum) * over;
        let (mut value, mut by_z, mut by_rho) = (0.0, 0.0, 0.0);
        let mut n = TERMS;
        while n > 0 {
            n -= 1;
            by_z = M::multiply_add(by_z, z, value);
            value = M::multiply_add(value, z, self.series[0][n]);
            by_rho = M::multiply_add(by_rho, z, self.series[1][n]);
        }
        if z.abs() < SERIES_BELOW { [value, by_z, by_rho] } else { [far_value, far_by_z, far_by_rho] }
    }

    /// The deviation and its derivatives: [`Curve::lognormal_gradient`].
    #[inline(always)]
    fn at<M: MultiplyAdd>(&self, k: f64) -> [f64; 5] {
        let Self { level: a, rho, vol_of_vol: n, beta, .. } = *self;
        let m = 1.0 - beta;
        let part = (2.0 - 3.0 * rho * rho) / 24.0;
        if IS_LOGNORMAL {
            let by_n = -k * self.inverse_level;
            let z = n * by_n;
            let [ratio, by_z, by_rho] = self.ratio::<M>(z);
            let mixed = 0.25 * rho * n;
            let correction = 1.0 + mixed * a + part * n * n;
            let (inverse, over) = (1.0 / ratio, 1.0 / correction);
            let deviation = a * correction * inverse;
            let log_by_z = -by_z * inverse;
            let log = [
                (1.0 - log_by_z * z) * self.inverse_level + mixed * over,
                -by_rho * inverse + 0.25 * n * (a - rho * n) * over,
                log_by_z * by_n + (0.25 * rho * a + 2.0 * part * n) * over,
            ];
            return [deviation, deviation * log[0], deviation * log[1], deviation * log[2], 0.0];
        }
        let (squares, in_m) = (k * k, m * m);
        let spread = 1.0 + in_m * squares / 24.0 + in_m * in_m * squares * squares / 1920.0;
        let by_m = m * squares / 12.0 + in_m * m * squares * squares / 480.0;
        let half = 0.5 * m * k;
        let half = half.clamp(-300.0, 300.0);
        let power = exp_moderate::<M>(-half);
        let by_n = -k * self.inverse_level / power;
        let z = n * by_n;
        let [ratio, by_z, by_rho] = self.ratio::<M>(z);
        let ap = a * power;
        let (level_part, mixed) = (in_m / 24.0, 0.25 * rho * beta * n);
        let correction = 1.0 + (level_part * ap + mixed) * ap + part * n * n;
        let (inverse, over, inverse_spread) = (1.0 / ratio, 1.0 / correction, 1.0 / spread);
        let deviation = ap * correction * inverse * inverse_spread;
        let log_by_z = -by_z * inverse;
        let by_power = (2.0 * level_part * ap + mixed) * over;
        let log = [
            (1.0 - log_by_z * z) * self.inverse_level + by_power * power,
            -by_rho * inverse + 0.25 * n * (beta * ap - rho * n) * over,
            log_by_z * by_n + (0.25 * rho * beta * ap + 2.0 * part * n) * over,
            0.5 * k * (1.0 - log_by_z * z)
                + by_m * inverse_spread
                + ((0.25 * rho * n - m / 12.0 * ap) * over + 0.5 * k * by_power) * ap,
        ];
        [deviation, deviation * log[0], deviation * log[1], deviation * log[2], deviation * log[3]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_the_scalar_formula() {
        let strikes: Vec<f64> = (-50..=27).map(|i| 0.02 * f64::from(i)).chain([1e-7, -1e-4]).collect();
        for case in [[0.2, -0.7, 1.1, 1.0], [0.05, 0.3, 0.8, 0.5], [0.01, -0.5, 2.5, 1.0], [0.2, -0.4, 0.0, 0.3]] {
            let curve = Curve::new(case);
            agree::<3>(&curve, &strikes);
            agree::<4>(&curve, &strikes);
        }
    }

    fn agree<const N: usize>(curve: &Curve, strikes: &[f64]) {
        let mut out: Vec<(f64, [f64; N])> = Vec::new();
        lognormal(curve, strikes.iter().copied(), &mut out);
        assert_eq!(out.len(), strikes.len());
        for (k, (deviation, by)) in strikes.iter().zip(&out) {
            let (exact, gradient) = curve.lognormal_gradient(*k);
            assert!((deviation / exact - 1.0).abs() < 1e-13, "{deviation} {exact} at {k} of {curve:?}");
            for i in 0..N {
                let tolerance = 1e-10 * (exact + gradient[i].abs());
                assert!((by[i] - gradient[i]).abs() < tolerance, "{i}: {} {} at {k}", by[i], gradient[i]);
            }
        }
    }
}
