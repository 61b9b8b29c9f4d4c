//! Prices of a batch by a trained network, block by block; of implied volatilities the volatilities that prices imply.

use std::path::Path;

use rayon::prelude::*;
use zomma_base::Status;
use zomma_pricing::math::Target;

use super::block::Shown;
use super::dense::{Column, Dense, ROWS, padded};
use super::domain::Domain;
#[cfg(target_arch = "x86_64")]
use super::dot::Vnni;
use super::dot::{Dot, Loops};
use super::integer::{BlockWords, IntegerDense, block_words};
use super::lanes::{Fused, MultiplyAdd, Plain};
use crate::LearnError;
use crate::network::{Architecture, Place};
use crate::quantisation::QuantisedNetwork;
use crate::training::TrainedNetwork;

/// Rows that a thread prices at a time.
const PART: usize = 16 * ROWS;

/// A network, packed for pricing on CPUs.
#[derive(Clone, Debug)]
pub struct Pricer {
    architecture: Architecture,
    domain: Domain,
    hidden: Vec<Hidden>,
    last: Dense,
    target: Target,
}

/// A hidden layer.
#[derive(Clone, Debug)]
enum Hidden {
    Float(Dense),
    Integer(IntegerDense),
}

/// Buffers of one thread.
struct Workspace {
    shown: Shown,
    /// Two of columns by unit.
    units: [Vec<Column>; 2],
    words: BlockWords,
}

impl Pricer {
    /// Packs a network.
    ///
    /// Errors: [`LearnError::BadValue`] for a network with norm or dropout, which the training engines alone compute, for one of implied
    /// volatilities or of a table, and for parameters that are no numbers.
    pub fn new(network: &TrainedNetwork) -> Result<Self, LearnError> {
        let model = network.architecture.features.model;
        // What is said first of a network that is none of prices and has a norm.
        if network.architecture.is_plain() && (model.is_implied_volatility() || model.is_table()) {
            return Err(LearnError::bad("the network's model", model.as_str(), "a network of prices"));
        }
        Self::packed(network, Domain::of(model, network.data.as_ref()))
    }

    /// Packs a network of implied volatilities. Its [`Self::prices`] are volatilities, of every row whose inputs are numbers above 0: which of them
    /// it learned is said by [`TrainedNetwork::implied_volatilities`].
    ///
    /// Errors: as of [`Self::new`], and for a network of another model.
    pub fn of_volatilities(network: &TrainedNetwork) -> Result<Self, LearnError> {
        let model = network.architecture.features.model;
        if !model.is_implied_volatility() {
            return Err(LearnError::bad("the network's model", model.as_str(), "a network of implied volatilities"));
        }
        Self::packed(network, Domain::of(model, None))
    }

    fn packed(network: &TrainedNetwork, domain: Domain) -> Result<Self, LearnError> {
        let TrainedNetwork { architecture, parameters, .. } = network;
        if !architecture.is_plain() {
            let shown = architecture.describe();
            return Err(LearnError::bad("network.norm", shown, "a network without norm and dropout"));
        }
        if let Some(bad) = parameters.iter().find(|x| !x.is_finite()) {
            return Err(LearnError::bad("parameters", bad, "finite numbers"));
        }
        let layout = architecture.layout();
        let dense = |weight: &Place, bias: &Place| Dense::new(weight.of(parameters), bias.of(parameters));
        Ok(Self {
            hidden: layout.hidden.iter().map(|layer| Hidden::Float(dense(&layer.weight, &layer.bias))).collect(),
            last: dense(&layout.out_weight, &layout.out_bias),
            domain,
            architecture: architecture.clone(),
            target: Target::best(),
        })
    }

    /// Packs a quantised network.
    ///
    /// Errors: as of [`Self::new`].
    pub fn quantised(network: &QuantisedNetwork) -> Result<Self, LearnError> {
        Self::new(&network.network).map(|pricer| pricer.with_integers(network))
    }

