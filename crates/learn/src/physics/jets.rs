//! A network's value with first and second derivatives along chosen directions, by forward Taylor jets, and the gradient of any function of
//! them by the parameters, by a reverse pass through the jets. All in f64.
//!
//! Method  A jet holds a value u, its first derivatives u_i along directions i, and second derivatives u_ij of chosen pairs. Layers act on
//!         all parts alike, z = W a (+ b for the value), and an activation takes z to f(z), f′z_i, f″z_i z_j + f′z_ij. The adjoints run
//!         back by the same rules turned round, which need f‴. One matrix product of a layer forward and two back take all parts of a
//!         block of points together.

use super::activation::derivatives;
use crate::network::Activation;
use crate::network::gemm::{Matrix, product};

/// Points of a block, whose numbers stay in the cache.
pub const BLOCK: usize = 64;
/// Most parts of a jet.
pub const MOST_PARTS: usize = 7;

/// Which derivatives a jet holds: directions 0 to `first`, then these pairs of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Directions.
    pub first: usize,
    /// Pairs of second derivatives.
    pub second: &'static [[usize; 2]],
}

impl Order {
    /// Numbers of a jet: the value, the first derivatives, the second.
    pub fn parts(&self) -> usize {
        1 + self.first + self.second.len()
    }

    /// The pairs with their places in a jet.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, [usize; 2])> + '_ {
        self.second.iter().enumerate().map(|(n, pair)| (1 + self.first + n, pair.map(|i| 1 + i)))
    }
}

/// A network of hidden layers of one width and one last number. Its parameters are one vector: of each layer the weights, units × inputs
/// column after column, and the biases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    /// Numbers it is shown.
    pub features: usize,
    /// Units of a hidden layer.
    pub width: usize,
    /// Hidden layers; 1 or more.
    pub depth: usize,
    /// The nonlinearity.
    pub activation: Activation,
}

impl Network {
    /// Numbers that a layer is given; the last layer is number `depth`.
    pub(crate) fn inputs(&self, layer: usize) -> usize {
        if layer == 0 { self.features } else { self.width }
    }

    /// Numbers that a layer makes.
    pub(crate) fn units(&self, layer: usize) -> usize {
        if layer == self.depth { 1 } else { self.width }
    }

    /// Where a layer's weights begin, and its biases.
    pub(crate) fn places(&self, layer: usize) -> [usize; 2] {
        let begin = (0..layer).map(|l| self.units(l) * (self.inputs(l) + 1)).sum::<usize>();
        [begin, begin + self.units(layer) * self.inputs(layer)]
    }

    /// How many there are.
    pub fn parameters(&self) -> usize {
        let [_, bias] = self.places(self.depth);
        bias + 1
    }

    /// The network, in a line.
    pub fn describe(&self) -> String {
        let Self { features, width, depth, activation } = self;
        let parameters = self.parameters();
        format!("{features} features, {depth} × {width} {}, {parameters} parameters, f64", activation.as_str())
    }

    fn weights<'a>(&self, layer: usize, parameters: &'a [f64]) -> Matrix<'a, f64> {
        let [begin, end] = self.places(layer);
        Matrix::new(&parameters[begin..end], self.units(layer), self.inputs(layer))
    }

    /// First parameters: weights even within what keeps the size of a layer's numbers, biases small, so that units bend at different
    /// places. `uniform` gives numbers from 0 to 1 by their index.
    pub fn first_parameters(&self, uniform: impl Fn(u64) -> f64) -> Vec<f64> {
        let mut parameters = vec![0.0; self.parameters()];
        for layer in 0..=self.depth {
            let [begin, end] = self.places(layer);
            let gain = if layer == self.depth { 0.1 } else { self.activation.gain() };
            let most = (3.0 * gain / self.inputs(layer) as f64).sqrt();
            for (i, weight) in parameters.iter_mut().enumerate().take(end).skip(begin) {
                *weight = most * (2.0 * uniform(i as u64) - 1.0);
            }
            if layer < self.depth {
                for (i, bias) in parameters.iter_mut().enumerate().skip(end).take(self.width) {
                    *bias = 2.0 * uniform(i as u64) - 1.0;
                }
            }
        }
        parameters
    }
}

/// What a hidden layer leaves for the way back: parts × points × units each, the derivatives of f points × units.
struct Layer {
    sums: Vec<f64>,
    activations: Vec<f64>,
    slopes: [Vec<f64>; 3],
}

/// Buffers of one thread for blocks of at most [`BLOCK`] points.
pub struct Workspace {
    network: Network,
    order: Order,
    layers: Vec<Layer>,
    adjoints: [Vec<f64>; 2],
    last: Vec<f64>,
}

impl Workspace {
    /// Of a network and what is wanted of it.
    pub fn new(network: Network, order: Order) -> Self {
        let values = network.width * BLOCK;
        let all = values * order.parts();
        let layer = |_| Layer {
            sums: vec![0.0; all],
            activations: vec![0.0; all],
            slopes: [(); 3].map(|()| vec![0.0; values]),
        };
        Self {
            layers: (0..network.depth).map(layer).collect(),
            adjoints: [vec![0.0; all], vec![0.0; all]],
            last: vec![0.0; BLOCK * order.parts()],
            network,
            order,
        }
    }

