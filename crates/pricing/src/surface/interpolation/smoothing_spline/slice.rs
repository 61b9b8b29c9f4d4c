//! One expiry's smoothing spline.

use super::{
    quadratic::Quadratic,
    smile::{PriceSpline, put_price},
};
use crate::{
    math::{Plain, normal_cdf},
    surface::{
        extrapolation::straight_slope,
        from_price::{ln_by_variance, price},
        interpolation::{dense::dot, knots::Knots},
        smile::Smile,
    },
};

/// Most knots; of more strikes every n-th is one, and all are fitted.
pub(super) const MOST_KNOTS: usize = 80;
/// Root mean square miss, in units of the settings, that is left to noise.
const MISS: f64 = 0.25;
/// The least an option out of the money is worth at the ends, as a share of its quote; and the least second derivative by moneyness, as a
/// share of its mean.
const LEAST_SHARE: f64 = 0.3;
const LEAST_BEND: f64 = 1e-4;
/// By how much the next expiry's price is kept away from, as a share of the price out of the money.
const CALENDAR_SHARE: f64 = 1e-6;

/// The spline in coordinates of its first price, its first slope and its second derivatives γ at the inner knots.
struct Basis {
    kappa: Vec<f64>,
    /// Prices at the knots by coordinate.
    prices: Vec<Vec<f64>>,
    /// Slopes at the knots by coordinate.
    slopes: Vec<Vec<f64>>,
}

impl Basis {
    fn new(kappa: Vec<f64>) -> Self {
        let n = kappa.len();
        let (mut prices, mut slopes) = (vec![vec![0.0; n]; n], vec![vec![0.0; n]; n]);
        for coordinate in 0..n {
            let gamma = |i: usize| f64::from(u8::from(coordinate >= 2 && i + 1 == coordinate));
            let (mut price, mut slope) = (f64::from(u8::from(coordinate == 0)), f64::from(u8::from(coordinate == 1)));
            for i in 0..n {
                prices[i][coordinate] = price;
                slopes[i][coordinate] = slope;
                if i + 1 < n {
                    let h = kappa[i + 1] - kappa[i];
                    price += h * slope + h * h * (2.0 * gamma(i) + gamma(i + 1)) / 6.0;
                    slope += 0.5 * h * (gamma(i) + gamma(i + 1));
                }
            }
        }
        Self { kappa, prices, slopes }
    }

    /// The price at `kappa`, between the first knot and the last, by coordinate.
    fn row(&self, kappa: f64) -> Vec<f64> {
        let n = self.kappa.len();
        let after = self.kappa.partition_point(|&knot| knot < kappa).clamp(1, n - 1);
        let h = self.kappa[after] - self.kappa[after - 1];
        let share = (kappa - self.kappa[after - 1]) / h;
        let mut row: Vec<f64> = self.prices[after - 1]
            .iter()
            .zip(&self.prices[after])
            .map(|(low, high)| low + share * (high - low))
            .collect();
        let bent = share * (1.0 - share) * h * h / 6.0;
        // γ is zero at both ends, and has no coordinate there.
        for (knot, factor) in [(after - 1, 2.0 - share), (after, 1.0 + share)] {
            if knot > 0 && knot < n - 1 {
                row[knot + 1] -= bent * factor;
            }
        }
        row
    }

    /// ∫g″² by coordinate: Green and Silverman's γᵀRγ.
    fn roughness(&self, i: usize, j: usize) -> f64 {
        if i < 2 || j < 2 {
            return 0.0;
        }
        let (i, j) = (i - 1, j - 1);
        match i.abs_diff(j) {
            0 => (self.kappa[i + 1] - self.kappa[i - 1]) / 3.0,
            1 => (self.kappa[i.max(j)] - self.kappa[i.min(j)]) / 6.0,
            _ => 0.0,
        }
    }
}

