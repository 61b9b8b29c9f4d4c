//! Networks as ONNX: raw inputs in, prices out, with everything between them in the graph, for any runtime that reads the format.
//!
//! Format     opset 18, IR 8 (ONNX 1.13), with activations of 16 bits opset 21, IR 10 (1.16); the messages are ours ([`proto`]), encoded by `prost`, so that neither protoc nor somebody's
//!            generated copy of all of ONNX is needed
//! Precision  [`Precision`]; layers in f32 as in training
//! Accuracy   tests hold the graph against the scalar twin: in Rust by an interpreter of their own, and by onnxruntime

mod features;
mod graph;
mod layers;
mod metadata;
mod moments;
mod output;
pub mod proto;
mod quantised;
mod solution;
mod table;

use prost::Message;

use crate::LearnError;
use crate::config::{DataConfig, Normalisation};
use crate::network::{Architecture, OutputTransform};
use crate::physics::Solution;
use crate::quantisation::QuantisedNetwork;
use crate::training::TrainedNetwork;
use features::features;
use graph::GraphBuilder;
use layers::{Numbers, layers};
use output::output;
use proto::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto, data_type};

pub use graph::{INPUT, OUTPUT, VOLATILITY_OUTPUT};
pub use metadata::{DOMAIN_KEY, INPUTS_KEY, LEAST_VEGA_KEY, MODEL_KEY};

/// The set of ONNX's operators that is used, and the version of the format that came with it.
pub const OPSET: i64 = 18;
const IR_VERSION: i64 = 8;
/// Those of a network with activations of 16 bits, which ONNX has since 1.16.
const OPSET_OF_16_BITS: i64 = 21;
const IR_VERSION_OF_16_BITS: i64 = 10;
/// What a protobuf message holds at most.
const BYTES_MAX: usize = i32::MAX as usize;

/// What is computed in which precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Inputs, features, output transform and prices in f64, layers in f32, as our own engines do.
    #[default]
    Mixed,
    /// Everything in f32, for runtimes without f64 (TensorRT).
    Float,
    /// Everything in f64 but the error function of gelu, which runtimes have in f32.
    Double,
}

impl Precision {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Float => "float",
            Self::Double => "double",
        }
    }

    /// The element type of inputs, features, transform and prices.
    fn features(self) -> i32 {
        if self == Self::Float { data_type::FLOAT } else { data_type::DOUBLE }
    }

    /// The element type of layers.
    fn layers(self) -> i32 {
        if self == Self::Double { data_type::DOUBLE } else { data_type::FLOAT }
    }
}

/// The precision in which a network's prices are its own to 1e-6: that of our own engines where the output transform shrinks what f32 loses in
/// the layers, and f64 elsewhere. Integers stand for numbers of f32.
pub fn exact_precision(architecture: &Architecture, is_quantised: bool) -> Precision {
    let shrinks = architecture.output == OutputTransform::Bounds && architecture.norm != Normalisation::Layer;
    if shrinks || is_quantised { Precision::Mixed } else { Precision::Double }
}

/// A network as a model of ONNX. `domain` is what it was trained on, for the metadata, where the network itself does not say it.
///
/// Errors: [`LearnError::BadValue`] for a network of more than the 2 GiB that the format holds.
pub fn export(
    network: &TrainedNetwork,
    domain: Option<&DataConfig>,
    precision: Precision,
) -> Result<ModelProto, LearnError> {
    model_of(network, None, domain, precision)
}

/// A quantised network as a model of ONNX: integers between QuantizeLinear and DequantizeLinear.
///
/// Errors: as of [`export`], and for layers in f64, which have no integers.
pub fn export_quantised(
    network: &QuantisedNetwork,
    domain: Option<&DataConfig>,
    precision: Precision,
) -> Result<ModelProto, LearnError> {
    if precision == Precision::Double {
        return Err(LearnError::bad("precision", "double", "mixed or float: integers are made of f32"));
    }
    model_of(&network.network, Some(network), domain, precision)
}

