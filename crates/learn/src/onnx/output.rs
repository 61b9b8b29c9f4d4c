//! The output transform in the graph, in the precision of the features: bounds and parity hold in it as they do in ours.

use super::features::Shown;
use super::graph::GraphBuilder;
use crate::network::{HELD, OutputTransform};

/// Keeps 0/0 away where a product of call and put of 0 meets a moneyness of 1; both precisions hold it, and no price feels it.
const TINY: f64 = 1e-35;

/// Beyond this what is held is worth the spot in either precision.
const MOST_HELD: f64 = 1e15;

/// Adds the transform of the last number; gives the price.
pub(super) fn output(graph: &mut GraphBuilder, transform: OutputTransform, last: &str, shown: &Shown) -> String {
    let r = graph.cast_for_features("output/last", last);
    match (transform, &shown.deviation) {
        // The three that want a deviation always have it: it is asked for when the features are made.
        (OutputTransform::None, _)
        | (OutputTransform::Scaled | OutputTransform::Bounds | OutputTransform::Exercise, None) => r,
        (OutputTransform::Scaled, Some(s)) => scaled(graph, &r, s),
        (OutputTransform::Positive, _) => graph.node("output/softplus", "Softplus", &[&r]),
        (OutputTransform::Bounds, Some(s)) => {
            let product = product_within_bounds(graph, &r, s);
            of_product(graph, &product, &shown.moneyness)
        }
        (OutputTransform::Exercise, Some(s)) => {
            let product = product_of_waiting(graph, &r, s);
            of_product(graph, &product, &shown.moneyness)
        }
    }
}

/// 2s/(1 + e^(−r))
fn scaled(graph: &mut GraphBuilder, r: &str, s: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let [one, two] = [1.0, 2.0].map(|value| graph.scalar(value));
    let negative = graph.node(&at("negative"), "Neg", &[r]);
    let odds = graph.node(&at("exp"), "Exp", &[&negative]);
    let below = graph.node(&at("one_plus_odds"), "Add", &[&one, &odds]);
    let twice = graph.node(&at("twice_scale"), "Mul", &[&two, s]);
    graph.node(&at("scaled"), "Div", &[&twice, &below])
}

/// Y = u²/(1 + u²) with u = s max(r + ½, 0), the number bounded so that its square is representable.
fn product_of_waiting(graph: &mut GraphBuilder, r: &str, s: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let [one, held, most] = [1.0, HELD, MOST_HELD].map(|value| graph.scalar(value));
    let above = graph.node(&at("above_exercise"), "Add", &[r, &held]);
    let above = graph.node(&at("held"), "Relu", &[&above]);
    let above = graph.node(&at("held_bounded"), "Min", &[&above, &most]);
    let u = graph.node(&at("waiting"), "Mul", &[s, &above]);
    let square = graph.node(&at("waiting_squared"), "Mul", &[&u, &u]);
    let below = graph.node(&at("one_plus_square"), "Add", &[&one, &square]);
    graph.node(&at("product"), "Div", &[&square, &below])
}

/// Y = 1/(1 + e^(−r)/s²)
fn product_within_bounds(graph: &mut GraphBuilder, r: &str, s: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let one = graph.scalar(1.0);
    let negative = graph.node(&at("negative"), "Neg", &[r]);
    let odds = graph.node(&at("exp"), "Exp", &[&negative]);
    let variance = graph.node(&at("variance"), "Mul", &[s, s]);
    let odds = graph.node(&at("odds"), "Div", &[&odds, &variance]);
    let below = graph.node(&at("one_plus_odds"), "Add", &[&one, &odds]);
    graph.node(&at("product"), "Div", &[&one, &below])
}

/// The put or call that is out of the money, 2mY/(|m − 1| + √((m − 1)² + 4mY)), and the intrinsic value.
fn of_product(graph: &mut GraphBuilder, product: &str, m: &str) -> String {
    let at = |part: &str| format!("output/{part}");
    let [zero, one, two, four, tiny] = [0.0, 1.0, 2.0, 4.0, TINY].map(|value| graph.scalar(value));
    let forward_product = graph.node(&at("call_times_put"), "Mul", &[m, product]);
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
