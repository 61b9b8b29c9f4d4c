//! A network of two hidden layers, with the derivatives by its inputs and its parameters that training wants.

#![allow(clippy::needless_range_loop, reason = "matrix code reads as its formulae do with indices")]

use crate::surface::jet::Jet;

/// Units of each hidden layer.
pub(super) const UNITS: usize = 16;
/// Places of the parameters: weights and biases of the first layer, of the second, of the output.
const FIRST_BIAS: usize = 2 * UNITS;
const SECOND: usize = FIRST_BIAS + UNITS;
const SECOND_BIAS: usize = SECOND + UNITS * UNITS;
const LAST: usize = SECOND_BIAS + UNITS;
const LAST_BIAS: usize = LAST + UNITS;
/// How many parameters there are.
pub(super) const PARAMETERS: usize = LAST_BIAS + 1;

/// A value, its derivatives by the first input and by the second, and its second derivative by the first.
pub(super) type Parts = [f64; 4];

/// f(x₀, x₁) = c + Σ vᵢ tanh(bᵢ + Σ wᵢⱼ tanh(aⱼ + uⱼ·x)).
#[derive(Clone, Copy)]
pub(super) struct Network<'a>(pub(super) &'a [f64]);

/// What a pass forward leaves for the pass back.
pub(super) struct Tape {
    inputs: [f64; 2],
    before: [[Parts; UNITS]; 2],
    after: [[Parts; UNITS]; 2],
    /// The network's value and derivatives.
    pub(super) output: Parts,
}

/// tanh and its first three derivatives.
fn hyperbolic(x: f64) -> [f64; 4] {
    let t = x.tanh();
    let first = 1.0 - t * t;
    [t, first, -2.0 * t * first, -2.0 * first * (1.0 - 3.0 * t * t)]
}

impl Network<'_> {
    /// Parameters to start from: uniform, of the variance that keeps a layer's output as large as its input (Glorot and Bengio 2010), the
    /// output zero. The same each time.
    pub(super) fn start() -> Vec<f64> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
        };
        let mut parameters = vec![0.0; PARAMETERS];
        let bound = |inputs: usize| (6.0 / (inputs + UNITS) as f64).sqrt();
        parameters[..FIRST_BIAS].iter_mut().for_each(|p| *p = 2.0 * bound(2) * uniform());
        parameters[FIRST_BIAS..SECOND].iter_mut().for_each(|p| *p = uniform());
        parameters[SECOND..SECOND_BIAS].iter_mut().for_each(|p| *p = bound(UNITS) * uniform());
        parameters[LAST..LAST_BIAS].iter_mut().for_each(|p| *p = 0.01 * uniform());
        parameters
    }

    /// The network's series where those of its inputs are `x`.
    pub(super) fn series(&self, x: [Jet; 2]) -> Jet {
        let p = self.0;
        let bent = |z: Jet| z.compose(hyperbolic(z.value()));
        let first: [Jet; UNITS] =
            std::array::from_fn(|j| bent(x[0] * p[2 * j] + x[1] * p[2 * j + 1] + Jet::constant(p[FIRST_BIAS + j])));
        let mut output = Jet::constant(p[LAST_BIAS]);
        for i in 0..UNITS {
            let mut z = Jet::constant(p[SECOND_BIAS + i]);
            for j in 0..UNITS {
                z = z + first[j] * p[SECOND + UNITS * i + j];
            }
            output = output + bent(z) * p[LAST + i];
        }
        output
    }

    /// The value and the derivatives at `inputs`.
    pub(super) fn forward(&self, inputs: [f64; 2]) -> Tape {
        let p = self.0;
        let mut tape = Tape { inputs, before: [[[0.0; 4]; UNITS]; 2], after: [[[0.0; 4]; UNITS]; 2], output: [0.0; 4] };
        for j in 0..UNITS {
            let (u, v) = (p[2 * j], p[2 * j + 1]);
            tape.before[0][j] = [p[FIRST_BIAS + j] + u * inputs[0] + v * inputs[1], u, v, 0.0];
            tape.after[0][j] = bent(tape.before[0][j]);
        }
        tape.output[0] = p[LAST_BIAS];
        for i in 0..UNITS {
            let mut z = [p[SECOND_BIAS + i], 0.0, 0.0, 0.0];
            for j in 0..UNITS {
                for part in 0..4 {
                    z[part] += p[SECOND + UNITS * i + j] * tape.after[0][j][part];
                }
            }
            tape.before[1][i] = z;
            tape.after[1][i] = bent(z);
            for part in 0..4 {
                tape.output[part] += p[LAST + i] * tape.after[1][i][part];
            }
        }
        tape
    }

    /// The gradient by the parameters of Σ seed·output.
    pub(super) fn gradient(&self, tape: &Tape, seed: Parts) -> Vec<f64> {
        let p = self.0;
        let mut gradient = vec![0.0; PARAMETERS];
        gradient[LAST_BIAS] = seed[0];
        let mut below = [[0.0; 4]; UNITS];
        for i in 0..UNITS {
            gradient[LAST + i] = (0..4).map(|part| seed[part] * tape.after[1][i][part]).sum();
            let back = unbent(tape.before[1][i], seed.map(|s| s * p[LAST + i]));
            gradient[SECOND_BIAS + i] = back[0];
            for j in 0..UNITS {
                let place = SECOND + UNITS * i + j;
                for part in 0..4 {
                    gradient[place] += back[part] * tape.after[0][j][part];
                    below[j][part] += back[part] * p[place];
                }
            }
        }
        for j in 0..UNITS {
            let back = unbent(tape.before[0][j], below[j]);
            gradient[FIRST_BIAS + j] = back[0];
            gradient[2 * j] = back[0] * tape.inputs[0] + back[1];
            gradient[2 * j + 1] = back[0] * tape.inputs[1] + back[2];
        }
        gradient
    }
}

