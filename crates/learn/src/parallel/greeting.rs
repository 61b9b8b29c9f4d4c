//! What ranks say to one another before they train: which program they are and which config they have.

use serde_json::{Value, json};

use crate::LearnError;
use crate::config::TrainConfig;
use crate::training::VERSION;

/// The version of what ranks of a group say to one another.
const WIRE: u32 = 1;

/// This rank's greeting.
pub(super) fn greeting(config: &TrainConfig) -> Result<Vec<u8>, LearnError> {
    let differs = |error| LearnError::RanksDiffer { reason: format!("the config cannot be told: {error}") };
    let config = serde_json::to_value(config).map_err(differs)?;
    Ok(json!({ "program": program(), "config": config }).to_string().into_bytes())
}

/// The program with all that its ranks must have in common.
fn program() -> String {
    format!("zomma {}, state {VERSION}, wire {WIRE}", env!("CARGO_PKG_VERSION"))
}

/// Whether all ranks are of one program and one config: every rank's greeting against the first's.
///
/// Errors: [`LearnError::RanksDiffer`] with the rank and what differs.
pub(super) fn check(greetings: &[Vec<u8>]) -> Result<(), LearnError> {
    let read = |(rank, bytes): (usize, &Vec<u8>)| {
        let said: Option<Value> = serde_json::from_slice(bytes).ok();
        said.ok_or_else(|| differ(rank, "says what this program does not understand".into()))
    };
    let said = greetings.iter().enumerate().map(read).collect::<Result<Vec<Value>, LearnError>>()?;
    let Some((first, others)) = said.split_first() else { return Ok(()) };
    for (rank, other) in (1..).zip(others) {
        if other["program"] != first["program"] {
            return Err(differ(rank, format!("is {}, rank 0 is {}", other["program"], first["program"])));
        }
        if let Some(what) = difference("", &other["config"], &first["config"]) {
            return Err(differ(rank, format!("has another config: {what}")));
        }
    }
    Ok(())
}

fn differ(rank: usize, what: String) -> LearnError {
    LearnError::RanksDiffer { reason: format!("rank {rank} {what}") }
}

/// The first key that differs, with both values.
fn difference(key: &str, there: &Value, first: &Value) -> Option<String> {
    if there == first {
        return None;
    }
    let (Value::Object(here), Value::Object(one)) = (there, first) else {
        return Some(format!("{key} is {there} there and {first} at rank 0"));
    };
    let path = |name: &String| if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
    one.keys().chain(here.keys()).find_map(|name| difference(&path(name), &there[name], &first[name]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EXAMPLE;

    fn greet(change: impl Fn(&mut TrainConfig)) -> Vec<u8> {
        let mut config = TrainConfig::parse(EXAMPLE).unwrap();
        change(&mut config);
        greeting(&config).unwrap()
    }

    #[test]
    fn what_differs_is_named_with_its_rank_and_its_key() {
        let same = greet(|_| ());
        assert!(check(&[same.clone(), same.clone()]).is_ok());
        let batch = greet(|config| config.training.batch = 128);
        let error = check(&[same.clone(), same.clone(), batch]).unwrap_err().to_string();
        assert!(error.contains("rank 2 has another config: training.batch is 128 there and 2048 at rank 0"), "{error}");
        let range = greet(|config| config.data.ranges.values_mut().for_each(|range| range.max = 1.9));
        let error = check(&[same.clone(), range]).unwrap_err().to_string();
        assert!(error.contains("rank 1") && error.contains("data.ranges"), "{error}");
        let other = String::from_utf8(same.clone()).unwrap().replace("wire 1", "wire 2").into_bytes();
        let error = check(&[same.clone(), other]).unwrap_err().to_string();
        assert!(error.contains("rank 1 is") && error.contains("wire 2"), "{error}");
        let error = check(&[same, b"rubbish".to_vec()]).unwrap_err().to_string();
        assert!(error.contains("rank 1 says what this program does not understand"), "{error}");
    }
}
