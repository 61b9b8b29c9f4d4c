//! Total variance beyond the quotes: linear in log-moneyness, its slope within Lee's bound.
//!
//! Lee's moment formula (R. Lee, "The moment formula for implied volatility at extreme strikes", 2004) bounds the slopes of the wings by 2.
//! A wing that starts with an outward slope in [0, 2] goes on as a straight line. One that falls outwards, or rises faster, bends into the
//! nearest slope allowed, exponentially over a length of half w over its slope: then w falls to half of what it is at the edge at most.
//! Either way w and its slope are continuous. The curvature is not: a smile whose density is positive at its end thanks to its curvature
//! alone has arbitrage just beyond, which the check of violations shows. A model that can choose its slope at the end avoids that by
//! [`straight_slope`].

use super::{jet::Jet, smile::Variance, svi::wings::MOST_SLOPE};

/// The nearest slope of w, counted outwards, that Lee's bound and positivity allow.
pub(super) fn clipped_slope(outward: f64) -> f64 {
    outward.clamp(0.0, MOST_SLOPE)
}

/// The largest slope s within Lee's bound at which a straight wing has no butterfly arbitrage, from an edge at total variance `w` and
/// log-moneyness `k` counted outwards. An edge on the far side of the money counts as at the money, which its wing has yet to pass.
///
/// Without curvature Durrleman's g is not negative at total variance W of the wing where s v ≤ 1 + c (v² − 1/4), v² = 1/W + 1/4,
/// c = w − ks. At the edge that is s (k/w + √(1/w + 1/4)) ≤ 2, which is enough where the left side less the right rises up to the edge's v;
/// else s² + c² ≤ 4c makes it so for every v.
pub(super) fn straight_slope(k: f64, w: f64) -> f64 {
    let k = k.max(0.0);
    let v = (1.0 / w + 0.25).sqrt();
    let at_edge = (2.0 / (k / w + v)).min(MOST_SLOPE);
    let c = w - k * at_edge;
    if at_edge >= 2.0 * c * v {
        return at_edge;
    }
    let w = w.min(2.0);
    let half = k * (2.0 - w);
    let square = 1.0 + k * k;
    let everywhere = ((half * half + square * w * (4.0 - w)).sqrt() - half) / square;
    at_edge.min(everywhere)
}

/// w and its first two derivatives by the distance beyond the edge, `beyond` past an edge at which w and its outward slope are these.
pub(super) fn continued([w, outward]: [f64; 2], beyond: f64) -> [f64; 3] {
    let limit = clipped_slope(outward);
    let excess = outward - limit;
    if excess == 0.0 {
        return [w + limit * beyond, limit, 0.0];
    }
    let length = 0.5 * w / outward.abs();
    let decay = (-beyond / length).exp();
    [w + limit * beyond + excess * length * (1.0 - decay), limit + excess * decay, -excess * decay / length]
}

/// The same of a surface whose edge moves with time: `inner` is the surface's series in (k, t) at the edge, `edge` its log-moneyness and
/// speed there, at a time where it moves evenly; `sign` is −1 on the left, 1 on the right. Derivatives by t are at constant k.
pub(super) fn continued_surface(inner: &Jet, [edge, speed]: [f64; 2], sign: f64, k: f64) -> Variance {
    let along = |i: usize| {
        let p = |a: usize, b: usize| inner.partial(i + a, b);
        [p(0, 0), p(0, 1) + speed * p(1, 0), p(0, 2) + speed * (2.0 * p(1, 1) + speed * p(2, 0))]
    };
    let level = Jet::of_time(along(0));
    let outward = Jet::of_time(along(1)) * sign;
    let beyond = Jet::affine(sign * (k - edge), sign, -sign * speed);
    let s = outward.value();
    let limit = clipped_slope(s);
    let w = if limit == s {
        level + outward * beyond
    } else {
        let excess = outward - Jet::constant(limit);
        let length = level * (outward * s.signum()).powf(-1.0) * 0.5;
        let decay = (-(beyond * length.powf(-1.0))).exp();
        level + beyond * limit + excess * length * (Jet::constant(1.0) - decay)
    };
    variance(&w)
}