/// tanh of z.
fn bent(z: Parts) -> Parts {
    let [t, t1, t2, _] = hyperbolic(z[0]);
    [t, t1 * z[1], t1 * z[2], t2 * z[1] * z[1] + t1 * z[3]]
}

/// The gradient by z of Σ seed·tanh(z).
fn unbent(z: Parts, seed: Parts) -> Parts {
    let [_, t1, t2, t3] = hyperbolic(z[0]);
    [
        seed[0] * t1 + t2 * (seed[1] * z[1] + seed[2] * z[2] + seed[3] * z[3]) + seed[3] * t3 * z[1] * z[1],
        seed[1] * t1 + 2.0 * seed[3] * t2 * z[1],
        seed[2] * t1,
        seed[3] * t1,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<f64> {
        let mut parameters = Network::start();
        parameters[LAST..].iter_mut().enumerate().for_each(|(i, p)| *p = (i as f64).sin());
        parameters
    }

    #[test]
    fn the_parts_are_those_of_the_series() {
        let parameters = parameters();
        let network = Network(&parameters);
        let series = network.series([Jet::affine(0.4, 1.0, 0.0), Jet::affine(-0.7, 0.0, 1.0)]);
        let expected = [series.value(), series.partial(1, 0), series.partial(0, 1), series.partial(2, 0)];
        for (ours, theirs) in network.forward([0.4, -0.7]).output.into_iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-13, "{ours} {theirs}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_parts() {
        let parameters = parameters();
        let seed = [0.3, -1.1, 0.6, 0.25];
        let sum = |parameters: &[f64]| {
            let output = Network(parameters).forward([0.4, -0.7]).output;
            output.iter().zip(seed).map(|(part, seed)| part * seed).sum::<f64>()
        };
        let network = Network(&parameters);
        let gradient = network.gradient(&network.forward([0.4, -0.7]), seed);
        for i in 0..PARAMETERS {
            const H: f64 = 1e-6;
            let [low, high] = [-H, H].map(|h| {
                let mut moved = parameters.clone();
                moved[i] += h;
                sum(&moved)
            });
            let numeric = (high - low) / (2.0 * H);
            assert!((gradient[i] - numeric).abs() < 1e-7, "{i}: {} {numeric}", gradient[i]);
        }
    }
}
