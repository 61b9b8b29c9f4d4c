//! The strikes that one implicit step solves for, and the cubic B-spline that makes a function of every strike of them.
//!
//! Prices over the forward are the coefficients of a cubic B-spline in the moneyness x = strike/forward, each at its Greville abscissa
//! ξ_j = (t_{j+1} + t_{j+2} + t_{j+3})/3 of the knots t (Schoenberg's variation-diminishing spline, 1967; de Boor, A Practical Guide to
//! Splines, chapter XI). Such a spline is twice differentiable, lies above another where its coefficients do, reproduces straight lines,
//! and is convex where its coefficients are, for its second derivative is piecewise linear through their divided differences. So what
//! holds at the nodes of a finite-difference step, no butterfly and no calendar arbitrage, holds at every strike.

/// Intervals between the spline's break points.
const INTERVALS: usize = 320;

/// Nodes ξ, knots, and the second difference between neighbouring nodes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid {
    /// Moneyness of the nodes, ascending.
    pub(super) nodes: Vec<f64>,
    /// ln of the nodes.
    pub(super) log_nodes: Vec<f64>,
    /// Knots, four more than nodes.
    knots: Vec<f64>,
    /// Second derivative at node i: lower·(c[i−1] − c[i]) + upper·(c[i+1] − c[i]); zero at both ends.
    pub(super) lower: Vec<f64>,
    /// See `lower`.
    pub(super) upper: Vec<f64>,
    /// First node at or above the forward: out-of-the-money prices are of puts below it, of calls from it on.
    pub(super) money: usize,
    /// Lowest and highest log-moneyness at which the spline is asked; beyond, there is no more than an extrapolation.
    pub(super) range: [f64; 2],
}

/// Value and two derivatives by x of one spline.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Jet {
    pub(super) value: f64,
    pub(super) slope: f64,
    pub(super) bend: f64,
}

/// Where a strike lies, and what each coefficient near it counts there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// First of the four coefficients.
    pub(super) first: usize,
    /// Their weights in the value.
    pub(super) cubic: [f64; 4],
    quadratic: [f64; 3],
    linear: [f64; 2],
    is_put: bool,
}

impl Grid {
    /// Nodes from `low` to `high` in log-moneyness and some way beyond, spaced like `finest` about the money (a small share of it) and in
    /// proportion to |ln x| far from it.
    pub(super) fn new(low: f64, high: f64, finest: f64) -> Self {
        let scale = 2.0 * finest;
        // The spline's ends, where prices are nailed to their intrinsic value, are half as far again.
        let ends = [1.5 * low.min(-2.0 * scale), 1.5 * high.max(2.0 * scale)];
        let [from, to] = ends.map(|end| (end / scale).asinh());
        // The money lies on a break point.
        let below = ((INTERVALS as f64) * from / (from - to)).round().clamp(8.0, (INTERVALS - 8) as f64);
        let above = INTERVALS as f64 - below;
        let point = |i: usize| {
            let steps = i as f64 - below;
            let share = if steps < 0.0 { -from * steps / below } else { to * steps / above };
            (scale * share.sinh()).exp()
        };
        let mut knots = vec![point(0); 3];
        knots.extend((0..=INTERVALS).map(point));
        knots.extend([point(INTERVALS); 3]);
        let count = knots.len() - 4;
        let nodes: Vec<f64> = (0..count).map(|j| (knots[j + 1] + knots[j + 2] + knots[j + 3]) / 3.0).collect();
        let (mut lower, mut upper) = (vec![0.0; count], vec![0.0; count]);
        for i in 1..count - 1 {
            let half = 0.5 * (knots[i + 3] - knots[i + 1]);
            lower[i] = 1.0 / (half * (nodes[i] - nodes[i - 1]));
            upper[i] = 1.0 / (half * (nodes[i + 1] - nodes[i]));
        }
        let money = nodes.partition_point(|x| *x < 1.0);
        let log_nodes = nodes.iter().map(|x| x.ln()).collect();
        Self { nodes, log_nodes, knots, lower, upper, money, range: [low.min(-2.0 * scale), high.max(2.0 * scale)] }
    }

    /// Nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The place of log-moneyness `k`, which is inside the range.
    pub(super) fn place(&self, k: f64) -> Place {
        let (x, t) = (k.exp(), &self.knots);
        let end = self.len();
        let last = (t[3..=end].partition_point(|knot| *knot <= x) + 2).clamp(3, end - 1);
        // de Boor's recurrence, degree by degree.
        let width = t[last + 1] - t[last];
        let linear = [(t[last + 1] - x) / width, (x - t[last]) / width];
        let quadratic = raised(t, last, x, &linear);
        let cubic = raised(t, last, x, &quadratic);
        Place { first: last - 3, cubic, quadratic, linear, is_put: k < 0.0 }
    }

