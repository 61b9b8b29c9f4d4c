//! What a parameter may be, in Optuna's JSON, and how a value is kept as a float.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The values that a parameter may take.
///
/// Written as Optuna's `distribution_to_json` writes them. In the database a value is a float: itself for numbers, its index for choices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "attributes")]
pub enum Distribution {
    /// A float of an interval, both ends in it.
    #[serde(rename = "FloatDistribution")]
    Float {
        /// The distance of allowed values from `low` on; all where absent.
        step: Option<f64>,
        /// The least.
        low: f64,
        /// The greatest.
        high: f64,
        /// Whether it is looked at in logarithms.
        log: bool,
    },
    /// A whole number of an interval, both ends in it.
    #[serde(rename = "IntDistribution")]
    Integer {
        /// Whether it is looked at in logarithms.
        log: bool,
        /// The distance of allowed values from `low` on.
        step: i64,
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
    },
    /// One of several: text, numbers, truth values or nothing.
    #[serde(rename = "CategoricalDistribution")]
    Categorical {
        /// Them, in order.
        choices: Vec<Value>,
    },
}

impl Distribution {
    /// The value that `kept` stands for; `None` where it lies outside.
    pub fn value(&self, kept: f64) -> Option<Value> {
        match self {
            Self::Float { low, high, .. } => (*low..=*high).contains(&kept).then(|| Value::from(kept)),
            Self::Integer { low, high, .. } => {
                let inside = kept.fract() == 0.0 && (*low as f64..=*high as f64).contains(&kept);
                inside.then(|| Value::from(kept as i64))
            }
            Self::Categorical { choices } => {
                (kept.fract() == 0.0 && kept >= 0.0).then(|| choices.get(kept as usize).cloned()).flatten()
            }
        }
    }

    /// How `value` is kept; `None` where it is no value of this distribution.
    pub fn kept(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Float { low, high, .. } => value.as_f64().filter(|value| (*low..=*high).contains(value)),
            Self::Integer { low, high, .. } => {
                value.as_i64().filter(|value| (*low..=*high).contains(value)).map(|value| value as f64)
            }
            Self::Categorical { choices } => choices.iter().position(|choice| choice == value).map(|at| at as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Optuna 5.0 wrote them.
    const WRITTEN: &[&str] = &[
        r#"{"name":"FloatDistribution","attributes":{"step":null,"low":0.0001,"high":0.1,"log":true}}"#,
        r#"{"name":"IntDistribution","attributes":{"log":false,"step":8,"low":8,"high":64}}"#,
        r#"{"name":"CategoricalDistribution","attributes":{"choices":["relu","silu",3,null,true]}}"#,
    ];

    #[test]
    fn what_optuna_writes_reads_back_and_is_written_alike() {
        for written in WRITTEN {
            let distribution: Distribution = serde_json::from_str(written).unwrap();
            assert_eq!(serde_json::to_string(&distribution).unwrap(), *written);
        }
    }

    #[test]
    fn a_value_is_kept_as_a_float_and_comes_back() {
        let choices: Distribution = serde_json::from_str(WRITTEN[2]).unwrap();
        assert_eq!(choices.value(3.0), Some(Value::Null));
        assert_eq!(choices.kept(&Value::from(true)), Some(4.0));
        assert_eq!(choices.kept(&Value::from("tanh")), None);
        assert_eq!(choices.value(5.0), None);
        assert_eq!(choices.value(-1.0), None);
        let width: Distribution = serde_json::from_str(WRITTEN[1]).unwrap();
        assert_eq!(width.value(40.0), Some(Value::from(40)));
        assert_eq!(width.value(40.5), None);
        assert_eq!(width.kept(&Value::from(65)), None);
        let rate: Distribution = serde_json::from_str(WRITTEN[0]).unwrap();
        assert_eq!(rate.kept(&Value::from(0.01)), Some(0.01));
        assert_eq!(rate.value(f64::NAN), None);
    }
}
