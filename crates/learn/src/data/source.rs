//! Where a step's rows come from: fresh points for every step, a stated number of them drawn again and again, or shards.

use rayon::prelude::*;

use zomma_storage::Place;

use super::Rows;
use super::labels::label;
use super::points::{PointSet, uniform};
use super::shards::Shards;
use crate::LearnError;
use crate::config::{DataConfig, PricingModel};
use crate::network::TargetColumn;

/// Rows that scales are fitted to.
const FITTED_ROWS: usize = 8192;

/// Rows to learn from. What a step sees depends on the config and on how many rows were drawn before, on nothing else.
#[derive(Debug)]
pub struct Source {
    points: PointSet,
    model: PricingModel,
    /// The rows that are drawn again and again, where their number is stated.
    stored: Option<Rows>,
    shards: Option<Shards>,
    config: DataConfig,
    order_seed: u64,
    /// In what a table's target is given, once that is known.
    target: Option<TargetColumn>,
    /// The mean of the shards' weights, where they have any.
    mean_weight: f64,
}

impl Source {
    /// Of a checked config. Labels the stated number of rows, where one is stated. `order_seed` shuffles them.
    ///
    /// Errors: [`LearnError::BadLabels`]; [`LearnError::BadValue`] where the config names shards: see [`Self::open`].
    pub fn new(config: &DataConfig, order_seed: u64) -> Result<Self, LearnError> {
        Self::open(config, order_seed, None)
    }

    /// As [`Self::new`], and from the shards of the config, whose `place` is opened by whoever knows how it is reached.
    ///
    /// Errors: as [`Self::new`] and [`Shards::open`].
    pub fn open(config: &DataConfig, order_seed: u64, place: Option<Place>) -> Result<Self, LearnError> {
        let points = PointSet::training(config);
        let shards = match (&config.shards, place) {
            (None, _) => None,
            (Some(_), Some(place)) => Some(Shards::open(config, order_seed, place)?),
            (Some(shards), None) => {
                return Err(LearnError::bad(
                    "data.shards",
                    shards,
                    "labels that are made on the way: shards are not read here",
                ));
            }
        };
        let mean_weight = match shards.as_ref().map(|shards| &shards.fitted().weights[..]) {
            Some(weights @ [_, ..]) => weights.iter().sum::<f64>() / weights.len() as f64,
            _ => 1.0,
        };
        if !(mean_weight.is_finite() && mean_weight > 0.0) {
            let weight = config.table.as_ref().and_then(|table| table.weight.as_deref()).unwrap_or_default();
            let allowed =
                format!("weights with a mean above 0 over the rows to learn from, whose mean is {mean_weight}");
            return Err(LearnError::bad("data.table.weight", weight, allowed));
        }
        let stored = config.samples.map(|samples| labelled(&points, 0, samples)).transpose()?;
        let (model, config) = (config.model, config.clone());
        Ok(Self { points, model, stored, shards, config, order_seed, target: None, mean_weight })
    }

    /// Gives a table's target in the network's units from here on: what it is scaled by is fitted to rows that are not yet.
    pub fn scale_target(&mut self, target: TargetColumn) {
        self.target = Some(target);
    }

    fn scale(&self, rows: &mut Rows) {
        if let Some(target) = &self.target {
            rows.prices.iter_mut().for_each(|price| *price = target.scaled(*price));
        }
        rows.weights.iter_mut().for_each(|weight| *weight /= self.mean_weight);
    }

    /// Rows of shards as they are kept, with the target in the network's units.
    fn of_shards(&self, rows: &Rows) -> Rows {
        let mut rows = rows.clone();
        self.scale(&mut rows);
        rows
    }

    /// What tells the shards' rows from others, where it draws from shards.
    pub fn identity(&self) -> Option<&str> {
        self.shards.as_ref().map(Shards::identity)
    }

    /// The shards that it draws from, where it does.
    pub fn shards(&self) -> Option<&Shards> {
        self.shards.as_ref()
    }

