//! From the network's last number to a price whose terminal and boundary values are exact, with its derivatives; and back.
//!
//! Formula   k = ln(F/K), C and P undiscounted call and put, h = sinh(k/2): D = C/√(FK) − h = √(h² + Y) with Y = CP/(FK), since
//!           C − P = F − K. The network's number n gives Y = 1/(1 + e^(−q)), q = n + E(x) + 2 ln s, so that Y → 0 as the deviation s → 0
//!           (the payoff), Y → 0 as x = k/s → ±∞ (E falls like −|x|), and 0 < Y < 1 (intrinsic < C < F). D obeys the pricing equation,
//!           linear as it is, because h does. No price and no solution of an equation is in it.

use super::jets::{MOST_PARTS, Order};

/// A jet, in the order's places.
pub type Jet = [f64; MOST_PARTS];

/// What one point gives to the ansatz and the equation, whatever the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fixed {
    /// E(x) + 2 ln s
    pub envelope: Jet,
    /// sinh(k/2)
    pub h: Jet,
    /// The equation's residual is the sum of these times the jet of D.
    pub equation: Jet,
}

/// E(x) = −β(√(1 + x²) − 1) with two derivatives.
pub fn envelope(x: f64, decay: f64) -> [f64; 3] {
    let root = (1.0 + x * x).sqrt();
    [-decay * (root - 1.0), -decay * x / root, -decay / (root * root * root)]
}

struct Steps {
    q: Jet,
    y: f64,
    d: Jet,
}

fn steps(order: Order, fixed: &Fixed, last: &Jet) -> Steps {
    let q: Jet = std::array::from_fn(|i| last[i] + fixed.envelope[i]);
    let y = 1.0 / (1.0 + (-q[0]).exp());
    let slope = y * (1.0 - y);
    let h = &fixed.h;
    let mut d = [0.0; MOST_PARTS];
    d[0] = (h[0] * h[0] + y).sqrt();
    let half = 0.5 / d[0];
    for i in 1..=order.first {
        d[i] = half * (2.0 * h[0] * h[i] + slope * q[i]);
    }
    for (place, [i, j]) in order.pairs() {
        let z = 2.0 * (h[i] * h[j] + h[0] * h[place]) + slope * (q[place] + (1.0 - 2.0 * y) * q[i] * q[j]);
        d[place] = (0.5 * z - d[i] * d[j]) / d[0];
    }
    Steps { q, y, d }
}

/// The jet of D.
pub fn value(order: Order, fixed: &Fixed, last: &Jet) -> Jet {
    steps(order, fixed, last).d
}

/// The equation's residual, and its derivatives by the network's jet.
pub fn residual(order: Order, fixed: &Fixed, last: &Jet) -> (f64, Jet) {
    let Steps { q, y, d } = steps(order, fixed, last);
    let residual = fixed.equation.iter().zip(&d).map(|(c, d)| c * d).sum();
    let mut by_d = fixed.equation;
    let mut by_q = [0.0; MOST_PARTS];
    // s′, s″, s‴ of the logistic function.
    let first = y * (1.0 - y);
    let second = first * (1.0 - 2.0 * y);
    let third = first * (1.0 - 6.0 * first);
    let inverse = 1.0 / d[0];
    for (place, [i, j]) in order.pairs() {
        let g = by_d[place] * inverse;
        let by_z = 0.5 * g;
        by_d[i] -= g * d[j];
        by_d[j] -= g * d[i];
        by_d[0] -= g * d[place];
        by_q[place] += first * by_z;
        by_q[i] += second * q[j] * by_z;
        by_q[j] += second * q[i] * by_z;
        by_q[0] += (second * q[place] + third * q[i] * q[j]) * by_z;
    }
    for i in 1..=order.first {
        let by_z = 0.5 * by_d[i] * inverse;
        by_d[0] -= by_d[i] * d[i] * inverse;
        by_q[i] += first * by_z;
        by_q[0] += second * q[i] * by_z;
    }
    by_q[0] += 0.5 * by_d[0] * inverse * first;
    (residual, by_q)
}
