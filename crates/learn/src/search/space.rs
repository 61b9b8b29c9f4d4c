//! What may be tried: the parameters of a search by name, each with its distribution.

use serde::Deserialize;
use serde_json::Value;
use zomma_storage::studies::{Distribution, Parameter, Trial};

/// The parameters of a search, in order of their names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "std::collections::BTreeMap<String, Written>")]
pub struct Space(Vec<(String, Distribution)>);

/// A search space that makes no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("parameter {name}: {what}")]
pub struct SpaceError {
    /// The parameter.
    pub name: String,
    /// What is wrong with it and what is allowed.
    pub what: String,
}

/// A distribution as a configuration has it: `["silu", "tanh"]`, `{ low = 16, high = 128, step = 16 }`, `{ low = 1e-4, high = 0.1, log = true }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Written {
    Choices(Vec<Value>),
    Whole(Interval<i64>),
    Real(Interval<f64>),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Interval<T> {
    low: T,
    high: T,
    #[serde(default)]
    step: Option<T>,
    #[serde(default)]
    log: bool,
}

impl Space {
    /// A space of these parameters; each is checked.
    pub fn new(parameters: impl IntoIterator<Item = (String, Distribution)>) -> Result<Self, SpaceError> {
        let mut checked: Vec<(String, Distribution)> = Vec::new();
        for (name, distribution) in parameters {
            if let Some(what) = fault(&distribution) {
                return Err(SpaceError { name, what });
            }
            if checked.iter().any(|(other, _)| *other == name) {
                return Err(SpaceError { name, what: "is there twice".to_owned() });
            }
            checked.push((name, distribution));
        }
        if checked.is_empty() {
            return Err(SpaceError { name: "(none)".to_owned(), what: "a search needs one at least".to_owned() });
        }
        Ok(Self(checked))
    }

    /// Names and distributions in order.
    pub fn parameters(&self) -> &[(String, Distribution)] {
        &self.0
    }

    /// Holds the space against the parameters of the trials that a study has, as Optuna does: a parameter may get other bounds and steps, come
    /// or go, which is said in the answer. Trials that the space does not hold guide nothing.
    ///
    /// Errors: a parameter that was of another kind, in logarithms where it is not now or the other way, or one of other choices.
    pub fn continues(&self, trials: &[Trial]) -> Result<Vec<String>, SpaceError> {
        // Of the newest trial that has it: whoever went on before was told then.
        let before = |name: &str| {
            trials.iter().rev().find_map(|trial| {
                let parameter = trial.parameters.iter().find(|parameter| parameter.name == name)?;
                Some((trial.number, &parameter.distribution))
            })
        };
        let mut said = Vec::new();
        for (name, now) in &self.0 {
            let Some((number, then)) = before(name) else {
                if trials.iter().any(|trial| !trial.parameters.is_empty()) {
                    said.push(format!("{name} is new, {}", shown(now)));
                }
                continue;
            };
            if !compatible(then, now) {
                let what = format!(
                    "is {} now and was {} in trial {number}; a study goes on with other bounds and steps only: name another study",
                    shown(now),
                    shown(then)
                );
                return Err(SpaceError { name: name.clone(), what });
            }
            if then != now {
                said.push(format!("{name} is {} now and was {}", shown(now), shown(then)));
            }
        }
        if let Some(last) = trials.iter().rev().find(|trial| !trial.parameters.is_empty()) {
            let gone =
                last.parameters.iter().filter(|parameter| self.0.iter().all(|(name, _)| *name != parameter.name));
            said.extend(gone.map(|parameter| format!("{} is searched no longer", parameter.name)));
        }
        Ok(said)
    }

    /// Parameters of these kept values, one for each of the space.
    pub(super) fn with(&self, kept: &[f64]) -> Vec<Parameter> {
        let pairs = self.0.iter().zip(kept);
        pairs
            .map(|((name, distribution), &kept)| Parameter {
                name: name.clone(),
                kept,
                distribution: distribution.clone(),
            })
            .collect()
    }
}

impl TryFrom<std::collections::BTreeMap<String, Written>> for Space {
    type Error = SpaceError;

    fn try_from(written: std::collections::BTreeMap<String, Written>) -> Result<Self, SpaceError> {
        Self::new(written.into_iter().map(|(name, written)| {
            let distribution = match written {
                Written::Choices(choices) => Distribution::Categorical { choices },
                Written::Whole(Interval { low, high, step, log }) => {
                    Distribution::Integer { log, step: step.unwrap_or(1), low, high }
                }
                Written::Real(Interval { low, high, step, log }) => Distribution::Float { step, low, high, log },
            };
            (name, distribution)
        }))
    }
}

/// Whether a parameter may go from the one to the other (Optuna's `check_distribution_compatibility`).
fn compatible(then: &Distribution, now: &Distribution) -> bool {
    match (then, now) {
        (Distribution::Float { log: then, .. }, Distribution::Float { log: now, .. })
        | (Distribution::Integer { log: then, .. }, Distribution::Integer { log: now, .. }) => then == now,
        (Distribution::Categorical { choices: then }, Distribution::Categorical { choices: now }) => then == now,
        _ => false,
    }
}

