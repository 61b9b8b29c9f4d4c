//! How the network's last number r becomes a price, and the derivatives of that.
//!
//! Formula  bounds: the call C and the put P of one strike obey C − P = m − 1, so that their product Y = C·P/m gives both:
//!          C = ((m − 1) + √((m − 1)² + 4mY))/2. Y is smooth where the intrinsic value has its kink, and 0 < Y < 1 is the same as
//!          max(m − 1, 0) < C < m. The network says Y = 1/(1 + e^(−r)/s²): no price leaves the bounds, and parity is exact.
//!          No formula of any pricing model is in it.
//!          scaled: 2s/(1 + e^(−r)), above 0 and below twice the row's scale s (see [`super::Features`]): a volatility.

use serde::{Deserialize, Serialize};

/// What makes a price of the network's last number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputTransform {
    /// The number is the price over the strike.
    None,
    /// Softplus of it: above 0.
    Positive,
    /// Between the intrinsic value and the forward, with put-call parity.
    Bounds,
    /// Between 0 and twice the scale of the row: an implied volatility.
    Scaled,
}

/// The price and its derivatives by the last number r, the moneyness m and the deviation s, each with the others held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Partials {
    /// The undiscounted call over the strike.
    pub price: f64,
    /// ∂/∂r
    pub r: f64,
    /// ∂/∂m
    pub m: f64,
    /// ∂/∂s
    pub s: f64,
    /// ∂²/∂r²
    pub rr: f64,
    /// ∂²/∂r∂m
    pub rm: f64,
    /// ∂²/∂r∂s
    pub rs: f64,
    /// ∂²/∂m²
    pub mm: f64,
}

impl OutputTransform {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Positive => "positive",
            Self::Bounds => "bounds",
            Self::Scaled => "scaled",
        }
    }

    /// The price alone.
    #[inline]
    pub fn price(self, r: f64, m: f64, s: f64) -> f64 {
        match self {
            Self::None => r,
            Self::Positive => r.max(0.0) + (-r.abs()).exp().ln_1p(),
            Self::Bounds => {
                let y = 1.0 / (1.0 + (-r).exp() / (s * s));
                call(m, y, root(m, y))
            }
            Self::Scaled => 2.0 * s / (1.0 + (-r).exp()),
        }
    }

    /// The price with its derivatives.
    #[inline]
    pub fn partials(self, r: f64, m: f64, s: f64) -> Partials {
        match self {
            Self::None => Partials { price: r, r: 1.0, ..Partials::default() },
            Self::Positive => {
                let slope = 1.0 / (1.0 + (-r).exp());
                Partials { price: self.price(r, m, s), r: slope, rr: slope * (1.0 - slope), ..Partials::default() }
            }
            Self::Bounds => {
                let y = 1.0 / (1.0 + (-r).exp() / (s * s));
                let root = root(m, y);
                let inverse = 1.0 / root;
                let root_m = ((m - 1.0) + 2.0 * y) * inverse;
                let c_y = m * inverse;
                let c_yy = -2.0 * c_y * c_y * inverse;
                let c_ym = (1.0 - c_y * root_m) * inverse;
                let y_r = y * (1.0 - y);
                let y_rr = y_r * (1.0 - 2.0 * y);
                let by_s = 2.0 / s;
                let rr = c_yy * y_r * y_r + c_y * y_rr;
                Partials {
                    price: call(m, y, root),
                    r: c_y * y_r,
                    m: 0.5 * (1.0 + root_m),
                    s: c_y * y_r * by_s,
                    rr,
                    rm: c_ym * y_r,
                    rs: rr * by_s,
                    mm: 0.5 * (1.0 - root_m * root_m) * inverse,
                }
            }
            Self::Scaled => {
                let share = 1.0 / (1.0 + (-r).exp());
                let slope = 2.0 * share * (1.0 - share);
                Partials {
                    price: self.price(r, m, s),
                    r: s * slope,
                    s: 2.0 * share,
                    rr: s * slope * (1.0 - 2.0 * share),
                    rs: slope,
                    ..Partials::default()
                }
            }
        }
    }
}

#[inline]
fn root(m: f64, y: f64) -> f64 {
    ((m - 1.0).powi(2) + 4.0 * m * y).sqrt()
}

/// The call, without the cancellation of the formula below the strike.
#[inline]
fn call(m: f64, y: f64, root: f64) -> f64 {
    let call = if m < 1.0 { 2.0 * m * y / ((1.0 - m) + root) } else { 0.5 * ((m - 1.0) + root) };
    // Rounding does not leave the bounds either; NaN stays NaN.
    if call > m { m } else { call }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [OutputTransform; 4] =
        [OutputTransform::None, OutputTransform::Positive, OutputTransform::Bounds, OutputTransform::Scaled];

    proptest! {
        #[test]
        fn derivatives_are_those_of_the_price(r in -4.0..4.0f64, m in 0.5..2.0f64, s in 0.05..1.5f64) {
            let step = 1e-6;
            for transform in ALL {
                let at = transform.partials(r, m, s);
                let slope = |by: [f64; 3], of: fn(&Partials) -> f64| {
                    let [above, below] = [1.0, -1.0].map(|sign| {
                        of(&transform.partials(r + sign * by[0], m + sign * by[1], s + sign * by[2]))
                    });
                    (above - below) / (2.0 * step)
                };
                let (by_r, by_m, by_s) = ([step, 0.0, 0.0], [0.0, step, 0.0], [0.0, 0.0, step]);
                for (name, found, wanted) in [
                    ("r", at.r, slope(by_r, |p| p.price)),
                    ("m", at.m, slope(by_m, |p| p.price)),
                    ("s", at.s, slope(by_s, |p| p.price)),
                    ("rr", at.rr, slope(by_r, |p| p.r)),
                    ("rm", at.rm, slope(by_m, |p| p.r)),
                    ("rs", at.rs, slope(by_s, |p| p.r)),
                    ("mm", at.mm, slope(by_m, |p| p.m)),
                ] {
                    prop_assert!((found - wanted).abs() < 1e-6 * (1.0 + wanted.abs()), "{transform:?} {name}: {found} {wanted}");
                }
                prop_assert_eq!(at.price, transform.price(r, m, s));
            }
        }

        #[test]
        fn no_number_of_the_network_breaks_the_bounds(r in -1e3..1e3f64, m in 0.01..100.0f64, s in 1e-3..10.0f64) {
            let call = OutputTransform::Bounds.price(r, m, s);
            prop_assert!(call >= (m - 1.0).max(0.0) && call <= m, "{call} at {m}");
            prop_assert!(OutputTransform::Positive.price(r, m, s) >= 0.0);
            let volatility = OutputTransform::Scaled.price(r, m, s);
            prop_assert!((0.0..=2.0 * s).contains(&volatility), "{volatility} of {s}");
        }
    }
}
