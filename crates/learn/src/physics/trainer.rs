//! The loop: rounds of points drawn anew, first with Adam, then with L-BFGS, until the held-out residual is small enough or stands still.
//! Nothing here knows a price.

use std::fmt::Write;

use super::config::PinnConfig;
use super::jets::Network;
use super::lbfgs::Lbfgs;
use super::points::{Objective, Points, adaptive, spread};
use super::problem::{Problem, Region};
use super::solution::{Solution, network_of};
use super::state::{self, Moments, Phase, Round, Standing, State};
use super::weighting;
use crate::LearnError;
use crate::training::RunFolder;
use crate::training::container::write_whole;

/// Adam's shares of the old (Kingma and Ba 2015); the second is shorter than there, since gradients have no noise.
const KEPT: [f64; 2] = [0.9, 0.99];
/// What a round must be better by to count.
const BETTER: f64 = 0.95;
/// Greatest size of the network's number n at the money near expiry. There Y ≈ s² e^n is (C/F)² = (E|X|/2)² with X = S/F − 1, so that
/// Jensen's inequality has n ≤ −ln 4 and Hölder's n ≥ −ln(4 E X⁴/(E X²)²): −1.8 for a normal X, above −12 up to a kurtosis of 40,000. Beyond it
/// prices no longer come out of the payoff, and the residual is small all the same, since Y = 0 and Y = 1 solve the equation.
const MOST_NEAR_EXPIRY: f64 = 12.0;
/// Where that is looked at, as shares of the time coordinate's span and of what else there is.
const NEAR_EXPIRY: [f64; 3] = [0.02, 0.05, 0.1];
const EXTRAS: [f64; 3] = [0.3, 0.5, 0.7];
/// The rate at Adam's end, of its greatest.
const FINAL_SHARE: f64 = 0.01;

