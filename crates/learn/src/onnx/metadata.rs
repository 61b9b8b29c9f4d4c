//! What a model says of itself: names and values that runtimes hand on as they are.

use super::Precision;
use super::proto::StringStringEntryProto;
use crate::LearnError;
use crate::config::DataConfig;
use crate::network::InputColumn;
use crate::physics::Solution;
use crate::quantisation::QuantisedNetwork;
use crate::training::{TrainedNetwork, checksum, checksum_f64};

/// The key of the columns' names, in their order, with commas between them.
pub const INPUTS_KEY: &str = "zomma.inputs";
/// The key of the pricing model's name.
pub const MODEL_KEY: &str = "zomma.model";
/// The key of the training domain, in JSON: least and greatest value of each input; of implied volatilities the volatility's in the place of
/// the price's.
pub const DOMAIN_KEY: &str = "zomma.domain";
/// The key of the least vega over the strike, per 1.00, at which a price was taken to determine a volatility.
pub const LEAST_VEGA_KEY: &str = "zomma.least_vega";

/// What a network of prices says.
pub(super) const CALL_OUTPUT: &str = "the undiscounted call over the strike";
/// What a network of implied volatilities says.
const VOLATILITY_OUTPUT: &str = "the volatility per square root of a year that the price implies, the undiscounted out-of-the-money option over √(forward·strike)";
/// What a network of American options says.
const AMERICAN_OUTPUT: &str =
    "the American call over the strike; a put is the call with spot and strike, rate and yield exchanged";

/// What the network says.
pub(super) fn output(network: &TrainedNetwork) -> &str {
    let features = &network.architecture.features;
    let said = match features.model {
        model if model.is_american() => AMERICAN_OUTPUT,
        model if model.is_implied_volatility() => VOLATILITY_OUTPUT,
        _ => CALL_OUTPUT,
    };
    features.table.as_ref().map_or(said, |table| table.target.name.as_str())
}

/// Whose prices a solution's are.
pub(super) fn equation(solution: &Solution) -> &'static str {
    solution.config.problem.equation.as_str()
}

/// Steps of training, all rounds together.
pub(super) fn steps(solution: &Solution) -> u64 {
    solution.standing.steps()
}

/// All entries of a network that solves an equation.
///
/// Errors: those of [`Solution::input_ranges`].
pub(super) fn entries_of_solution(
    solution: &Solution,
    precision: Precision,
) -> Result<Vec<StringStringEntryProto>, LearnError> {
    let names = solution.input_names();
    let span = |(name, [least, most]): (&&str, [f64; 2])| {
        ((*name).to_owned(), serde_json::json!({ "min": least, "max": most }))
    };
    let ranges: serde_json::Map<_, _> = names.iter().zip(solution.input_ranges()?).map(span).collect();
    let residual = solution.standing.best().map(|(_, least)| serde_json::json!({ "held_out_residual": least }));
    let entries = [
        ("zomma.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        (MODEL_KEY, Some(equation(solution).to_owned())),
        (INPUTS_KEY, Some(names.join(","))),
        ("zomma.output", Some(CALL_OUTPUT.to_owned())),
        ("zomma.network", Some(solution.network().describe())),
        ("zomma.precision", Some(precision.as_str().to_owned())),
        ("zomma.step", Some(steps(solution).to_string())),
        ("zomma.parameters_checksum", Some(format!("{:016x}", checksum_f64(&solution.parameters)))),
        (DOMAIN_KEY, serde_json::to_string(&ranges).ok()),
        ("zomma.problem", serde_json::to_string(&solution.config.problem).ok()),
        ("zomma.errors", residual.map(|residual| residual.to_string())),
    ];
    Ok(kept(entries))
}

/// Those that have a value.
fn kept<const N: usize>(entries: [(&str, Option<String>); N]) -> Vec<StringStringEntryProto> {
    let entry = |(key, value): (&str, Option<String>)| {
        value.map(|value| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) })
    };
    entries.into_iter().filter_map(entry).collect()
}

/// All entries.
pub(super) fn entries(
    network: &TrainedNetwork,
    quantised: Option<&QuantisedNetwork>,
    domain: Option<&DataConfig>,
    precision: Precision,
) -> Vec<StringStringEntryProto> {
    let TrainedNetwork { architecture, parameters, step, evaluation, .. } = network;
    let model = architecture.features.model;
    let features: Vec<&str> = architecture.features.kinds.iter().map(|kind| kind.as_str()).collect();
    let json = |value: serde_json::Result<String>| value.ok();
    let ranges = match &architecture.features.table {
        Some(table) => {
            let range = |column: &InputColumn| {
                (column.name.clone(), serde_json::json!({ "min": column.least, "max": column.greatest }))
            };
            json(serde_json::to_string(&table.inputs.iter().map(range).collect::<serde_json::Map<_, _>>()))
        }
        None => domain.and_then(|data| json(serde_json::to_string(&data.ranges))),
    };
    let least_vega = domain.filter(|_| model.is_implied_volatility()).map(|data| data.least_vega.to_string());
    let errors = evaluation.as_ref().and_then(|errors| json(serde_json::to_string(errors)));
    let lost = quantised.and_then(|quantised| json(serde_json::to_string(&quantised.errors)));
    let bits = quantised.map(|quantised| {
        let bits: Vec<String> = quantised.layers.iter().map(|layer| layer.activation.bits.to_string()).collect();
        bits.join(",")
    });
    let entries = [
        ("zomma.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        (MODEL_KEY, Some(model.as_str().to_owned())),
        (INPUTS_KEY, Some(architecture.features.input_names().join(","))),
        ("zomma.output", Some(output(network).to_owned())),
        ("zomma.features", Some(features.join(","))),
        ("zomma.network", Some(architecture.describe())),
        ("zomma.precision", Some(precision.as_str().to_owned())),
        ("zomma.step", Some(step.to_string())),
        ("zomma.parameters_checksum", Some(format!("{:016x}", checksum(parameters)))),
        (DOMAIN_KEY, ranges),
        (LEAST_VEGA_KEY, least_vega),
        ("zomma.errors", errors),
        ("zomma.activation_bits", bits),
        ("zomma.quantisation_errors", lost),
    ];
    kept(entries)
}
