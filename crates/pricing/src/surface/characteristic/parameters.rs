//! What the fit knows of each model's parameters: their box, their coordinates, and what they usually are.

use crate::fourier::{Bates, Heston, Kou, Merton, Model};

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub low: f64,
    pub high: f64,
    /// Whether the descent moves its logarithm.
    pub is_log: bool,
    pub typical: f64,
    /// How far from the typical it usually is.
    pub scale: f64,
}

impl Parameter {
    const fn of(name: &'static str, [low, high]: [f64; 2], is_log: bool, typical: f64, scale: f64) -> Self {
        Self { name, low, high, is_log, typical, scale }
    }

    pub fn coordinate(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        if self.is_log { value.ln() } else { value }
    }

    /// The value at a coordinate, and its slope.
    pub fn value(&self, coordinate: f64) -> [f64; 2] {
        if self.is_log {
            let value = coordinate.exp().clamp(self.low, self.high);
            [value, value]
        } else {
            [coordinate, 1.0]
        }
    }
}

const HESTON: [Parameter; 5] = [
    Parameter::of("v0", [1e-4, 1.0], true, 0.04, 0.04),
    Parameter::of("kappa", [0.05, 50.0], true, 1.5, 2.0),
    Parameter::of("theta_v", [1e-4, 1.0], true, 0.05, 0.04),
    Parameter::of("sigma_v", [0.05, 10.0], true, 0.5, 0.5),
    Parameter::of("rho_v", [-0.999, 0.999], false, -0.6, 0.3),
];
const JUMPS: [Parameter; 3] = [
    Parameter::of("jump_intensity", [1e-3, 20.0], true, 0.3, 0.5),
    Parameter::of("jump_mean", [-1.0, 0.5], false, -0.1, 0.1),
    Parameter::of("jump_std", [5e-3, 1.0], true, 0.1, 0.1),
];
const VOLATILITY: Parameter = Parameter::of("volatility", [0.01, 3.0], true, 0.15, 0.1);

/// A model that is fitted.
pub(super) trait Characteristic<const N: usize>: Copy + Send + Sync {
    const PARAMETERS: [Parameter; N];
    /// Which of them are variances, whose upper end moves with the quotes.
    const VARIANCES: &'static [usize];
    /// Fewest expiries that tell all parameters apart.
    const EXPIRIES: usize;
    fn from_parameters(parameters: &[f64; N]) -> Self;
    fn model(&self) -> Model;
    /// The parameters that make its smile the least, at these variances a year of the first expiry and of the last.
    fn plain(levels: [f64; 2]) -> [f64; N];
}

/// Jumps that are next to none: intensity, mean and deviation.
const HARDLY_ANY: [f64; 3] = [1e-3, 0.0, 5e-3];

/// The volatility between two variances.
fn middle([first, last]: [f64; 2]) -> f64 {
    (0.5 * (first + last)).sqrt()
}

impl Characteristic<5> for Heston {
    const PARAMETERS: [Parameter; 5] = HESTON;
    const VARIANCES: &'static [usize] = &[0, 2];
    const EXPIRIES: usize = 2;

    fn from_parameters(&[v0, kappa, theta_v, sigma_v, rho_v]: &[f64; 5]) -> Self {
        Self { v0, kappa, theta_v, sigma_v, rho_v }
    }

    fn model(&self) -> Model {
        Model::Heston(*self)
    }

    fn plain([first, last]: [f64; 2]) -> [f64; 5] {
        [first, 1.5, last, 0.05, 0.0]
    }
}

impl Characteristic<8> for Bates {
    const PARAMETERS: [Parameter; 8] =
        [HESTON[0], HESTON[1], HESTON[2], HESTON[3], HESTON[4], JUMPS[0], JUMPS[1], JUMPS[2]];
    const VARIANCES: &'static [usize] = &[0, 2];
    const EXPIRIES: usize = 2;

    fn from_parameters(&[v0, kappa, theta_v, sigma_v, rho_v, jump_intensity, jump_mean, jump_std]: &[f64; 8]) -> Self {
        Self { heston: Heston { v0, kappa, theta_v, sigma_v, rho_v }, jump_intensity, jump_mean, jump_std }
    }

    fn model(&self) -> Model {
        Model::Bates(*self)
    }

    fn plain([first, last]: [f64; 2]) -> [f64; 8] {
        let [intensity, mean, std] = HARDLY_ANY;
        [first, 1.5, last, 0.05, 0.0, intensity, mean, std]
    }
}

impl Characteristic<4> for Merton {
    const PARAMETERS: [Parameter; 4] = [VOLATILITY, JUMPS[0], JUMPS[1], JUMPS[2]];
    const VARIANCES: &'static [usize] = &[];
    const EXPIRIES: usize = 1;

    fn from_parameters(&[volatility, jump_intensity, jump_mean, jump_std]: &[f64; 4]) -> Self {
        Self { volatility, jump_intensity, jump_mean, jump_std }
    }

    fn model(&self) -> Model {
        Model::Merton(*self)
    }

    fn plain(levels: [f64; 2]) -> [f64; 4] {
        let [intensity, mean, std] = HARDLY_ANY;
        [middle(levels), intensity, mean, std]
    }
}

impl Characteristic<5> for Kou {
    const PARAMETERS: [Parameter; 5] = [
        VOLATILITY,
        JUMPS[0],
        Parameter::of("jump_up_probability", [0.0, 1.0], false, 0.3, 0.3),
        Parameter::of("jump_up_rate", [2.0, 200.0], true, 15.0, 10.0),
        Parameter::of("jump_down_rate", [1.0, 200.0], true, 8.0, 5.0),
    ];
    const VARIANCES: &'static [usize] = &[];
    const EXPIRIES: usize = 1;

    fn from_parameters(
        &[volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate]: &[f64; 5],
    ) -> Self {
        Self { volatility, jump_intensity, jump_up_probability, jump_up_rate, jump_down_rate }
    }

    fn model(&self) -> Model {
        Model::Kou(*self)
    }

    fn plain(levels: [f64; 2]) -> [f64; 5] {
        [middle(levels), HARDLY_ANY[0], 0.5, 200.0, 200.0]
    }
}

/// The box that a model's parameters are looked for in: name, lowest and highest value, in the order of [`Model::parameter_names`]; none
/// for models that are not fitted. The upper ends of `v0` and `theta_v` (1: a volatility of 100 %) rise to four times the largest variance quoted.
pub fn bounds(model: &Model) -> Vec<(&'static str, [f64; 2])> {
    let parameters: &[Parameter] = match model {
        Model::Heston(_) => &HESTON,
        Model::Bates(_) => &<Bates as Characteristic<8>>::PARAMETERS,
        Model::Merton(_) => &<Merton as Characteristic<4>>::PARAMETERS,
        Model::Kou(_) => &<Kou as Characteristic<5>>::PARAMETERS,
        Model::VarianceGamma(_) => &[],
    };
    parameters.iter().map(|it| (it.name, [it.low, it.high])).collect()
}

/// A model's parameters with the box that the quotes ask for.
pub(super) fn boxed<T: Characteristic<N>, const N: usize>(largest_variance: f64) -> [Parameter; N] {
    let mut parameters = T::PARAMETERS;
    for &i in T::VARIANCES {
        parameters[i].high = parameters[i].high.max(4.0 * largest_variance);
    }
    parameters
}
