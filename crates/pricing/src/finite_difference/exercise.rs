//! One implicit step with the right to exercise: (1 − kL)V ≥ b, V ≥ payoff, one of them with equality at every node.
//!
//! Method    Brennan–Schwartz by substitution (tridiagonal.rs), or a penalty ρ on every node below the payoff: Newton's method on the
//!           piecewise linear system, which ends when the penalised set, or the values, stand still.
//! Source    P. A. Forsyth and K. R. Vetzal (2002), "Quadratic convergence for valuing American options using a penalty method"

use super::operator::Operator;
use super::tridiagonal::{Factors, From};

/// The value falls short of the payoff by no more than the step's residual over this.
const PENALTY: f64 = 1e7;
const MOST_ITERATIONS: usize = 100;
/// The iteration also ends where values move by no more than this: where exercising and waiting are all but equally good over a whole
/// region, rounding keeps the set in motion.
const STILL: f64 = 1e-8;

/// Scratch of the penalty iteration.
#[derive(Clone, Debug, Default)]
pub(super) struct Penalty {
    factors: Factors,
    right: Vec<f64>,
    before: Vec<f64>,
    active: Vec<bool>,
}

impl Penalty {
    /// Solves in place: `values` holds b, then V. False where the exercised set did not stand still.
    pub fn solve(&mut self, operator: &Operator, k: f64, from: From, values: &mut [f64], payoff: &[f64]) -> bool {
        let n = values.len();
        self.right.clear();
        self.right.extend_from_slice(values);
        self.active.resize(n, false);
        // The ends keep the values that they are given.
        (self.active[0], self.active[n - 1]) = (false, false);
        self.before.clear();
        self.before.resize(n, f64::INFINITY);
        for _ in 0..MOST_ITERATIONS {
            let active = &self.active;
            self.factors.factor(operator, k, from, |i| if active[i] { PENALTY } else { 0.0 });
            for i in 0..n {
                values[i] = self.right[i] + if self.active[i] { PENALTY * payoff[i] } else { 0.0 };
            }
            self.factors.solve(values, None);
            let (mut changed, mut moved) = (false, false);
            for i in 1..n - 1 {
                let below = values[i] < payoff[i];
                changed |= below != self.active[i];
                moved |= (values[i] - self.before[i]).abs() > STILL * values[i].abs().max(1.0);
                self.active[i] = below;
            }
            self.before.copy_from_slice(values);
            if !(changed && moved) {
                values.iter_mut().zip(payoff).for_each(|(v, p)| *v = v.max(*p));
                return true;
            }
        }
        false
    }
}
