//! Parameters along time: straight lines in variance time from expiry to expiry.

use crate::surface::clock::Clock;

/// D numbers that rise from zero at time zero in proportion to variance time to the first expiry, and pass between expiries in straight
/// lines of variance time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track<const D: usize> {
    years: Vec<f64>,
    clock: Clock,
    /// One stretch more than there are expiries.
    stretches: Vec<Stretch<D>>,
    /// The first cell of the table.
    first_cell: u64,
    /// By cell of years, how many expiries lie before it: the search goes from there to what the next cell has.
    before: Vec<u32>,
}

/// Cells are parts of 32 of octaves: the exponent and the first five bits of the mantissa, which rise with the number.
const CELL_SHIFT: u32 = 47;
/// No more cells than these, from the first expiry on.
const MOST_CELLS: u64 = 1600;

fn cell(years: f64) -> u64 {
    years.to_bits() >> CELL_SHIFT
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
        let first_cell = years.first().map_or(0, |first| cell(*first));
        let cells = years.last().map_or(0, |last| (cell(*last) - first_cell).min(MOST_CELLS));
        let start = |at: u64| years.partition_point(|years| cell(*years) < first_cell + at) as u32;
        let before = (0..=cells).map(start).chain([years.len() as u32]).collect();
        Self { years: years.to_vec(), clock: clock.clone(), stretches, first_cell, before }
    }

    /// The numbers at `years`, above zero.
    #[inline]
    pub(super) fn at(&self, years: f64) -> [f64; D] {
        let stretch = &self.stretches[self.after(years)];
        let time = if self.clock.is_calendar() { years } else { self.clock.at(years)[0] };
        let passed = time - stretch.start;
        std::array::from_fn(|i| stretch.at[i] + stretch.slope[i] * passed)
    }

    /// The numbers at `years` and their derivatives by years (of the stretch that ends at an expiry).
    pub(super) fn moving(&self, years: f64) -> ([f64; D], [f64; D]) {
        let stretch = &self.stretches[self.after(years)];
        let speed = self.clock.at(years)[1];
        (self.at(years), stretch.slope.map(|slope| slope * speed))
    }

    /// Expiries before `years`.
    #[inline]
    fn after(&self, years: f64) -> usize {
        let at = (cell(years).saturating_sub(self.first_cell) as usize).min(self.before.len() - 2);
        let (mut from, mut length) = (self.before[at] as usize, (self.before[at + 1] - self.before[at]) as usize);
        while length > 0 {
            let half = length.div_ceil(2);
            if self.years[from + half - 1] < years {
                from += half;
                length -= half;
            } else {
                length = half - 1;
            }
        }
        from
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
                assert_eq!(track.after(years[i]), i);
                assert_eq!(track.after(years[i] - 0.5), i);
                assert_eq!(track.after(years[i] + 0.5), i + 1);
                assert!((track.at(years[i])[0] - values[i][0]).abs() < 1e-12);
            }
            assert!((track.at(n as f64 + 1.0)[0] - (n * n + n) as f64).abs() < 1e-9);
            assert_eq!(track.at(0.25), [0.25]);
        }
    }

    #[test]
    fn the_table_agrees_with_a_search_however_expiries_crowd() {
        let mut years: Vec<f64> = (0..60).map(|i| 1e-9 * 1.6_f64.powi(i)).take_while(|t| *t < 1e3).collect();
        years.extend((0..40).map(|i| 0.5 + 1e-3 * f64::from(i)));
        years.extend([1e-9 * (1.0 + 1e-9), 0.5 * (1.0 + 1e-9), 1e3]);
        years.sort_by(f64::total_cmp);
        let values: Vec<[f64; 1]> = years.iter().map(|t| [*t]).collect();
        let track = Track::new(&years, &Clock::default(), &values, [true]);
        let near = years.iter().flat_map(|t| [t.next_down(), *t, t.next_up(), 1.3 * t]);
        for t in near.chain([f64::MIN_POSITIVE, 1e-12, 1e4, 1e300]) {
            assert_eq!(track.after(t), years.partition_point(|years| *years < t), "{t}");
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