    /// Jets of the last number at `points` points whose features' jets stand in `features`, parts × points × features; parts × points.
    pub fn forward(&mut self, parameters: &[f64], features: &[f64], points: usize) -> &[f64] {
        let Self { network, order, layers, last, .. } = self;
        let columns = points * order.parts();
        let (width, used) = (network.width, network.width * points);
        for l in 0..network.depth {
            let (before, here) = layers.split_at_mut(l);
            let Layer { sums, activations, slopes } = &mut here[0];
            let given = before.last().map_or(features, |layer| &layer.activations);
            let sums = &mut sums[..width * columns];
            product(sums, false, network.weights(l, parameters), Matrix::new(given, network.inputs(l), columns));
            let bias = network.places(l)[1];
            for column in sums[..used].chunks_exact_mut(width) {
                column.iter_mut().zip(&parameters[bias..bias + width]).for_each(|(sum, bias)| *sum += bias);
            }
            let (value, rest) = activations.split_at_mut(used);
            let [first, second, third] = slopes;
            let slopes = [&mut first[..used], &mut second[..used], &mut third[..used]];
            let [first, second, third] = slopes;
            derivatives(network.activation, &sums[..used], [value, first, second, third]);
            let part = |i: usize| &sums[i * used..(i + 1) * used];
            for i in 1..=order.first {
                let out = &mut rest[(i - 1) * used..i * used];
                for ((out, f), z) in out.iter_mut().zip(&*first).zip(part(i)) {
                    *out = f * z;
                }
            }
            for (place, [i, j]) in order.pairs() {
                let out = &mut rest[(place - 1) * used..place * used];
                let slopes = first.iter().zip(&*second);
                for ((out, (f, g)), (z, (zi, zj))) in
                    out.iter_mut().zip(slopes).zip(part(place).iter().zip(part(i).iter().zip(part(j))))
                {
                    *out = g * zi * zj + f * z;
                }
            }
        }
        let given = &layers[network.depth - 1].activations;
        product(last, false, network.weights(network.depth, parameters), Matrix::new(given, width, columns));
        let bias = parameters[network.places(network.depth)[1]];
        last[..points].iter_mut().for_each(|value| *value += bias);
        &self.last[..columns]
    }

    /// Adds to `gradient` what the adjoints of the last number's jets (parts × points) say of the parameters, after [`Self::forward`] of
    /// the same points.
    pub fn backward(
        &mut self,
        parameters: &[f64],
        (features, points): (&[f64], usize),
        by_last: &[f64],
        gradient: &mut [f64],
    ) {
        let Self { network, order, layers, adjoints: [by_activations, by_sums], .. } = self;
        let columns = points * order.parts();
        let (width, used) = (network.width, network.width * points);
        let by_last_matrix = Matrix::new(by_last, 1, columns);
        let [begin, bias] = network.places(network.depth);
        let given = Matrix::new(&layers[network.depth - 1].activations, width, columns);
        product(&mut gradient[begin..bias], true, by_last_matrix, given.transposed());
        gradient[bias] += by_last[..points].iter().sum::<f64>();
        product(by_activations, false, network.weights(network.depth, parameters).transposed(), by_last_matrix);
        for l in (0..network.depth).rev() {
            let (before, here) = layers.split_at_mut(l);
            let Layer { sums, slopes: [first, second, third], .. } = &here[0];
            let part = |i: usize| &sums[i * used..(i + 1) * used];
            {
                // f′ times the adjoint, of every part.
                let each = by_sums.chunks_exact_mut(used).zip(by_activations.chunks_exact(used)).take(order.parts());
                for (out, by) in each {
                    out.iter_mut().zip(by).zip(&first[..used]).for_each(|((out, by), f)| *out = by * f);
                }
                let (value, rest) = by_sums.split_at_mut(used);
                for i in 1..=order.first {
                    let by = &by_activations[i * used..(i + 1) * used];
                    for ((out, by), (g, z)) in value.iter_mut().zip(by).zip(second.iter().zip(part(i))) {
                        *out += g * z * by;
                    }
                }
                for (place, [i, j]) in order.pairs() {
                    let by = &by_activations[place * used..(place + 1) * used];
                    let curves = second.iter().zip(third);
                    let z = part(place).iter().zip(part(i).iter().zip(part(j)));
                    for ((out, by), ((g, h), (z, (zi, zj)))) in value.iter_mut().zip(by).zip(curves.zip(z)) {
                        *out += (h * zi * zj + g * z) * by;
                    }
                    for (to, other) in [(i, j), (j, i)] {
                        let out = &mut rest[(to - 1) * used..to * used];
                        for ((out, by), (g, z)) in out.iter_mut().zip(by).zip(second.iter().zip(part(other))) {
                            *out += g * z * by;
                        }
                    }
                }
            }
            let by_sums_matrix = Matrix::new(&by_sums[..width * columns], width, columns);
            let [begin, bias] = network.places(l);
            let given = before.last().map_or(features, |layer| &layer.activations);
            let given = Matrix::new(given, network.inputs(l), columns);
            product(&mut gradient[begin..bias], true, by_sums_matrix, given.transposed());
            for column in by_sums[..used].chunks_exact(width) {
                gradient[bias..bias + width].iter_mut().zip(column).for_each(|(sum, by)| *sum += by);
            }
            if l > 0 {
                product(by_activations, false, network.weights(l, parameters).transposed(), by_sums_matrix);
            }
        }
    }
}
