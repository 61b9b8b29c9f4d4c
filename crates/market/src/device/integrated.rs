//! The integrated order flow of many instruments: flows and depths come from the device, the weights of the levels are fitted here.
//!
//! A weight is fitted once an interval at the most, to a matrix of a few levels, by sums that grow from interval to interval
//! ([`StreamingWeights`]); what it is fitted to (flow and depth, book by book) is found on the device. The weighted sum is one product a level of an
//! instrument and row, of sums that are here.

use super::{books::Matrix, plan::Integrated, windows::FlowWindows};
use crate::features::{depth::MOST_LEVELS, integrated_ofi::StreamingWeights};

/// Weights by feature and instrument.
#[derive(Debug)]
pub(super) struct IntegratedFlows {
    features: Vec<(Integrated, Vec<StreamingWeights>)>,
}

impl IntegratedFlows {
    pub(super) fn new(features: &[Integrated]) -> Self {
        Self { features: features.iter().map(|feature| (feature.clone(), Vec::new())).collect() }
    }

    /// Adds books that are all of one interval, with any time of it; before those of the instruments `paused` there was a pause of more than a day.
    pub(super) fn add(&mut self, time_ns: u64, paused: &[u32], matrix: &Matrix) {
        for (feature, weights) in &mut self.features {
            if weights.len() < matrix.instruments() {
                weights.resize(matrix.instruments(), feature.weights.clone());
            }
            for instrument in paused {
                weights.get_mut(*instrument as usize).into_iter().for_each(StreamingWeights::begin_anew);
            }
            for (instrument, weights) in weights.iter_mut().enumerate() {
                let books = matrix.books(instrument);
                if books == 0 {
                    continue;
                }
                let mut flow = [0; MOST_LEVELS];
                let flow = &mut flow[..feature.levels];
                flow.iter_mut().enumerate().for_each(|(level, flow)| *flow = matrix.flow(level, instrument));
                weights.on_books(time_ns, matrix.resting(feature.resting, instrument), flow, books);
            }
        }
    }

    /// The integrated flow of a feature's window, in lots; `None` before 30 intervals are over.
    pub(super) fn value(&self, feature: usize, instrument: usize, windows: &FlowWindows) -> Option<f64> {
        let (feature, weights) = self.features.get(feature)?;
        let mut sums = [0.0; MOST_LEVELS];
        let sums = &mut sums[..feature.levels];
        sums.iter_mut().enumerate().for_each(|(level, sum)| *sum = windows.sum(feature.window, level, instrument));
        weights.get(instrument)?.integrated(sums)
    }
}
