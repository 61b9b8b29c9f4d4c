//! The network of a file: trained on labels, quantised or not, or on an equation.

use std::path::Path;

use zomma_learn::{
    LearnError,
    config::DataConfig,
    onnx::{self, Precision, proto::ModelProto},
    physics::Solution,
    quantisation::QuantisedNetwork,
    training::TrainedNetwork,
};

/// A network to be exported.
pub enum Network {
    /// As it was trained.
    Trained(Box<TrainedNetwork>),
    /// With layers in integers.
    Quantised(Box<QuantisedNetwork>),
    /// One that solves an equation.
    Solution(Box<Solution>),
}

impl Network {
    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        if Solution::is_at(path) {
            return Ok(Self::Solution(Box::new(Solution::read(path)?)));
        }
        Ok(match QuantisedNetwork::is_at(path) {
            true => Self::Quantised(Box::new(QuantisedNetwork::read(path)?)),
            false => Self::Trained(Box::new(TrainedNetwork::read(path)?)),
        })
    }

    /// Architecture and numbers of one that was trained on labels.
    pub fn trained(&self) -> Option<&TrainedNetwork> {
        match self {
            Self::Trained(network) => Some(network),
            Self::Quantised(network) => Some(&network.network),
            Self::Solution(_) => None,
        }
    }

    /// The names of its inputs, in their order.
    pub fn input_names(&self) -> Vec<&str> {
        match self {
            Self::Trained(network) => network.architecture.features.input_names(),
            Self::Quantised(network) => network.network.architecture.features.input_names(),
            Self::Solution(solution) => solution.input_names().to_vec(),
        }
    }

    /// The precision in which its prices are its own to 1e-6.
    pub fn exact_precision(&self) -> Precision {
        match self {
            Self::Trained(network) => onnx::exact_precision(&network.architecture, false),
            Self::Quantised(network) => onnx::exact_precision(&network.network.architecture, true),
            // As it was trained.
            Self::Solution(_) => Precision::Double,
        }
    }

    /// As a model of ONNX.
    pub fn export(&self, domain: Option<&DataConfig>, precision: Precision) -> Result<ModelProto, LearnError> {
        match self {
            Self::Trained(network) => onnx::export(network, domain, precision),
            Self::Quantised(network) => onnx::export_quantised(network, domain, precision),
            Self::Solution(solution) => onnx::export_solution(solution, precision),
        }
    }
}