/// A distribution in words.
fn shown(distribution: &Distribution) -> String {
    let words = |low: String, high: String, step: Option<String>, log: bool| {
        let step = step.map_or(String::new(), |step| format!(" by {step}"));
        format!("{low} to {high}{step}{}", if log { " in logarithms" } else { "" })
    };
    match distribution {
        Distribution::Float { step, low, high, log } => {
            let (low, high) = (Value::from(*low).to_string(), Value::from(*high).to_string());
            words(low, high, step.map(|step| step.to_string()), *log)
        }
        Distribution::Integer { log, step, low, high } => {
            words(low.to_string(), high.to_string(), (*step != 1).then(|| step.to_string()), *log)
        }
        Distribution::Categorical { choices } => {
            format!("one of {}", choices.iter().map(Value::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

fn fault(distribution: &Distribution) -> Option<String> {
    match distribution {
        Distribution::Float { step, low, high, log } => {
            if !(low.is_finite() && high.is_finite() && low <= high) {
                Some(format!("from {low} to {high}: allowed are finite numbers, the lower first"))
            } else if *log && *low <= 0.0 {
                Some(format!("in logarithms from {low}: allowed is above 0"))
            } else if *log && step.is_some() {
                Some("in logarithms with a step: allowed is one of the two".to_owned())
            } else if step.is_some_and(|step| !(step.is_finite() && step > 0.0)) {
                Some(format!("step {}: allowed is above 0", step.unwrap_or(0.0)))
            } else {
                None
            }
        }
        Distribution::Integer { log, step, low, high } => {
            if low > high {
                Some(format!("from {low} to {high}: the lower first"))
            } else if *low < -(1 << 53) || *high > 1 << 53 {
                Some(format!("from {low} to {high}: allowed are whole numbers that a float holds, up to 2^53"))
            } else if *log && *low < 1 {
                Some(format!("in logarithms from {low}: allowed is 1 or more"))
            } else if *log && *step != 1 {
                Some(format!("in logarithms with step {step}: allowed is 1"))
            } else if *step < 1 {
                Some(format!("step {step}: allowed is 1 or more"))
            } else {
                None
            }
        }
        Distribution::Categorical { choices } => {
            let plain = |choice: &Value| !choice.is_array() && !choice.is_object();
            if choices.is_empty() {
                return Some("no choices: one at least".to_owned());
            }
            let other = choices.iter().find(|choice| !plain(choice))?;
            Some(format!("choice {other}: allowed are text, numbers, truth values and null"))
        }
    }
}

/// Of a number's distribution, how a position in [0, 1] becomes a kept value and back; a choice has no position.
pub(super) fn at_position(distribution: &Distribution, position: f64) -> f64 {
    let position = position.clamp(0.0, 1.0);
    let between = |low: f64, high: f64, log: bool| match log {
        true => (low.ln() + position * (high.ln() - low.ln())).exp(),
        false => low + position * (high - low),
    };
    match distribution {
        Distribution::Float { step: None, low, high, log } => between(*low, *high, *log).clamp(*low, *high),
        Distribution::Float { step: Some(step), low, high, .. } => {
            let steps = ((high - low) / step + 1e-9).floor();
            let nearest = (position * (steps + 1.0)).floor().min(steps);
            (low + nearest * step).min(*high)
        }
        Distribution::Integer { log: true, low, high, .. } => {
            between(*low as f64 - 0.5, *high as f64 + 0.5, true).round().clamp(*low as f64, *high as f64)
        }
        Distribution::Integer { log: false, step, low, high } => {
            let steps = ((high - low) / step) as f64;
            let nearest = (position * (steps + 1.0)).floor().min(steps);
            (*low + nearest as i64 * step) as f64
        }
        Distribution::Categorical { choices } => {
            (position * choices.len() as f64).floor().min(choices.len() as f64 - 1.0)
        }
    }
}

/// Where a kept value lies in [0, 1], so that [`at_position`] gives it back.
pub(super) fn position(distribution: &Distribution, kept: f64) -> f64 {
    let within = |low: f64, high: f64, log: bool| match (high > low, log) {
        (false, _) => 0.5,
        (true, true) => (kept.ln() - low.ln()) / (high.ln() - low.ln()),
        (true, false) => (kept - low) / (high - low),
    };
    let place = match distribution {
        Distribution::Float { step: None, low, high, log } => within(*low, *high, *log),
        Distribution::Float { step: Some(step), low, high, .. } => {
            let steps = ((high - low) / step + 1e-9).floor();
            (((kept - low) / step).round() + 0.5) / (steps + 1.0)
        }
        Distribution::Integer { log: true, low, high, .. } => within(*low as f64 - 0.5, *high as f64 + 0.5, true),
        Distribution::Integer { log: false, step, low, high } => {
            let steps = ((high - low) / step) as f64;
            (((kept - *low as f64) / *step as f64).round() + 0.5) / (steps + 1.0)
        }
        Distribution::Categorical { choices } => (kept + 0.5) / choices.len() as f64,
    };
    place.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn space(toml: &str) -> Result<Space, String> {
        toml::from_str(toml).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_becomes_distributions() {
        let space = space(
            "rate = { low = 1e-4, high = 0.1, log = true }\nwidth = { low = 16, high = 128, step = 16 }\nactivation = [\"silu\", \"tanh\"]",
        )
        .unwrap();
        let names: Vec<_> = space.parameters().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["activation", "rate", "width"]);
        assert_eq!(space.parameters()[2].1, Distribution::Integer { log: false, step: 16, low: 16, high: 128 });
        assert_eq!(space.parameters()[1].1, Distribution::Float { step: None, low: 1e-4, high: 0.1, log: true });
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (toml, named) in [
            ("rate = { low = 0.0, high = 0.1, log = true }", "rate: in logarithms from 0"),
            ("width = { low = 64, high = 16 }", "width: from 64 to 16"),
            ("width = { low = 1, high = 16, step = 0 }", "width: step 0"),
            ("kind = []", "kind: no choices"),
            ("kind = [[1]]", "kind: choice [1]"),
            ("", "one at least"),
        ] {
            let error = space(toml).unwrap_err();
            assert!(error.contains(named), "{toml}: {error}");
        }
    }

    #[test]
    fn a_study_goes_on_with_other_bounds_and_not_with_other_choices_kinds_or_logarithms() {
        use zomma_storage::studies::{TrialId, TrialState};
        let before = space(
            "rate = { low = 1e-4, high = 0.1, log = true }\nwidth = { low = 16, high = 64, step = 16 }\nkind = [\"silu\", 3]",
        );
        let before = before.unwrap();
        let trials = [Trial {
            id: TrialId(1),
            number: 4,
            state: TrialState::Complete,
            parameters: before.with(&[0.0, 1e-3, 32.0]),
            value: Some(1.0),
            reported: Default::default(),
            begun: None,
            ended: None,
        }];
        assert_eq!(before.continues(&trials), Ok(vec![]));
        assert_eq!(space("other = { low = 1, high = 2 }").unwrap().continues(&[]), Ok(vec![]));
        let wider = space(
            "rate = { low = 1e-5, high = 0.1, log = true }\nwidth = { low = 16, high = 64, step = 8 }\ndepth = { low = 1, high = 2 }",
        );
        let said = wider.unwrap().continues(&trials).unwrap();
        let wanted = [
            "depth is new, 1 to 2",
            "rate is 0.00001 to 0.1 in logarithms now and was 0.0001 to 0.1 in logarithms",
            "width is 16 to 64 by 8 now and was 16 to 64 by 16",
            "kind is searched no longer",
        ];
        assert_eq!(said, wanted);
        for (toml, named, was) in [
            ("kind = [\"silu\", \"tanh\"]", "kind", "one of \"silu\", 3 in trial 4"),
            ("rate = { low = 1e-4, high = 0.1 }", "rate", "in logarithms in trial 4"),
            ("width = { low = 16.0, high = 64.0 }", "width", "16 to 64 by 16 in trial 4"),
            ("width = [16, 32]", "width", "is one of 16, 32 now"),
        ] {
            let error = space(toml).unwrap().continues(&trials).unwrap_err();
            assert!(error.name == named && error.what.contains(was), "{toml}: {error}");
        }
    }

    fn distributions() -> impl Strategy<Value = Distribution> {
        prop_oneof![
            (0.001..10.0f64, 0.0..50.0f64, any::<bool>()).prop_map(|(low, wide, log)| Distribution::Float {
                step: None,
                low,
                high: low + wide,
                log
            }),
            (-5.0..5.0f64, 0.0..9.0f64, 0.1..2.0f64).prop_map(|(low, wide, step)| Distribution::Float {
                step: Some(step),
                low,
                high: low + wide,
                log: false
            }),
            (-50..50i64, 0..90i64, 1..9i64).prop_map(|(low, wide, step)| Distribution::Integer {
                log: false,
                step,
                low,
                high: low + wide
            }),
            (1..50i64, 0..900i64).prop_map(|(low, wide)| Distribution::Integer {
                log: true,
                step: 1,
                low,
                high: low + wide
            }),
            (1..7usize).prop_map(|count| Distribution::Categorical { choices: (0..count).map(Value::from).collect() }),
        ]
    }

    proptest! {
        #[test]
        fn every_position_is_a_value_and_comes_back(distribution in distributions(), place in 0.0..=1.0f64) {
            let kept = at_position(&distribution, place);
            prop_assert!(distribution.value(kept).is_some(), "{distribution:?} at {place}: {kept}");
            let again = at_position(&distribution, position(&distribution, kept));
            prop_assert!((again - kept).abs() <= 1e-12 * kept.abs().max(1.0), "{distribution:?}: {kept} became {again}");
        }
    }
}