/// The spline of least Σ(miss)² + λ∫g″² that is convex, has slopes at its ends that the wings can go on from, is worth something there, and
/// nowhere more than on the smile of the `later` expiry; λ as large as leaves misses to noise, times `stiffness`. None where there is none.
pub(super) fn fit(knots: &Knots, later: Option<&dyn Smile>, stiffness: f64) -> Option<PriceSpline> {
    let strikes = knots.len();
    let count = strikes.min(MOST_KNOTS);
    let chosen: Vec<usize> = (0..count).map(|j| (2 * j * (strikes - 1) + count - 1) / (2 * (count - 1))).collect();
    let basis = Basis::new(chosen.iter().map(|&i| knots.k[i].exp()).collect());
    let n = count;
    // Misses in units of noise, so that the squares are about one a quote.
    let mut rows = Vec::with_capacity(strikes);
    let mut values = Vec::with_capacity(strikes);
    for i in 0..strikes {
        let (k, w) = (knots.k[i], knots.w[i]);
        let inverse = (-ln_by_variance(k, w.sqrt())).exp() / (2.0 * w * knots.noise[i]);
        if inverse.is_finite() {
            let row = basis.row(k.exp());
            rows.push(row.into_iter().map(|x| x * inverse).collect::<Vec<f64>>());
            values.push(put_price(k, w) * inverse);
        }
    }
    let columns: Vec<Vec<f64>> = (0..n).map(|j| rows.iter().map(|row| row[j]).collect()).collect();
    let squares: Vec<Vec<f64>> = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    let linear: Vec<f64> = columns.iter().map(|column| dot(column, &values)).collect();
    let rough: f64 = (0..n).map(|i| basis.roughness(i, i)).sum();
    let unit = (2..n).map(|i| squares[i][i]).sum::<f64>() / rough;
    let problem = |lambda: f64| Quadratic {
        hessian: (0..n)
            .map(|i| (0..n).map(|j| squares[i][j] + lambda * unit * basis.roughness(i, j)).collect())
            .collect(),
        linear: linear.clone(),
        rows: Vec::new(),
        least: Vec::new(),
    };
    let lambda = smoothing(|lambda| {
        let x = problem(lambda).unconstrained()?;
        let square = rows.iter().zip(&values).map(|(row, value)| (dot(row, &x) - value).powi(2)).sum::<f64>();
        Some((square / values.len() as f64).sqrt())
    });
    let mut problem = problem(lambda * stiffness);
    let out_of_the_money = |i: usize| {
        let (k, w) = (knots.k[chosen[i]], knots.w[chosen[i]]);
        price(k, w.sqrt())
    };
    let mut require = |row: Vec<f64>, least: f64, scale: f64| {
        problem.rows.push(row.into_iter().map(|x| x / scale).collect());
        problem.least.push(least / scale);
    };
    let negative = |row: &[f64]| row.iter().map(|x| -x).collect::<Vec<f64>>();
    // The slope rises from 0 to 1 over the whole line: its mean second derivative.
    let bend = 1.0 / (basis.kappa[n - 1] - basis.kappa[0]);
    for coordinate in 2..n {
        let mut row = vec![0.0; n];
        row[coordinate] = 1.0;
        require(row, LEAST_BEND * bend, bend);
    }
    for (i, sign) in [(0, -1.0), (n - 1, 1.0)] {
        let [least, most] = wing_slopes(knots.k[chosen[i]], knots.w[chosen[i]], sign);
        let scale = (most - least).max(1e-12);
        require(basis.slopes[i].clone(), least, scale);
        require(negative(&basis.slopes[i]), -most, scale);
    }
    let upper: Vec<f64> = (0..n)
        .map(|i| {
            let k = knots.k[chosen[i]];
            later.map_or(f64::INFINITY, |later| {
                let price = put_price(k, later.total_variance(k));
                price - CALENDAR_SHARE * (price - (k.exp() - 1.0).max(0.0))
            })
        })
        .collect();
    for i in [0, n - 1] {
        let intrinsic = (basis.kappa[i] - 1.0).max(0.0);
        let most = upper[i] - intrinsic;
        let price = out_of_the_money(i);
        require(basis.prices[i].clone(), intrinsic + LEAST_SHARE * price.min(most), price);
    }
    for i in (0..n).filter(|&i| upper[i].is_finite()) {
        require(negative(&basis.prices[i]), -upper[i], out_of_the_money(i));
    }
    let x = problem.solve()?;
    let of = |rows: &[Vec<f64>]| rows.iter().map(|row| dot(row, &x)).collect::<Vec<f64>>();
    Some(PriceSpline { moneyness: basis.kappa.clone(), put_price: of(&basis.prices), slope: of(&basis.slopes) })
}

