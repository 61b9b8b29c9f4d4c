//! What was exported, for people and for programs.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::json as value;
use zomma_learn::onnx::{INPUT, MODEL_KEY, metadata, opset, proto::ModelProto};

use super::Tested;

/// All that is told.
pub struct Exported<'a> {
    /// The names of its inputs.
    pub inputs: &'a [&'a str],
    /// The model.
    pub model: &'a ModelProto,
    /// Where it lies.
    pub path: &'a Path,
    /// Size of the file.
    pub bytes: usize,
    /// How it was computed, where it was.
    pub tested: Option<&'a Tested>,
}

impl Exported<'_> {
    /// What the model says of itself; nothing where it does not.
    fn said(&self, key: &str) -> &str {
        metadata(self.model, key).unwrap_or_default()
    }

    fn output(&self) -> &str {
        let output = self.model.graph.as_ref().and_then(|graph| graph.output.first());
        output.and_then(|output| output.name.as_deref()).unwrap_or_default()
    }

    fn operators(&self) -> BTreeMap<&str, usize> {
        let nodes = self.model.graph.iter().flat_map(|graph| &graph.node);
        nodes.filter_map(|node| node.op_type.as_deref()).fold(BTreeMap::new(), |mut counts, operator| {
            *counts.entry(operator).or_default() += 1;
            counts
        })
    }
}

/// For people.
pub fn text(exported: &Exported<'_>) -> String {
    let Exported { inputs, model, path, bytes, tested } = exported;
    let nodes: usize = exported.operators().values().sum();
    let precision = exported.said("zomma.precision");
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}: {}, {}\n  opset {}, {nodes} nodes, {:.1} kB, precision {precision}\n  {INPUT} [batch, {}]: {}\n  {} [batch, 1]: \
         {}",
        path.display(),
        exported.said(MODEL_KEY),
        exported.said("zomma.network"),
        opset(model).unwrap_or_default(),
        *bytes as f64 / 1e3,
        inputs.len(),
        inputs.join(", "),
        exported.output(),
        exported.said("zomma.output"),
    );
    if metadata(model, "zomma.activation_bits").is_some_and(|bits| bits.contains("16")) {
        text += "  programs other than zomma must set ONNX Runtime's session.qdq_matmulnbits_accuracy_level to 1, or it rounds to 8 bits\n";
    }
    if let Some(Tested { rows, worst, median, rms, is_quantised, worst_at, runtime }) = tested {
        let half = match is_quantised {
            true => format!("; half of them within {median:.1e}, root mean square {:.1e}", rms[0]),
            false => String::new(),
        };
        let _ = writeln!(
            text,
            "  computed by ONNX Runtime on {rows} rows: within {worst:.1e} of the network (worst at {worst_at}){half}\n  {runtime}"
        );
    }
    text
}

/// For programs.
pub fn json(exported: &Exported<'_>) -> anyhow::Result<String> {
    let Exported { inputs, model, path, bytes, tested } = exported;
    let metadata: BTreeMap<&str, &str> = model
        .metadata_props
        .iter()
        .filter_map(|entry| Some((entry.key.as_deref()?, entry.value.as_deref()?)))
        .collect();
    let whole = value!({
        "path": path,
        "bytes": bytes,
        "opset": opset(model),
        "model": exported.said(MODEL_KEY),
        "network": exported.said("zomma.network"),
        "inputs": inputs,
        "output": exported.output(),
        "operators": exported.operators(),
        "parameters_checksum": exported.said("zomma.parameters_checksum"),
        "metadata": metadata,
        "verified": tested.map(|tested| value!({
            "rows": tested.rows,
            "worst": tested.worst,
            "median": tested.median,
            "rms": tested.rms[0],
            "worst_at": tested.worst_at,
            "runtime": tested.runtime,
        })),
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}
