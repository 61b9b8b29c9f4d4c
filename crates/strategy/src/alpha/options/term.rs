//! Volatility at a fixed number of days, between the expiries around it.
//!
//! Method     total variance σ²T is a line in T between two expiries, as in the VIX (Cboe, Volatility Index Methodology, step 4) and Gatheral's
//!            surface interpolation; outside the expiries there is no value

/// Volatility at one expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TermPoint {
    /// Years to expiry.
    pub years: f64,
    /// Volatility, or `None` where the expiry has none.
    pub volatility: Option<f64>,
}

/// Volatility at `years`. `points` ascend; those without a volatility are passed over.
pub fn at_tenor(points: &[TermPoint], years: f64) -> Option<f64> {
    let variance = between(
        points.iter().filter_map(|point| {
            let volatility = point.volatility?;
            Some([point.years, volatility * volatility * point.years])
        }),
        years,
    )?;
    (variance >= 0.0 && years > 0.0).then(|| (variance / years).sqrt())
}

/// The value at `x` of the line through the points around it; `None` outside them.
pub(super) fn between(points: impl Iterator<Item = [f64; 2]>, x: f64) -> Option<f64> {
    let mut before: Option<[f64; 2]> = None;
    for [at, value] in points.filter(|point| point[0].is_finite() && point[1].is_finite()) {
        if at == x {
            return Some(value);
        }
        if at > x {
            let [low, from] = before?;
            return Some(from + (value - from) * (x - low) / (at - low));
        }
        before = Some([at, value]);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(days: f64, volatility: f64) -> TermPoint {
        TermPoint { years: days / 365.0, volatility: Some(volatility) }
    }

    #[test]
    fn variance_is_a_line_between_expiries() {
        let points = [point(20.0, 0.10), TermPoint { years: 25.0 / 365.0, volatility: None }, point(40.0, 0.20)];
        // By hand: 20·0.01 = 0.2 and 40·0.04 = 1.6 variance days; half way 0.9 over 30 days.
        let found = at_tenor(&points, 30.0 / 365.0).unwrap();
        assert!((found - (0.9_f64 / 30.0).sqrt()).abs() < 1e-12);
        assert!((at_tenor(&points, 40.0 / 365.0).unwrap() - 0.2).abs() < 1e-12);
        assert_eq!((at_tenor(&points, 41.0 / 365.0), at_tenor(&points, 19.0 / 365.0)), (None, None));
        assert_eq!(at_tenor(&[], 0.1), None);
    }
}
