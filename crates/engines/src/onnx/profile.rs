//! Where the time of a model goes: ONNX Runtime's profile, summed up by node.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::OnnxError;

/// What the name of a node's own events ends with.
const KERNEL: &str = "_kernel_time";

/// The time of one node over all runs.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeTime {
    /// Its name; of the graph, or of what the optimiser put in the place of several.
    pub node: String,
    /// The operator.
    pub operator: String,
    /// Who computed it.
    pub provider: String,
    /// How often.
    pub calls: u64,
    /// All calls together, in microseconds.
    pub microseconds: f64,
    /// Of all nodes' time.
    pub share: f64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    args: Arguments,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    op_name: String,
    provider: String,
}

/// Sums up a profile as ONNX Runtime writes it, the slowest node first.
///
/// Errors: [`OnnxError::Model`] where the text is no such profile.
pub fn node_times(profile: &str) -> Result<Vec<NodeTime>, OnnxError> {
    let events: Vec<Event> = serde_json::from_str(profile)
        .map_err(|error| OnnxError::Model(format!("the profile cannot be read: {error}")))?;
    let mut nodes: BTreeMap<String, NodeTime> = BTreeMap::new();
    for event in events.into_iter().filter(|event| event.cat == "Node") {
        let Some(node) = event.name.strip_suffix(KERNEL) else { continue };
        let time = nodes.entry(node.to_owned()).or_insert_with(|| NodeTime {
            node: node.to_owned(),
            operator: event.args.op_name,
            provider: event.args.provider,
            calls: 0,
            microseconds: 0.0,
            share: 0.0,
        });
        time.calls += 1;
        time.microseconds += event.dur;
    }
    let mut nodes: Vec<NodeTime> = nodes.into_values().collect();
    let total: f64 = nodes.iter().map(|node| node.microseconds).sum();
    if total > 0.0 {
        nodes.iter_mut().for_each(|node| node.share = node.microseconds / total);
    }
    nodes.sort_by(|a, b| b.microseconds.total_cmp(&a.microseconds));
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_summed_by_node_and_what_is_none_is_told() {
        let event = |name: &str, cat: &str, dur: u32| {
            format!(
                r#"{{"cat":"{cat}","pid":1,"tid":1,"dur":{dur},"ts":5,"ph":"X","name":"{name}","args":{{"op_name":"Gemm","provider":"CPUExecutionProvider"}}}}"#
            )
        };
        let text = format!(
            "[{},{},{},{},{}]",
            event("a_kernel_time", "Node", 10),
            event("b_kernel_time", "Node", 60),
            event("a_kernel_time", "Node", 30),
            event("a_fence_before", "Node", 500),
            event("model_run", "Session", 900),
        );
        let found = node_times(&text).unwrap();
        let short: Vec<_> = found.iter().map(|n| (n.node.as_str(), n.calls, n.microseconds, n.share)).collect();
        assert_eq!(short, [("b", 1, 60.0, 0.6), ("a", 2, 40.0, 0.4)]);
        assert_eq!((found[0].operator.as_str(), found[0].provider.as_str()), ("Gemm", "CPUExecutionProvider"));
        assert!(node_times("[]").unwrap().is_empty());
        assert!(node_times("rubbish").is_err());
    }
}
