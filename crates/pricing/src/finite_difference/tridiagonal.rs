//! (1 − kL) V = b for a three-point operator: Thomas's algorithm in two directions, factored once for as long as k stands.
//!
//! Method    Elimination upwards and substitution downwards, or the other way round. With off-diagonal weights of L that are not negative
//!           every number added is not negative: nothing cancels and no pivoting is needed. Substituting with V_i = max(V_i, payoff)
//!           from the side that is exercised solves the complementarity problem exactly where that set is one-sided.
//! Source    M. J. Brennan and E. S. Schwartz (1977); P. Jaillet, D. Lamberton and B. Lapeyre, "Variational inequalities and the pricing of
//!           American options" (1990) for when it is right

use super::operator::Operator;

/// The side at which substitution starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum From {
    /// The lowest node: where puts are exercised.
    #[default]
    Low,
    /// The highest node: where calls are exercised.
    High,
}

/// The factors.
#[derive(Clone, Debug, Default)]
pub(super) struct Factors {
    /// Multiplies the eliminated neighbour.
    weight: Vec<f64>,
    /// One over the pivot.
    inverse: Vec<f64>,
    /// Multiplies the solved neighbour.
    back: Vec<f64>,
    from: From,
}

impl Factors {
    /// Factors 1 − kL + penalty, where `penalty(i)` is added to the diagonal.
    pub fn factor(&mut self, operator: &Operator, k: f64, from: From, penalty: impl Fn(usize) -> f64) {
        let n = operator.diagonal.len();
        for column in [&mut self.weight, &mut self.inverse, &mut self.back] {
            column.resize(n, 0.0);
        }
        self.from = from;
        let (mut before, mut link) = (0.0, 0.0);
        let mut one = |i: usize, towards: f64, away: f64| {
            let weight = k * towards * before;
            let inverse = 1.0 / (1.0 - k * operator.diagonal[i] + penalty(i) - weight * link);
            self.weight[i] = weight;
            self.inverse[i] = inverse;
            self.back[i] = k * away * inverse;
            (before, link) = (inverse, k * away);
        };
        match from {
            From::High => (0..n).for_each(|i| one(i, operator.lower[i], operator.upper[i])),
            From::Low => (0..n).rev().for_each(|i| one(i, operator.upper[i], operator.lower[i])),
        }
    }

    /// Solves in place: `values` holds b, then V. `least` is the payoff below which V may not fall, or nothing.
    pub fn solve(&self, values: &mut [f64], least: Option<&[f64]>) {
        let n = values.len();
        let (weight, inverse, back) = (&self.weight[..n], &self.inverse[..n], &self.back[..n]);
        match (self.from, least) {
            (From::High, None) => {
                eliminate_up(values, weight);
                let mut next = 0.0;
                for i in (0..n).rev() {
                    next = values[i] * inverse[i] + back[i] * next;
                    values[i] = next;
                }
            }
            (From::High, Some(least)) => {
                let least = &least[..n];
                eliminate_up(values, weight);
                let mut next = 0.0;
                for i in (0..n).rev() {
                    next = (values[i] * inverse[i] + back[i] * next).max(least[i]);
                    values[i] = next;
                }
            }
            (From::Low, None) => {
                eliminate_down(values, weight);
                let mut next = 0.0;
                for i in 0..n {
                    next = values[i] * inverse[i] + back[i] * next;
                    values[i] = next;
                }
            }
            (From::Low, Some(least)) => {
                let least = &least[..n];
                eliminate_down(values, weight);
                let mut next = 0.0;
                for i in 0..n {
                    next = (values[i] * inverse[i] + back[i] * next).max(least[i]);
                    values[i] = next;
                }
            }
        }
    }
}

fn eliminate_up(values: &mut [f64], weight: &[f64]) {
    let mut before = 0.0;
    for (value, weight) in values.iter_mut().zip(weight) {
        before = *value + weight * before;
        *value = before;
    }
}

fn eliminate_down(values: &mut [f64], weight: &[f64]) {
    let mut before = 0.0;
    for (value, weight) in values.iter_mut().zip(weight).rev() {
        before = *value + weight * before;
        *value = before;
    }
}
