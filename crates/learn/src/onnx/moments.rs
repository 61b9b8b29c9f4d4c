//! Heston's variance moments in the graph (`network/variance_moments.rs`): of y = κT, by power series below 1/2 and by closed forms above.

use super::graph::{GraphBuilder, int};
use crate::network::{SERIES, SERIES_BELOW};

/// ν, λ and v₀'s share of s².
pub(super) struct Moments {
    deviation: String,
    skewness: String,
    /// As said.
    pub share: String,
}

fn at(part: &str) -> String {
    format!("features/moments/{part}")
}

/// A node of two inputs.
fn of(graph: &mut GraphBuilder, name: &str, operator: &str, given: [&str; 2]) -> String {
    graph.node(&at(name), operator, &given)
}

/// The moments of T, v₀, κ, θ, σ and ρ.
pub(super) fn moments(graph: &mut GraphBuilder, [expiry, v0, kappa, theta, sigma, rho]: [&str; 6]) -> Moments {
    let y = of(graph, "kappa_t", "Mul", [kappa, expiry]);
    let [g, h, p, q] = integrals(graph, &y);
    let one = graph.scalar(1.0);
    let gone = of(graph, "gone", "Mul", [&y, &g]);
    let left = of(graph, "left", "Sub", [&one, &gone]);
    let today = of(graph, "today_rate", "Mul", [v0, &left]);
    let later = of(graph, "later_rate", "Mul", [theta, &gone]);
    let rate = of(graph, "rate", "Add", [&today, &later]);
    let share = of(graph, "share", "Div", [&today, &rate]);
    // θ(a − b) + v₀b
    let mix = |graph: &mut GraphBuilder, name: &str, [a, b]: [&str; 2]| {
        let rest = of(graph, &format!("{name}_rest"), "Sub", [a, b]);
        let rest = of(graph, &format!("{name}_later"), "Mul", [theta, &rest]);
        let today = of(graph, &format!("{name}_today"), "Mul", [v0, b]);
        of(graph, name, "Add", [&rest, &today])
    };
    let covariance = mix(graph, "covariance", [&g, &h]);
    let variance = mix(graph, "variance", [&p, &q]);
    // ν = σ√(T·D/T³)/(s²/T), λ = ρσ√T·(C/T²)/(s²/T)^(3/2)
    let variance = of(graph, "variance_t", "Mul", [expiry, &variance]);
    let root = graph.node(&at("deviation_root"), "Sqrt", &[&variance]);
    let root = of(graph, "deviation_sigma", "Mul", [sigma, &root]);
    let deviation = of(graph, "deviation", "Div", [&root, &rate]);
    let per_rate = of(graph, "expiry_over_rate", "Div", [expiry, &rate]);
    let root = graph.node(&at("skewness_root"), "Sqrt", &[&per_rate]);
    let ratio = of(graph, "covariance_over_rate", "Div", [&covariance, &rate]);
    let scaled = of(graph, "skewness_scaled", "Mul", [&root, &ratio]);
    let leverage = of(graph, "leverage", "Mul", [rho, sigma]);
    let skewness = of(graph, "skewness", "Mul", [&leverage, &scaled]);
    Moments { deviation, skewness, share }
}

/// κT/(1 + κT)
pub(super) fn mean_reversion(graph: &mut GraphBuilder, [expiry, kappa]: [&str; 2]) -> String {
    let part = |part: &str| format!("features/mean_reversion/{part}");
    let one = graph.scalar(1.0);
    let y = graph.node(&part("kappa_t"), "Mul", &[kappa, expiry]);
    let below = graph.node(&part("one_plus"), "Add", &[&one, &y]);
    graph.node("features/mean_reversion", "Div", &[&y, &below])
}

/// asinh ν, as a logarithm: runtimes have the function in one precision only.
pub(super) fn variance_deviation(graph: &mut GraphBuilder, moments: &Moments) -> String {
    let root = hypotenuse(graph, "asinh", moments);
    let sum = of(graph, "asinh_sum", "Add", [&moments.deviation, &root]);
    graph.node("features/variance_deviation", "Log", &[&sum])
}

/// λ/√(1 + ν²)
pub(super) fn variance_skewness(graph: &mut GraphBuilder, moments: &Moments) -> String {
    let root = hypotenuse(graph, "skew", moments);
    graph.node("features/variance_skewness", "Div", &[&moments.skewness, &root])
}

fn hypotenuse(graph: &mut GraphBuilder, name: &str, moments: &Moments) -> String {
    let one = graph.scalar(1.0);
    let square = of(graph, &format!("{name}_square"), "Mul", [&moments.deviation, &moments.deviation]);
    let sum = of(graph, &format!("{name}_one_plus"), "Add", [&one, &square]);
    graph.node(&at(&format!("{name}_root")), "Sqrt", &[&sum])
}

/// g, h, p and q of y.
fn integrals(graph: &mut GraphBuilder, y: &str) -> [String; 4] {
    let [one, two, half, limit] = [1.0, 2.0, 0.5, SERIES_BELOW].map(|value| graph.scalar(value));
    let negative = graph.node(&at("negative"), "Neg", &[y]);
    let mut series = graph.vector(&at("series/15"), &SERIES[SERIES.len() - 1], &[4]);
    for (m, row) in SERIES.iter().enumerate().rev().skip(1) {
        let next = of(graph, &format!("series/times_{m}"), "Mul", [&negative, &series]);
        let row = graph.vector(&at(&format!("series/{m}")), row, &[4]);
        series = of(graph, &format!("series/sum_{m}"), "Add", [&next, &row]);
    }
    let e = graph.node(&at("exp"), "Exp", &[&negative]);
    let f = of(graph, "one_less_exp", "Sub", [&one, &e]);
    let f = of(graph, "f", "Div", [&f, y]);
    let g = of(graph, "one_less_f", "Sub", [&one, &f]);
    let g = of(graph, "g", "Div", [&g, y]);
    let h = of(graph, "f_less_exp", "Sub", [&f, &e]);
    let h = of(graph, "h", "Div", [&h, y]);
    let square = of(graph, "y_square", "Mul", [y, y]);
    // 1 − 2f + (1 − e²)/(2y) = 1 − 2f + f(1 + e)/2
    let above = of(graph, "one_plus_exp", "Add", [&one, &e]);
    let sum = of(graph, "f_times", "Mul", [&f, &above]);
    let twice = of(graph, "half_sum", "Mul", [&half, &sum]);
    let double = of(graph, "two_f", "Mul", [&two, &f]);
    let p = of(graph, "one_less_two_f", "Sub", [&one, &double]);
    let p = of(graph, "p_sum", "Add", [&p, &twice]);
    let p = of(graph, "p", "Div", [&p, &square]);
    let double = of(graph, "two_exp", "Mul", [&two, &e]);
    let q = of(graph, "q_difference", "Sub", [&sum, &double]);
    let q = of(graph, "q", "Div", [&q, &square]);
    let closed = graph.node_with(&at("closed"), "Concat", &[&g, &h, &p, &q], vec![int("axis", 1)]);
    let is_small = of(graph, "is_small", "Less", [y, &limit]);
    let chosen = graph.node(&at("integrals"), "Where", &[&is_small, &series, &closed]);
    let names = ["g", "h", "p", "q"].map(|name| at(&format!("integral_{name}")));
    let columns = graph.columns(&at("columns"), &chosen, &names.each_ref().map(String::as_str));
    // As many columns as names.
    std::array::from_fn(|i| columns[i].clone())
}