    /// Fills `rows` with those after the first `drawn`.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn draw(&self, drawn: u64, rows: &mut Rows) -> Result<(), LearnError> {
        if let Some(shards) = &self.shards {
            shards.draw(drawn, rows)?;
            self.scale(rows);
            return Ok(());
        }
        let inputs = self.model.input_names().len();
        let Some(stored) = &self.stored else { return fill(&self.points, drawn, rows) };
        let samples = stored.len() as u64;
        for i in 0..rows.len() {
            let position = drawn + i as u64;
            let from = shuffled(position % samples, samples, self.order_seed ^ (position / samples)) as usize;
            let (to, from_inputs) = (i * inputs..(i + 1) * inputs, from * inputs..(from + 1) * inputs);
            rows.inputs[to.clone()].copy_from_slice(&stored.inputs[from_inputs.clone()]);
            rows.differentials[to].copy_from_slice(&stored.differentials[from_inputs]);
            (rows.prices[i], rows.gammas[i]) = (stored.prices[from], stored.gammas[from]);
        }
        Ok(())
    }

    /// Rows to learn from that stand for all: what scales are fitted to.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn fitted(&self) -> Result<Rows, LearnError> {
        self.shards.as_ref().map_or_else(|| self.first(FITTED_ROWS), |shards| Ok(self.of_shards(shards.fitted())))
    }

    /// Rows that are never learned, which choose the network.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn held_out_rows(&self) -> Result<Rows, LearnError> {
        self.shards
            .as_ref()
            .map_or_else(|| Self::held_out(&self.config), |shards| Ok(self.of_shards(shards.held_out())))
    }

    /// Rows that are never learned, for the last word, and how many were left out: see [`Self::tested`].
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn tested_rows(&self) -> Result<(Rows, usize), LearnError> {
        self.shards
            .as_ref()
            .map_or_else(|| Self::tested(&self.config), |shards| Ok((self.of_shards(shards.tested()), 0)))
    }

    /// The first `count` points to learn from with their labels, in the order of the sequence, whatever is drawn.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn first(&self, count: usize) -> Result<Rows, LearnError> {
        labelled(&self.points, 0, count)
    }

    /// The held-out rows of a config.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn held_out(config: &DataConfig) -> Result<Rows, LearnError> {
        determined(config, &PointSet::held_out(config)).map(|(rows, _)| rows)
    }

    /// As many rows again, of yet another seed: for the last word on a network that was chosen by the held-out rows. With how many were
    /// left out because their price does not determine a volatility (vega below the config's least); 0 of prices.
    ///
    /// Errors: [`LearnError::BadLabels`].
    pub fn tested(config: &DataConfig) -> Result<(Rows, usize), LearnError> {
        determined(config, &PointSet::tested(config))
    }
}

/// Rows that are not learned, without those whose price determines no volatility, and how many those were.
fn determined(config: &DataConfig, points: &PointSet) -> Result<(Rows, usize), LearnError> {
    let inputs = config.model.input_names().len();
    let mut rows = Rows::zeros(config.held_out, inputs);
    place(points, 0, &mut rows);
    if !config.model.is_implied_volatility() {
        return label(config.model, &mut rows).map(|()| (rows, 0));
    }
    // Deep in the wings prices underflow: the rows go before they are labelled.
    rows.gammas.par_iter_mut().zip(rows.inputs.par_chunks_exact(inputs)).for_each(|(vega, row)| {
        let (root, s) = (row[1].sqrt(), row[2] * row[1].sqrt());
        let d = row[0].ln() / s - 0.5 * s;
        *vega = root * (-0.5 * d * d).exp() / (2.0 * std::f64::consts::PI).sqrt();
    });
    let excluded = rows.exclude_below(config.least_vega);
    label(config.model, &mut rows).map(|()| (rows, excluded))
}

pub(super) fn labelled(points: &PointSet, first: u64, count: usize) -> Result<Rows, LearnError> {
    let mut rows = Rows::zeros(count, points.model().input_names().len());
    fill(points, first, &mut rows)?;
    Ok(rows)
}

fn fill(points: &PointSet, first: u64, rows: &mut Rows) -> Result<(), LearnError> {
    place(points, first, rows);
    points.label(first, rows)?;
    let inputs = points.model().input_names().len();
    for (i, (price, row)) in rows.prices.iter_mut().zip(rows.inputs.chunks_exact(inputs)).enumerate() {
        let noise = points.noise(first + i as u64);
        if noise != 0.0 {
            // No quote is below the intrinsic value or above the forward.
            *price = (*price + noise).clamp((row[0] - 1.0).max(0.0), row[0]);
        }
    }
    Ok(())
}

/// The inputs of the points from `first` on.
fn place(points: &PointSet, first: u64, rows: &mut Rows) {
    let inputs = points.model().input_names().len();
    let point = |(i, row): (usize, &mut [f64])| points.point(first + i as u64, row);
    rows.inputs.par_chunks_exact_mut(inputs).with_min_len(256).enumerate().for_each(point);
}