    /// Packs a quantised network of implied volatilities.
    ///
    /// Errors: as of [`Self::of_volatilities`].
    pub fn quantised_of_volatilities(network: &QuantisedNetwork) -> Result<Self, LearnError> {
        Self::of_volatilities(&network.network).map(|pricer| pricer.with_integers(network))
    }

    /// Packs a network of whatever it says, prices or implied volatilities.
    ///
    /// Errors: as of [`Self::new`].
    pub fn of_any(network: &TrainedNetwork) -> Result<Self, LearnError> {
        let is_of_volatilities = network.architecture.features.model.is_implied_volatility();
        if is_of_volatilities { Self::of_volatilities(network) } else { Self::new(network) }
    }

    /// As [`Self::of_any`], of a quantised one.
    ///
    /// Errors: as of [`Self::new`].
    pub fn quantised_of_any(network: &QuantisedNetwork) -> Result<Self, LearnError> {
        Self::of_any(&network.network).map(|pricer| pricer.with_integers(network))
    }

    fn with_integers(mut self, network: &QuantisedNetwork) -> Self {
        for layer in &network.layers {
            self.hidden[layer.layer] = Hidden::Integer(IntegerDense::new(layer));
        }
        self
    }

    /// Reads a network's file, quantised or not.
    ///
    /// Errors: [`LearnError::File`] with what is wrong with it; a network that [`Self::new`] refuses.
    pub fn read(path: &Path) -> Result<Self, LearnError> {
        let refused = |error: LearnError| LearnError::file(path, error);
        if QuantisedNetwork::is_at(path) {
            return Self::quantised(&QuantisedNetwork::read(path)?).map_err(refused);
        }
        Self::new(&TrainedNetwork::read(path)?).map_err(refused)
    }

    /// The same with the instructions of `target`, or of the best where this machine has not got it: for tests and benchmarks.
    pub fn on(mut self, target: Target) -> Self {
        self.target = if target.is_available() { target } else { Target::best() };
        self
    }

    /// What it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The rows that it prices.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Undiscounted calls over the strike of rows of inputs (row after row, in the model's order), on all threads. A row that is not
    /// [`Status::Ok`] has NaN for a price: its input is no number, or outside of what the network learned ([`Domain::status`]), or the
    /// result is not representable ([`Status::Overflow`]).
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn prices(&self, inputs: &[f64], prices: &mut [f64], status: &mut [Status]) {
        let count = self.architecture.features.model.input_names().len();
        assert!(inputs.len() == prices.len() * count && status.len() == prices.len(), "columns of one length");
        let parts = prices.par_chunks_mut(PART).zip(status.par_chunks_mut(PART));
        parts.zip(inputs.par_chunks(PART * count)).for_each_init(
            || Workspace::new(&self.architecture),
            |workspace, ((prices, status), inputs)| self.part(workspace, inputs, prices, status),
        );
    }

    fn part(&self, workspace: &mut Workspace, inputs: &[f64], prices: &mut [f64], status: &mut [Status]) {
        #[cfg(target_arch = "x86_64")]
        match self.target {
            Target::Avx512 if Vnni::is_available() => {
                // SAFETY: as below, and of `avx512vnni` by the condition.
                return unsafe { part_vnni(self, workspace, inputs, prices, status) };
            }
            // SAFETY: `Target::best` and `on` found every feature that the function enables.
            Target::Avx512 => return unsafe { part_avx512(self, workspace, inputs, prices, status) },
            // SAFETY: as above.
            Target::Avx2 => return unsafe { part_avx2(self, workspace, inputs, prices, status) },
            Target::Baseline => {}
        }
        // AArch64 has a fused multiply-add in its baseline.
        if cfg!(target_arch = "aarch64") {
            self.blocks::<Fused, Loops>(workspace, inputs, prices, status);
        } else {
            self.blocks::<Plain, Loops>(workspace, inputs, prices, status);
        }
    }

