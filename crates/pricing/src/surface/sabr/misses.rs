//! The squared misses of all quotes of a slice under Hagan's lognormal expansion, added up side by side.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use super::{
    curve::Curve,
    lanes::{BLOCK, Block, Columns},
};
use crate::{
    math::{Kernel, MultiplyAdd, Target, dispatch},
    surface::calibration::{Normal, Objective, Point, Residual, Settings},
};

/// Values side by side.
const LANES: usize = 8;

/// The quotes of a slice by columns, in blocks: filled up by quotes at the money that count nothing.
#[derive(Clone, Debug)]
pub(super) struct QuoteColumns {
    blocks: Vec<QuoteBlock>,
    count: usize,
    /// A miss is scale · deviation^power less the centre.
    is_square: bool,
    scale: f64,
}

#[derive(Clone, Copy, Debug)]
struct QuoteBlock {
    k: [f64; BLOCK],
    centre: [f64; BLOCK],
    inverse_scale: [f64; BLOCK],
}

impl QuoteColumns {
    /// None where misses are not squared, or not a power of the deviation.
    pub(super) fn new(objective: &Objective, settings: &Settings) -> Option<Self> {
        let (is_square, scale) = match objective.residual {
            _ if settings.estimator.is_likelihood() => return None,
            Residual::Volatility => (false, 1.0 / objective.expiry_years.sqrt()),
            Residual::TotalVariance => (true, 1.0),
            Residual::Price => return None,
        };
        let block = |points: &[Point]| {
            let mut block = QuoteBlock { k: [0.0; BLOCK], centre: [0.0; BLOCK], inverse_scale: [0.0; BLOCK] };
            for (i, point) in points.iter().enumerate() {
                (block.k[i], block.centre[i], block.inverse_scale[i]) = (point.k, point.centre, point.inverse_scale);
            }
            block
        };
        let blocks = objective.points.chunks(BLOCK).map(block).collect();
        Some(Self { blocks, count: objective.points.len(), is_square, scale })
    }

    /// Adds the misses of the smile of `curve` to `normal`; false where it has no value at some quote.
    pub(super) fn add<const N: usize>(&self, curve: &Curve, normal: &mut Normal<N>) -> bool {
        let (mut sums, mut is_sound) = (Sums::<N>::ZERO, true);
        let is_lognormal = N < 4 && curve.beta == 1.0;
        let target = Target::best();
        if is_lognormal {
            dispatch(target, Misses::<true, N> { curve, quotes: self, sums: &mut sums, is_sound: &mut is_sound });
        } else {
            dispatch(target, Misses::<false, N> { curve, quotes: self, sums: &mut sums, is_sound: &mut is_sound });
        }
        normal.add_squares(self.count, sums.squares, &sums.gradient, &sums.hessian);
        is_sound
    }
}

/// What squared misses add up to; the Hessian's lower triangle.
struct Sums<const N: usize> {
    squares: f64,
    gradient: [f64; N],
    hessian: [[f64; N]; N],
}

impl<const N: usize> Sums<N> {
    const ZERO: Self = Self { squares: 0.0, gradient: [0.0; N], hessian: [[0.0; N]; N] };
}

struct Misses<'a, const IS_LOGNORMAL: bool, const N: usize> {
    curve: &'a Curve,
    quotes: &'a QuoteColumns,
    sums: &'a mut Sums<N>,
    is_sound: &'a mut bool,
}

