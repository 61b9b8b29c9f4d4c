//! A smile of SABR's density without arbitrage.

use serde::{Deserialize, Serialize};

use super::{
    curve::LEVEL,
    density::{self, Density},
    family::Family,
    slice::{self, Conditions},
    smile::{SabrParameters, SabrSmile},
};
use crate::surface::{
    calibration::Objective,
    from_price::{Implied, LogPrice},
    smile::Smile,
};

/// Nodes within this many deviations of the ends of the grid give way to tails, since what the ends absorb is missing there.
const END_DEVIATIONS: f64 = 1.0;
/// Relative step of the parameters for the gradient of a fit.
const BUMP: f64 = 1e-5;

/// One expiry's smile under SABR's density without arbitrage, for a forward of 1: free of butterfly arbitrage at every strike. Saved as its
/// parameters; the density is solved anew when they are read.
///
/// The density is a straight line between the cells that it was solved on, and prices are its exact integrals, so that they are convex, their
/// second derivative is continuous, and put and call agree. Beyond the grid prices are powers of the strike with the value and the slope of
/// the grid's end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "SabrParameters", into = "SabrParameters")]
pub struct NoArbitrageSabrSmile {
    parameters: SabrParameters,
    prices: Option<Prices>,
}

impl PartialEq for NoArbitrageSabrSmile {
    fn eq(&self, other: &Self) -> bool {
        self.parameters == other.parameters // the rest follows
    }
}

impl NoArbitrageSabrSmile {
    /// The smile of parameters. It has no value where they are outside their ranges: see [`super::Sabr`].
    pub fn new(parameters: SabrParameters) -> Self {
        let x = parameters.without_time();
        Self { parameters, prices: Prices::new(x) }
    }

    /// Undiscounted price over the forward at k = ln(strike/forward), of the put where k < 0 and else of the call; NaN without a value.
    pub fn out_of_the_money_price(&self, k: f64) -> f64 {
        self.prices.as_ref().map_or(f64::NAN, |prices| prices.at(k).log.exp())
    }

    /// Probability that the forward was absorbed at zero; zero at β = 1.
    pub fn probability_of_zero(&self) -> f64 {
        self.prices.as_ref().map_or(f64::NAN, |prices| prices.at_zero)
    }
}

impl From<SabrParameters> for NoArbitrageSabrSmile {
    fn from(parameters: SabrParameters) -> Self {
        Self::new(parameters)
    }
}

impl From<NoArbitrageSabrSmile> for SabrParameters {
    fn from(smile: NoArbitrageSabrSmile) -> Self {
        smile.parameters
    }
}

impl Smile for NoArbitrageSabrSmile {
    fn total_variance(&self, k: f64) -> f64 {
        self.prices.as_ref().map_or(f64::NAN, |prices| prices.at(k).total_variance(k))
    }

    fn derivatives(&self, k: f64) -> [f64; 3] {
        self.prices.as_ref().map_or([f64::NAN; 3], |prices| prices.at(k).smile(k))
    }
}

impl Family for NoArbitrageSabrSmile {
    /// Hagan's fit is near, and a step costs what a hundred of his do.
    const MOST_STEPS: usize = 8;

    fn of(parameters: SabrParameters, _shift: f64) -> Self {
        Self::new(parameters)
    }

    fn parameters(&self) -> SabrParameters {
        self.parameters
    }

    fn start<const N: usize>(objective: &Objective, conditions: &Conditions<'_>) -> [f64; 4] {
        let conditions = Conditions { most_steps: SabrSmile::MOST_STEPS, ..*conditions };
        let found = slice::solve::<SabrSmile, N>(objective, &conditions);
        if found.normal.cost.is_finite() { slice::all(&found.parameters, conditions.start) } else { conditions.start }
    }

    fn evaluate<const N: usize>(
        x: [f64; 4],
        _shift: f64,
        k: impl Iterator<Item = f64>,
        out: &mut Vec<(f64, [f64; N])>,
    ) -> bool {
        out.clear();
        // Away from the ends of the ranges, so that there is a price on the other side.
        let bump = |i: usize| match i {
            LEVEL => BUMP * x[LEVEL],
            _ if x[i] > 0.0 => -BUMP,
            _ => BUMP,
        };
        let moved = |i: usize| {
            let mut y = x;
            y[i] += bump(i);
            y
        };
        let all: Vec<[f64; 4]> = std::iter::once(x).chain((0..N).map(moved)).collect();
        let Some(densities) = density::solve_all(&all) else { return false };
        let Some(all) = densities.iter().map(Prices::of).collect::<Option<Vec<Prices>>>() else { return false };
        let (prices, moved) = (&all[0], &all[1..]);
        for k in k {
            let price = prices.at(k);
            let Some(Implied { deviation, over_vega, .. }) = Implied::of(k, &price) else { return false };
            let by = std::array::from_fn(|i| over_vega * (moved[i].at(k).log - price.log).exp_m1() / bump(i));
            out.push((deviation, by));
        }
        true
    }
}

