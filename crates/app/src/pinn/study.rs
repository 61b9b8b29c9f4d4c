//! The convergence study: the same problem with other widths, numbers of points, and steps.

use serde::Serialize;
use zomma_learn::{
    LearnError,
    physics::{PinnConfig, PinnTrainer, Reference, compare, references, test_rows},
};

use super::Watcher;
use crate::long_run::tell;

/// Shares of what the config says.
const SHARES: [f64; 3] = [0.25, 0.5, 1.0];
/// Options on which errors are measured.
const OPTIONS: usize = 4096;
/// The same where each takes a grid.
const GRID_OPTIONS: usize = 64;

/// One network of the study.
#[derive(Clone, Debug, Serialize)]
pub struct Studied {
    /// What differs from the config.
    pub varied: &'static str,
    /// Units of a layer.
    pub width: usize,
    /// Collocation points.
    pub points: usize,
    /// Steps of L-BFGS a round.
    pub steps: u64,
    /// Root mean square of the held-out residual.
    pub held_out_residual: f64,
    /// ‖error‖/‖reference‖ of prices,
    pub price: f64,
    /// deltas,
    pub delta: f64,
    /// and gammas.
    pub gamma: f64,
}

/// Trains them, without files. None where the user stopped it.
///
/// # Errors
///
/// Where training diverges.
pub fn study(config: &PinnConfig, watcher: &mut Watcher) -> Result<Option<Vec<Studied>>, LearnError> {
    watcher.silence();
    let grid = Reference::of(config.problem.equation) == Reference::FiniteDifference;
    let rows = test_rows(config, if grid { GRID_OPTIONS } else { OPTIONS }, |spans| spans);
    let known = references(config, &rows);
    let mut found = Vec::new();
    for varied in ["width", "points", "steps"] {
        for share in SHARES {
            let mut config = config.clone();
            let part = |of: f64, least: f64| (share * of).round().max(least);
            match varied {
                "width" => config.network.width = part(config.network.width as f64, 2.0) as usize,
                "points" => config.sampling.points = part(config.sampling.points as f64, 16.0) as usize,
                _ => config.training.steps = part(config.training.steps as f64, 1.0) as u64,
            }
            let outcome = PinnTrainer::new(config.clone(), None, false)?.train(watcher)?;
            let Some(solution) = outcome.solution else { return Ok(None) };
            let errors = compare(varied, &solution, &rows, &known);
            found.push(Studied {
                varied,
                width: config.network.width,
                points: config.sampling.points,
                steps: config.training.steps,
                held_out_residual: solution.standing.best().map_or(f64::NAN, |(_, least)| least),
                price: errors.price,
                delta: errors.delta,
                gamma: errors.gamma,
            });
            let Some(last) = found.last() else { continue };
            tell(format_args!(
                "study: width {}, {} points, {} steps: residual {:.2e}, price {:.2e}",
                last.width, last.points, last.steps, last.held_out_residual, last.price
            ));
        }
    }
    Ok(Some(found))
}