    /// The out-of-the-money price at a place: of the put below the forward and of the call from it on. `bends` are the spline's second
    /// derivatives at the nodes, which are known without cancellation.
    pub(super) fn price(&self, place: &Place, out_of_the_money: &[f64], bends: &[f64]) -> Jet {
        let coefficient = |offset: usize| {
            let j = place.first + offset;
            let parity = match (place.is_put, j < self.money) {
                (true, false) => self.nodes[j] - 1.0,
                (false, true) => 1.0 - self.nodes[j],
                _ => 0.0,
            };
            out_of_the_money[j] + parity
        };
        let jet = self.combine(place, std::array::from_fn(coefficient));
        let bend = place.linear[0] * bends[place.first + 1] + place.linear[1] * bends[place.first + 2];
        Jet { bend, ..jet }
    }

    /// Value and slope of the spline of any coefficients.
    pub(super) fn at(&self, place: &Place, coefficients: &[f64]) -> Jet {
        self.combine(place, std::array::from_fn(|offset| coefficients[place.first + offset]))
    }

    fn combine(&self, place: &Place, c: [f64; 4]) -> Jet {
        let value = (0..4).map(|i| place.cubic[i] * c[i]).sum();
        let slope = |i: usize| {
            let j = place.first + i;
            (c[i + 1] - c[i]) / (self.nodes[j + 1] - self.nodes[j])
        };
        Jet { value, slope: (0..3).map(|i| place.quadratic[i] * slope(i)).sum(), bend: 0.0 }
    }
}

/// The B-splines of one degree more that do not vanish on the interval from knot `last`.
fn raised<const N: usize, const M: usize>(t: &[f64], last: usize, x: f64, basis: &[f64; N]) -> [f64; M] {
    let degree = N;
    let mut next = [0.0; M];
    for (i, value) in basis.iter().enumerate() {
        // Basis i is the one whose support starts at knot last − N + 1 + i.
        let start = last + 1 + i - degree;
        let share = (x - t[start]) / (t[start + degree] - t[start]);
        next[i] += (1.0 - share) * value;
        next[i + 1] += share * value;
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid::new(-2.0, 1.0, 0.01)
    }

    #[test]
    fn straight_lines_are_kept_and_weights_sum_to_one() {
        let grid = grid();
        let line: Vec<f64> = grid.nodes.iter().map(|x| 0.3 - 2.0 * x).collect();
        for k in [-2.0, -0.51, -0.01, -1e-12, 0.0, 0.003, 0.4, 1.0] {
            let place = grid.place(k);
            let jet = grid.at(&place, &line);
            assert!(
                (jet.value - (0.3 - 2.0 * k.exp())).abs() < 1e-13 && (jet.slope + 2.0).abs() < 1e-11,
                "{k} {jet:?}"
            );
            assert!(place.cubic.iter().all(|weight| *weight >= 0.0));
            assert!((place.cubic.iter().sum::<f64>() - 1.0).abs() < 1e-14);
        }
    }

    #[test]
    fn slope_and_bend_are_derivatives_of_the_value() {
        let grid = grid();
        let call: Vec<f64> = grid.nodes.iter().map(|x| 1.0 / (1.0 + x * x * x)).collect();
        let otm: Vec<f64> =
            (0..grid.len()).map(|j| if j < grid.money { call[j] - 1.0 + grid.nodes[j] } else { call[j] }).collect();
        let mut bends = vec![0.0; grid.len()];
        for i in 1..grid.len() - 1 {
            bends[i] = grid.lower[i] * (call[i - 1] - call[i]) + grid.upper[i] * (call[i + 1] - call[i]);
        }
        let at = |x: f64| grid.price(&grid.place(x.ln()), &otm, &bends);
        for x in [0.2, 0.7, 0.95, 0.9999, 1.0001, 1.02, 1.7] {
            let h = 1e-5 * x;
            let [low, mid, high] = [at(x - h), at(x), at(x + h)];
            assert!((0.5 * (high.value - low.value) / h / mid.slope - 1.0).abs() < 1e-6, "{x} {mid:?}");
            assert!((0.5 * (high.slope - low.slope) / h / mid.bend - 1.0).abs() < 1e-4, "{x} {mid:?}");
        }
    }
}
