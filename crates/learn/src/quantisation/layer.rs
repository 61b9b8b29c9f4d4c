//! A hidden layer in integers.
//!
//! Formulae  activations  q = min(max(round(a/scale) + zero_point, 0), 2^bits − 1)
//!           sums         z_j = scale · weight_scale_j · Σ_i (q_i − zero_point) w_ij + bias_j

use serde::{Deserialize, Serialize};

/// How the activations that a layer is given become integers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActivationScale {
    /// Bits of an integer, 8 or 16. Sixteen are computed as two terms of eight, q = 256·high + low, with two 8-bit dot products.
    pub bits: u32,
    /// Width of a step.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero_point: u16,
}

impl ActivationScale {
    /// The greatest integer.
    pub fn most(&self) -> u16 {
        if self.bits == 8 { u16::from(u8::MAX) } else { u16::MAX }
    }

    /// So that the integers reach from `low` to `high`, which 0 lies between.
    pub fn over(bits: u32, low: f32, high: f32) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let mut scale = Self { bits, scale: 1.0, zero_point: 0 };
        let most = f32::from(scale.most());
        // Activations that are always 0 keep a step above it.
        scale.scale = ((high - low) / most).max(f32::MIN_POSITIVE);
        scale.zero_point = (-low / scale.scale).round().clamp(0.0, most) as u16;
        scale
    }

    /// The integer of an activation.
    pub fn quantise(&self, activation: f32) -> u16 {
        let q = (activation / self.scale).round_ties_even() + f32::from(self.zero_point);
        q.clamp(0.0, f32::from(self.most())) as u16
    }

    /// What an integer stands for.
    pub fn dequantise(&self, q: u16) -> f32 {
        self.scale * (f32::from(q) - f32::from(self.zero_point))
    }
}

/// A hidden layer with int8 weights.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedLayer {
    /// Which hidden layer it is, from 0; the first that is quantised is 1.
    pub layer: usize,
    /// Units that it is given.
    pub inputs: usize,
    /// Units that it makes.
    pub units: usize,
    /// Its input's integers.
    pub activation: ActivationScale,
    /// −127 to 127, inputs × units, row-major, as the f32 weights of the layout.
    pub weights: Vec<i8>,
    /// What a weight's integer is multiplied by, by unit; weights have no zero point.
    pub weight_scales: Vec<f32>,
    /// In f32, corrected for what rounding the weights moved on average.
    pub bias: Vec<f32>,
}

impl QuantisedLayer {
    /// The weights as numbers, inputs × units.
    pub fn dequantised_weights(&self) -> Vec<f32> {
        let scales = self.weight_scales.iter().cycle();
        self.weights.iter().zip(scales).map(|(w, scale)| f32::from(*w) * scale).collect()
    }
}

/// What quantisation lost at one layer, on rows that it was not calibrated with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerErrors {
    /// Which hidden layer, from 0.
    pub layer: usize,
    /// Root mean square of its sums in f32.
    pub sums_rms: f64,
    /// Root mean square of their error when only this layer's weights are rounded.
    pub by_weights: f64,
    /// When only the activations that it is given are rounded.
    pub by_activations: f64,
    /// When it and all before it are quantised.
    pub together: f64,
    /// Share of the activations that lie outside of the integers' range.
    pub clipped: f64,
    /// Root mean square error of the price when this layer alone is quantised.
    pub price_rmse: f64,
}

/// Errors of the whole network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QuantisationErrors {
    /// Rows that were priced, labelled by the pricing model and never learned or calibrated with.
    pub rows: usize,
    /// Root mean square error of the f32 network's price, of the strike.
    pub float_rmse: f64,
    /// Its greatest.
    pub float_max: f64,
    /// Root mean square error of the quantised network's price.
    pub quantised_rmse: f64,
    /// Its greatest.
    pub quantised_max: f64,
    /// Root mean square of the quantised price less the f32 network's.
    pub difference_rmse: f64,
    /// By quantised layer.
    pub layers: Vec<LayerErrors>,
}

impl QuantisationErrors {
    /// The quantised network's error over the f32 network's.
    pub fn ratio(&self) -> f64 {
        self.quantised_rmse / self.float_rmse
    }
}
