//! What a model says of itself: names and values that runtimes hand on as they are.

use super::Precision;
use super::proto::StringStringEntryProto;
use crate::config::DataConfig;
use crate::network::InputColumn;
use crate::quantisation::QuantisedNetwork;
use crate::training::{TrainedNetwork, checksum};

/// The key of the columns' names, in their order, with commas between them.
pub const INPUTS_KEY: &str = "zomma.inputs";
/// The key of the pricing model's name.
pub const MODEL_KEY: &str = "zomma.model";
/// The key of the training domain, in JSON: least and greatest value of each input.
pub const DOMAIN_KEY: &str = "zomma.domain";

/// What a network of American options says.
const AMERICAN_OUTPUT: &str =
    "the American call over the strike; a put is the call with spot and strike, rate and yield exchanged";

/// What the network says.
pub(super) fn output(network: &TrainedNetwork) -> &str {
    let features = &network.architecture.features;
    let call = if features.model.is_american() { AMERICAN_OUTPUT } else { "the undiscounted call over the strike" };
    features.table.as_ref().map_or(call, |table| table.target.name.as_str())
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
        ("zomma.errors", errors),
        ("zomma.activation_bits", bits),
        ("zomma.quantisation_errors", lost),
    ];
    let entry = |(key, value): (&str, Option<String>)| {
        value.map(|value| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) })
    };
    entries.into_iter().filter_map(entry).collect()
}
