//! Rows of inputs with their labels, as columns of f64.

use crate::network::Batch;

/// Labelled rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Inputs, row by row, in the model's order.
    pub inputs: Vec<f64>,
    /// The undiscounted call over the strike.
    pub prices: Vec<f64>,
    /// Its derivatives by the inputs, row by row; the first is delta.
    pub differentials: Vec<f64>,
    /// Its second derivative by the moneyness.
    pub gammas: Vec<f64>,
}

impl Rows {
    /// Room for `count` rows of `inputs` inputs.
    pub fn zeros(count: usize, inputs: usize) -> Self {
        let mut rows = Self::default();
        rows.resize(count, inputs);
        rows
    }

    /// Makes room for `count` rows; what was in them is not kept.
    pub fn resize(&mut self, count: usize, inputs: usize) {
        self.inputs.resize(count * inputs, 0.0);
        self.prices.resize(count, 0.0);
        self.differentials.resize(count * inputs, 0.0);
        self.gammas.resize(count, 0.0);
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.prices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }

    /// As a batch to learn from, with the differentials or without.
    pub fn batch(&self, differentials: bool) -> Batch<'_> {
        let differentials = if differentials { &self.differentials[..] } else { &[] };
        Batch { inputs: &self.inputs, prices: &self.prices, differentials }
    }
}
