//! c·x^p for one c and p and many x: tables by exponent and leading bits, and a short binomial series for what is left.

use std::fmt;

/// Leading bits of the mantissa that choose a head.
const HEAD_BITS: u32 = 6;
const HEADS: usize = 1 << HEAD_BITS;
/// Exponents that the table holds: of x from 2^LEAST to 2^(LEAST + EXPONENTS).
const LEAST: i64 = -120;
const EXPONENTS: usize = 128;
/// Bits and bias of the mantissa and exponent of a double.
const MANTISSA_BITS: u32 = 52;
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
const BIAS: i64 = 1023;

/// c·x^p at a relative error of about 4e-16.
#[derive(Clone, PartialEq)]
pub(super) struct Power {
    factor: f64,
    exponent: f64,
    /// c·2^(ep) by exponent e.
    scales: [f64; EXPONENTS],
    /// Middle of each of 64 parts of [1, 2), inverted; and its power.
    heads: [[f64; 2]; HEADS],
    /// Binomial coefficients of p.
    series: [f64; 6],
}

impl Power {
    pub(super) fn new(factor: f64, exponent: f64) -> Self {
        let middle = |j: usize| 1.0 + (j as f64 + 0.5) / HEADS as f64;
        let mut binomial = 1.0;
        Self {
            factor,
            exponent,
            scales: std::array::from_fn(|e| factor * 2.0_f64.powi(e as i32 + LEAST as i32).powf(exponent)),
            heads: std::array::from_fn(|j| [1.0 / middle(j), middle(j).powf(exponent)]),
            series: std::array::from_fn(|n| {
                binomial *= (exponent - n as f64) / (n as f64 + 1.0);
                binomial
            }),
        }
    }

    /// c·x^p for x > 0.
    #[inline]
    pub(super) fn value(&self, x: f64) -> f64 {
        let bits = x.to_bits();
        let row = ((bits >> MANTISSA_BITS) as i64 - BIAS - LEAST) as usize;
        let Some(scale) = self.scales.get(row) else {
            return self.factor * x.powf(self.exponent);
        };
        let [inverse, head] = self.heads[(bits >> (MANTISSA_BITS - HEAD_BITS)) as usize % HEADS];
        // |z| ≤ 1/128: the first term left out is below 1e-16.
        let z = f64::from_bits((bits & MANTISSA) | 1.0_f64.to_bits()) * inverse - 1.0;
        let [a, b, c, d, e, f] = self.series;
        let square = z * z;
        let series = (a + b * z) + square * ((c + d * z) + square * (e + f * z));
        let middle = scale * head;
        middle + middle * (z * series)
    }
}

impl fmt::Debug for Power {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} x^{}", self.factor, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_power_wherever_x_lies() {
        for exponent in [0.501, 0.58, 0.73, 0.99] {
            let power = Power::new(1.3, exponent);
            let mut x = 1e-40;
            while x < 1e4 {
                let wanted = 1.3 * f64::powf(x, exponent);
                assert!((power.value(x) / wanted - 1.0).abs() < 1e-15, "{x}^{exponent}");
                x *= 1.0037;
            }
            for x in [0.5, 1.0, 1.0_f64.next_down(), 1.0 + 1.0 / 16.0, 2.0_f64.powi(-120), f64::MIN_POSITIVE, 1e300] {
                let wanted = 1.3 * f64::powf(x, exponent);
                assert!((power.value(x) / wanted - 1.0).abs() < 1e-15, "{x}^{exponent}");
            }
        }
    }
}
