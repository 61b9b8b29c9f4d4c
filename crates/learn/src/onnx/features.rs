//! Features in the graph: made of the raw inputs, scaled, ready for the layers.
//!
//! Formulae  those of `network/features.rs`; 1 − e^(−y) = 2u/(1 + u) with u = tanh(y/2), since ONNX has no expm1 and the difference
//!           would lose its digits; asinh(|k|/p) = ln((|k| + D)/p) with D = √(k² + p²), since runtimes have Asinh in f32 alone

use super::graph::{GraphBuilder, INPUT};
use super::moments::{mean_reversion, moments, variance_deviation, variance_skewness};
use crate::config::PricingModel;
use crate::network::{Architecture, BEND, FeatureKind, OutputTransform};

/// What the layers are shown, and what the output transform wants.
pub(super) struct Shown {
    /// Rows × features, of the layers' precision.
    pub features: String,
    /// Forward over strike.
    pub moneyness: String,
    /// s, where somebody asks for it.
    pub deviation: Option<String>,
}

/// Adds the features' nodes.
pub(super) fn features(graph: &mut GraphBuilder, architecture: &Architecture) -> Shown {
    let features = &architecture.features;
    let names = features.model.input_names();
    let columns = graph.columns("columns", INPUT, names);
    let column = |name: &str| names.iter().position(|known| *known == name).map_or(INPUT, |at| &columns[at]);
    let (moneyness, expiry) = (column("moneyness"), column("expiry_years"));
    let wants_deviation =
        matches!(architecture.output, OutputTransform::Bounds | OutputTransform::Scaled | OutputTransform::Exercise)
            || features.kinds.iter().any(|kind| kind.wants_volatility() || *kind == FeatureKind::StandardisedForward);
    let wants_root = features.kinds.contains(&FeatureKind::SqrtExpiryYears)
        || (wants_deviation && features.model != PricingModel::Heston);
    let root = if wants_root { graph.node("features/sqrt_expiry_years", "Sqrt", &[expiry]) } else { String::new() };
    let log = graph.node("features/log_moneyness", "Log", &[moneyness]);
    let of_price = features.model.is_implied_volatility().then(|| PriceScale::new(graph, &log, column("price")));
    let deviation = wants_deviation.then(|| match (features.model, &of_price) {
        (PricingModel::BlackScholes | PricingModel::American, _) => {
            graph.node("features/total_volatility", "Mul", &[column("volatility"), &root])
        }
        (PricingModel::Heston, _) => {
            heston_deviation(graph, expiry, [column("v0"), column("kappa"), column("theta_v")])
        }
        (PricingModel::BlackScholesImpliedVolatility, Some(of_price)) => {
            graph.node("features/volatility_scale", "Div", &[&of_price.scale, &root])
        }
        // A table has its own columns, and implied volatilities have a price.
        (PricingModel::BlackScholesImpliedVolatility | PricingModel::Table, _) => INPUT.to_owned(),
    });
    let heston = ["expiry_years", "v0", "kappa", "theta_v", "sigma_v", "rho_v"].map(column);
    let of_variance = features.wants_moments().then(|| moments(graph, heston));
    let s = deviation.as_deref().unwrap_or_default();
    let shown: Vec<String> = features
        .kinds
        .iter()
        .map(|kind| match kind {
            FeatureKind::LogMoneyness => log.clone(),
            FeatureKind::StandardisedMoneyness => standardised(graph, "features/standardised_moneyness", &log, s),
            FeatureKind::TotalRate => graph.node("features/total_rate", "Mul", &[column("risk_free_rate"), expiry]),
            FeatureKind::TotalYield => graph.node("features/total_yield", "Mul", &[column("dividend_yield"), expiry]),
            FeatureKind::RateShare => {
                share(graph, "features/rate_share", [column("risk_free_rate"), column("volatility")])
            }
            FeatureKind::YieldShare => {
                share(graph, "features/yield_share", [column("dividend_yield"), column("volatility")])
            }
            FeatureKind::StandardisedForward => {
                let at = |part: &str| format!("features/standardised_forward/{part}");
                let carry = graph.node(&at("carry"), "Sub", &[column("risk_free_rate"), column("dividend_yield")]);
                let carry = graph.node(&at("total_carry"), "Mul", &[&carry, expiry]);
                let forward = graph.node(&at("log_forward"), "Add", &[&log, &carry]);
                standardised(graph, "features/standardised_forward", &forward, s)
            }
            FeatureKind::TotalVolatility => s.to_owned(),
            FeatureKind::ExpiryYears => expiry.to_owned(),
            FeatureKind::SqrtExpiryYears => root.clone(),
            FeatureKind::MeanReversion => mean_reversion(graph, [heston[0], heston[2]]),
            FeatureKind::VarianceShare => of_variance.as_ref().map_or(String::new(), |of| of.share.clone()),
            FeatureKind::VarianceDeviation => {
                of_variance.as_ref().map_or(String::new(), |of| variance_deviation(graph, of))
            }
            FeatureKind::VarianceSkewness => {
                of_variance.as_ref().map_or(String::new(), |of| variance_skewness(graph, of))
            }
            FeatureKind::MoneynessOverPrice => {
                of_price.as_ref().map_or(String::new(), |of_price| of_price.moneyness_over_price(graph))
            }
            FeatureKind::LogPriceScale => of_price
                .as_ref()
                .map_or(String::new(), |of_price| graph.node("features/log_price_scale", "Log", &[&of_price.scale])),
            parameter => column(parameter.as_str()).to_owned(),
        })
        .collect();
    let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
    let raw = graph.node_with("features/raw", "Concat", &shown, vec![super::graph::int("axis", 1)]);
    let count = [features.kinds.len() as i64];
    let mean = graph.vector("features/mean", &features.mean, &count);
    let centred = graph.node("features/centred", "Sub", &[&raw, &mean]);
    let scale = graph.vector("features/deviation", &features.deviation, &count);
    let scaled = graph.node("features/scaled", "Div", &[&centred, &scale]);
    let layers = graph.cast_for_layers("features", &scaled);
    Shown { features: layers, moneyness: moneyness.to_owned(), deviation }
}

