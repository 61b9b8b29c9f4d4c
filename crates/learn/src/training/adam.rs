//! Adam and AdamW on one flat vector.
//!
//! Formula  m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w − η (m/(1 − β₁ᵗ)/(√(v/(1 − β₂ᵗ)) + ε) + λw)
//! Source   D. Kingma and J. Ba, "Adam" (2015); I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization" (2019)

/// Share of the gradient's mean, and of its square's, that a step keeps; what keeps a division from 0.
const BETA: [f64; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-8;

/// The optimiser's memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Mean of the gradient.
    pub mean: Vec<f32>,
    /// Mean of its square.
    pub square: Vec<f32>,
    /// Steps taken.
    pub taken: u64,
}

impl Adam {
    /// Before the first step.
    pub fn new(parameters: usize) -> Self {
        Self { mean: vec![0.0; parameters], square: vec![0.0; parameters], taken: 0 }
    }

    /// One step down a gradient.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f64, weight_decay: f64) {
        self.taken += 1;
        let [rest_mean, rest_square] = BETA.map(|beta| 1.0 - beta.powf(self.taken as f64));
        let rate = (learning_rate / rest_mean) as f32;
        let root = rest_square.sqrt().recip() as f32;
        let kept = (1.0 - learning_rate * weight_decay) as f32;
        let [beta_mean, beta_square] = BETA.map(|beta| beta as f32);
        let memory = self.mean.iter_mut().zip(&mut self.square);
        for ((w, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(memory) {
            *m = beta_mean * *m + (1.0 - beta_mean) * g;
            *v = beta_square * *v + (1.0 - beta_square) * g * g;
            *w = kept * *w - rate * *m / (v.sqrt() * root + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_and_later_ones_those_of_the_formula() {
        let (mut w, mut adam) = ([1.0f32, -2.0], Adam::new(2));
        adam.step(&mut w, &[0.5, -1e-3], 0.1, 0.0);
        assert!((w[0] - 0.9).abs() < 1e-6 && (w[1] + 1.9).abs() < 1e-5, "{w:?}");
        // By hand in f64.
        adam.step(&mut w, &[-0.25, 0.0], 0.1, 0.0);
        let (m, v) = (0.9 * 0.05 + 0.1 * -0.25, 0.999 * 0.001 * 0.25 + 0.001 * 0.0625);
        let wanted = 0.9 - 0.1 * (m / (1.0 - 0.81)) / (f64::sqrt(v / (1.0 - 0.999f64.powi(2))) + 1e-8);
        assert!((f64::from(w[0]) - wanted).abs() < 1e-6, "{} {wanted}", w[0]);
    }

    #[test]
    fn weights_decay_apart_from_the_gradient() {
        let (mut w, mut adam) = ([2.0f32], Adam::new(1));
        adam.step(&mut w, &[0.0], 0.1, 0.5);
        assert!((w[0] - 1.9).abs() < 1e-6);
    }
}