/// What the loop asks of whoever started it, and tells him.
pub trait PinnWatch {
    /// Seconds since some moment before training.
    fn seconds(&self) -> f64;
    /// Whether to leave; what was done since the last round is lost then.
    fn should_stop(&self) -> bool;
    /// After a step, and after a round with its outcome.
    fn stepped(&mut self, progress: &PinnProgress);
    /// Something went wrong that training survives.
    fn warn(&mut self, message: &str);
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PinnProgress {
    /// The round, from 0.
    pub round: usize,
    /// Rounds at most.
    pub rounds: usize,
    /// What minimises.
    pub phase: Phase,
    /// The step of the round.
    pub step: u64,
    /// Steps of the round at most.
    pub steps: u64,
    /// Steps done, all rounds together.
    pub done: u64,
    /// The loss.
    pub loss: f64,
    /// The round's outcome, when it is over.
    pub outcome: Option<Round>,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinnEnding {
    /// The held-out residual is below the tolerance.
    Converged,
    /// It no longer gets better.
    StoodStill,
    /// All rounds, or the minutes, are over.
    Finished,
    /// It was asked to leave; the last round's checkpoint is there.
    Interrupted,
}

impl PinnEnding {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::StoodStill => "stood_still",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct PinnOutcome {
    /// Why it ended.
    pub ending: PinnEnding,
    /// The solution of the least held-out residual; none of an interrupted run.
    pub solution: Option<Solution>,
}

/// A run that can be trained.
#[derive(Debug)]
pub struct PinnTrainer {
    config: PinnConfig,
    problem: Problem,
    network: Network,
    state: State,
    held_out: Points,
    /// Points at the money near expiry.
    near_expiry: Points,
    folder: Option<RunFolder>,
}

impl PinnTrainer {
    /// Of a checked config: from the beginning, or from the folder's checkpoint where `resume`. Without a folder nothing is written.
    ///
    /// Errors: [`LearnError::File`] for a folder that holds a run and is not to be resumed, and for a checkpoint that is absent, damaged,
    /// or of another problem, network, loss or sampling; [`LearnError::BadValue`] where the config asks for fewer rounds than are done.
    pub fn new(config: PinnConfig, folder: Option<RunFolder>, resume: bool) -> Result<Self, LearnError> {
        let network = network_of(&config);
        let problem = Problem::new(&config);
        let mut state = None;
        if let Some(folder) = &folder {
            let path = folder.checkpoint();
            if resume {
                if !path.exists() {
                    let reason = "there is no checkpoint to go on from yet: begin without --resume, which takes this folder as it is";
                    return Err(LearnError::file(&path, reason));
                }
                let (before, standing, vectors) = state::read(&path, 4, |config| network_of(config).parameters())?;
                let same = before.problem == config.problem
                    && before.network == config.network
                    && before.loss == config.loss
                    && before.sampling == config.sampling;
                if !same {
                    let reason = "is of another run: [problem], [network], [loss] or [sampling] of the config differs";
                    return Err(LearnError::file(&path, reason));
                }
                let (done, wanted) =
                    (standing.rounds.len() as u64, config.training.adam_rounds + config.training.rounds);
                if wanted < done {
                    let allowed = format!("{done} or more with training.adam_rounds, as {} has done", path.display());
                    return Err(LearnError::bad("training.rounds", config.training.rounds, allowed));
                }
                if let Ok([parameters, best, mean, square]) = <[Vec<f64>; 4]>::try_from(vectors) {
                    state = Some(State { parameters, best, moments: Moments { mean, square }, standing });
                }
            } else if path.exists() {
                return Err(LearnError::file(
                    &path,
                    "a run is here already: go on with --resume, or name another folder",
                ));
            }
            let text =
                serde_json::to_string_pretty(&config).map_err(|error| LearnError::file(&folder.config(), error))?;
            write_whole(&folder.config(), text.as_bytes())?;
        }
        let state = state.unwrap_or_else(|| {
            let parameters = Solution::untrained(config.clone()).parameters;
            let zeros = vec![0.0; parameters.len()];
            let moments = Moments { mean: zeros.clone(), square: zeros };
            State { best: parameters.clone(), parameters, moments, standing: Standing::default() }
        });
        let places = spread(&problem, config.sampling.held_out, config.sampling.seed ^ 0x6865_6c64, 0);
        let held_out = Points::new(&problem, places);
        let near_expiry = NEAR_EXPIRY.iter().flat_map(|time| EXTRAS.map(|extra| [0.5, *time, extra]));
        let places = near_expiry.map(|unit| problem.place(&unit[..problem.dimensions()])).collect();
        let near_expiry = Points::new(&problem, places);
        Ok(Self { config, problem, network, state, held_out, near_expiry, folder })
    }

    /// How far it is.
    pub fn standing(&self) -> &Standing {
        &self.state.standing
    }

    /// The network, in a line.
    pub fn describe(&self) -> String {
        self.network.describe()
    }

    /// Trains to the end of the config, or until asked to leave.
    ///
    /// Errors: [`LearnError::Diverged`] where the residual is no number or the network's number ran away, the checkpoint of the round before
    /// stays then; [`LearnError::File`] where the last checkpoint or the network cannot be written.
    pub fn train(&mut self, watch: &mut dyn PinnWatch) -> Result<PinnOutcome, LearnError> {
        let before = self.state.standing.rounds.last().map_or(0.0, |round| round.seconds);
        let begun = watch.seconds() - before;
        let ending = loop {
            if let Some(ending) = self.ending() {
                break ending;
            }
            let Some(round) = self.round(watch, begun)? else {
                return Ok(PinnOutcome { ending: PinnEnding::Interrupted, solution: None });
            };
            if let Some(diagnosis) = self.divergence(&round) {
                let step = self.state.standing.steps();
                return Err(LearnError::Diverged { step, diagnosis });
            }
            if let Err(error) = self.checkpoint() {
                watch.warn(&format!("{error}; the checkpoint before it stays, and training goes on"));
            }
        };
        self.state.standing.finished = true;
        self.checkpoint()?;
        let (config, standing) = (self.config.clone(), self.state.standing.clone());
        let solution = Solution { config, parameters: self.state.best.clone(), standing };
        if let Some(folder) = &self.folder {
            solution.write(&folder.network())?;
        }
        Ok(PinnOutcome { ending, solution: Some(solution) })
    }

    /// Why what a round came to is worth nothing, where it is.
    fn divergence(&self, round: &Round) -> Option<String> {
        if !(round.loss.is_finite() && round.held_out.is_finite()) {
            return Some("the residual is no number: try a smaller training.learning_rate".into());
        }
        let mut numbers = self.near_expiry.map(self.network, &self.state.parameters, |_, last| last[0]);
        numbers.sort_by(f64::total_cmp);
        let median = numbers[numbers.len() / 2];
        // One that is no number is as far off.
        let is_bounded = median.abs() <= MOST_NEAR_EXPIRY;
        (!is_bounded).then(|| {
            format!(
                "the network diverged: near expiry its number is {median:.0}, about -2 where prices come out of the payoff, and at most \
                 {MOST_NEAR_EXPIRY} either way; prices are at their bounds, where the residual ({:.1e}) says nothing; try a tenth of \
                 training.learning_rate",
                round.held_out
            )
        })
    }

    /// Why it is over, where it is.
    fn ending(&self) -> Option<PinnEnding> {
        let (rounds, training) = (&self.state.standing.rounds, &self.config.training);
        if let Some((_, least)) = self.state.standing.best() {
            if least <= training.tolerance {
                return Some(PinnEnding::Converged);
            }
            // The last round that was better than all before it by enough.
            let mut mark = (0, f64::INFINITY);
            for (i, round) in rounds.iter().enumerate() {
                if round.held_out < BETTER * mark.1 {
                    mark = (i, round.held_out);
                }
            }
            let since = rounds.len() - 1 - mark.0;
            if rounds.len() as u64 > training.adam_rounds && since as u64 >= training.patience {
                return Some(PinnEnding::StoodStill);
            }
        }
        let over = rounds.len() as u64 >= training.adam_rounds + training.rounds;
        let late = training.minutes.zip(rounds.last()).is_some_and(|(most, last)| last.seconds >= 60.0 * most);
        (over || late).then_some(PinnEnding::Finished)
    }

    /// The round's points: a spread of its own, and where the residual is large.
    fn draw(&self, round: usize) -> Points {
        let sampling = &self.config.sampling;
        let chosen = (sampling.adaptive * sampling.points as f64) as usize;
        let replication = 1 + 2 * round as u32;
        let mut places = spread(&self.problem, sampling.points - chosen, sampling.seed, replication);
        if chosen > 0 {
            let candidates = spread(&self.problem, chosen * sampling.candidates, sampling.seed, replication + 1);
            let candidates = Points::new(&self.problem, candidates);
            let residuals = candidates.residuals(self.network, &self.state.parameters);
            let seed = sampling.seed.wrapping_add(round as u64);
            places.extend(adaptive(&candidates.places, &residuals, (chosen, sampling.power), seed));
        }
        Points::new(&self.problem, places)
    }

    /// One round; None where it was asked to leave.
    fn round(&mut self, watch: &mut dyn PinnWatch, begun: f64) -> Result<Option<Round>, LearnError> {
        let config = &self.config;
        let (training, network) = (&config.training, self.network);
        let index = self.state.standing.rounds.len();
        let points = self.draw(index);
        let regions: Vec<Region> = points.regions(&self.problem);
        let old = self.state.standing.rounds.last().map_or(config.loss.weights, |round| round.weights);
        let at = (network, &self.state.parameters[..]);
        let seed = config.sampling.seed.wrapping_add(index as u64);
        let weights = weighting::update(&config.loss, old, at, (&points, &regions), seed);
        let per_point = weighting::per_point(&regions, weights);
        let objective = Objective { points: &points, weights: &per_point, penalty: config.loss.gradient_penalty };
        let decay = config.loss.weight_decay;
        let mut evaluations = 0;
        let mut evaluate = |parameters: &[f64], gradient: &mut [f64]| {
            evaluations += 1;
            let loss = objective.evaluate(network, parameters, gradient);
            gradient.iter_mut().zip(parameters).for_each(|(g, w)| *g += 2.0 * decay * w);
            loss + decay * parameters.iter().map(|w| w * w).sum::<f64>()
        };
        let is_adam = (index as u64) < training.adam_rounds;
        let (phase, steps) = if is_adam { (Phase::Adam, training.adam_steps) } else { (Phase::Lbfgs, training.steps) };
        let rounds = (training.adam_rounds + training.rounds) as usize;
        let done = self.state.standing.steps();
        let mut progress =
            PinnProgress { round: index, rounds, phase, step: 0, steps, done, loss: f64::NAN, outcome: None };
        let State { parameters, moments, standing, .. } = &mut self.state;
        let (parameters_before, moments_before, taken_before) =
            (parameters.clone(), moments.clone(), standing.adam_steps);
        let mut gradient = vec![0.0; parameters.len()];
        let mut lbfgs = None;
        while progress.step < steps {
            if watch.should_stop() {
                // The state of the last checkpoint, should anyone look.
                (*parameters, *moments, standing.adam_steps) = (parameters_before, moments_before, taken_before);
                return Ok(None);
            }
            if is_adam {
                progress.loss = evaluate(parameters, &mut gradient);
                standing.adam_steps += 1;
                let total = (training.adam_rounds * training.adam_steps) as f64;
                let taken = standing.adam_steps as f64;
                let cosine = 0.5 * (1.0 + (std::f64::consts::PI * taken / total).cos());
                let rate = training.learning_rate * (FINAL_SHARE + (1.0 - FINAL_SHARE) * cosine);
                adam_step(parameters, &gradient, moments, (rate, standing.adam_steps));
            } else {
                let minimiser = lbfgs.get_or_insert_with(|| {
                    let value = evaluate(parameters, &mut gradient);
                    Lbfgs::new(training.memory, value, gradient.clone())
                });
                let better = minimiser.step(parameters, &mut evaluate);
                progress.loss = minimiser.value;
                if !better {
                    break;
                }
            }
            progress.step += 1;
            progress.done += 1;
            watch.stepped(&progress);
        }
        let residuals = self.held_out.residuals(network, parameters);
        let square = residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64;
        let round = Round {
            phase,
            steps: progress.step,
            evaluations,
            seconds: watch.seconds() - begun,
            loss: progress.loss,
            held_out: square.sqrt(),
            held_out_max: residuals.iter().fold(0.0, |most, r| r.abs().max(most)),
            weights,
        };
        if standing.best().is_none_or(|(_, least)| round.held_out < least) {
            self.state.best.clone_from(&self.state.parameters);
        }
        self.state.standing.rounds.push(round);
        watch.stepped(&PinnProgress { outcome: Some(round), ..progress });
        Ok(Some(round))
    }

    fn checkpoint(&self) -> Result<(), LearnError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let State { parameters, best, moments, standing } = &self.state;
        let vectors: [&[f64]; 4] = [parameters, best, &moments.mean, &moments.square];
        state::write(&folder.checkpoint(), &self.config, standing, &vectors)?;
        let mut text = String::from(
            "round,phase,steps,evaluations,seconds,loss,held_out_residual_rms,held_out_residual_max,\
             weight_body,weight_wings,weight_near_expiry\n",
        );
        for (i, round) in standing.rounds.iter().enumerate() {
            let Round { phase, steps, evaluations, seconds, loss, held_out, held_out_max, weights: [a, b, c] } = round;
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{i},{},{steps},{evaluations},{seconds},{loss},{held_out},{held_out_max},{a},{b},{c}",
                phase.as_str()
            );
        }
        write_whole(&folder.metrics(), text.as_bytes())
    }
}

/// Step `taken`, counted from 1, of Adam.
fn adam_step(parameters: &mut [f64], gradient: &[f64], moments: &mut Moments, (rate, taken): (f64, u64)) {
    let [first, second] = KEPT.map(|kept| 1.0 - kept.powf(taken as f64));
    let memory = moments.mean.iter_mut().zip(&mut moments.square);
    for ((parameter, g), (mean, square)) in parameters.iter_mut().zip(gradient).zip(memory) {
        *mean = KEPT[0] * *mean + (1.0 - KEPT[0]) * g;
        *square = KEPT[1] * *square + (1.0 - KEPT[1]) * g * g;
        *parameter -= rate * (*mean / first) / ((*square / second).sqrt() + 1e-12);
    }
}
