//! Dense layers over a block of rows: a column of [`ROWS`] numbers for every unit, weights packed for the sweep.
//!
//! Method  a sweep takes eight given columns and two columns of sums: sixteen weights stay in registers while the rows run by, so that
//!         ten loads and two stores serve sixteen multiply-adds. Sums, bias and activation of two units are done before the next two.

use super::lanes::{MultiplyAdd, activate};
use crate::network::Activation;

/// Rows of a block: four vectors of 512 bits.
pub(super) const ROWS: usize = 64;
/// A unit's numbers of a block.
pub(super) type Column = [f32; ROWS];

/// Columns that a sweep takes.
const GIVEN: usize = 8;
/// Columns of sums that a sweep makes.
const MADE: usize = 2;

/// A layer of `given` units into `made`, both filled up with zeros to whole sweeps.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// By pair of units made, then by eight units given: the weights of the first unit, then of the second.
    weights: Vec<[[f32; GIVEN]; MADE]>,
    bias: Vec<f32>,
    given: usize,
}

/// Columns that room is made for.
pub(super) fn padded(units: usize) -> usize {
    units.next_multiple_of(GIVEN)
}

impl Dense {
    /// Of weights given × made, row-major, as the network's layout keeps them.
    pub(super) fn new(weights: &[f32], bias: &[f32]) -> Self {
        let (made, given) = (bias.len(), weights.len() / bias.len());
        let at = |i: usize, j: usize| if i < given && j < made { weights[i * made + j] } else { 0.0 };
        let packed = (0..made.div_ceil(MADE)).flat_map(|pair| {
            (0..padded(given) / GIVEN).map(move |group| {
                std::array::from_fn(|j| std::array::from_fn(|i| at(group * GIVEN + i, pair * MADE + j)))
            })
        });
        let mut bias = bias.to_vec();
        bias.resize(made.next_multiple_of(MADE), 0.0);
        Self { weights: packed.collect(), bias, given: padded(given) }
    }

    /// Activations of every unit, plus what was given where `residual`.
    #[inline(always)]
    pub(super) fn forward<M: MultiplyAdd>(
        &self,
        given: &[Column],
        made: &mut [Column],
        (activation, residual): (Activation, bool),
    ) {
        let (pairs, _) = made.as_chunks_mut::<MADE>();
        let groups = self.given / GIVEN;
        let (biases, _) = self.bias.as_chunks::<MADE>();
        let parts = pairs.iter_mut().zip(biases).zip(self.weights.chunks_exact(groups));
        for (pair, ((sums, bias), weights)) in parts.enumerate() {
            sweep::<M>(given, sums, bias, weights);
            activate::<M>(activation, sums.as_flattened_mut());
            if residual {
                let (before, _) = given.as_chunks::<MADE>();
                let before = before[pair].as_flattened();
                sums.as_flattened_mut().iter_mut().zip(before).for_each(|(sum, before)| *sum += before);
            }
        }
    }

    /// The first unit's sums alone, without an activation.
    #[inline(always)]
    pub(super) fn last<M: MultiplyAdd>(&self, given: &[Column]) -> Column {
        let mut sums = [[0.0; ROWS]; MADE];
        let bias = [self.bias[0], 0.0];
        sweep::<M>(given, &mut sums, &bias, &self.weights[..self.given / GIVEN]);
        sums[0]
    }
}

/// The sums of two units.
#[inline(always)]
fn sweep<M: MultiplyAdd>(
    given: &[Column],
    sums: &mut [Column; MADE],
    bias: &[f32; MADE],
    weights: &[[[f32; GIVEN]; MADE]],
) {
    let [first, second] = sums;
    *first = [bias[0]; ROWS];
    *second = [bias[1]; ROWS];
    let (groups, _) = given.as_chunks::<GIVEN>();
    for (columns, [by_first, by_second]) in groups.iter().zip(weights) {
        for row in 0..ROWS {
            let (mut a, mut b) = (first[row], second[row]);
            for ((column, by_first), by_second) in columns.iter().zip(by_first).zip(by_second) {
                a = M::of(*by_first, column[row], a);
                b = M::of(*by_second, column[row], b);
            }
            (first[row], second[row]) = (a, b);
        }
    }
}
