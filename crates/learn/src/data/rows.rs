//! Rows of inputs with their labels, as columns of f64.

use std::ops::Range;

use crate::network::Batch;

/// Labelled rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Inputs, row by row, in the model's order.
    pub inputs: Vec<f64>,
    /// What the network shall say: the undiscounted call over the strike, or the volatility.
    pub prices: Vec<f64>,
    /// Its derivatives by the inputs, row by row; the first is delta. Empty where shards do not have them.
    pub differentials: Vec<f64>,
    /// Its second derivative by the moneyness; of an implied volatility the option's vega over the strike. Empty where shards do not have it.
    pub gammas: Vec<f64>,
    /// What each row's error counts in the loss, 1 in the mean over the rows to learn from. Empty where every row counts as much as another.
    pub weights: Vec<f64>,
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

    /// Takes out the rows whose last column ([`Self::gammas`]) is below `least`; how many they were.
    pub(super) fn exclude_below(&mut self, least: f64) -> usize {
        let (count, inputs) = (self.len(), self.inputs.len() / self.len().max(1));
        let mut kept = 0;
        for i in (0..count).filter(|i| self.gammas[*i] >= least).collect::<Vec<usize>>() {
            let (from, to) = (i * inputs..(i + 1) * inputs, kept * inputs);
            self.inputs.copy_within(from.clone(), to);
            self.differentials.copy_within(from, to);
            (self.prices[kept], self.gammas[kept]) = (self.prices[i], self.gammas[i]);
            kept += 1;
        }
        self.resize(kept, inputs);
        count - kept
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.prices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }

    /// Adds the rows of another, with the labels that it has.
    pub fn append(&mut self, other: &Self) {
        self.inputs.extend_from_slice(&other.inputs);
        self.prices.extend_from_slice(&other.prices);
        self.differentials.extend_from_slice(&other.differentials);
        self.gammas.extend_from_slice(&other.gammas);
        self.weights.extend_from_slice(&other.weights);
    }

    /// Copies rows of another, of as many inputs, over those from `at` on. Labels that the other lacks stay as they are.
    pub(super) fn copy(&mut self, at: usize, other: &Self, rows: Range<usize>, inputs: usize) {
        let to = at..at + rows.len();
        let wide = |rows: &Range<usize>| rows.start * inputs..rows.end * inputs;
        self.inputs[wide(&to)].copy_from_slice(&other.inputs[wide(&rows)]);
        self.prices[to.clone()].copy_from_slice(&other.prices[rows.clone()]);
        if !other.differentials.is_empty() {
            self.differentials[wide(&to)].copy_from_slice(&other.differentials[wide(&rows)]);
        }
        if !other.gammas.is_empty() {
            self.gammas[to.clone()].copy_from_slice(&other.gammas[rows.clone()]);
        }
        if !other.weights.is_empty() {
            self.weights.resize(self.prices.len(), 1.0);
            self.weights[to].copy_from_slice(&other.weights[rows]);
        }
    }

    /// As a batch to learn from, with the differentials or without.
    pub fn batch(&self, differentials: bool) -> Batch<'_> {
        let differentials = if differentials { &self.differentials[..] } else { &[] };
        Batch { inputs: &self.inputs, prices: &self.prices, differentials, weights: &self.weights }
    }
}
