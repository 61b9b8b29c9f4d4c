//! Whether total variance certainly rises from one slice to the next: without a grid.
//!
//! Both slices are convex. Over an interval the lower one lies below its chord and the upper one above its tangent, so that the rise is
//! nowhere below the lesser of its values at the two ends of those lines. An interval for which that is not above zero is halved.
//!
//! How small a rise can be certified: over a length h chord and tangent are each off by h²/8 of the greatest curvature at most, so an
//! interval is halved only where the rise is below h²/8 (w″ of the lower + w″ of the upper). With w″ = bσ²/(x² + σ²)^(3/2) the lengths
//! that a rise of e wants come to about 2.6 √(bσ/e) intervals for two slices of one shape, most of them at the vertex. Slices that come
//! close at one place only need few intervals whatever e, since the rise grows away from it. Parallel ones need them all along, and
//! [`MOST_INTERVALS`] are enough from e of about bσ/500 on whatever lies where, in practice from about bσ/10 000 on. What is less is for a
//! dense grid to decide.

use super::Svi;

/// Intervals that are looked at before the answer is that one cannot tell.
const MOST_INTERVALS: usize = 600;
const MOST_HALVINGS: usize = 40;
/// Share of total variance by which it rises at least, against rounding.
const ROUNDING: f64 = 1e-14;

/// Whether w of `high` is certainly above that of `low` at every log-moneyness in `range`. Where it is not, the slices may still be free
/// of calendar arbitrage: they come close, or there were too few intervals to tell (see the module's text for how close that is).
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

    /// Intervals that are enough to certify a rise of `gap` everywhere; none where the halvings are not.
    ///
    /// An interval of length h that is halved has a curvature of 4 gap/h² of one of the slices somewhere, which a slice has within
    /// (bσ²h²/(4 gap))^(1/3) of its vertex, and nowhere where that is above its b/σ: there are no more of that length than fit there, and
    /// one at each end. Every halving leaves two more to look at.
    fn intervals_enough(low: &Svi, high: &Svi, gap: f64) -> Option<f64> {
        let (mut length, mut halved) = (RANGE[1] - RANGE[0], 0.0);
        for _ in 0..=MOST_HALVINGS {
            let wanted = 4.0 * gap / (length * length);
            let those = |svi: &Svi| {
                let reach = (svi.b * svi.sigma * svi.sigma / wanted).cbrt();
                if wanted > svi.b / svi.sigma { 0.0 } else { 2.0 * reach / length + 2.0 }
            };
            let more: f64 = those(low) + those(high);
            if more == 0.0 {
                return Some(1.0 + 2.0 * halved);
            }
            halved += more.min((RANGE[1] - RANGE[0]) / length);
            length *= 0.5;
        }
        None
    }

    /// The least of half-decades at which two slices that far apart are certified whatever they look like.
    fn least_certified(slice: &Svi) -> f64 {
        let is_enough = |gap: f64| {
            let intervals = intervals_enough(slice, &Svi { a: slice.a + gap, ..*slice }, gap);
            intervals.is_some_and(|intervals| intervals <= MOST_INTERVALS as f64)
        };
        (0..40).map(|i| 10.0_f64.powf(-0.5 * f64::from(i))).take_while(|gap| is_enough(*gap)).last().expect("one is")
    }

    const LOW: Svi = Svi { a: 0.01, b: 0.1, rho: -0.6, m: 0.02, sigma: 0.05 };

    #[test]
    fn a_slice_above_another_by_a_hair_at_one_place_is_above_and_one_below_by_a_hair_is_not() {
        // Touches the lower one once, and crosses it beyond.
        let other = Svi { a: 0.01, b: 0.09, rho: -0.2, m: -0.1, sigma: 0.2 };
        let gap = least_rise(&LOW, &other);
        for (by, is_certain) in [(1e-7, true), (-1e-7, false)] {
            let high = Svi { a: other.a - gap + by, ..other };
            assert_eq!(is_rise_certain(&LOW, &high, RANGE), is_certain, "{by}");
        }
        assert!(!is_rise_certain(&LOW, &LOW, RANGE));
        assert!(!is_rise_certain(&LOW, &Svi { a: f64::NAN, ..LOW }, RANGE));
    }

    #[test]
    fn parallel_slices_are_certified_from_the_gap_on_that_the_intervals_are_enough_for() {
        for sigma in [0.002, 0.05, 0.5] {
            let low = Svi { sigma, ..LOW };
            let gap = least_certified(&low);
            let unit = low.b * sigma;
            assert!(gap < unit / 100.0, "{gap} of {unit}");
            let above = |gap: f64| Svi { a: low.a + gap, ..low };
            assert!(is_rise_certain(&low, &above(gap), RANGE), "{gap} at {sigma}");
            // Each leaf is as long as the gap allows: no 300 of them cover the vertex (see the module's text).
            assert!(!is_rise_certain(&low, &above(unit / 60_000.0), RANGE), "{sigma}");
        }
    }

    proptest! {
        #[test]
        fn what_is_certain_is_so_on_a_fine_grid_and_what_is_wide_enough_is_certain(
            b in [0.01_f64..0.5, 0.01_f64..0.5], rho in [-0.95_f64..0.9, -0.95_f64..0.9], m in [-0.3_f64..0.3, -0.3_f64..0.3],
            sigma in [0.005_f64..0.5, 0.005_f64..0.5], up in -0.05_f64..0.3, is_parallel in any::<bool>()
        ) {
            let slice = |i: usize, a: f64| Svi { a, b: b[i], rho: rho[i], m: m[i], sigma: sigma[i] };
            let low = slice(0, 0.02);
            let high = if is_parallel { Svi { a: low.a + 0.1 * up.powi(3), ..low } } else { slice(1, 0.02 + up) };
            let least = least_rise(&low, &high);
            let is_certain = is_rise_certain(&low, &high, RANGE);
            prop_assert!(least > 0.0 || !is_certain, "{low:?} {high:?} {least}");
            // Between the points of the fine grid the rise may be less, by what a chord is off.
            let step = (RANGE[1] - RANGE[0]) / 20_000.0;
            let gap = least - 0.125 * step * step * (high.b / high.sigma + low.b / low.sigma) - 1e-13;
            let intervals = if gap > 0.0 { intervals_enough(&low, &high, gap) } else { None };
            let is_enough = intervals.is_some_and(|intervals| intervals <= MOST_INTERVALS as f64);
            prop_assert!(!is_enough || is_certain, "{low:?} {high:?} {least} {intervals:?}");
        }
    }
}