/// Where row `position` of an epoch of `samples` rows comes from: a permutation by four Feistel rounds on halves of enough bits, walked
/// until it falls among the samples (J. Black and P. Rogaway, "Ciphers with Arbitrary Finite Domains", 2002).
fn shuffled(position: u64, samples: u64, seed: u64) -> u64 {
    let half = (64 - samples.saturating_sub(1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1u64 << half) - 1;
    let mut at = position;
    loop {
        let (mut left, mut right) = (at >> half, at & mask);
        for round in 0..4 {
            let word = (uniform(seed.wrapping_add(round), right) * (1u64 << 53) as f64) as u64;
            (left, right) = (right, left ^ (word & mask));
        }
        at = left << half | right;
        if at < samples {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(samples: Option<usize>) -> DataConfig {
        let samples = samples.map_or(String::new(), |samples| format!("samples = {samples}\n"));
        toml::from_str(&format!(
            "model = \"black_scholes\"\n{samples}[ranges]\nmoneyness = {{ min = 0.5, max = 2.0 }}\n\
             expiry_years = {{ min = 0.02, max = 3.0 }}\nvolatility = {{ min = 0.05, max = 1.0 }}"
        ))
        .unwrap()
    }

    #[test]
    fn an_epoch_draws_every_stored_row_once_and_the_next_in_another_order() {
        for samples in [1, 2, 17, 64, 1000] {
            for seed in 0..3 {
                let mut drawn: Vec<u64> = (0..samples).map(|position| shuffled(position, samples, seed)).collect();
                drawn.sort_unstable();
                assert!(drawn.iter().copied().eq(0..samples), "{samples}");
            }
        }
        let order = |seed| (0..64).map(|position| shuffled(position, 64, seed)).collect::<Vec<u64>>();
        assert_ne!(order(0), order(1));
    }

    #[test]
    fn noise_is_a_rows_own_within_half_a_spread_and_of_prices_to_learn_alone() {
        for samples in [None, Some(100)] {
            let clean = DataConfig { strikes: 2, ..config(samples) };
            let noisy = DataConfig { noise_half_spread: 0.01, ..clean.clone() };
            let draw = |config: &DataConfig, from: u64, count: usize| {
                let mut rows = Rows::zeros(count, 3);
                Source::new(config, 7).unwrap().draw(from, &mut rows).unwrap();
                rows
            };
            let (without, with) = (draw(&clean, 0, 400), draw(&noisy, 0, 400));
            assert_eq!((&with.inputs, &with.differentials), (&without.inputs, &without.differentials));
            let noise: Vec<f64> = with.prices.iter().zip(&without.prices).map(|(a, b)| a - b).collect();
            assert!(noise.iter().all(|noise| noise.abs() <= 0.01 + 1e-15));
            let largest = noise.iter().fold(0.0f64, |most, noise| most.max(noise.abs()));
            assert!(largest > 0.009, "{largest}");
            for (price, row) in with.prices.iter().zip(with.inputs.chunks(3)) {
                assert!((row[0] - 1.0).max(0.0) <= *price && *price <= row[0]);
            }
            // Drawn again it is the same.
            assert_eq!(draw(&noisy, 100, 50).prices, with.prices[100..150]);
            assert_eq!(Source::held_out(&noisy).unwrap(), Source::held_out(&clean).unwrap());
            assert_eq!(Source::tested(&noisy).unwrap(), Source::tested(&clean).unwrap());
        }
    }

    #[test]
    fn rows_that_determine_no_volatility_are_left_out_and_counted() {
        let model = PricingModel::BlackScholesImpliedVolatility;
        let config = DataConfig { model, held_out: 4096, ..config(None) };
        let (rows, excluded) = Source::tested(&config).unwrap();
        assert_eq!(rows.len() + excluded, 4096);
        // As many as on a grid of the domain, to two of a hundred rows.
        let share = |i: usize| (i as f64 + 0.5) / 32.0;
        let is_out = |i: usize| {
            let [m, t, v] =
                [0.5 + 1.5 * share(i % 32), 0.02 + 2.98 * share(i / 32 % 32), 0.05 + 0.95 * share(i / 1024)];
            let d = m.ln() / (v * t.sqrt()) - 0.5 * v * t.sqrt();
            t.sqrt() * (-0.5 * d * d).exp() * (0.5 * std::f64::consts::FRAC_1_PI).sqrt() < 0.01
        };
        let wanted = 4096 * (0..32_768).filter(|i| is_out(*i)).count() / 32_768;
        assert!(excluded.abs_diff(wanted) < 82, "{excluded} {wanted}");
        assert!(rows.gammas.iter().all(|vega| *vega >= 0.01));
        assert!(rows.inputs.len() == 3 * rows.len() && rows.differentials.len() == 3 * rows.len());
        // Each row is still one row: its price makes its volatility.
        for i in 0..rows.len() {
            let [m, t, beta] = [rows.inputs[3 * i], rows.inputs[3 * i + 1], rows.inputs[3 * i + 2]];
            let option = if m < 1.0 { zomma_base::OptionType::Call } else { zomma_base::OptionType::Put };
            let found =
                zomma_pricing::implied_vol::implied_volatility_row(option, m, 1.0, t, 1.0, beta * m.sqrt()).unwrap();
            assert!((found - rows.prices[i]).abs() < 1e-9, "row {i}");
        }
        let all = Source::tested(&DataConfig { model: PricingModel::BlackScholes, ..config }).unwrap();
        assert_eq!((all.0.len(), all.1), (4096, 0));
    }

    #[test]
    fn what_is_drawn_depends_on_the_position_alone() {
        for samples in [None, Some(100)] {
            let source = Source::new(&config(samples), 7).unwrap();
            let (mut whole, mut part) = (Rows::zeros(600, 3), Rows::zeros(200, 3));
            source.draw(40, &mut whole).unwrap();
            source.draw(240, &mut part).unwrap();
            assert_eq!(part.prices, whole.prices[200..400]);
            assert_eq!(part.differentials, whole.differentials[600..1200]);
        }
    }
}
