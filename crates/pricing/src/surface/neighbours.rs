//! What a slice has of its neighbours where its own quotes tell too little.

/// Everything by ascending `times`, what is unknown from its known neighbours: `between` two of them at the share of time that has passed from
/// the earlier to the later, and beside one alone `scaled` in proportion to time, which keeps volatility. None where nothing is known.
///
/// In variance time this is what a surface has there whose slices are the known ones ([`Slices`](super::Slices)), but for the time after the
/// last.
pub(super) fn filled<T: Clone>(
    known: &[Option<T>],
    times: &[f64],
    between: impl Fn(&T, &T, f64) -> T,
    scaled: impl Fn(&T, f64) -> T,
) -> Option<Vec<T>> {
    let of = |i: usize| known[i].as_ref().map(|it| (times[i], it));
    let one = |i: usize| {
        let time = times[i];
        match (of(i), (0..i).rev().find_map(of), (i + 1..known.len()).find_map(of)) {
            (Some((_, own)), ..) => Some(own.clone()),
            (None, Some((start, low)), Some((end, high))) => {
                let share = ((time - start) / (end - start).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
                Some(between(low, high, share))
            }
            (None, Some((other, it)), None) | (None, None, Some((other, it))) => Some(scaled(it, time / other)),
            (None, None, None) => None,
        }
    };
    (0..known.len()).map(one).collect()
}

/// Of `known` at their years to expiry, what is nearest by ratio: a smile in units of its own deviation keeps its shape over time.
pub(super) fn nearest<T>(known: impl IntoIterator<Item = (f64, T)>, expiry_years: f64) -> Option<(f64, T)> {
    let away = |years: f64| (years / expiry_years).ln().abs();
    known.into_iter().min_by(|x, y| away(x.0).total_cmp(&away(y.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_lies_between_its_neighbours_or_keeps_the_volatility_of_one() {
        let fill = |known: &[Option<f64>], times: &[f64]| {
            filled(known, times, |low, high, share| low + (high - low) * share, |one, ratio| one * ratio)
        };
        let known = [None, Some(0.04), None, None, Some(0.1), None];
        assert_eq!(fill(&known, &[0.5, 1.0, 1.5, 3.0, 4.0, 8.0]), Some(vec![0.02, 0.04, 0.05, 0.08, 0.1, 0.2]));
        // Twice the same time is no division by nothing.
        assert_eq!(fill(&[Some(0.04), None, Some(0.05)], &[1.0, 1.0, 1.0]), Some(vec![0.04, 0.04, 0.05]));
        assert_eq!((fill(&[None, None], &[1.0, 2.0]), fill(&[], &[])), (None, Some(vec![])));
    }

    #[test]
    fn the_nearest_is_so_by_ratio() {
        let known = [(0.1, "first"), (1.0, "second")];
        assert_eq!(nearest(known, 0.4), Some((1.0, "second")));
        assert_eq!(nearest(known, 0.3), Some((0.1, "first")));
        assert_eq!(nearest(known[..0].iter().copied(), 0.3), None);
    }
}
