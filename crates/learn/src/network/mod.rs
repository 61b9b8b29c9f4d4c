//! The network: features made of a row's inputs, layers, and the transform that makes a price of the last number.
//!
//! A row's inputs are the forward over the strike m = F/K, the years to expiry and the pricing model's parameters; its price is the
//! undiscounted call over the strike. Spot, rates and yields act through the forward and the discount factor alone, so that a network
//! of these inputs prices every market exactly as well as it prices one.

mod activation;
mod architecture;
mod carry;
mod features;
pub(crate) mod gemm;
mod layers;
mod layout;
mod native;
mod output;
mod precision;
mod table;
mod twin;
mod value_alone;
mod variance_moments;
mod workspaces;

pub use activation::Activation;
pub use architecture::{Architecture, MOST_DEPTH, MOST_WIDTH};
pub(crate) use features::BEND;
pub use features::{FeatureKind, Features, MOST_FEATURES, MOST_INPUTS};
pub use layout::{HiddenPlaces, Layout, Place};
pub use native::{Batch, Loss, LossScales, Native, Ready};
pub(crate) use native::{measured_product, workspace_bytes};
pub use output::{HELD, OutputTransform, Partials};
pub use precision::Precision;
pub use table::{InputColumn, MOST_COLUMNS, Scaling, TableColumns, TargetColumn};
pub use twin::{NORM_EPSILON, Valued, value};
pub use value_alone::value_alone;
pub(crate) use variance_moments::{SERIES, SERIES_BELOW};
