//! Activations with their first two derivatives: a scalar f64 twin that is the specification, and f32 loops that the compiler vectorises.
//!
//! Formulae  σ(z) = 1/(1 + e^−z), Φ and φ the normal distribution and density
//!           silu zσ, softplus ln(1 + e^z), gelu zΦ (Hendrycks and Gimpel 2016, exact), sine sin z (Sitzmann et al. 2020)
//! Accuracy  f32 loops: 4·10⁻⁷ absolute for |z| ≤ 20, derivatives 2·10⁻⁶ (tests)

use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use zomma_pricing::math::{Plain, normal_cdf};

/// The nonlinearity of hidden layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(z, 0). Its second derivative is 0: differentials are learned poorly.
    Relu,
    /// z Φ(z)
    Gelu,
    /// z σ(z)
    Silu,
    /// tanh z
    Tanh,
    /// ln(1 + e^z)
    Softplus,
    /// sin z
    Sine,
}

impl Activation {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Relu, Self::Gelu, Self::Silu, Self::Tanh, Self::Softplus, Self::Sine];

    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
            Self::Sine => "sine",
        }
    }

    /// Variance of the first weights times the number of inputs: what keeps the size of a layer's numbers (He et al. 2015; Glorot and
    /// Bengio 2010).
    pub fn gain(self) -> f64 {
        match self {
            Self::Relu | Self::Gelu | Self::Silu => 2.0,
            Self::Tanh => 1.6,
            Self::Softplus => 2.5,
            Self::Sine => 2.0,
        }
    }

    /// Value, first and second derivative.
    pub fn twin(self, z: f64) -> [f64; 3] {
        let logistic = |z: f64| 1.0 / (1.0 + (-z).exp());
        match self {
            Self::Relu => [z.max(0.0), f64::from(z > 0.0), 0.0],
            Self::Gelu => {
                let cdf = normal_cdf::<Plain>(z);
                let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
                [z * cdf, cdf + z * density, (2.0 - z * z) * density]
            }
            Self::Silu => {
                let s = logistic(z);
                let slope = s * (1.0 - s);
                [z * s, s + z * slope, slope * (2.0 + z * (1.0 - 2.0 * s))]
            }
            Self::Tanh => {
                let t = z.tanh();
                let slope = 1.0 - t * t;
                [t, slope, -2.0 * t * slope]
            }
            Self::Softplus => {
                let s = logistic(z);
                [z.max(0.0) + (-z.abs()).exp().ln_1p(), s, s * (1.0 - s)]
            }
            Self::Sine => [z.sin(), z.cos(), -z.sin()],
        }
    }

    /// The value of every number in `z`, in place.
    pub(super) fn values(self, z: &mut [f32]) {
        match self {
            Self::Relu => relu_values(z),
            Self::Gelu => gelu_values(z),
            Self::Silu => silu_values(z),
            Self::Tanh => tanh_values(z),
            Self::Softplus => softplus_values(z),
            Self::Sine => sine_values(z),
        }
    }

    /// The value of every number in `z` in its place, and the derivative beside it.
    pub(super) fn slopes(self, z: &mut [f32], first: &mut [f32]) {
        match self {
            Self::Relu => relu_slopes(z, first),
            Self::Gelu => gelu_slopes(z, first),
            Self::Silu => silu_slopes(z, first),
            Self::Tanh => tanh_slopes(z, first),
            Self::Softplus => softplus_slopes(z, first),
            Self::Sine => sine_slopes(z, first),
        }
    }

    /// The value of every number in `z` in its place, and both derivatives beside it.
    pub(super) fn derivatives(self, z: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        match self {
            Self::Relu => relu(z, first, second),
            Self::Gelu => gelu(z, first, second),
            Self::Silu => silu(z, first, second),
            Self::Tanh => tanh(z, first, second),
            Self::Softplus => softplus(z, first, second),
            Self::Sine => sine(z, first, second),
        }
    }
}

/// e^x; below −87 and above 88 as there.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Cephes' polynomial on ±ln(2)/2; the constant rounds to the nearest whole number in the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = ((((1.987_569_2e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1)
        * r
        + 0.5;
    let power = f32::from_bits((((n as i32) + 127) << 23) as u32);
    (p * r * r + r + 1.0) * power
}

/// ln(1 + u) for u from 0 to 1.
#[inline(always)]
fn ln_1p(u: f32) -> f32 {
    let w = u / (2.0 + u);
    let s = w * w;
    let p = ((((s / 13.0 + 1.0 / 11.0) * s + 1.0 / 9.0) * s + 1.0 / 7.0) * s + 0.2) * s + 1.0 / 3.0;
    2.0 * w * (1.0 + s * p)
}

#[inline(always)]
fn logistic(z: f32) -> f32 {
    1.0 / (1.0 + exp(-z))
}

#[inline(always)]
fn relu_at(z: f32) -> [f32; 3] {
    [z.max(0.0), if z > 0.0 { 1.0 } else { 0.0 }, 0.0]
}