    #[inline(always)]
    fn blocks<M: MultiplyAdd, D: Dot>(
        &self,
        workspace: &mut Workspace,
        inputs: &[f64],
        prices: &mut [f64],
        status: &mut [Status],
    ) {
        let count = self.architecture.features.model.input_names().len();
        let blocks = prices.chunks_mut(ROWS).zip(status.chunks_mut(ROWS));
        for ((prices, status), inputs) in blocks.zip(inputs.chunks(ROWS * count)) {
            let all_within = workspace.load(&self.domain, inputs, count);
            let mut found = [0.0; ROWS];
            self.block::<M, D>(workspace, &mut found);
            prices.copy_from_slice(&found[..prices.len()]);
            status.fill(Status::Ok);
            let finite = prices.iter().fold(true, |finite, price| finite & price.is_finite());
            if !(all_within && finite) {
                self.judge(inputs.chunks_exact(count), prices, status);
            }
        }
    }

    /// A status for each row of a block that has a bad one.
    #[cold]
    fn judge<'a>(&self, rows: impl Iterator<Item = &'a [f64]>, prices: &mut [f64], status: &mut [Status]) {
        for ((row, price), status) in rows.zip(prices).zip(status) {
            *status = self.domain.status(row);
            if status.is_ok() && !price.is_finite() {
                *status = Status::Overflow;
            }
            if !status.is_ok() {
                *price = f64::NAN;
            }
        }
    }

    #[inline(always)]
    fn block<M: MultiplyAdd, D: Dot>(&self, workspace: &mut Workspace, prices: &mut [f64; ROWS]) {
        let Workspace { shown, units: [given, made], words } = workspace;
        let Architecture { features, activation, output, .. } = &self.architecture;
        shown.features::<M>(features, given);
        for (layer, hidden) in self.hidden.iter().enumerate() {
            let after = (*activation, self.architecture.is_residual(layer));
            match hidden {
                Hidden::Float(dense) => dense.forward::<M>(given, made, after),
                Hidden::Integer(dense) => dense.forward::<M, D>(given, made, words, after),
            }
            std::mem::swap(given, made);
        }
        let last = self.last.last::<M>(given);
        shown.prices::<M>(*output, &last, prices);
    }
}

impl Workspace {
    fn new(architecture: &Architecture) -> Self {
        let widest = padded(architecture.width.max(architecture.features.kinds.len()));
        let columns = || vec![[0.0; ROWS]; widest];
        Self { shown: Shown::zeros(), units: [columns(), columns()], words: block_words(architecture.width) }
    }

    /// Takes a block's inputs apart into columns; whether all of them are within the domain. Past the block's end its last row is
    /// repeated.
    #[inline(always)]
    fn load(&mut self, domain: &Domain, inputs: &[f64], count: usize) -> bool {
        let mut all_within = true;
        let last = inputs.len() - count;
        for (j, (column, [least, most])) in self.shown.inputs.iter_mut().zip(domain.bounds()).enumerate() {
            let mut whole = [inputs[last + j]; ROWS];
            whole.iter_mut().zip(inputs.chunks_exact(count)).for_each(|(x, row)| *x = row[j]);
            for x in &whole {
                all_within &= (x >= least) & (x <= most);
            }
            column.iter_mut().zip(&whole).for_each(|(out, x)| *out = *x as f32);
            if j == 0 {
                self.shown.excess.iter_mut().zip(&whole).for_each(|(out, x)| *out = x - 1.0);
            }
        }
        all_within
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512vnni,avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn part_vnni(pricer: &Pricer, workspace: &mut Workspace, inputs: &[f64], prices: &mut [f64], status: &mut [Status]) {
    pricer.blocks::<Fused, Vnni>(workspace, inputs, prices, status);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
fn part_avx512(pricer: &Pricer, workspace: &mut Workspace, inputs: &[f64], prices: &mut [f64], status: &mut [Status]) {
    pricer.blocks::<Fused, Loops>(workspace, inputs, prices, status);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn part_avx2(pricer: &Pricer, workspace: &mut Workspace, inputs: &[f64], prices: &mut [f64], status: &mut [Status]) {
    pricer.blocks::<Fused, Loops>(workspace, inputs, prices, status);
}

#[cfg(test)]
mod tests;
