//! Hidden layers in the graph: a product with its bias, the norm, the activation, what a residual layer adds.

use super::graph::{GraphBuilder, float, int};
use super::quantised;
use crate::config::Normalisation;
use crate::network::{Activation, Architecture, HiddenPlaces, Layout, NORM_EPSILON, Place};
use crate::quantisation::QuantisedLayer;

/// Parameters, the running statistics of batch normalisation, and integers.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    pub parameters: &'a [f32],
    pub statistics: &'a [f32],
    /// The layers that are computed in integers.
    pub quantised: &'a [QuantisedLayer],
}

/// Adds every layer; gives the network's last number, rows × 1.
pub(super) fn layers(
    graph: &mut GraphBuilder,
    architecture: &Architecture,
    layout: &Layout,
    numbers: Numbers<'_>,
    features: &str,
) -> String {
    let mut activations = features.to_owned();
    for (layer, places) in layout.hidden.iter().enumerate() {
        let name = format!("hidden.{layer}");
        let sums = match numbers.quantised.iter().find(|quantised| quantised.layer == layer) {
            Some(quantised) => {
                let dims = [quantised.units as i64];
                let bias = graph.weights(&places.bias.name, &quantised.bias, &dims);
                quantised::sums(graph, quantised, &activations, &bias)
            }
            None => linear(graph, &format!("{name}/sums"), &activations, [&places.weight, &places.bias], numbers),
        };
        let sums = normalise(graph, architecture, layer, places, numbers, sums);
        let values = activate(graph, architecture.activation, &name, &sums);
        activations = if architecture.is_residual(layer) {
            graph.node(&format!("{name}/residual"), "Add", &[&values, &activations])
        } else {
            values
        };
    }
    linear(graph, "out/last", &activations, [&layout.out_weight, &layout.out_bias], numbers)
}

fn linear(
    graph: &mut GraphBuilder,
    name: &str,
    given: &str,
    [weight, bias]: [&Place; 2],
    numbers: Numbers<'_>,
) -> String {
    let dims = weight.shape.map(|side| side as i64);
    let weight = graph.weights(&weight.name, weight.of(numbers.parameters), &dims);
    let bias = graph.weights(&bias.name, bias.of(numbers.parameters), &dims[1..]);
    graph.node(name, "Gemm", &[given, &weight, &bias])
}

fn normalise(
    graph: &mut GraphBuilder,
    architecture: &Architecture,
    layer: usize,
    places: &HiddenPlaces,
    numbers: Numbers<'_>,
    sums: String,
) -> String {
    let Some(norm) = &places.norm else { return sums };
    let width = architecture.width;
    let dims = [width as i64];
    let [scale, shift] = norm.each_ref().map(|place| graph.weights(&place.name, place.of(numbers.parameters), &dims));
    let (name, epsilon) = (format!("hidden.{layer}/norm"), float("epsilon", NORM_EPSILON as f32));
    if architecture.norm == Normalisation::Layer {
        return graph.node_with(&name, "LayerNormalization", &[&sums, &scale, &shift], vec![int("axis", -1), epsilon]);
    }
    let at = 2 * layer * width;
    let [mean, variance] = [("mean", at), ("variance", at + width)].map(|(part, at)| {
        graph.weights(&format!("hidden.{layer}.norm.{part}"), &numbers.statistics[at..at + width], &dims)
    });
    graph.node_with(&name, "BatchNormalization", &[&sums, &scale, &shift, &mean, &variance], vec![epsilon])
}

/// The nonlinearity, of ONNX's own operators of opset 18.
pub(super) fn activate(graph: &mut GraphBuilder, activation: Activation, layer: &str, sums: &str) -> String {
    let (name, at) = (format!("{layer}/{}", activation.as_str()), |part: &str| format!("{layer}/gelu/{part}"));
    match activation {
        Activation::Relu => graph.node(&name, "Relu", &[sums]),
        Activation::Tanh => graph.node(&name, "Tanh", &[sums]),
        Activation::Softplus => graph.node(&name, "Softplus", &[sums]),
        Activation::Sine => graph.node(&name, "Sin", &[sums]),
        Activation::Silu => {
            let share = graph.node(&format!("{layer}/silu/sigmoid"), "Sigmoid", &[sums]);
            graph.node(&name, "Mul", &[sums, &share])
        }
        // z Φ(z), not its approximation by a hyperbolic tangent. The order is the one that runtimes know and make one kernel of.
        Activation::Gelu => {
            let root_2 = graph.weights("gelu/root_2", &[std::f64::consts::SQRT_2], &[]);
            let [half, one] =
                [("gelu/half", 0.5), ("gelu/one", 1.0)].map(|(name, value)| graph.weights(name, &[value], &[]));
            let scaled = graph.node(&at("scaled"), "Div", &[sums, &root_2]);
            let erf = graph.single_node(&at("erf"), "Erf", &scaled);
            let twice = graph.node(&at("twice_cdf"), "Add", &[&erf, &one]);
            let twice = graph.node(&at("twice"), "Mul", &[sums, &twice]);
            graph.node(&name, "Mul", &[&twice, &half])
        }
    }
}
