//! Where the time of a table went, for people and for programs.

use std::fmt::Write;

use serde_json::json as value;

use super::run::Done;

/// Nodes that the table shows.
const NODES_SHOWN: usize = 40;

/// For people.
pub fn text(done: &Done) -> String {
    let Done { rows, seconds, provider, runtime, nodes, .. } = done;
    let mut text = String::new();
    let per_row = seconds * 1e9 / (*rows).max(1) as f64;
    // Writing to a string does not fail.
    let _ = writeln!(text, "{rows} rows in {:.1} ms on {provider}, {per_row:.0} ns a row\n{runtime}", seconds * 1e3);
    let Some(nodes) = nodes else { return text };
    let _ = writeln!(text, "\n  {:<44}{:<22}{:>7}{:>12}{:>8}", "node", "operator", "calls", "µs", "share");
    for node in nodes.iter().take(NODES_SHOWN) {
        let _ = writeln!(
            text,
            "  {:<44}{:<22}{:>7}{:>12.0}{:>7.1}%",
            node.node,
            node.operator,
            node.calls,
            node.microseconds,
            100.0 * node.share
        );
    }
    if nodes.len() > NODES_SHOWN {
        let rest: f64 = nodes[NODES_SHOWN..].iter().map(|node| node.share).sum();
        let _ = writeln!(text, "  {} more nodes: {:.1} %", nodes.len() - NODES_SHOWN, 100.0 * rest);
    }
    text
}

/// For programs.
pub fn json(done: &Done) -> anyhow::Result<String> {
    let Done { rows, refused, output: _, seconds, provider, runtime, nodes } = done;
    let nodes = nodes.as_ref().map(|nodes| {
        let node = |node: &zomma_engines::onnx::NodeTime| {
            value!({
                "node": node.node,
                "operator": node.operator,
                "provider": node.provider,
                "calls": node.calls,
                "microseconds": node.microseconds,
                "share": node.share,
            })
        };
        nodes.iter().map(node).collect::<Vec<_>>()
    });
    let whole = value!({
        "rows": rows,
        "refused": refused,
        "seconds": seconds,
        "provider": provider,
        "runtime": runtime,
        "nodes": nodes,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}
