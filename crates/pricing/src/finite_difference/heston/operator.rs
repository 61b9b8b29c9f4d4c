//! Heston's operator on a grid, in three parts: A0 the mixed derivative, A1 all along the spot with the discounting, A2 all along the
//! variance.
//!
//! Method    Central differences on uneven nodes, second order; at v = 0 the one-sided derivative of second order, at the upper end no
//!           curvature in the variance, above v = 1 its drift upwind. Where an end in spot is given, A0 and A1 leave it alone, and A2 does because
//!           what is given does not depend on the variance.

/// Weights on the node before, the node and the next.
pub(super) type Weights = [f64; 3];

/// First and second derivative on uneven nodes, 0 at the ends.
fn derivatives(nodes: &[f64], first: &mut Vec<Weights>, second: &mut Vec<Weights>) {
    let n = nodes.len();
    first.clear();
    second.clear();
    first.resize(n, [0.0; 3]);
    second.resize(n, [0.0; 3]);
    for i in 1..n - 1 {
        let (a, b) = (nodes[i] - nodes[i - 1], nodes[i + 1] - nodes[i]);
        first[i] = [-b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b))];
        second[i] = [2.0 / (a * (a + b)), -2.0 / (a * b), 2.0 / (b * (a + b))];
    }
}

/// The parts along the variance: A2, one row for each variance, the same for every spot.
#[derive(Clone, Debug, Default)]
pub(super) struct AlongVariance {
    pub rows: Vec<Weights>,
    /// Weight of the third node in the row of v = 0.
    pub third: f64,
}

impl AlongVariance {
    pub fn assemble(
        &mut self,
        nodes: &[f64],
        first: &[Weights],
        second: &[Weights],
        parameters: &crate::fourier::Heston,
    ) {
        let crate::fourier::Heston { kappa, theta_v, sigma_v, .. } = *parameters;
        let n = nodes.len();
        self.rows.clear();
        for j in 0..n {
            let (v, drift) = (nodes[j], kappa * (theta_v - nodes[j]));
            let diffusion = 0.5 * sigma_v * sigma_v * v;
            let mut row = [0.0; 3];
            if j == 0 {
                // κθ V_v by three points.
                let (a, b) = (nodes[1], nodes[2]);
                row[1] = drift * b / (a * (b - a));
                self.third = -drift * a / (b * (b - a));
                row[2] = -row[1] - self.third;
                // The node itself stands in the middle.
                row = [0.0, row[2], row[1]];
            } else if j == n - 1 {
                // No curvature; the drift points inwards, which is where its difference is taken.
                let flow = (-drift).max(0.0) / (v - nodes[j - 1]);
                row = [flow, -flow, 0.0];
            } else {
                for k in 0..3 {
                    row[k] = diffusion * second[j][k] + drift * first[j][k];
                }
                if v > 1.0 && drift < 0.0 {
                    let h = v - nodes[j - 1];
                    row = [
                        diffusion * second[j][0] - drift / h,
                        diffusion * second[j][1] + drift / h,
                        diffusion * second[j][2],
                    ];
                }
            }
            self.rows.push(row);
        }
    }
}

/// The parts along the spot: A1 = v·diffusion + drift, and S·∂/∂S for the mixed derivative.
#[derive(Clone, Debug, Default)]
pub(super) struct AlongSpot {
    pub diffusion: Vec<Weights>,
    pub drift: Vec<Weights>,
    pub slope: Vec<Weights>,
}

impl AlongSpot {
    /// `growth` is \[rate, rate − yield\].
    pub fn assemble(&mut self, nodes: &[f64], first: &[Weights], second: &[Weights], growth: [f64; 2]) {
        let [rate, carry] = growth;
        let n = nodes.len();
        for column in [&mut self.diffusion, &mut self.drift, &mut self.slope] {
            column.clear();
            column.resize(n, [0.0; 3]);
        }
        for i in 1..n - 1 {
            let s = nodes[i];
            self.diffusion[i] = second[i].map(|w| 0.5 * s * s * w);
            self.slope[i] = first[i].map(|w| s * w);
            self.drift[i] = self.slope[i].map(|w| carry * w);
            self.drift[i][1] -= rate;
        }
    }
}

/// The whole operator.
#[derive(Clone, Debug, Default)]
pub(super) struct Operator {
    variances: Vec<f64>,
    scratch: [Vec<Weights>; 2],
    by_variance: Vec<Weights>,
    pub along_spot: AlongSpot,
    pub along_variance: AlongVariance,
    /// ρσᵥ
    mixed: f64,
}

impl Operator {
    /// `growth` is \[rate, rate − yield\].
    pub fn assemble(
        &mut self,
        spots: &[f64],
        variances: &[f64],
        parameters: &crate::fourier::Heston,
        growth: [f64; 2],
    ) {
        let [first, second] = &mut self.scratch;
        derivatives(variances, first, second);
        self.variances.clear();
        self.variances.extend_from_slice(variances);
        self.by_variance.clone_from(first);
        self.along_variance.assemble(variances, first, second, parameters);
        derivatives(spots, first, second);
        self.along_spot.assemble(spots, first, second, growth);
        self.mixed = parameters.rho_v * parameters.sigma_v;
    }

    /// A0 U, A1 U and A2 U of a field whose rows are of equal variance; `slopes` is scratch.
    pub fn apply(&self, values: &[f64], slopes: &mut [f64], parts: &mut [Vec<f64>; 3]) {
        let AlongSpot { diffusion, drift, slope } = &self.along_spot;
        let n = diffusion.len();
        let [mixed, spot, variance] = parts;
        for (j, &v) in self.variances.iter().enumerate() {
            let row = &values[j * n..(j + 1) * n];
            let (slopes, spot) = (&mut slopes[j * n..(j + 1) * n], &mut spot[j * n..(j + 1) * n]);
            for i in 1..n - 1 {
                let around = [row[i - 1], row[i], row[i + 1]];
                let dot = |w: &Weights| w[0] * around[0] + w[1] * around[1] + w[2] * around[2];
                slopes[i] = dot(&slope[i]);
                spot[i] = v * dot(&diffusion[i]) + dot(&drift[i]);
            }
        }
        let last = self.variances.len() - 1;
        for (j, &v) in self.variances.iter().enumerate() {
            let [lower, middle, upper] = self.along_variance.rows[j];
            let row = |k: usize| &values[k * n..(k + 1) * n];
            let out = &mut variance[j * n..(j + 1) * n];
            let (below, here, above) = (row(j.max(1) - 1), row(j), row((j + 1).min(last)));
            for i in 1..n - 1 {
                out[i] = lower * below[i] + middle * here[i] + upper * above[i];
            }
            if j == 0 {
                let third = row(2.min(last));
                for i in 1..n - 1 {
                    out[i] += self.along_variance.third * third[i];
                }
            }
            if j > 0 && j < last {
                let [a, b, c] = self.by_variance[j].map(|w| self.mixed * v * w);
                let slope = |k: usize| &slopes[k * n..(k + 1) * n];
                let (below, here, above) = (slope(j - 1), slope(j), slope(j + 1));
                let out = &mut mixed[j * n..(j + 1) * n];
                for i in 1..n - 1 {
                    out[i] = a * below[i] + b * here[i] + c * above[i];
                }
            }
        }
    }
}
