//! The functions of a path's state on which the value of holding is regressed.

use super::{Basis, Exercise};
use crate::monte_carlo::{Assets, AssetsPayoff, Index};

/// The variables of a state besides the index.
#[derive(Clone, Debug)]
enum Others {
    None,
    /// The second state is the variance.
    Variance,
    /// Each asset's spot by its spot now.
    Each(Vec<f64>),
    /// The assets in their order of size, from the one that the index is: largest first where true.
    Sorted(bool),
}

/// The functions of a state.
#[derive(Clone, Debug)]
pub(super) struct Features {
    basis: Basis,
    degree: usize,
    strike: f64,
    /// Of several assets.
    index: Option<Index>,
    others: Others,
    /// How many functions.
    pub count: usize,
}

impl Features {
    /// Of one asset: spot, and variance where it is stochastic.
    pub(super) fn one(exercise: &Exercise, strike: f64, stochastic: bool) -> Self {
        let Exercise { basis, degree, .. } = *exercise;
        let others = if stochastic { Others::Variance } else { Others::None };
        Self { basis, degree, strike, index: None, others, count: 1 + degree + if stochastic { 3 } else { 0 } }
    }

    /// Of several.
    pub(super) fn many(exercise: &Exercise, payoff: &AssetsPayoff, assets: &Assets) -> Self {
        let Exercise { basis, degree, .. } = *exercise;
        let n = assets.count();
        let others = match payoff.index {
            Index::Basket(_) | Index::Geometric(_) => Others::Each(assets.spots().to_vec()),
            Index::BestOf => Others::Sorted(true),
            Index::WorstOf => Others::Sorted(false),
        };
        let count = 1 + degree + 2 * n + n - 1;
        Self { basis, degree, strike: payoff.strike, index: Some(payoff.index.clone()), others, count }
    }

    /// Writes the functions of a state; sorts the state where their order is by size.
    pub(super) fn write(&self, state: &mut [f64], out: &mut [f64]) {
        let moneyness = self.index.as_ref().map_or(state[0], |index| index.of(state)) / self.strike;
        let y = moneyness - 1.0;
        out[0] = 1.0;
        let (own, rest) = out[1..].split_at_mut(self.degree);
        match self.basis {
            Basis::Monomials => {
                let mut power = 1.0;
                for own in own {
                    power *= y;
                    *own = power;
                }
            }
            Basis::Laguerre => laguerre(moneyness, own),
        }
        match &self.others {
            Others::None => {}
            Others::Variance => rest.copy_from_slice(&[state[1], state[1] * state[1], state[1] * y]),
            Others::Each(spots) => {
                state.iter_mut().zip(spots).for_each(|(state, spot)| *state = *state / spot - 1.0);
                squares_and_products(state, rest);
            }
            Others::Sorted(largest) => {
                state.sort_unstable_by(|a, b| if *largest { b.total_cmp(a) } else { a.total_cmp(b) });
                state.iter_mut().for_each(|state| *state = *state / self.strike - 1.0);
                squares_and_products(state, rest);
            }
        }
    }
}

/// Each variable, its square, and the products of neighbours.
fn squares_and_products(y: &[f64], out: &mut [f64]) {
    let n = y.len();
    for i in 0..n {
        out[i] = y[i];
        out[n + i] = y[i] * y[i];
    }
    for (out, pair) in out[2 * n..].iter_mut().zip(y.windows(2)) {
        *out = pair[0] * pair[1];
    }
}

/// e^(−x/2) L_k(x), k from 0.
fn laguerre(x: f64, out: &mut [f64]) {
    let weight = (-0.5 * x).exp();
    let (mut before, mut now) = (0.0, 1.0);
    for (k, out) in out.iter_mut().enumerate() {
        *out = weight * now;
        let k = k as f64;
        (before, now) = (now, ((2.0 * k + 1.0 - x) * now - k * before) / (k + 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laguerre_functions_are_those_of_the_paper() {
        let x = 0.7f64;
        let mut out = [0.0; 4];
        laguerre(x, &mut out);
        let weight = (-x / 2.0).exp();
        let wanted = [1.0, 1.0 - x, 1.0 - 2.0 * x + x * x / 2.0, 1.0 - 3.0 * x + 1.5 * x * x - x * x * x / 6.0];
        for (got, wanted) in out.iter().zip(wanted) {
            assert!((got - weight * wanted).abs() <= 1e-15);
        }
    }
}
