//! Parameters along time: straight lines in variance time from expiry to expiry.

use crate::surface::{clock::Clock, expiry_table::ExpiryTable};

/// D numbers that rise from zero at time zero in proportion to variance time to the first expiry, and pass between expiries in straight
/// lines of variance time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track<const D: usize> {
    expiries: ExpiryTable,
    clock: Clock,
    /// One stretch more than there are expiries.
    stretches: Vec<Stretch<D>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch<const D: usize> {
    start: f64,
    at: [f64; D],
    slope: [f64; D],
}

impl<const D: usize> Track<D> {
    /// Through `values` at `years`, ascending. `beyond` is which of the numbers go on past the last expiry, at their mean speed up to it;
    /// the others stay.
    pub(super) fn new(years: &[f64], clock: &Clock, values: &[[f64; D]], beyond: [bool; D]) -> Self {
        let mut stretches = Vec::with_capacity(years.len() + 1);
        let mut before = (0.0, [0.0; D]);
        for (&years, &next) in years.iter().zip(values) {
            let (start, at) = before;
            let end = clock.at(years)[0];
            stretches.push(Stretch { start, at, slope: std::array::from_fn(|i| (next[i] - at[i]) / (end - start)) });
            before = (end, next);
        }
        let (start, at) = before;
        let slope = std::array::from_fn(|i| if beyond[i] { at[i] / start } else { 0.0 });
        stretches.push(Stretch { start, at, slope });
        Self { expiries: ExpiryTable::new(years), clock: clock.clone(), stretches }
    }

    /// The numbers at `years`, above zero.
    #[inline]
    pub(super) fn at(&self, years: f64) -> [f64; D] {
        let stretch = &self.stretches[self.expiries.count_before(years)];
        let time = if self.clock.is_calendar() { years } else { self.clock.at(years)[0] };
        let passed = time - stretch.start;
        std::array::from_fn(|i| stretch.at[i] + stretch.slope[i] * passed)
    }

    /// The numbers at `years` and their derivatives by years (of the stretch that ends at an expiry).
    pub(super) fn moving(&self, years: f64) -> ([f64; D], [f64; D]) {
        let stretch = &self.stretches[self.expiries.count_before(years)];
        let speed = self.clock.at(years)[1];
        (self.at(years), stretch.slope.map(|slope| slope * speed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretch_is_found_at_between_and_beyond_the_expiries() {
        for n in 1..20_usize {
            let years: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            let values: Vec<[f64; 1]> = years.iter().map(|t| [t * t]).collect();
            let track = Track::new(&years, &Clock::default(), &values, [true]);
            for i in 0..n {
                assert!((track.at(years[i])[0] - values[i][0]).abs() < 1e-12);
                let halfway = 0.5 * (values[i][0] + i.checked_sub(1).map_or(0.0, |before| values[before][0]));
                assert!((track.at(years[i] - 0.5)[0] - halfway).abs() < 1e-12);
            }
            assert!((track.at(n as f64 + 1.0)[0] - (n * n + n) as f64).abs() < 1e-9);
            assert_eq!(track.at(0.25), [0.25]);
        }
    }

    #[test]
    fn an_event_makes_time_pass_faster() {
        let clock = Clock::new(vec![[0.3, 0.3], [0.31, 0.4]]).expect("it rises");
        let track = Track::new(&[0.2, 0.5], &clock, &[[1.0, 5.0], [2.0, 5.0]], [true, false]);
        let ((before, speed), (after, fast)) = (track.moving(0.25), track.moving(0.305));
        assert!((fast[0] / speed[0] - 10.0).abs() < 1e-9 && before[0] < after[0]);
        assert_eq!((after[1], fast[1], track.at(9.0)[1]), (5.0, 0.0, 5.0));
    }
}