/// x/√(1 + (x/5)²) with x = k/s
fn standardised(graph: &mut GraphBuilder, name: &str, log: &str, deviation: &str) -> String {
    let at = |part: &str| format!("{name}/{part}");
    let x = graph.node(&at("x"), "Div", &[log, deviation]);
    let (bend, one) = (graph.scalar(BEND), graph.scalar(1.0));
    let bent = graph.node(&at("bent"), "Div", &[&x, &bend]);
    let square = graph.node(&at("square"), "Mul", &[&bent, &bent]);
    let sum = graph.node(&at("sum"), "Add", &[&one, &square]);
    let root = graph.node(&at("root"), "Sqrt", &[&sum]);
    graph.node(name, "Div", &[&x, &root])
}

/// r/(r + σ²)
fn share(graph: &mut GraphBuilder, name: &str, [rate, volatility]: [&str; 2]) -> String {
    let square = graph.node(&format!("{name}/variance"), "Mul", &[volatility, volatility]);
    let sum = graph.node(&format!("{name}/sum"), "Add", &[rate, &square]);
    graph.node(name, "Div", &[rate, &sum])
}

/// What a row of implied volatility is measured in.
struct PriceScale {
    /// |k|
    size: String,
    /// p = √(2π)β
    price: String,
    /// D = √(p² + k²)
    scale: String,
}

impl PriceScale {
    fn new(graph: &mut GraphBuilder, log: &str, price: &str) -> Self {
        let at = |part: &str| format!("features/price_scale/{part}");
        let root_two_pi = graph.scalar((2.0 * std::f64::consts::PI).sqrt());
        let price = graph.node(&at("root_two_pi_price"), "Mul", &[&root_two_pi, price]);
        let square = graph.node(&at("price_squared"), "Mul", &[&price, &price]);
        let log_square = graph.node(&at("log_moneyness_squared"), "Mul", &[log, log]);
        let sum = graph.node(&at("sum"), "Add", &[&square, &log_square]);
        let scale = graph.node("features/price_scale", "Sqrt", &[&sum]);
        Self { size: graph.node(&at("size"), "Abs", &[log]), price, scale }
    }

    fn moneyness_over_price(&self, graph: &mut GraphBuilder) -> String {
        let at = |part: &str| format!("features/moneyness_over_price/{part}");
        let sum = graph.node(&at("sum"), "Add", &[&self.size, &self.scale]);
        let ratio = graph.node(&at("ratio"), "Div", &[&sum, &self.price]);
        graph.node("features/moneyness_over_price", "Log", &[&ratio])
    }
}

/// √(θT + (v₀ − θ)(1 − e^(−κT))/κ)
pub(super) fn heston_deviation(graph: &mut GraphBuilder, expiry: &str, [v0, kappa, theta]: [&str; 3]) -> String {
    let at = |part: &str| format!("features/total_volatility/{part}");
    let decay = graph.node(&at("kappa_t"), "Mul", &[kappa, expiry]);
    let gone = gone(graph, "features/total_volatility", &decay);
    let weight = graph.node(&at("weight"), "Div", &[&gone, kappa]);
    let excess = graph.node(&at("excess"), "Sub", &[v0, theta]);
    let excess = graph.node(&at("excess_variance"), "Mul", &[&excess, &weight]);
    let level = graph.node(&at("level_variance"), "Mul", &[theta, expiry]);
    let variance = graph.node(&at("variance"), "Add", &[&level, &excess]);
    graph.node("features/total_volatility", "Sqrt", &[&variance])
}

/// 1 − e^(−y)
pub(super) fn gone(graph: &mut GraphBuilder, within: &str, y: &str) -> String {
    let at = |part: &str| format!("{within}/{part}");
    let [half, one, two] = [0.5, 1.0, 2.0].map(|value| graph.scalar(value));
    let half = graph.node(&at("half_decay"), "Mul", &[&half, y]);
    let u = graph.node(&at("tanh_of_half"), "Tanh", &[&half]);
    let twice = graph.node(&at("twice_tanh"), "Mul", &[&two, &u]);
    let below = graph.node(&at("one_plus_tanh"), "Add", &[&one, &u]);
    graph.node(&at("gone"), "Div", &[&twice, &below])
}
