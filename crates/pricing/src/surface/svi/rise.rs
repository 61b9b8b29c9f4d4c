//! Whether total variance certainly rises from one slice to the next: without a grid.
//!
//! Both slices are convex. Over an interval the lower one lies below its chord and the upper one above its tangent, so that the rise is
//! nowhere below the lesser of its values at the two ends of those lines. An interval for which that is not above zero is halved.

use super::Svi;

/// Intervals that are looked at before the answer is that one cannot tell.
const MOST_INTERVALS: usize = 600;
const MOST_HALVINGS: usize = 40;
/// Share of total variance by which it rises at least, against rounding.
const ROUNDING: f64 = 1e-14;

/// Whether w of `high` is certainly above that of `low` at every log-moneyness in `range`. Where it is not, the slices may still be free
/// of calendar arbitrage: they come close, or there were too few intervals to tell.
pub(super) fn is_rise_certain(low: &Svi, high: &Svi, range: [f64; 2]) -> bool {
    let is_convex = |svi: &Svi| svi.b >= 0.0 && svi.sigma > 0.0 && svi.rho.abs() <= 1.0;
    if !(is_convex(low) && is_convex(high) && range[0] < range[1]) {
        return false;
    }
    let end = |k: f64| (k, low.total_variance(k));
    let mut open = [(end(range[0]), end(range[1]), 0); MOST_HALVINGS + 2];
    let mut count = 1;
    for _ in 0..MOST_INTERVALS {
        count -= 1;
        let ((start, w_start), (stop, w_stop), halvings) = open[count];
        let middle = 0.5 * (start + stop);
        let x = middle - high.m;
        let root = (x * x + high.sigma * high.sigma).sqrt();
        let w = high.a + high.b * (high.rho * x + root);
        let reach = (high.b * (high.rho + x / root) * (stop - start) * 0.5, ROUNDING * w.abs());
        let is_above = w - reach.0 - w_start > reach.1 && w + reach.0 - w_stop > reach.1;
        if !is_above {
            let (_, w_middle) = end(middle);
            let rise = w - w_middle;
            if rise.is_nan() || rise <= reach.1 || halvings == MOST_HALVINGS {
                return false;
            }
            open[count] = ((start, w_start), (middle, w_middle), halvings + 1);
            open[count + 1] = ((middle, w_middle), (stop, w_stop), halvings + 1);
            count += 2;
        }
        if count == 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RANGE: [f64; 2] = [-3.0, 1.0];

    fn least_rise(low: &Svi, high: &Svi) -> f64 {
        let rise = |i: u32| {
            let k = RANGE[0] + (RANGE[1] - RANGE[0]) * f64::from(i) / 20_000.0;
            high.total_variance(k) - low.total_variance(k)
        };
        (0..=20_000).map(rise).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn a_slice_above_another_by_a_hair_is_above_and_one_below_by_a_hair_is_not() {
        let low = Svi { a: 0.01, b: 0.1, rho: -0.6, m: 0.02, sigma: 0.05 };
        // Touches the lower one once, and crosses it beyond.
        let other = Svi { a: 0.01, b: 0.09, rho: -0.2, m: -0.1, sigma: 0.2 };
        let gap = least_rise(&low, &other);
        for (by, is_certain) in [(1e-7, true), (-1e-7, false)] {
            let high = Svi { a: other.a - gap + by, ..other };
            assert_eq!(is_rise_certain(&low, &high, RANGE), is_certain, "{by}");
        }
        assert!(!is_rise_certain(&low, &low, RANGE));
        assert!(is_rise_certain(&low, &Svi { a: low.a + 1e-3, ..low }, RANGE));
        assert!(!is_rise_certain(&low, &Svi { a: f64::NAN, ..low }, RANGE));
    }

    proptest! {
        #[test]
        fn what_is_certain_is_so_on_a_fine_grid(
            b in [0.01_f64..0.5, 0.01_f64..0.5], rho in [-0.95_f64..0.9, -0.95_f64..0.9], m in [-0.3_f64..0.3, -0.3_f64..0.3],
            sigma in [0.005_f64..0.5, 0.005_f64..0.5], up in -0.05_f64..0.3
        ) {
            let slice = |i: usize, a: f64| Svi { a, b: b[i], rho: rho[i], m: m[i], sigma: sigma[i] };
            let (low, high) = (slice(0, 0.02), slice(1, 0.02 + up));
            let least = least_rise(&low, &high);
            let is_certain = is_rise_certain(&low, &high, RANGE);
            prop_assert!(least > 0.0 || !is_certain, "{low:?} {high:?} {least}");
            prop_assert!(least < 1e-6 || is_certain, "{low:?} {high:?} {least}");
        }
    }
}
