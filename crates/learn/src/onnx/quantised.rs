//! A quantised layer in the graph: its integers between QuantizeLinear and DequantizeLinear, which runtimes compute in integers or
//! as they stand. Both mean what our own kernel computes: round to even, clamp, and the bias in f32.

use super::graph::{GraphBuilder, int};
use super::proto::data_type;
use crate::quantisation::QuantisedLayer;

/// Adds the sums of a layer; `bias` is its constant. Gives rows × units.
pub(super) fn sums(graph: &mut GraphBuilder, layer: &QuantisedLayer, given: &str, bias: &str) -> String {
    let name = format!("hidden.{}", layer.layer);
    let at = |part: &str| format!("{name}/{part}");
    let QuantisedLayer { inputs, units, activation, weights, weight_scales, .. } = layer;
    let scale = graph.constant(
        &format!("{name}.activation.scale"),
        &[],
        data_type::FLOAT,
        activation.scale.to_le_bytes().to_vec(),
    );
    let (element, zero) = match activation.bits {
        8 => (data_type::UINT8, vec![activation.zero_point.to_le_bytes()[0]]),
        _ => (data_type::UINT16, activation.zero_point.to_le_bytes().to_vec()),
    };
    let zero = graph.constant(&format!("{name}.activation.zero_point"), &[], element, zero);
    let integers = graph.node(&at("integers"), "QuantizeLinear", &[given, &scale, &zero]);
    let activations = graph.node(&at("activations"), "DequantizeLinear", &[&integers, &scale, &zero]);
    let dims = [*inputs, *units].map(|side| side as i64);
    let bytes = weights.iter().map(|weight| weight.to_le_bytes()[0]).collect();
    let weights = graph.constant(&format!("{name}.weight.integers"), &dims, data_type::INT8, bytes);
    let scales = graph.weights(&format!("{name}.weight.scales"), weight_scales, &dims[1..]);
    let zeros = graph.constant(&format!("{name}.weight.zero_points"), &dims[1..], data_type::INT8, vec![0; *units]);
    // A scale for each unit, which is a column.
    let axis = vec![int("axis", 1)];
    let weights = graph.node_with(&at("weights"), "DequantizeLinear", &[&weights, &scales, &zeros], axis);
    let product = graph.node(&at("product"), "MatMul", &[&activations, &weights]);
    graph.node(&at("sums"), "Add", &[&product, bias])
}
