//! How the network's last number r becomes a price, and the derivatives of that.
//!
//! Formula  bounds: the call C and the put P of one strike obey C − P = m − 1, so that their product Y = C·P/m gives both:
//!          C = ((m − 1) + √((m − 1)² + 4mY))/2. Y is smooth where the intrinsic value has its kink, and 0 < Y < 1 is the same as
//!          max(m − 1, 0) < C < m. The network says Y = 1/(1 + e^(−r)/s²): no price leaves the bounds, and parity is exact.
//!          No formula of any pricing model is in it.
//!          exercise: the same with Y = u²/(1 + u²), u = s max(r + ½, 0): where waiting is worth nothing the price is the exercise value
//!          itself, and it leaves it as waiting does, with the square of the distance to the boundary, so that gamma jumps there. m is
//!          the spot over the strike, and no smooth function of the network has to say 0
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
    /// Between the exercise value and the spot, the exercise value included: an American call.
    Exercise,
}

/// What the network's number stands above where the option is held: the first parameters make numbers about 0.
pub const HELD: f64 = 0.5;

/// Keeps a row at the money whose option is worth nothing from dividing by 0.
const LEAST_ROOT: f64 = 1e-12;

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
            Self::Exercise => "exercise",
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
            Self::Exercise => {
                let y = waiting(r, s).1;
                call(m, y, root(m, y))
            }
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
                let y_r = y * (1.0 - y);
                let y_rr = y_r * (1.0 - 2.0 * y);
                let by_s = 2.0 / s;
                of_product(m, root(m, y), Product { y, r: y_r, s: y_r * by_s, rr: y_rr, rs: y_rr * by_s })
            }
            Self::Exercise => {
                let (u, y) = waiting(r, s);
                let inverse = 1.0 / (1.0 + u * u);
                let slope = 2.0 * u * inverse * inverse;
                let is_held = f64::from(u8::from(u > 0.0));
                let product = Product {
                    y,
                    r: s * slope,
                    s: u / s * slope,
                    rr: is_held * 2.0 * s * s * (1.0 - 3.0 * u * u) * inverse.powi(3),
                    rs: 4.0 * u * (1.0 - u * u) * inverse.powi(3),
                };
                of_product(m, root(m, y), product)
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

/// u, and Y with it.
#[inline]
fn waiting(r: f64, s: f64) -> (f64, f64) {
    // NaN stays NaN, which f64::max would hide.
    let u = if r + HELD <= 0.0 { 0.0 } else { s * (r + HELD) };
    // u² may overflow where 1 − Y does not matter any more.
    (u, if u > 1.0 { 1.0 / (1.0 + (u * u).recip()) } else { u * u / (1.0 + u * u) })
}

/// Y and its derivatives by r and s.
struct Product {
    y: f64,
    r: f64,
    s: f64,
    rr: f64,
    rs: f64,
}

/// The call and its derivatives from those of Y.
#[inline]
fn of_product(m: f64, root: f64, product: Product) -> Partials {
    let Product { y, r, s, rr, rs } = product;
    let inverse = 1.0 / if root < LEAST_ROOT { LEAST_ROOT } else { root };
    let root_m = ((m - 1.0) + 2.0 * y) * inverse;
    let c_y = m * inverse;
    let c_yy = -2.0 * c_y * c_y * inverse;
    let c_ym = (1.0 - c_y * root_m) * inverse;
    Partials {
        price: call(m, y, root),
        r: c_y * r,
        m: 0.5 * (1.0 + root_m),
        s: c_y * s,
        rr: c_yy * r * r + c_y * rr,
        rm: c_ym * r,
        rs: c_yy * r * s + c_y * rs,
        mm: 0.5 * (1.0 - root_m * root_m) * inverse,
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

    const ALL: [OutputTransform; 5] = [
        OutputTransform::None,
        OutputTransform::Positive,
        OutputTransform::Bounds,
        OutputTransform::Scaled,
        OutputTransform::Exercise,
    ];

    proptest! {
        #[test]
        fn derivatives_are_those_of_the_price(r in -4.0..4.0f64, m in 0.5..2.0f64, s in 0.05..1.5f64) {
            let step = 1e-6;
            for transform in ALL {
                // At the boundary gamma jumps.
                if transform == OutputTransform::Exercise && (r + HELD).abs() < 0.05 {
                    continue;
                }
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
            let american = OutputTransform::Exercise.price(r, m, s);
            prop_assert!(american >= (m - 1.0).max(0.0) && american <= m, "{american} at {m}");
            prop_assert!(OutputTransform::Positive.price(r, m, s) >= 0.0);
            let volatility = OutputTransform::Scaled.price(r, m, s);
            prop_assert!((0.0..=2.0 * s).contains(&volatility), "{volatility} of {s}");
        }
    }

    #[test]
    fn an_option_that_is_exercised_is_worth_what_it_pays_and_leaves_it_without_a_kink() {
        for m in [0.6, 0.99, 1.0, 1.01, 1.7] {
            let at = OutputTransform::Exercise.partials(-0.51, m, 0.3);
            assert_eq!(at.price, f64::max(m - 1.0, 0.0));
            let slopes = [at.r, at.s, at.rr, at.rm, at.rs];
            assert!(slopes.iter().all(|x| *x == 0.0), "{slopes:?}");
            if m != 1.0 {
                assert!((at.m - f64::from(u8::from(m > 1.0))).abs() < 1e-12 && at.mm.abs() < 1e-9, "{m}");
                let above = OutputTransform::Exercise.partials(-0.499, m, 0.3);
                assert!(above.price > at.price && above.r < 1e-3 * above.rr.abs() * 1.1, "{m}");
            }
        }
        assert!(OutputTransform::Exercise.price(f64::NAN, 1.1, 0.3).is_nan());
        assert!((OutputTransform::Exercise.price(1e300, 1.1, 0.3) - 1.1).abs() < 1e-14);
    }
}
