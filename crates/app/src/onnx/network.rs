//! The network of a file, quantised or not.

use std::path::Path;

use zomma_learn::{
    LearnError,
    config::DataConfig,
    onnx::{self, Precision, proto::ModelProto},
    quantisation::QuantisedNetwork,
    training::TrainedNetwork,
};

/// A network to be exported.
pub enum Network {
    /// As it was trained.
    Trained(Box<TrainedNetwork>),
    /// With layers in integers.
    Quantised(Box<QuantisedNetwork>),
}

impl Network {
    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        Ok(match QuantisedNetwork::is_at(path) {
            true => Self::Quantised(Box::new(QuantisedNetwork::read(path)?)),
            false => Self::Trained(Box::new(TrainedNetwork::read(path)?)),
        })
    }

    /// Its architecture and the numbers that are no integers.
    pub fn plain(&self) -> &TrainedNetwork {
        match self {
            Self::Trained(network) => network,
            Self::Quantised(network) => &network.network,
        }
    }

    /// The precision in which its prices are its own to 1e-6.
    pub fn exact_precision(&self) -> Precision {
        onnx::exact_precision(&self.plain().architecture, matches!(self, Self::Quantised(_)))
    }

    /// As a model of ONNX.
    pub fn export(&self, domain: Option<&DataConfig>, precision: Precision) -> Result<ModelProto, LearnError> {
        match self {
            Self::Trained(network) => onnx::export(network, domain, precision),
            Self::Quantised(network) => onnx::export_quantised(network, domain, precision),
        }
    }
}
