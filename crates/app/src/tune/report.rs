//! A study as a table and as JSON.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json as object};
use zomma_storage::studies::{Direction, Parameter, Trial, TrialState};

/// Trials of the table.
const BEST: usize = 10;
const STATES: [TrialState; 5] =
    [TrialState::Complete, TrialState::Pruned, TrialState::Fail, TrialState::Running, TrialState::Waiting];

/// Parameters in a line.
pub(super) fn shown(parameters: &[Parameter]) -> String {
    let one = |parameter: &Parameter| match value(parameter) {
        Value::Number(number) if number.is_f64() => format!("{} {:.3e}", parameter.name, parameter.kept),
        Value::String(text) => format!("{} {text}", parameter.name),
        value => format!("{} {value}", parameter.name),
    };
    parameters.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn value(parameter: &Parameter) -> Value {
    // A value outside of its own distribution is of no use but as it stands.
    parameter.distribution.value(parameter.kept).unwrap_or_else(|| object!(parameter.kept))
}

/// Trials that have a value, the best first.
fn ranked(trials: &[Trial], direction: Direction) -> Vec<(&Trial, f64)> {
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let mut ranked: Vec<_> = complete.filter_map(|trial| Some((trial, trial.value?))).collect();
    ranked.sort_by(|(_, value), (_, other)| match direction {
        Direction::Minimize => value.total_cmp(other),
        Direction::Maximize => other.total_cmp(value),
    });
    ranked
}

fn counts(trials: &[Trial]) -> impl Iterator<Item = (TrialState, usize)> {
    STATES.into_iter().map(|state| (state, trials.iter().filter(|trial| trial.state == state).count()))
}

/// What a study found.
pub struct Found<'a> {
    /// Where it lies, as the user said it.
    pub place: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Which values are better.
    pub direction: Direction,
    /// Its trials.
    pub trials: &'a [Trial],
    /// Where the trials' folders are, where that is known.
    pub folder: Option<&'a Path>,
}

/// A trial's network within the folder of the search that tried it.
fn network(trial: &Trial) -> PathBuf {
    PathBuf::from(format!("trial-{}", trial.number)).join("network.bin")
}

impl Found<'_> {
    /// The best trial's network, where it is here.
    fn best_network(&self) -> Option<PathBuf> {
        let (best, _) = *ranked(self.trials, self.direction).first()?;
        self.folder.map(|folder| folder.join(network(best))).filter(|path| path.is_file())
    }
}

/// The study for a reader.
pub fn table(found: &Found<'_>) -> String {
    let Found { place, name, direction, trials, .. } = *found;
    let counted: Vec<String> = counts(trials)
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", state.name().to_lowercase()))
        .collect();
    let counted = if counted.is_empty() { "no trials yet".to_owned() } else { counted.join(", ") };
    let mut text = format!("{place}: study {name}, {}: {counted}\n", direction.name().to_lowercase());
    let ranked = ranked(trials, direction);
    for (place, (trial, value)) in ranked.iter().take(BEST).enumerate() {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{:>4}. trial {:<5} {value:<10.4e} {}", place + 1, trial.number, shown(&trial.parameters));
    }
    if ranked.len() > BEST {
        let _ = writeln!(text, "      and {} more that are complete", ranked.len() - BEST);
    }
    let _ = match (found.best_network(), ranked.first()) {
        (Some(path), _) => writeln!(text, "The best network is {}", path.display()),
        (None, Some((best, _))) => {
            writeln!(text, "The best network is {} in the folder of the search that tried it", network(best).display())
        }
        (None, None) => Ok(()),
    };
    text
}

/// The study for programs.
pub fn json(found: &Found<'_>) -> Value {
    let Found { place, name, direction, trials, .. } = *found;
    let counted: Map<String, Value> =
        counts(trials).map(|(state, count)| (state.name().to_lowercase(), count.into())).collect();
    let all: Vec<Value> = trials
        .iter()
        .map(|trial| {
            let parameters: Map<String, Value> =
                trial.parameters.iter().map(|parameter| (parameter.name.clone(), value(parameter))).collect();
            // What is no number is null in JSON.
            let reported: Map<String, Value> =
                trial.reported.iter().map(|(step, value)| (step.to_string(), object!(value))).collect();
            object!({
                "number": trial.number,
                "state": trial.state.name().to_lowercase(),
                "value": trial.value,
                "parameters": parameters,
                "reported": reported,
                "begun": trial.begun,
                "ended": trial.ended,
            })
        })
        .collect();
    object!({
        "study": name,
        "place": place,
        "direction": direction.name().to_lowercase(),
        "counts": counted,
        "best": ranked(trials, direction).first().map(|(trial, _)| trial.number),
        "best_network": found.best_network(),
        "trials": all,
    })
}
