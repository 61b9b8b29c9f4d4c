//! What is tried next.

use serde::{Deserialize, Serialize};
use zomma_pricing::monte_carlo::{philox, sobol_uniform};
use zomma_storage::studies::{Direction, Parameter, Trial, TrialState};

use super::{
    parzen::{Estimator, better_tenth},
    space::{Space, at_position, position},
};

/// Trials that end before the estimator of [`Sampler::Tpe`] takes over from chance.
const STARTUP_TRIALS: usize = 10;
/// Candidates that it weighs for one suggestion.
const CANDIDATES: u32 = 32;

/// Parameters for which Sobol's sequence has numbers.
pub(super) const SOBOL_DIMENSIONS: usize = 1024;

/// How the next trial's parameters are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// By chance, evenly over the space.
    Random,
    /// Evenly over the space without clumps: the additive recurrence of Roberts (2018), shifted by the seed.
    QuasiRandom,
    /// Evenly over the space: the points of Sobol's sequence, scrambled by the seed; 2^k of them from the first on lie in as many equal boxes.
    Sobol,
    /// Where good trials lie and bad ones do not: the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011) with
    /// kernels over all parameters at once. Trials that run count as bad, so that workers do not try the same.
    #[default]
    Tpe,
}

impl Sampler {
    /// The parameters of trial `number`, given what was tried before; the same for the same arguments.
    pub fn suggest(
        self,
        space: &Space,
        direction: Direction,
        trials: &[Trial],
        number: i64,
        seed: u64,
    ) -> Vec<Parameter> {
        let mut random = Random::new(seed, number as u64);
        let dimensions = space.parameters().len();
        let positions = match self {
            Self::Random => (0..dimensions).map(|_| random.uniform()).collect(),
            Self::QuasiRandom => recurrence(dimensions, number as u64, seed),
            Self::Sobol => (0..dimensions).map(|dimension| sobol_uniform(seed, 0, number as u32, dimension)).collect(),
            Self::Tpe => by_estimator(space, direction, trials, &mut random),
        };
        let kept: Vec<f64> = space
            .parameters()
            .iter()
            .zip(positions)
            .map(|((_, distribution), position)| at_position(distribution, position))
            .collect();
        space.with(&kept)
    }
}

/// A trial's place in the space; `None` where it is of another space.
fn place(space: &Space, trial: &Trial) -> Option<Vec<f64>> {
    let mut places = Vec::with_capacity(space.parameters().len());
    for (name, distribution) in space.parameters() {
        let parameter = trial.parameters.iter().find(|parameter| parameter.name == *name)?;
        // A space that was widened since takes what lies in it.
        distribution.value(parameter.kept)?;
        places.push(position(distribution, parameter.kept));
    }
    Some(places)
}

fn by_estimator(space: &Space, direction: Direction, trials: &[Trial], random: &mut Random) -> Vec<f64> {
    let chance = |random: &mut Random| space.parameters().iter().map(|_| random.uniform()).collect();
    let mut ended = Vec::new();
    let mut running = Vec::new();
    for trial in trials {
        let Some(place) = place(space, trial) else { continue };
        match (trial.state, trial.value.or_else(|| trial.reported.values().next_back().copied())) {
            (TrialState::Complete | TrialState::Pruned, Some(value)) if !value.is_nan() => {
                // What was pruned is worse than what was not, however it stood then.
                ended.push((trial.state == TrialState::Pruned, value, place));
            }
            (TrialState::Running, _) | (TrialState::Fail, _) => running.push(place),
            _ => {}
        }
    }
    if ended.len() < STARTUP_TRIALS {
        return chance(random);
    }
    ended.sort_by(|(pruned, value, _), (other_pruned, other, _)| {
        let order = match direction {
            Direction::Minimize => value.total_cmp(other),
            Direction::Maximize => other.total_cmp(value),
        };
        pruned.cmp(other_pruned).then(order)
    });
    let good_count = better_tenth(ended.len());
    let mut places = ended.into_iter().map(|(_, _, place)| place);
    let good: Vec<_> = places.by_ref().take(good_count).collect();
    let bad: Vec<_> = places.chain(running).collect();
    let (good, bad) = (Estimator::new(space, good), Estimator::new(space, bad));
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..CANDIDATES {
        let candidate = good.sample(&mut || random.uniform());
        let gain = good.log_density(&candidate) - bad.log_density(&candidate);
        if best.as_ref().is_none_or(|(most, _)| gain > *most) {
            best = Some((gain, candidate));
        }
    }
    best.map_or_else(|| chance(random), |(_, candidate)| candidate)
}

/// Point `number` of the recurrence whose steps are the powers of the inverse of φ, the root of φ^(d+1) = φ + 1.
fn recurrence(dimensions: usize, number: u64, seed: u64) -> Vec<f64> {
    let mut root: f64 = 1.5;
    for _ in 0..64 {
        root = (1.0 + root).powf(1.0 / (dimensions as f64 + 1.0));
    }
    let mut shift = Random::new(seed, u64::MAX);
    (1..=dimensions as i32)
        .map(|dimension| {
            let step = root.powi(-dimension).fract();
            (shift.uniform() + step * (number + 1) as f64).fract()
        })
        .collect()
}

/// Uniform numbers of one trial: Philox over the seed and the trial's number.
struct Random {
    key: [u32; 2],
    stream: u64,
    drawn: u32,
}

