//! The Black–Scholes operator on a grid.
//!
//! Formula   L V = ½σ²S² V_SS + (r − q)S V_S − r V, three points a node; V_τ = L V with τ the time left
//! Method    Central differences, second order on a smooth grid; where they would make a weight negative (cell Péclet number
//!           |r − q| h/(σ² S) above 1) the drift is differenced upwind, so that backward Euler is monotone.
//! Source    P. A. Forsyth and K. R. Vetzal, "Quadratic convergence for valuing American options using a penalty method" (2002), section 3

/// Weights of the neighbours and of the node itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    pub lower: Vec<f64>,
    pub diagonal: Vec<f64>,
    pub upper: Vec<f64>,
    /// Nodes whose drift is differenced upwind.
    pub upwind_nodes: usize,
    /// Greatest cell Péclet number.
    pub peclet: f64,
}

/// What stands at an end of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The value is given.
    Dirichlet,
    /// Drift and discounting alone, differenced to the inside.
    ZeroGamma,
}

impl Operator {
    /// Fills the weights for a volatility at each node. `growth` is \[rate, rate − yield\].
    pub fn assemble(&mut self, nodes: &[f64], volatility: impl Fn(f64) -> f64, growth: [f64; 2], ends: [End; 2]) {
        let [rate, carry] = growth;
        let n = nodes.len();
        for column in [&mut self.lower, &mut self.diagonal, &mut self.upper] {
            column.clear();
            column.resize(n, 0.0);
        }
        self.upwind_nodes = 0;
        self.peclet = 0.0;
        for i in 1..n - 1 {
            let spot = nodes[i];
            let (below, above) = (spot - nodes[i - 1], nodes[i + 1] - spot);
            let sigma = volatility(spot);
            let twice_diffusion = (sigma * spot) * (sigma * spot);
            let drift = carry * spot;
            let span = below + above;
            let mut lower = (twice_diffusion - drift * above) / (below * span);
            let mut upper = (twice_diffusion + drift * below) / (above * span);
            let peclet = drift.abs() * below.max(above) / twice_diffusion;
            self.peclet = if peclet.is_finite() { self.peclet.max(peclet) } else { self.peclet };
            if lower < 0.0 || upper < 0.0 {
                self.upwind_nodes += 1;
                lower = twice_diffusion / (below * span) + (-drift).max(0.0) / below;
                upper = twice_diffusion / (above * span) + drift.max(0.0) / above;
            }
            self.lower[i] = lower;
            self.upper[i] = upper;
            self.diagonal[i] = -(lower + upper) - rate;
        }
        if ends[0] == End::ZeroGamma {
            let slope = carry * nodes[0] / (nodes[1] - nodes[0]);
            self.upper[0] = slope;
            self.diagonal[0] = -slope - rate;
        }
        if ends[1] == End::ZeroGamma {
            let slope = carry * nodes[n - 1] / (nodes[n - 1] - nodes[n - 2]);
            self.lower[n - 1] = -slope;
            self.diagonal[n - 1] = slope - rate;
        }
    }

    /// out = V + step · L V; at the ends out = V where the row is empty.
    pub fn advance(&self, values: &[f64], step: f64, out: &mut [f64]) {
        let n = values.len();
        let (lower, diagonal, upper) = (&self.lower[..n], &self.diagonal[..n], &self.upper[..n]);
        let out = &mut out[..n];
        out[0] = values[0] + step * (diagonal[0] * values[0] + upper[0] * values[1]);
        out[n - 1] = values[n - 1] + step * (diagonal[n - 1] * values[n - 1] + lower[n - 1] * values[n - 2]);
        for i in 1..n - 1 {
            let change = lower[i] * values[i - 1] + diagonal[i] * values[i] + upper[i] * values[i + 1];
            out[i] = values[i] + step * change;
        }
    }

    /// The longest step at which forward Euler is stable (every weight of the new value not negative).
    pub fn longest_explicit_step(&self) -> f64 {
        1.0 / self.diagonal.iter().fold(0.0_f64, |most, d| most.max(-d))
    }
}