/// Prices on a density that is a straight line between nodes.
#[derive(Clone, Debug)]
struct Prices {
    /// By node, ascending.
    nodes: Vec<Node>,
    /// Power of the strike of puts below the first node.
    low_power: f64,
    /// Power of the strike of calls above the last node.
    high_power: f64,
    /// Probability of ending at zero.
    at_zero: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    strike: f64,
    density: f64,
    /// Slope of the density to the next node.
    slope: f64,
    put: f64,
    below: f64,
    call: f64,
    above: f64,
}

impl Prices {
    fn new(x: [f64; 4]) -> Option<Self> {
        Self::of(&density::solve(x)?)
    }

    fn of(density: &Density) -> Option<Self> {
        let [at_lowest, at_highest] = density.at_ends;
        let mut nodes = line(density);
        // The mean of the line is off by the square of a cell's width; the forward is what it is.
        let mut moments = [0.0; 2];
        for pair in nodes.windows(2) {
            let d = pair[1].strike - pair[0].strike;
            let mass = 0.5 * d * (pair[0].density + pair[1].density);
            moments[0] += mass;
            moments[1] += mass * pair[0].strike + d * d * (pair[0].density + 2.0 * pair[1].density) / 6.0;
        }
        let (lowest, highest) = (nodes.first()?.strike, nodes.last()?.strike);
        let scale = (1.0 - at_lowest - at_highest) / moments[0];
        let mean = scale * moments[1] + lowest * at_lowest + highest * at_highest;
        if !(mean > 0.5 && mean < 2.0 && scale > 0.0 && scale.is_finite()) {
            return None;
        }
        for node in &mut nodes {
            node.strike /= mean;
            node.density *= scale * mean;
        }
        // Puts from below, calls from above: sums of what is not negative.
        let last = nodes.len() - 1;
        nodes[0].below = at_lowest;
        for j in 0..last {
            let (here, next) = (nodes[j], nodes[j + 1]);
            let d = next.strike - here.strike;
            nodes[j].slope = (next.density - here.density) / d;
            nodes[j + 1].below = here.below + 0.5 * d * (here.density + next.density);
            nodes[j + 1].put = here.put + here.below * d + d * d * (2.0 * here.density + next.density) / 6.0;
        }
        nodes[last].above = at_highest;
        for j in (0..last).rev() {
            let (here, next) = (nodes[j], nodes[j + 1]);
            let d = next.strike - here.strike;
            nodes[j].above = next.above + 0.5 * d * (here.density + next.density);
            nodes[j].call = next.call + next.above * d + d * d * (here.density + 2.0 * next.density) / 6.0;
        }
        let cut = 2 * (END_DEVIATIONS / density.step).ceil() as usize;
        let is_at_zero = lowest <= 0.0;
        let first = if is_at_zero { 0 } else { cut };
        let nodes = nodes.get(first..nodes.len().saturating_sub(cut))?.to_vec();
        let (low, high) = (*nodes.first()?, *nodes.last()?);
        let is_sound = (is_at_zero || low.put > 0.0) && high.call > 0.0 && low.strike < 1.0 && high.strike > 1.0;
        is_sound.then(|| Self {
            low_power: if is_at_zero { 1.0 } else { low.strike * low.below / low.put },
            high_power: -high.strike * high.above / high.call,
            at_zero: if is_at_zero { at_lowest } else { 0.0 },
            nodes,
        })
    }

