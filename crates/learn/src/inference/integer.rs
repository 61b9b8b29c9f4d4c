//! A hidden layer in integers, over a block of rows: activations to bytes, byte dot products, sums back to f32 and through the activation.
//!
//! Method  an activation of 16 bits is two bytes, high and low, each with a dot product of its own; the sums are put together in i32, where
//!         256·high + low − zero_point·Σw is exact. What the rows hold is four activations a word, a word for every four units.

use super::dense::{Column, ROWS};
use super::dot::{Dot, Words};
use super::lanes::{MultiplyAdd, activate};
use crate::network::Activation;
use crate::quantisation::QuantisedLayer;

/// Units whose sums are made together.
const MADE: usize = 2;
/// Units given in a word.
const BYTES: usize = 4;
/// Added to a number, it rounds it to a whole one in the mantissa's last bits.
const ROUND: f32 = 12_582_912.0;

/// Words of a block: low bytes, high bytes.
pub(super) type BlockWords = [Vec<Words>; 2];

/// Room for what `units` activations are in words.
pub(super) fn block_words(units: usize) -> BlockWords {
    let words = || vec![[0; ROWS]; units.div_ceil(BYTES)];
    [words(), words()]
}

/// A layer, packed.
#[derive(Clone, Debug)]
pub(super) struct IntegerDense {
    /// By pair of units made, then by four units given: a word of weights for each of the pair.
    weights: Vec<[i32; MADE]>,
    /// Words that a row has.
    words: usize,
    /// zero_point·Σw, by pair.
    zero_sums: Vec<[i32; MADE]>,
    /// What a sum is multiplied by, by pair.
    scales: Vec<[f32; MADE]>,
    bias: Vec<[f32; MADE]>,
    /// Least and greatest activation.
    range: [f32; 2],
    inverse_scale: f32,
    zero_point: f32,
    two_terms: bool,
}

impl IntegerDense {
    /// Packs a layer.
    pub(super) fn new(layer: &QuantisedLayer) -> Self {
        let QuantisedLayer { inputs, units, activation, weights, weight_scales, bias, .. } = layer;
        let weight = |i: usize, j: usize| if i < *inputs && j < *units { weights[i * units + j] } else { 0 };
        let word = |i: usize, j: usize| {
            i32::from_le_bytes(std::array::from_fn(|byte| weight(i * BYTES + byte, j).to_le_bytes()[0]))
        };
        let (pairs, words) = (units.div_ceil(MADE), inputs.div_ceil(BYTES));
        let by_pair = |of: &dyn Fn(usize) -> f32| {
            let of = |j: usize| if j < *units { of(j) } else { 0.0 };
            (0..pairs).map(|pair| std::array::from_fn(|j| of(pair * MADE + j))).collect::<Vec<[f32; MADE]>>()
        };
        let zero_sum = |j: usize| {
            let sum = (0..*inputs).fold(0_i32, |sum, i| sum.wrapping_add(i32::from(weight(i, j))));
            sum.wrapping_mul(i32::from(activation.zero_point))
        };
        Self {
            weights: (0..pairs)
                .flat_map(|pair| (0..words).map(move |i| (pair, i)))
                .map(|(pair, i)| std::array::from_fn(|j| word(i, pair * MADE + j)))
                .collect(),
            words,
            zero_sums: (0..pairs).map(|pair| std::array::from_fn(|j| zero_sum(pair * MADE + j))).collect(),
            scales: by_pair(&|j| activation.scale * weight_scales[j]),
            bias: by_pair(&|j| bias[j]),
            range: [activation.dequantise(0), activation.dequantise(activation.most())],
            inverse_scale: 1.0 / activation.scale,
            zero_point: f32::from(activation.zero_point),
            two_terms: activation.bits > 8,
        }
    }