/// The slopes of the put price by moneyness at an end between which the straight wing beyond neither falls outwards nor has butterfly
/// arbitrage; at the quote's total variance, with a margin for that of the spline. They lie within the bounds of any price, 0 and 1.
fn wing_slopes(k: f64, w: f64, sign: f64) -> [f64; 2] {
    const MARGIN: f64 = 0.05;
    let deviation = w.sqrt();
    // Of the put over the forward, ∂/∂κ = N(−d₂) + ∂w/∂k ∂price/∂w/κ.
    let flat = normal_cdf::<Plain>(k / deviation + 0.5 * deviation);
    let steep = sign * straight_slope(sign * k, w) * (ln_by_variance(k, deviation) - k).exp();
    let ends = [flat + MARGIN * steep, flat + (1.0 - MARGIN) * steep];
    [ends[0].min(ends[1]).max(0.0), ends[0].max(ends[1]).min(1.0)]
}

/// The largest λ at which the misses are those of noise: they grow with it.
fn smoothing(miss: impl Fn(f64) -> Option<f64>) -> f64 {
    let (mut low, mut high) = (-14.0_f64, 1.0_f64);
    for _ in 0..16 {
        let middle = 0.5 * (low + high);
        if miss(10.0_f64.powf(middle)).is_some_and(|miss| miss > MISS) { high = middle } else { low = middle }
    }
    10.0_f64.powf(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::interpolation::{cubic_spline, piecewise_cubic::hermite, tests::grid};

    #[test]
    fn the_basis_is_that_of_natural_cubic_splines() {
        let basis = Basis::new(vec![0.7, 0.8, 0.95, 1.0, 1.2]);
        let x = [0.01, 0.02, 3.0, 5.0, 2.0];
        let of = |rows: &[Vec<f64>]| rows.iter().map(|row| dot(row, &x)).collect::<Vec<f64>>();
        let (price, slope) = (of(&basis.prices), of(&basis.slopes));
        let gamma = [0.0, 3.0, 5.0, 2.0, 0.0];
        for i in 0..4 {
            let pair = |column: &[f64]| [column[i], column[i + 1]];
            for share in [1e-9, 0.3, 1.0 - 1e-9] {
                let kappa = basis.kappa[i] + share * (basis.kappa[i + 1] - basis.kappa[i]);
                let [value, _, bend] = hermite(pair(&basis.kappa), pair(&price), pair(&slope), kappa);
                assert!((bend - (gamma[i] + share * (gamma[i + 1] - gamma[i]))).abs() < 1e-6);
                assert!((dot(&basis.row(kappa), &x) - value).abs() < 1e-14);
            }
        }
        // ∫g″² by Simpson's rule, exact for it.
        let exact: f64 = (0..4)
            .map(|i| {
                let (a, b) = (gamma[i], gamma[i + 1]);
                (basis.kappa[i + 1] - basis.kappa[i]) / 3.0 * (a * a + a * b + b * b)
            })
            .sum();
        let ours: f64 = (0..5).map(|i| (0..5).map(|j| x[i] * basis.roughness(i, j) * x[j]).sum::<f64>()).sum();
        assert!((ours - exact).abs() < 1e-12, "{ours} {exact}");
    }

    #[test]
    fn prices_stay_below_the_next_expiry_and_convex() {
        let k = grid(-0.4, 0.25, 40);
        let w: Vec<f64> = k.iter().map(|k| 0.04 - 0.05 * k + 0.1 * k * k).collect();
        let knots = Knots { noise: vec![0.01; 40], k: k.clone(), w };
        // The next expiry lies five per cent below the quotes.
        let smile = |k: f64| 0.95 * (0.04 - 0.05 * k + 0.1 * k * k);
        let wide = grid(-1.5, 1.5, 200);
        let later = cubic_spline::join(&Knots { w: wide.iter().map(|&k| smile(k)).collect(), k: wide, noise: vec![] });
        let spline = fit(&knots, Some(&later), 1.0).expect("feasible");
        for (kappa, price) in spline.moneyness.iter().zip(&spline.put_price) {
            let below = put_price(kappa.ln(), later.total_variance(kappa.ln()));
            assert!(*price < below && *price > 0.97 * below, "{kappa} {price}");
        }
        assert!(spline.slope.windows(2).all(|pair| pair[1] > pair[0]));
        assert!(grid(-0.4 + 1e-9, 0.25 - 1e-9, 1001).into_iter().all(|k| spline.durrleman_g(k) > -1e-9));
    }
}
