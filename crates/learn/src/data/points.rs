//! Points of the domain: a scrambled Sobol sequence, spread over the ranges as the config says.

use zomma_pricing::monte_carlo::sobol_uniform;

use super::labels::label;
use super::{Rows, sampled};
use crate::LearnError;
use crate::config::{DataConfig, LabelPaths, PricingModel, Range, RangeScale};
use crate::network::{Features, MOST_INPUTS};

/// Deviations around the forward in which the points near the money lie.
const NEAR: f64 = 5.0;
/// What training rows of implied volatilities lie beyond the least vega, in deviations.
const MARGIN: f64 = 0.25;
/// What the seed of the points becomes for the noise of their prices.
const NOISE_SEED: u64 = 0x7370_7265_6164_0000;
/// Points before the sequence begins again with another scrambling.
const SEQUENCE: u64 = 1 << 31;

/// A number from 0 to 1, the ends excluded, that depends on the seed and the index alone.
///
/// Method  splitmix64 of G. Steele, D. Lea and C. Flood (2014), twice, so that seeds side by side have nothing in common
pub fn uniform(seed: u64, index: u64) -> f64 {
    let mix = |x: u64| {
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = mix(mix(seed.wrapping_add(GOLDEN)).wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)));
    ((word >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// The points of a config: those to learn from, or those held out.
#[derive(Clone, Debug)]
pub struct PointSet {
    model: PricingModel,
    ranges: Vec<Range>,
    near_the_money: f64,
    /// Rows of one expiry and one set of parameters, whose moneyness is spread evenly.
    strikes: u64,
    is_held_out: bool,
    seed: u64,
    deviation: Features,
    /// Of implied volatilities: the vega over the strike that training rows have at least, but for a margin.
    least_vega: f64,
    noise_half_spread: f64,
    /// Simulated paths of a label to learn; none where labels are the model's own.
    label_paths: Option<LabelPaths>,
}

impl PointSet {
    /// Points to learn from, spread as the ranges' scales say, a share of them near the money.
    pub fn training(config: &DataConfig) -> Self {
        Self {
            model: config.model,
            ranges: config.ordered_ranges(),
            near_the_money: config.near_the_money,
            strikes: config.strikes as u64,
            is_held_out: false,
            seed: config.seed,
            // Points have a volatility where the rows of implied volatilities have a price.
            deviation: Features::unscaled(
                if config.model.is_implied_volatility() { PricingModel::BlackScholes } else { config.model },
                Vec::new(),
            ),
            least_vega: config.least_vega,
            noise_half_spread: config.noise_half_spread,
            label_paths: config.label_paths(),
        }
    }

    /// Points never learned: of another seed, spread evenly over every range.
    pub fn held_out(config: &DataConfig) -> Self {
        let seed = config.seed ^ 0x6865_6c64_5f6f_7574;
        let even = Self { near_the_money: 0.0, strikes: 1, ..Self::training(config) };
        Self { noise_half_spread: 0.0, label_paths: None, is_held_out: true, seed, ..even }
    }

    /// As [`Self::held_out`], of a third seed.
    pub fn tested(config: &DataConfig) -> Self {
        Self { seed: config.seed ^ 0x7465_7374_6564_5f5f, ..Self::held_out(config) }
    }

    /// The inputs of point `index`, into as many numbers as the model has inputs.
    pub fn point(&self, index: u64, inputs: &mut [f64]) {
        let (set, strike) = (index / self.strikes, index % self.strikes);
        let (replication, point) = ((set / SEQUENCE) as u32, (set % SEQUENCE) as u32);
        let mut shares = [0.0; MOST_INPUTS];
        for (dimension, share) in shares.iter_mut().enumerate().take(inputs.len()) {
            *share = sobol_uniform(self.seed, replication, point, dimension);
        }
        shares[0] = (strike as f64 + shares[0]) / self.strikes as f64;
        for ((input, share), range) in inputs.iter_mut().zip(shares).zip(&self.ranges) {
            *input = range.at(share, if self.is_held_out { RangeScale::Linear } else { range.scale });
        }
        if self.model.is_implied_volatility() {
            if !self.is_held_out {
                inputs[0] = self.determined(shares[0], inputs[1], self.deviation.total_volatility(inputs).0);
            }
        } else if shares[0] < self.near_the_money {
            let s = self.deviation.total_volatility(inputs).0;
            // A spot of American options is at the money where its forward is, too: below the strike where the rate is above the yield.
            // Where it is below, the option is exercised about the strike.
            let carry = if self.model.is_american() { ((inputs[3] - inputs[4]) * inputs[1]).max(0.0) } else { 0.0 };
            let low = self.ranges[0].min.ln().max(-NEAR * s - carry);
            let high = self.ranges[0].max.ln().min(NEAR * s);
            // A domain away from the money has no points near it.
            if low < high {
                let share = shares[0] / self.near_the_money;
                inputs[0] = (low + share * (high - low)).exp().clamp(self.ranges[0].min, self.ranges[0].max);
            }
        } else if self.near_the_money > 0.0 {
            let share = (shares[0] - self.near_the_money) / (1.0 - self.near_the_money);
            inputs[0] = self.ranges[0].at(share, self.ranges[0].scale);
        }
    }

    /// A moneyness at which a price determines the volatility: vega over the strike is √T φ(k/s − s/2), so that a least vega is a most
    /// |k/s − s/2|. A margin of [`MARGIN`] beyond keeps the edge of what is asked off the edge of what is learned. The range's end that is
    /// nearest where no moneyness of it is good enough.
    fn determined(&self, share: f64, expiry_years: f64, s: f64) -> f64 {
        let Range { min, max, .. } = self.ranges[0];
        let ratio = self.least_vega * (2.0 * std::f64::consts::PI / expiry_years).sqrt();
        let reach = (-2.0 * ratio.ln()).max(0.0).sqrt() + MARGIN;
        let [low, high] = [-reach, reach].map(|d| (s * (0.5 * s + d)).clamp(min.ln(), max.ln()));
        (low + share * (high - low)).exp().clamp(min, max)
    }

    /// What the price of row `index` is off by in strikes: even within half a spread; 0 of held-out points.
    pub fn noise(&self, index: u64) -> f64 {
        if self.noise_half_spread == 0.0 {
            return 0.0;
        }
        self.noise_half_spread * (2.0 * uniform(self.seed ^ NOISE_SEED, index) - 1.0)
    }

    /// Labels rows of these points, of which the first is point `first`.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub(super) fn label(&self, first: u64, rows: &mut Rows) -> Result<(), LearnError> {
        match self.label_paths {
            Some(paths) => sampled::label(self.model, paths, (self.seed, first), rows),
            None => label(self.model, rows),
        }
    }

    /// The model whose inputs they are.
    pub fn model(&self) -> PricingModel {
        self.model
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DataConfig {
        toml::from_str(
            "model = \"black_scholes\"\n[ranges]\nmoneyness = { min = 0.5, max = 2.0, scale = \"log\" }\n\
             expiry_years = { min = 0.02, max = 3.0 }\nvolatility = { min = 0.05, max = 1.0 }",
        )
        .unwrap()
    }

    fn points(set: &PointSet, count: u64) -> Vec<[f64; 3]> {
        let mut point = [0.0; 3];
        (0..count)
            .map(|index| {
                set.point(index, &mut point);
                point
            })
            .collect()
    }

    #[test]
    fn points_fill_the_ranges_and_half_lie_near_the_money() {
        let config = config();
        let training = points(&PointSet::training(&config), 4096);
        let ranges = config.ordered_ranges();
        for point in &training {
            assert!(point.iter().zip(&ranges).all(|(x, range)| (range.min..=range.max).contains(x)), "{point:?}");
        }
        let near = training.iter().filter(|[m, t, v]| m.ln().abs() <= 5.0 * v * t.sqrt()).count();
        assert!(near > 2048, "{near}");
        // Expiries are even: as many below the middle as above, to a point or two of a net.
        let early = training.iter().filter(|point| point[1] < 1.51).count();
        assert!(early.abs_diff(2048) <= 2, "{early}");
    }

    #[test]
    fn strikes_of_a_set_differ_in_moneyness_alone_and_are_even() {
        let config = DataConfig { strikes: 4, near_the_money: 0.0, ..config() };
        let training = points(&PointSet::training(&config), 4096);
        for set in training.chunks(4) {
            assert!(set.iter().all(|point| point[1..] == set[0][1..]), "{set:?}");
            // A strike in each quarter of the logarithm of 1/2 to 2.
            for (quarter, point) in set.iter().enumerate() {
                let share = (point[0].ln() / 2f64.ln() + 1.0) * 2.0;
                assert_eq!(share as usize, quarter, "{set:?}");
            }
        }
        let alone = points(&PointSet::training(&DataConfig { strikes: 1, ..config.clone() }), 1024);
        assert!(training.chunks(4).zip(&alone).all(|(set, alone)| set[0][1..] == alone[1..]));
        assert_eq!(
            points(&PointSet::held_out(&config), 64),
            points(&PointSet::held_out(&DataConfig { strikes: 1, ..config.clone() }), 64)
        );
    }

    #[test]
    fn held_out_points_are_even_and_none_is_learned() {
        let config = config();
        let (training, held_out) = (PointSet::training(&config), PointSet::held_out(&config));
        let held_out = points(&held_out, 1024);
        let below = held_out.iter().filter(|point| point[0] < 1.25).count();
        assert!(below.abs_diff(512) <= 2, "{below}");
        let training = points(&training, 1024);
        assert!(held_out.iter().all(|point| !training.contains(point)));
    }

    #[test]
    fn rows_of_implied_volatilities_lie_where_vega_is_enough_but_for_a_margin() {
        let config = DataConfig { model: PricingModel::BlackScholesImpliedVolatility, ..config() };
        let vega = |[m, t, v]: [f64; 3]| {
            let s = v * t.sqrt();
            let d = m.ln() / s - 0.5 * s;
            (t.sqrt() * (-0.5 * d * d).exp() / (2.0 * std::f64::consts::PI).sqrt(), d)
        };
        let training = points(&PointSet::training(&config), 4096);
        let mut beyond = 0;
        for point in &training {
            assert!((0.5..=2.0).contains(&point[0]));
            let (vega, d) = vega(*point);
            let most = (-2.0 * (0.01 * (2.0 * std::f64::consts::PI / point[1]).sqrt()).ln()).sqrt() + MARGIN;
            assert!(d.abs() < most + 1e-9, "{point:?}");
            beyond += usize::from(vega < 0.01);
        }
        // Some are in the margin, most are not.
        assert!((50..1000).contains(&beyond), "{beyond}");
    }

    #[test]
    fn uniform_numbers_are_even_and_seeds_differ() {
        let mean = |seed: u64| (0..10_000).map(|i| uniform(seed, i)).sum::<f64>() / 10_000.0;
        // Ten thousand uniform numbers: a deviation of 0.0029.
        assert!((mean(1) - 0.5).abs() < 0.012 && (mean(2) - 0.5).abs() < 0.012);
        let product: f64 = (0..10_000).map(|i| (uniform(1, i) - 0.5) * (uniform(2, i) - 0.5)).sum::<f64>() / 10_000.0;
        assert!(product.abs() < 0.0034, "{product}");
    }
}