    /// Activations of every unit, plus what was given where `residual`.
    #[inline(always)]
    pub(super) fn forward<M: MultiplyAdd, D: Dot>(
        &self,
        given: &[Column],
        made: &mut [Column],
        words: &mut BlockWords,
        (activation, residual): (Activation, bool),
    ) {
        let [low, high] = words;
        let (low, high) = (&mut low[..self.words], &mut high[..self.words]);
        self.pack::<M>(given, low, high);
        let (pairs, _) = made.as_chunks_mut::<MADE>();
        let parts = pairs.iter_mut().zip(self.weights.chunks_exact(self.words));
        for (pair, (out, weights)) in parts.enumerate() {
            let mut sums = D::sums(low, weights);
            if self.two_terms {
                let high = D::sums(high, weights);
                for (low, high) in sums.as_flattened_mut().iter_mut().zip(high.as_flattened()) {
                    *low = low.wrapping_add(high.wrapping_shl(8));
                }
            }
            for (j, (out, sums)) in out.iter_mut().zip(&sums).enumerate() {
                let (zero, scale, bias) = (self.zero_sums[pair][j], self.scales[pair][j], self.bias[pair][j]);
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = M::of(sum.wrapping_sub(zero) as f32, scale, bias);
                }
            }
            activate::<M>(activation, out.as_flattened_mut());
            if residual {
                let (before, _) = given.as_chunks::<MADE>();
                let before = before[pair].as_flattened();
                out.as_flattened_mut().iter_mut().zip(before).for_each(|(out, before)| *out += before);
            }
        }
    }

    /// The activations' bytes: four columns into a column of words.
    #[inline(always)]
    fn pack<M: MultiplyAdd>(&self, given: &[Column], low: &mut [Words], high: &mut [Words]) {
        let (groups, _) = given.as_chunks::<BYTES>();
        let [least, most] = self.range;
        let shift = ROUND + self.zero_point;
        for ((columns, low), high) in groups.iter().zip(low).zip(high) {
            for row in 0..ROWS {
                let [a, b, c, d] = std::array::from_fn(|i| {
                    let within = columns[i][row].clamp(least, most);
                    M::of(within, self.inverse_scale, shift).to_bits().wrapping_sub(ROUND.to_bits())
                });
                low[row] = (a & 0xff) | (b & 0xff) << 8 | (c & 0xff) << 16 | (d & 0xff) << 24;
                if self.two_terms {
                    high[row] = (a >> 8) | (b & 0xff00) | (c & 0xff00) << 8 | (d & 0xff00) << 16;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dot::Loops;
    use super::super::lanes::Plain;
    use super::*;
    use crate::data::uniform;
    use crate::quantisation::ActivationScale;

    /// The formulae of `quantisation::layer`, row by row in f64, for every width and both numbers of bits.
    #[test]
    fn a_layer_is_its_formula() {
        for (bits, inputs, units) in [(8, 1, 1), (8, 9, 5), (16, 9, 5), (8, 64, 64), (16, 64, 64), (16, 30, 7)] {
            let number = |i: usize| uniform(inputs as u64, i as u64) as f32;
            let activation = ActivationScale::over(bits, -0.3, 4.0);
            let layer = QuantisedLayer {
                layer: 1,
                inputs,
                units,
                activation,
                weights: (0..inputs * units).map(|i| (number(i) * 254.0 - 127.0).round() as i8).collect(),
                weight_scales: (0..units).map(|i| 0.001 + 0.01 * number(i + 7)).collect(),
                bias: (0..units).map(|i| number(i + 99) - 0.5).collect(),
            };
            let given: Vec<Column> = (0..inputs.next_multiple_of(8))
                .map(|i| std::array::from_fn(|row| 5.5 * number(1000 + i * ROWS + row) - 0.6))
                .collect();
            let mut made = vec![[0.0; ROWS]; units.next_multiple_of(8)];
            let mut words = block_words(inputs);
            let dense = IntegerDense::new(&layer);
            dense.forward::<Plain, Loops>(&given, &mut made, &mut words, (Activation::Softplus, false));
            for row in 0..ROWS {
                for (j, made) in made.iter().take(units).enumerate() {
                    let sum: f64 = (0..inputs)
                        .map(|i| {
                            let q = i32::from(activation.quantise(given[i][row])) - i32::from(activation.zero_point);
                            f64::from(q) * f64::from(layer.weights[i * units + j])
                        })
                        .sum();
                    let scale = f64::from(activation.scale) * f64::from(layer.weight_scales[j]);
                    let wanted = Activation::Softplus.twin(scale * sum + f64::from(layer.bias[j]))[0];
                    // A step more or less of one activation, where rounding is on the edge.
                    let step = scale * 127.0;
                    let error = (f64::from(made[row]) - wanted).abs();
                    assert!(error < 3e-6 + 1.01 * step, "{bits} {inputs} {units}: {error:e}");
                    if bits == 16 {
                        assert!(error < 2e-5, "{inputs} {units}: {error:e}");
                    }
                }
            }
        }
    }
}