impl<const IS_LOGNORMAL: bool, const N: usize> Kernel for Misses<'_, IS_LOGNORMAL, N> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let mut squares = [0.0; LANES];
        let mut gradient = [[0.0; LANES]; N];
        let mut hessian = [[[0.0; LANES]; N]; N];
        let (mut least, mut most) = ([f64::INFINITY; LANES], [0.0_f64; LANES]);
        let mut columns = Columns { k: [0.0; BLOCK], values: [[0.0; BLOCK]; 5] };
        let (scale, is_square) = (self.quotes.scale, self.quotes.is_square);
        for block in &self.quotes.blocks {
            columns.k = block.k;
            Block::<IS_LOGNORMAL> { curve: self.curve, columns: &mut columns }.run::<M>();
            for at in (0..BLOCK).step_by(LANES) {
                let (mut miss, mut slope) = ([0.0; LANES], [0.0; LANES]);
                for i in 0..LANES {
                    let deviation = columns.values[0][at + i];
                    least[i] = deviation.min(least[i]);
                    most[i] = deviation.max(most[i]);
                    let unit = scale * block.inverse_scale[at + i];
                    let centre = block.centre[at + i] * block.inverse_scale[at + i];
                    let (value, by) =
                        if is_square { (deviation * deviation, 2.0 * deviation) } else { (deviation, 1.0) };
                    miss[i] = unit * value - centre;
                    slope[i] = unit * by;
                    squares[i] = M::multiply_add(miss[i], miss[i], squares[i]);
                }
                let mut by = [[0.0; LANES]; N];
                for r in 0..N {
                    for i in 0..LANES {
                        by[r][i] = slope[i] * columns.values[1 + r][at + i];
                        gradient[r][i] = M::multiply_add(by[r][i], miss[i], gradient[r][i]);
                    }
                    for c in 0..=r {
                        for i in 0..LANES {
                            hessian[r][c][i] = M::multiply_add(by[r][i], by[c][i], hessian[r][c][i]);
                        }
                    }
                }
            }
        }
        let sum = |lanes: &[f64; LANES]| lanes.iter().sum::<f64>();
        self.sums.squares = sum(&squares);
        for r in 0..N {
            self.sums.gradient[r] = sum(&gradient[r]);
            for c in 0..=r {
                self.sums.hessian[r][c] = sum(&hessian[r][c]);
            }
        }
        // NaN leaves the least and the most as they are, but not the squares.
        *self.is_sound = least.iter().all(|it| *it > 0.0)
            && most.iter().all(|it| *it < f64::INFINITY)
            && self.sums.squares.is_finite();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::{Estimator, Weights},
        sabr::{family::Family, smile::SabrSmile},
        test_quotes::{grid, quotes},
    };

    fn agree<const N: usize>(settings: &Settings, strikes: usize, x: [f64; 4]) {
        let slice = quotes(0.25, &grid(-0.4, 0.25, strikes), 0.003, |k| 0.2 - 0.3 * k + 0.5 * k * k);
        let objective = Objective::new(&slice, settings);
        let columns = QuoteColumns::new(&objective, settings).expect("squares of powers");
        let mut ours = Normal::<N>::new(settings.estimator, 1.0);
        assert!(columns.add(&Curve::new(x), &mut ours));
        let mut exact = Normal::<N>::new(settings.estimator, 1.0);
        let mut values: Vec<(f64, [f64; N])> = Vec::new();
        assert!(SabrSmile::evaluate(x, 0.0, objective.points.iter().map(|point| point.k), &mut values));
        for (i, (deviation, by)) in values.iter().enumerate() {
            let [miss, slope] = objective.miss(i, deviation * deviation);
            exact.add(miss, &by.map(|by| 2.0 * deviation * slope * by));
        }
        assert_eq!(ours.count, exact.count);
        let near = |x: f64, y: f64, of: f64| assert!((x - y).abs() <= 1e-11 * of, "{x} {y} of {strikes} at {x:?}");
        near(ours.cost, exact.cost, exact.cost);
        near(ours.squares, exact.squares, exact.squares);
        for i in 0..N {
            near(ours.gradient[i], exact.gradient[i], (exact.hessian[i][i] * exact.cost).sqrt());
            for j in 0..=i {
                near(ours.hessian[i][j], exact.hessian[i][j], (exact.hessian[i][i] * exact.hessian[j][j]).sqrt());
            }
        }
    }

    #[test]
    fn they_add_up_as_one_by_one() {
        for residual in [Residual::Volatility, Residual::TotalVariance] {
            for weights in [Weights::BidAsk, Weights::Vega, Weights::Uniform] {
                let settings = Settings { residual, weights, ..Settings::default() };
                for strikes in [1, 8, 31, 32, 33, 150] {
                    for x in [[0.1, -0.6, 0.8, 1.0], [0.12, 0.3, 0.0, 1.0], [0.1, -0.6, 0.8, 0.5]] {
                        agree::<3>(&settings, strikes, x);
                        agree::<4>(&settings, strikes, x);
                    }
                }
            }
        }
    }

    #[test]
    fn a_smile_without_a_value_is_told() {
        let slice = quotes(0.25, &grid(-0.4, 0.25, 40), 0.003, |_| 0.2);
        let settings = Settings::default();
        let columns = QuoteColumns::new(&Objective::new(&slice, &settings), &settings).expect("squares");
        for x in [[0.1, -0.99, 50.0, 1.0], [f64::NAN, 0.0, 1.0, 1.0], [1e-300, -0.5, 19.0, 1.0]] {
            let mut values: Vec<(f64, [f64; 3])> = Vec::new();
            let is_sound = SabrSmile::evaluate(x, 0.0, slice.log_moneyness.iter().copied(), &mut values);
            let ours = columns.add(&Curve::new(x), &mut Normal::<3>::new(Estimator::ModelDefault, 1.0));
            assert!(!is_sound && !ours, "{x:?}");
        }
        let likelihood = Settings { estimator: Estimator::MaximumLikelihood, ..settings };
        let prices = Settings { residual: Residual::Price, ..settings };
        for settings in [likelihood, prices] {
            assert!(QuoteColumns::new(&Objective::new(&slice, &settings), &settings).is_none());
        }
    }
}