#[inline(always)]
fn silu_at(z: f32) -> [f32; 3] {
    let s = logistic(z);
    let slope = s * (1.0 - s);
    [z * s, s + z * slope, slope * (2.0 + z * (1.0 - 2.0 * s))]
}

#[inline(always)]
fn tanh_at(z: f32) -> [f32; 3] {
    let t = 1.0 - 2.0 / (exp(2.0 * z) + 1.0);
    let slope = 1.0 - t * t;
    [t, slope, -2.0 * t * slope]
}

#[inline(always)]
fn softplus_at(z: f32) -> [f32; 3] {
    let u = exp(-z.abs());
    let s = if z > 0.0 { 1.0 } else { u } / (1.0 + u);
    [z.max(0.0) + ln_1p(u), s, s * (1.0 - s)]
}

#[inline(always)]
fn gelu_at(z: f32) -> [f32; 3] {
    // Abramowitz and Stegun 7.1.26: erf to 1.5e-7.
    let bell = exp(-0.5 * z * z);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * z.abs());
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = 0.5 * p * bell;
    let cdf = if z > 0.0 { 1.0 - tail } else { tail };
    let density = 0.398_942_3 * bell;
    [z * cdf, cdf + z * density, (2.0 - z * z) * density]
}

#[inline(always)]
fn sine_at(z: f32) -> [f32; 3] {
    // To ±π/2 by whole halves of the circle; π in three parts, so that their products with n are exact.
    const ROUND: f32 = 12_582_912.0;
    let n = (z * std::f32::consts::FRAC_1_PI + ROUND) - ROUND;
    let r = z - n * 3.140_625 - n * 9.675_026e-4 - n * 1.509_958e-7;
    let sign = if (n as i32) & 1 == 0 { 1.0 } else { -1.0 };
    let s = r * r;
    let sin =
        ((((-2.505_210_8e-8 * s + 2.755_731_9e-6) * s - 1.984_127e-4) * s + 8.333_334e-3) * s - 1.666_666_7e-1) * s * r
            + r;
    let cos =
        (((((2.087_675_7e-9 * s - 2.755_732e-7) * s + 2.480_158_7e-5) * s - 1.388_888_9e-3) * s + 4.166_666_6e-2) * s
            - 0.5)
            * s
            + 1.0;
    [sign * sin, sign * cos, -sign * sin]
}

macro_rules! loops {
    ($($at:ident => $values:ident, $slopes:ident, $derivatives:ident;)*) => {$(
        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
        fn $values(z: &mut [f32]) {
            for z in z {
                *z = $at(*z)[0];
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
        fn $slopes(z: &mut [f32], first: &mut [f32]) {
            for (z, first) in z.iter_mut().zip(first) {
                [*z, *first, _] = $at(*z);
            }
        }

        #[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl+avx512bw+fma+avx2", "x86_64+avx2+fma"))]
        fn $derivatives(z: &mut [f32], first: &mut [f32], second: &mut [f32]) {
            for ((z, first), second) in z.iter_mut().zip(first).zip(second) {
                [*z, *first, *second] = $at(*z);
            }
        }
    )*};
}

loops! {
    relu_at => relu_values, relu_slopes, relu;
    silu_at => silu_values, silu_slopes, silu;
    tanh_at => tanh_values, tanh_slopes, tanh;
    softplus_at => softplus_values, softplus_slopes, softplus;
    gelu_at => gelu_values, gelu_slopes, gelu;
    sine_at => sine_values, sine_slopes, sine;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_agree_with_the_twin() {
        let at: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.005).collect();
        for activation in Activation::ALL {
            let (mut value, mut first, mut second) = (at.clone(), at.clone(), at.clone());
            activation.derivatives(&mut value, &mut first, &mut second);
            let mut alone = at.clone();
            activation.values(&mut alone);
            assert_eq!(alone, value, "{activation:?}");
            let (mut again, mut slope) = (at.clone(), at.clone());
            activation.slopes(&mut again, &mut slope);
            assert!(again == value && slope == first, "{activation:?}");
            for (i, z) in at.iter().enumerate() {
                let found = [value[i], first[i], second[i]].map(f64::from);
                let wanted = activation.twin(f64::from(*z));
                for (order, allowed) in [4e-7 * (1.0 + f64::from(z.abs())), 2e-6, 2e-6].into_iter().enumerate() {
                    let error = (found[order] - wanted[order]).abs();
                    assert!(error <= allowed, "{activation:?} at {z}, derivative {order}: {error:e}");
                }
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let step = 1e-4;
        for activation in Activation::ALL {
            for z in [-6.3, -1.7, -0.2, 0.4, 1.1, 5.2] {
                let [[below, slope_below, _], [above, slope_above, _]] =
                    [z - step, z + step].map(|z| activation.twin(z));
                let [_, first, second] = activation.twin(z);
                assert!(((above - below) / (2.0 * step) - first).abs() < 1e-7, "{activation:?} at {z}");
                assert!(((slope_above - slope_below) / (2.0 * step) - second).abs() < 1e-7, "{activation:?} at {z}");
            }
        }
    }
}