/// The parts of a series that a surface answers.
pub(super) fn variance(w: &Jet) -> Variance {
    Variance {
        total: w.value(),
        by_k: w.partial(1, 0),
        by_kk: w.partial(2, 0),
        by_t: w.partial(0, 1),
        by_kt: w.partial(1, 1),
        by_tt: w.partial(0, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::smile::durrleman_g;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wings_are_positive_smooth_and_within_lee(w in 1e-8..3.0_f64, outward in -20.0..20.0_f64, share in 0.0..50.0_f64) {
            let edge = [w, outward];
            let at = continued(edge, 0.0);
            prop_assert!((at[0] - w).abs() < 1e-12 && (at[1] - outward).abs() < 1e-9);
            let length = 0.5 * w / outward.abs().max(1e-3);
            let beyond = share * length;
            let [total, slope, bend] = continued(edge, beyond);
            prop_assert!(total >= 0.5 * w * (1.0 - 1e-12));
            // Never farther from the allowed slopes than at the edge, and all but there after thirty lengths.
            prop_assert!(slope >= outward.min(0.0) - 1e-12 && slope <= outward.max(MOST_SLOPE) + 1e-12);
            let far = continued(edge, 60.0 * length)[1];
            prop_assert!((-1e-9..=MOST_SLOPE + 1e-9).contains(&far));
            let h = 1e-4 * length;
            if beyond > h {
                let near = |x: f64| continued(edge, x);
                let numeric = (near(beyond + h)[0] - near(beyond - h)[0]) / (2.0 * h);
                prop_assert!((numeric - slope).abs() < 1e-5 * (1.0 + slope.abs()));
                let numeric = (near(beyond + h)[1] - near(beyond - h)[1]) / (2.0 * h);
                prop_assert!((numeric - bend).abs() < 1e-5 * (bend.abs() + 1.0 / length));
            }
        }
    }

    #[test]
    fn a_straight_end_goes_on_without_arbitrage() {
        // The end of an index's smile of a month: w″ = 0 and g > 0 at the edge.
        let (edge, w, outward) = (-0.3, 0.01, 0.04);
        assert!(durrleman_g(edge, [w, -outward, 0.0]) > 0.0);
        for step in 0..2000 {
            let beyond = 0.005 * f64::from(step);
            let [total, slope, bend] = continued([w, outward], beyond);
            assert!(durrleman_g(edge - beyond, [total, -slope, bend]) > 0.0, "{beyond}");
        }
    }

    proptest! {
        #[test]
        fn the_steepest_straight_wing_is_on_the_verge_of_arbitrage(w in 1e-6..2.0_f64, k in -1.0..3.0_f64) {
            let s = straight_slope(k, w);
            prop_assert!(s > 0.0 && s <= MOST_SLOPE);
            for beyond in [0.0, 0.01, 0.1, 1.0, 10.0] {
                let at = |slope: f64| durrleman_g(k + beyond, [w + slope * beyond, slope, 0.0]);
                prop_assert!(at(s) >= -1e-9, "{s} {beyond} {}", at(s));
                prop_assert!(at(0.5 * s) > 0.0);
            }
            prop_assert!(s == MOST_SLOPE || w > k * s || durrleman_g(k, [w, s, 0.0]).abs() < 1e-9);
        }
    }

    #[test]
    fn a_moving_edge_has_the_derivatives_of_its_surface() {
        // w = t(0.04 + a k + 0.05 k²), with an edge at ±(0.1 + 0.4t): falling outwards, rising, and rising too steeply.
        for (a, level) in [(0.3, 0.04), (-0.01, 0.04), (-9.0, 2.0)] {
            let inner = |k: f64, t: f64| {
                let (k, t) = (Jet::affine(k, 1.0, 0.0), Jet::affine(t, 0.0, 1.0));
                t * (Jet::constant(level) + k * a + k * k * 0.05)
            };
            for sign in [-1.0, 1.0] {
                let edge = |t: f64| sign * (0.1 + 0.4 * t);
                let at = |k: f64, t: f64| continued_surface(&inner(edge(t), t), [edge(t), sign * 0.4], sign, k);
                let (t, h) = (0.5, 1e-5);
                for beyond in [1e-3, 0.05, 0.2, 0.6] {
                    let k = edge(t) + sign * beyond;
                    let ours = at(k, t);
                    let pairs = [
                        (ours.by_k, (at(k + h, t).total - at(k - h, t).total) / (2.0 * h)),
                        (ours.by_kk, (at(k + h, t).by_k - at(k - h, t).by_k) / (2.0 * h)),
                        (ours.by_t, (at(k, t + h).total - at(k, t - h).total) / (2.0 * h)),
                        (ours.by_kt, (at(k, t + h).by_k - at(k, t - h).by_k) / (2.0 * h)),
                        (ours.by_tt, (at(k, t + h).by_t - at(k, t - h).by_t) / (2.0 * h)),
                    ];
                    for (i, (ours, numeric)) in pairs.into_iter().enumerate() {
                        assert!((ours - numeric).abs() < 1e-6 * (1.0 + numeric.abs()), "{i}: {ours} {numeric} {a} {k}");
                    }
                    let smile = at(k, t);
                    let plain = continued([inner(edge(t), t).value(), sign * inner(edge(t), t).partial(1, 0)], beyond);
                    assert!((smile.total - plain[0]).abs() < 1e-12 && (sign * smile.by_k - plain[1]).abs() < 1e-9);
                }
            }
        }
    }
}
