//! What was exported, for people and for programs.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use serde_json::json as value;
use zomma_learn::{
    onnx::{INPUT, INPUTS_KEY, OUTPUT, metadata, opset, proto::ModelProto},
    training::{TrainedNetwork, checksum},
};

use super::Tested;

/// All that is told.
pub struct Exported<'a> {
    /// Whose.
    pub network: &'a TrainedNetwork,
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
    let Exported { network, model, path, bytes, tested } = exported;
    let inputs = metadata(model, INPUTS_KEY).unwrap_or_default().replace(',', ", ");
    let nodes: usize = exported.operators().values().sum();
    let precision = metadata(model, "zomma.precision").unwrap_or_default();
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}: {}, {}\n  opset {}, {nodes} nodes, {:.1} kB, precision {precision}\n  {INPUT} [batch, {}]: {inputs}\n  {OUTPUT} \
         [batch, 1]: {}",
        path.display(),
        network.architecture.features.model.as_str(),
        network.architecture.describe(),
        opset(model).unwrap_or_default(),
        *bytes as f64 / 1e3,
        network.architecture.features.input_names().len(),
        metadata(model, "zomma.output").unwrap_or_default(),
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
    let Exported { network, model, path, bytes, tested } = exported;
    let metadata: BTreeMap<&str, &str> = model
        .metadata_props
        .iter()
        .filter_map(|entry| Some((entry.key.as_deref()?, entry.value.as_deref()?)))
        .collect();
    let whole = value!({
        "path": path,
        "bytes": bytes,
        "opset": opset(model),
        "model": network.architecture.features.model.as_str(),
        "network": network.architecture.describe(),
        "inputs": network.architecture.features.input_names(),
        "operators": exported.operators(),
        "parameters_checksum": format!("{:016x}", checksum(&network.parameters)),
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
