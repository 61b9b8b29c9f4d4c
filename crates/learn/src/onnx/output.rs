//! The output transform in the graph, in the precision of the features: bounds and parity hold in it as they do in ours.

use super::features::Shown;
use super::graph::GraphBuilder;
use crate::network::OutputTransform;

/// Keeps 0/0 away where a product of call and put of 0 meets a moneyness of 1; both precisions hold it, and no price feels it.
const TINY: f64 = 1e-35;

/// Adds the transform of the last number; gives the price.
pub(super) fn output(graph: &mut GraphBuilder, transform: OutputTransform, last: &str, shown: &Shown) -> String {
    let r = graph.cast_for_features("output/last", last);
    match (transform, &shown.deviation) {
        // Networks of implied volatilities alone are scaled, and refused before the graph is begun.
        (OutputTransform::None | OutputTransform::Scaled, _) | (OutputTransform::Bounds, None) => r,
        (OutputTransform::Positive, _) => graph.node("output/softplus", "Softplus", &[&r]),
        (OutputTransform::Bounds, Some(s)) => bounds(graph, &r, &shown.moneyness, s),
    }
}

/// The put or call that is out of the money, 2mY/(|m − 1| + √((m − 1)² + 4mY)) with Y = 1/(1 + e^(−r)/s²), and the intrinsic value.
fn bounds(graph: &mut GraphBuilder, r: &str, m: &str, s: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let [zero, one, two, four, tiny] = [0.0, 1.0, 2.0, 4.0, TINY].map(|value| graph.scalar(value));
    let negative = graph.node(&at("negative"), "Neg", &[r]);
    let odds = graph.node(&at("exp"), "Exp", &[&negative]);
    let variance = graph.node(&at("variance"), "Mul", &[s, s]);
    let odds = graph.node(&at("odds"), "Div", &[&odds, &variance]);
    let below = graph.node(&at("one_plus_odds"), "Add", &[&one, &odds]);
    let product = graph.node(&at("product"), "Div", &[&one, &below]);
    let forward_product = graph.node(&at("call_times_put"), "Mul", &[m, &product]);
    let less_one = graph.node(&at("less_one"), "Sub", &[m, &one]);
    let square = graph.node(&at("square"), "Mul", &[&less_one, &less_one]);
    let quadruple = graph.node(&at("quadruple"), "Mul", &[&four, &forward_product]);
    let sum = graph.node(&at("sum"), "Add", &[&square, &quadruple]);
    let root = graph.node(&at("root"), "Sqrt", &[&sum]);
    let distance = graph.node(&at("distance"), "Abs", &[&less_one]);
    let below = graph.node(&at("distance_and_root"), "Add", &[&distance, &root]);
    let below = graph.node(&at("never_0"), "Add", &[&below, &tiny]);
    let twice = graph.node(&at("twice"), "Mul", &[&two, &forward_product]);
    let out_of_the_money = graph.node(&at("out_of_the_money"), "Div", &[&twice, &below]);
    let intrinsic = graph.node(&at("intrinsic"), "Max", &[&less_one, &zero]);
    let call = graph.node(&at("call"), "Add", &[&out_of_the_money, &intrinsic]);
    // Rounding does not leave the bounds either.
    graph.node(&at("bounded"), "Min", &[&call, m])
}