    /// The out-of-the-money price at `k`.
    fn at(&self, k: f64) -> LogPrice {
        let strike = k.exp();
        let after = self.nodes.partition_point(|node| node.strike <= strike);
        if after == self.nodes.len() {
            let high = &self.nodes[after - 1];
            return power(k, high.strike, high.call, self.high_power);
        }
        let Some(at) = after.checked_sub(1) else {
            let low = &self.nodes[0];
            return power(k, low.strike, low.put, self.low_power);
        };
        let node = &self.nodes[at];
        let d = strike - node.strike;
        let density = node.density + node.slope * d;
        let (once, twice) =
            ((node.density + 0.5 * node.slope * d) * d, (0.5 * node.density + node.slope * d / 6.0) * d * d);
        if k < 0.0 {
            LogPrice::by_moneyness(strike, [node.put + node.below * d + twice, node.below + once, density])
        } else {
            LogPrice::by_moneyness(strike, [node.call - node.above * d + twice, once - node.above, density])
        }
    }
}

/// A density that is a straight line between the edges and the middles of the cells and has the cells' probabilities. At an edge it is the
/// geometric mean of its cells, which their convexity in the wings asks for.
fn line(density: &Density) -> Vec<Node> {
    let Density { edges, mass, .. } = density;
    let cells = mass.len();
    let average = |j: usize| mass[j] / (edges[j + 1] - edges[j]);
    let mut at_edge = Vec::with_capacity(cells + 1);
    at_edge.push(0.0);
    at_edge.extend((1..cells).map(|j| (average(j - 1) * average(j)).sqrt()));
    at_edge.push(0.0);
    at_edge[0] = (2.0 * average(0) - at_edge[1]).max(0.0);
    at_edge[cells] = (2.0 * average(cells - 1) - at_edge[cells - 1]).max(0.0);
    let node = |strike: f64, density: f64| Node { strike, density, ..Node::default() };
    let mut nodes = Vec::with_capacity(2 * cells + 1);
    for j in 0..cells {
        nodes.push(node(edges[j], at_edge[j]));
        let middle = 2.0 * average(j) - 0.5 * (at_edge[j] + at_edge[j + 1]);
        nodes.push(node(0.5 * (edges[j] + edges[j + 1]), middle.max(0.0)));
    }
    nodes.push(node(edges[cells], at_edge[cells]));
    nodes
}