impl Random {
    fn new(seed: u64, stream: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream, drawn: 0 }
    }

    fn uniform(&mut self) -> f64 {
        let counter = [self.drawn, 0x7365_6172, self.stream as u32, (self.stream >> 32) as u32];
        self.drawn += 1;
        let [low, high, ..] = philox(counter, self.key);
        let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
        (bits as f64 + 0.5) / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zomma_storage::studies::{Distribution, TrialId};

    use super::*;

    fn space() -> Space {
        Space::new([
            ("x".to_owned(), Distribution::Float { step: None, low: -5.0, high: 5.0, log: false }),
            ("rate".to_owned(), Distribution::Float { step: None, low: 1e-5, high: 1.0, log: true }),
            ("width".to_owned(), Distribution::Integer { log: false, step: 8, low: 8, high: 128 }),
            ("kind".to_owned(), Distribution::Categorical { choices: vec!["a".into(), "b".into(), "c".into()] }),
        ])
        .unwrap()
    }

    /// Least, 0, at x = 2, rate = 1e-3, width = 64, kind = b.
    fn loss(parameters: &[Parameter]) -> f64 {
        let [x, rate, width, kind] = [0, 1, 2, 3].map(|at| parameters[at].kept);
        let far = (x - 2.0) / 5.0;
        let off = (rate.log10() + 3.0) / 2.5;
        let wide = (width - 64.0) / 60.0;
        far * far + off * off + wide * wide + if kind == 1.0 { 0.0 } else { 0.5 }
    }

    fn search(sampler: Sampler, seed: u64, count: i64) -> Vec<Trial> {
        let mut trials = Vec::new();
        for number in 0..count {
            let parameters = sampler.suggest(&space(), Direction::Minimize, &trials, number, seed);
            for parameter in &parameters {
                assert!(parameter.distribution.value(parameter.kept).is_some(), "{parameter:?}");
            }
            let value = Some(loss(&parameters));
            let (begun, ended) = (None, None);
            let reported = BTreeMap::new();
            let state = TrialState::Complete;
            trials.push(Trial { id: TrialId(number), number, state, parameters, value, reported, begun, ended });
        }
        trials
    }

    fn best(trials: &[Trial]) -> f64 {
        trials.iter().filter_map(|trial| trial.value).fold(f64::INFINITY, f64::min)
    }

    fn median_best(sampler: Sampler) -> f64 {
        let mut found: Vec<f64> = (0..15).map(|seed| best(&search(sampler, seed, 80))).collect();
        found.sort_by(f64::total_cmp);
        found[7]
    }

    #[test]
    fn the_estimator_comes_nearer_than_chance() {
        let (chance, quasi, tpe) =
            (median_best(Sampler::Random), median_best(Sampler::QuasiRandom), median_best(Sampler::Tpe));
        assert!(tpe < 0.35 * chance, "tpe {tpe}, chance {chance}");
        assert!(tpe < 0.35 * quasi, "tpe {tpe}, quasi-random {quasi}");
    }

    #[test]
    fn a_maximum_is_found_by_the_mirrored_search() {
        let mut trials = search(Sampler::Tpe, 3, 40);
        let minimum = Sampler::Tpe.suggest(&space(), Direction::Minimize, &trials, 40, 3);
        for trial in &mut trials {
            trial.value = trial.value.map(|value| -value);
        }
        assert_eq!(Sampler::Tpe.suggest(&space(), Direction::Maximize, &trials, 40, 3), minimum);
    }

    #[test]
    fn a_search_can_be_retraced() {
        for sampler in [Sampler::Random, Sampler::QuasiRandom, Sampler::Sobol, Sampler::Tpe] {
            assert_eq!(search(sampler, 11, 30), search(sampler, 11, 30));
            assert_ne!(search(sampler, 11, 5), search(sampler, 12, 5));
        }
    }

    #[test]
    fn the_recurrence_leaves_no_large_gap() {
        // 64 points in two dimensions: each of 16 squares holds some, which chance misses more often than not.
        let points: Vec<_> = (0..64).map(|number| recurrence(2, number, 5)).collect();
        for cell in 0..16 {
            let (row, column) = (f64::from(cell / 4) / 4.0, f64::from(cell % 4) / 4.0);
            let inside = |point: &&Vec<f64>| {
                (0.0..0.25).contains(&(point[0] - row)) && (0.0..0.25).contains(&(point[1] - column))
            };
            assert!(points.iter().filter(inside).count() >= 2, "square {row}, {column}");
        }
    }

    #[test]
    fn sobol_puts_the_same_number_of_trials_into_every_box() {
        let side = |name: &str| (name.to_owned(), Distribution::Float { step: None, low: 0.0, high: 1.0, log: false });
        let square = Space::new([side("x"), side("y")]).unwrap();
        for seed in [1, 5, 77] {
            let points: Vec<[f64; 2]> = (0..64)
                .map(|number| {
                    let tried = Sampler::Sobol.suggest(&square, Direction::Minimize, &[], number, seed);
                    [0, 1].map(|at| tried[at].kept)
                })
                .collect();
            // A digital net: 64 points in boxes of 64, whatever their shape, one in each.
            for columns in [1, 2, 4, 8, 16, 32, 64] {
                let mut boxes: Vec<_> = points
                    .iter()
                    .map(|[x, y]| ((x * columns as f64) as usize, (y * (64 / columns) as f64) as usize))
                    .collect();
                boxes.sort_unstable();
                boxes.dedup();
                assert_eq!(boxes.len(), 64, "seed {seed}, {columns} columns");
            }
        }
    }

    #[test]
    fn trials_of_another_space_do_not_count() {
        let mut trials = search(Sampler::Random, 1, 30);
        for trial in &mut trials {
            trial.parameters.truncate(2);
        }
        let suggested = Sampler::Tpe.suggest(&space(), Direction::Minimize, &trials, 30, 1);
        assert_eq!(suggested, Sampler::Random.suggest(&space(), Direction::Minimize, &[], 30, 1));
    }
}