fn model_of(
    network: &TrainedNetwork,
    quantised: Option<&QuantisedNetwork>,
    domain: Option<&DataConfig>,
    precision: Precision,
) -> Result<ModelProto, LearnError> {
    let TrainedNetwork { architecture, parameters, statistics, step, data, .. } = network;
    let layout = architecture.layout();
    let mut graph = GraphBuilder::new(precision);
    let of_table = architecture.features.table.as_ref();
    let shown = match of_table {
        Some(columns) => table::columns(&mut graph, columns),
        None => features(&mut graph, architecture),
    };
    let integers = quantised.map_or(&[][..], |quantised| &quantised.layers);
    let numbers = Numbers { parameters, statistics, quantised: integers };
    let last = layers(&mut graph, architecture, &layout, numbers, &shown.features);
    let mut price = output(&mut graph, architecture.output, &last, &shown);
    if let Some(columns) = of_table {
        price = table::target(&mut graph, columns, &price);
    }
    let inputs = architecture.features.inputs();
    let versions = match integers.iter().any(|layer| layer.activation.bits > 8) {
        true => [IR_VERSION_OF_16_BITS, OPSET_OF_16_BITS],
        false => [IR_VERSION, OPSET],
    };
    let model = architecture.features.model;
    let name = if model.is_implied_volatility() { VOLATILITY_OUTPUT } else { OUTPUT };
    let doc = match of_table {
        Some(columns) => format!("{} by a network of {}", columns.target.name, architecture.describe()),
        None if model.is_implied_volatility() => {
            format!("{} by a network of {}", model.as_str(), architecture.describe())
        }
        None => format!("{} prices by a network of {}", model.as_str(), architecture.describe()),
    };
    let graph = graph.finish(inputs as i64, &price, (name, metadata::output(network)), architecture.describe());
    let entries = metadata::entries(network, quantised, domain.or(data.as_ref()), precision);
    assembled(graph, versions, (*step, doc, entries))
}

/// A network that solves a pricing equation as a model of ONNX: the inputs of [`Solution::input_names`] in, the undiscounted call over the
/// strike out. Its own precision is f64: [`Precision::Double`].
///
/// Errors: as of [`export`], and those of [`Solution::input_ranges`].
pub fn export_solution(solution: &Solution, precision: Precision) -> Result<ModelProto, LearnError> {
    let mut graph = GraphBuilder::new(precision);
    let call = solution::call(&mut graph, solution);
    let described = solution.network().describe();
    let doc = format!("{} prices by a network that solves the equation, of {described}", metadata::equation(solution));
    let inputs = solution.input_names().len() as i64;
    let graph = graph.finish(inputs, &call, (OUTPUT, metadata::CALL_OUTPUT), described);
    let entries = metadata::entries_of_solution(solution, precision)?;
    assembled(graph, [IR_VERSION, OPSET], (metadata::steps(solution), doc, entries))
}

/// A graph with all that a file says beside it.
fn assembled(
    graph: GraphProto,
    [ir_version, opset]: [i64; 2],
    (step, doc, metadata_props): (u64, String, Vec<StringStringEntryProto>),
) -> Result<ModelProto, LearnError> {
    let model = ModelProto {
        ir_version: Some(ir_version),
        producer_name: Some("zomma".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        model_version: i64::try_from(step).ok(),
        doc_string: Some(doc),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) }],
        metadata_props,
    };
    if model.encoded_len() > BYTES_MAX {
        let allowed = "a network of less than 2 GiB, which is what a file of ONNX holds";
        return Err(LearnError::bad("network", model.doc_string.unwrap_or_default(), allowed));
    }
    Ok(model)
}

/// The set of operators that a model asks for.
pub fn opset(model: &ModelProto) -> Option<i64> {
    model.opset_import.iter().find(|set| set.domain.as_deref().unwrap_or_default().is_empty())?.version
}

/// The bytes of a model's file.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// Reads a model; what is not among the messages of [`proto`] is passed over.
///
/// Errors: [`LearnError::Unreadable`].
pub fn decode(bytes: &[u8]) -> Result<ModelProto, LearnError> {
    let model =
        ModelProto::decode(bytes).map_err(|error| LearnError::Unreadable(format!("is no ONNX model: {error}")))?;
    match model.graph {
        Some(_) => Ok(model),
        None => Err(LearnError::Unreadable("is no ONNX model: it has no graph".into())),
    }
}

/// A value of a model's metadata.
pub fn metadata<'a>(model: &'a ModelProto, key: &str) -> Option<&'a str> {
    let entry = model.metadata_props.iter().find(|entry| entry.key.as_deref() == Some(key))?;
    entry.value.as_deref()
}

#[cfg(test)]
mod tests;