/// `value` (strike/from)^exponent.
fn power(k: f64, from: f64, value: f64, exponent: f64) -> LogPrice {
    let log = value.ln() + exponent * (k - from.ln());
    LogPrice { log, slope: exponent, density: exponent * (exponent - 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        math::{Plain, normal_cdf},
        surface::sabr::Sabr,
    };

    fn smile(alpha: f64, beta: f64, rho: f64, nu: f64, expiry_years: f64) -> NoArbitrageSabrSmile {
        NoArbitrageSabrSmile::new(SabrParameters { expiry_years, sabr: Sabr { alpha, beta, rho, nu } })
    }

    #[test]
    fn the_price_at_the_money_is_the_published_one_on_the_published_grid() {
        // The parameters of figure 1 of Hagan et al. (2014). Le Floc'h's own program gives this on 500 cells over 4 deviations in 5 time
        // steps, of which the time steps are off by 8e-5 and the cells by what we leave.
        let density = density::solve_on([0.35, -0.1, 1.0, 0.25], 500, 5, 4.0).expect("a grid");
        let price = Prices::of(&density).expect("prices").at(0.0).log.exp();
        assert!((price - 0.149_701_955_629).abs() < 4e-6, "{price}");
    }

    #[test]
    fn prices_converge_with_the_grid() {
        for x in [[0.35, -0.1, 1.0, 0.25], [0.2, -0.7, 1.0, 1.0], [0.05, -0.6, 0.9, 1.0]] {
            let of =
                |cells, steps| Prices::of(&density::solve_on(x, cells, steps, 6.5).expect("a grid")).expect("prices");
            let (ours, fine) = (Prices::new(x).expect("prices"), of(2000, 200));
            for deviations in [-3.0, -1.0, 0.0, 1.0, 2.0] {
                let k = deviations * x[0];
                let vol = |prices: &Prices| prices.at(k).total_variance(k).sqrt();
                let (ours, fine) = (vol(&ours), vol(&fine));
                assert!((ours / fine - 1.0).abs() < 5e-4, "{ours} {fine} at {k} of {x:?}");
            }
        }
    }

    #[test]
    fn near_the_money_and_at_small_variance_it_is_hagans_expansion() {
        let parameters =
            SabrParameters { expiry_years: 0.02, sabr: Sabr { alpha: 0.2, beta: 1.0, rho: -0.5, nu: 1.0 } };
        let (ours, hagan) = (NoArbitrageSabrSmile::new(parameters), SabrSmile::new(parameters));
        for k in [-0.05, -0.02, 0.0, 0.02, 0.04] {
            let (ours, hagan) = (ours.total_variance(k).sqrt(), hagan.total_variance(k).sqrt());
            assert!((ours / hagan - 1.0).abs() < 1e-3, "{ours} {hagan} at {k}");
        }
    }

    #[test]
    fn without_vol_of_vol_it_is_black() {
        let flat = smile(0.2, 1.0, 0.0, 0.0, 1.0);
        for k in [-0.6, -0.2, 0.0, 0.1, 0.5] {
            let theta = flat.total_variance(k).sqrt();
            assert!((theta / 0.2 - 1.0).abs() < 1e-3, "{theta} at {k}");
        }
        let d = 0.1;
        let exact = normal_cdf::<Plain>(d) - normal_cdf::<Plain>(-d);
        assert!((flat.out_of_the_money_price(0.0) / exact - 1.0).abs() < 2e-4);
    }

    #[test]
    fn the_density_is_nowhere_negative_where_hagans_is() {
        let parameters =
            SabrParameters { expiry_years: 10.0, sabr: Sabr { alpha: 0.35, beta: 0.25, rho: -0.1, nu: 0.3 } };
        let (ours, hagan) = (NoArbitrageSabrSmile::new(parameters), SabrSmile::new(parameters));
        let grid = || (-400..=150).map(|i| 0.01 * f64::from(i));
        assert!(grid().any(|k| hagan.durrleman_g(k) < -1e-3), "the case is one of a negative density");
        for k in grid() {
            assert!(ours.durrleman_g(k) >= -1e-9, "{} at {k}", ours.durrleman_g(k));
        }
        assert!(ours.probability_of_zero() > 0.01 && ours.probability_of_zero() < 0.9);
        for (rho, nu, t) in [(-0.7, 1.0, 1.0), (-0.6, 5.0, 0.02), (-0.9, 0.6, 3.0), (0.3, 0.5, 1.0)] {
            let smile = smile(0.2, 1.0, rho, nu, t);
            let root = t.sqrt();
            for i in -300..=200 {
                let k = 0.2 * root * 0.05 * f64::from(i);
                let g = smile.durrleman_g(k);
                assert!(g >= -1e-9, "{g} at {k} of {rho} {nu} {t}");
            }
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        for smile in
            [smile(0.2, 1.0, -0.7, 1.0, 1.0), smile(0.3, 0.5, -0.4, 0.6, 2.0), smile(0.1, 1.0, -0.6, 6.0, 0.01)]
        {
            let scale = smile.total_variance(0.0).sqrt();
            for deviations in [-40.0, -4.0, -1.0, -0.3, 0.31, 1.0, 3.0, 30.0] {
                let (k, h) = (deviations * scale, 1e-3 * scale);
                let [up, at, down] = [k + h, k, k - h].map(|k| smile.derivatives(k));
                let first = (up[0] - down[0]) / (2.0 * h);
                let second = (up[1] - down[1]) / (2.0 * h);
                assert!((at[1] - first).abs() < 1e-4 * (scale + at[1].abs()), "{at:?} {first} at {deviations}");
                assert!((at[2] - second).abs() < 2e-2 * (0.1 + at[2].abs()), "{at:?} {second} at {deviations}");
            }
        }
    }

    #[test]
    fn what_is_saved_is_read_back_the_same() {
        let smile = smile(0.2, 1.0, -0.7, 1.0, 1.0);
        let json = serde_json::to_string(&smile).expect("numbers");
        assert!(json.len() < 200, "{json}");
        let read: NoArbitrageSabrSmile = serde_json::from_str(&json).expect("what was written");
        assert_eq!(read, smile);
        for k in [-0.5, 0.0, 0.3] {
            assert_eq!(read.derivatives(k).map(f64::to_bits), smile.derivatives(k).map(f64::to_bits));
        }
    }

    #[test]
    fn without_valid_parameters_there_is_no_value_and_no_panic() {
        for bad in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
            assert!(smile(bad, 1.0, -0.5, 1.0, 1.0).total_variance(0.1).is_nan());
        }
        assert!(smile(0.2, 1.0, 1.5, 1.0, 1.0).total_variance(0.1).is_nan());
        assert!(smile(0.2, 1.0, -0.5, f64::NAN, 1.0).total_variance(0.1).is_nan());
    }
}
