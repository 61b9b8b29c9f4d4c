//! What a rolling window of time holds.

use std::collections::VecDeque;

use super::{
    FeatureError,
    error::{bad, duration},
};

/// How many entries a window has room for before it first grows.
const FIRST_ROOM: usize = 1024;

/// The lower half of a number's bits.
const LOWER: i64 = 0xffff_ffff;

/// The sum of whole numbers over the last `window_ns`: of all given at times in (now − window, now].
///
/// Whole numbers make the sum exact however long it runs. The ring grows to what the busiest window holds, and stays there.
#[derive(Debug, Clone)]
pub struct RollingSum {
    window_ns: u64,
    now_ns: u64,
    held: VecDeque<(u64, i64)>,
    sum: i128,
}

impl RollingSum {
    /// An empty window.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a window of no time or more than a day.
    pub fn new(window_ns: u64) -> Result<Self, FeatureError> {
        let window_ns = duration("window_ns", window_ns)?;
        Ok(Self { window_ns, now_ns: 0, held: VecDeque::with_capacity(FIRST_ROOM), sum: 0 })
    }

    /// Moves the window on to a time.
    #[inline]
    pub fn advance(&mut self, time_ns: u64) {
        self.now_ns = self.now_ns.max(time_ns);
        while let Some(&(at_ns, value)) = self.held.front() {
            if self.now_ns - at_ns < self.window_ns {
                break;
            }
            self.sum -= i128::from(value);
            self.held.pop_front();
        }
    }

    /// Moves the window on to a time and adds a number there.
    #[inline]
    pub fn add(&mut self, time_ns: u64, value: i64) {
        self.advance(time_ns);
        // What adds nothing need not be held.
        if value != 0 {
            self.sum += i128::from(value);
            self.held.push_back((self.now_ns, value));
        }
    }

    /// The sum now.
    #[inline]
    pub fn sum(&self) -> f64 {
        real(self.sum)
    }
}

/// A whole number as a real one; nearly all fit in 64 bits, which is faster.
#[inline]
fn real(sum: i128) -> f64 {
    i64::try_from(sum).map_or(sum as f64, |sum| sum as f64)
}

/// Sums of several columns of whole numbers over the last `window_ns`, as [`RollingSum`] each, in one ring. Sums are exact for up to two
/// thousand million rows, whatever their numbers.
#[derive(Debug, Clone)]
pub struct RollingSums {
    window_ns: u64,
    now_ns: u64,
    times_ns: Vec<u64>,
    held: Vec<i64>,
    oldest: usize,
    rows: usize,
    /// Sums of the upper and of the lower 32 bits of the numbers, which 64 bits hold: faster than sums of 128 bits.
    high: Vec<i64>,
    low: Vec<i64>,
}

impl RollingSums {
    /// An empty window of `columns` columns.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a window of no time or more than a day, or for no columns or more than 1,000.
    pub fn new(window_ns: u64, columns: usize) -> Result<Self, FeatureError> {
        if !(1..=1_000).contains(&columns) {
            return Err(bad("columns", columns, "1 to 1,000"));
        }
        Ok(Self {
            window_ns: duration("window_ns", window_ns)?,
            now_ns: 0,
            times_ns: vec![0; FIRST_ROOM],
            held: vec![0; FIRST_ROOM * columns],
            oldest: 0,
            rows: 0,
            high: vec![0; columns],
            low: vec![0; columns],
        })
    }

    /// Moves the window on to a time and adds a row there; columns that it lacks get 0, and what it has beyond them is left out.
    #[inline]
    pub fn add(&mut self, time_ns: u64, row: &[i64]) {
        self.now_ns = self.now_ns.max(time_ns);
        let columns = self.low.len();
        while self.rows > 0 && self.now_ns - self.times_ns[self.oldest] >= self.window_ns {
            let gone = &self.held[self.oldest * columns..(self.oldest + 1) * columns];
            for ((high, low), value) in self.high.iter_mut().zip(&mut self.low).zip(gone) {
                *high -= value >> 32;
                *low -= value & LOWER;
            }
            // The room is a power of two.
            self.oldest = (self.oldest + 1) & (self.times_ns.len() - 1);
            self.rows -= 1;
        }
        if row.iter().take(columns).all(|value| *value == 0) {
            return;
        }
        if self.rows == self.times_ns.len() {
            self.grow();
        }
        let place = (self.oldest + self.rows) & (self.times_ns.len() - 1);
        self.times_ns[place] = self.now_ns;
        let cells = &mut self.held[place * columns..(place + 1) * columns];
        let row = row.iter().copied().chain(std::iter::repeat(0));
        for (((cell, high), low), value) in cells.iter_mut().zip(&mut self.high).zip(&mut self.low).zip(row) {
            *high += value >> 32;
            *low += value & LOWER;
            *cell = value;
        }
        self.rows += 1;
    }

    /// Doubles the room, the oldest row first.
    fn grow(&mut self) {
        self.times_ns.rotate_left(self.oldest);
        self.held.rotate_left(self.oldest * self.low.len());
        self.oldest = 0;
        self.times_ns.resize(2 * self.rows, 0);
        self.held.resize(2 * self.rows * self.low.len(), 0);
    }

    /// The sum of a column now; 0 for one that there is not.
    #[inline]
    pub fn sum(&self, column: usize) -> f64 {
        let halves = self.high.get(column).zip(self.low.get(column));
        halves.map_or(0.0, |(high, low)| real((i128::from(*high) << 32) + i128::from(*low)))
    }
}

/// The sum of the last `rows` numbers, streaming. It is made anew from what is held once in every turn of its ring, so rounding does not pile up.
#[derive(Debug, Clone)]
pub struct RollingTotal {
    ring: Vec<f64>,
    room: usize,
    next: usize,
    sum: f64,
}

impl RollingTotal {
    /// Over the last `rows` numbers, 1 to 1,000,000.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(rows: usize) -> Result<Self, FeatureError> {
        if !(1..=1_000_000).contains(&rows) {
            return Err(bad("rows", rows, "1 to 1,000,000"));
        }
        Ok(Self { ring: Vec::with_capacity(rows), room: rows, next: 0, sum: 0.0 })
    }

    /// Takes the next number, and gives the one that it pushes out.
    #[inline]
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let mut out = None;
        if self.ring.len() < self.room {
            self.ring.push(value);
            self.sum += value;
        } else {
            let oldest = self.ring[self.next];
            out = Some(oldest);
            self.sum += value - oldest;
            self.ring[self.next] = value;
            self.next += 1;
            if self.next == self.room {
                self.next = 0;
                self.sum = self.ring.iter().sum();
            }
        }
        out
    }

    /// The sum; `None` before the window is full.
    #[inline]
    pub fn sum(&self) -> Option<f64> {
        (self.ring.len() == self.room).then_some(self.sum)
    }

    /// The numbers held, in no order; `None` before the window is full.
    pub fn held(&self) -> Option<&[f64]> {
        (self.ring.len() == self.room).then_some(&self.ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_window_is_open_at_its_start_and_closed_at_its_end() {
        let mut sum = RollingSum::new(10).unwrap();
        sum.add(100, 5);
        sum.add(105, -2);
        assert_eq!(sum.sum(), 3.0);
        sum.advance(109);
        assert_eq!(sum.sum(), 3.0);
        sum.advance(110);
        assert_eq!(sum.sum(), -2.0);
        sum.advance(115);
        assert_eq!(sum.sum(), 0.0);
    }

    #[test]
    fn a_window_of_no_time_is_told() {
        let error = RollingSum::new(0).unwrap_err().to_string();
        assert_eq!(error, "window_ns 0; allowed: 1 ns to one day (86,400,000,000,000 ns)");
    }

    proptest! {
        #[test]
        fn a_total_is_the_sum_of_the_last_rows(values in prop::collection::vec(-1e6f64..1e6, 1..200), rows in 1usize..12) {
            let mut total = RollingTotal::new(rows).unwrap();
            for (row, value) in values.iter().enumerate() {
                let out = total.push(*value);
                prop_assert_eq!(out, row.checked_sub(rows).map(|oldest| values[oldest]));
                match (row + 1).checked_sub(rows) {
                    None => prop_assert_eq!(total.sum(), None),
                    Some(first) => {
                        let whole: f64 = values[first..=row].iter().sum();
                        prop_assert!((total.sum().unwrap() - whole).abs() < 1e-7);
                    }
                }
            }
        }

        #[test]
        fn a_ring_that_grows_loses_nothing(before in 0usize..2_000, rows in 1usize..4_000) {
            let mut columns = RollingSums::new(5_000, 1).unwrap();
            (0..before).for_each(|time| columns.add(time as u64, &[7]));
            columns.add(100_000, &[0]);
            prop_assert_eq!(columns.sum(0), 0.0);
            (0..rows).for_each(|row| columns.add(200_000, &[row as i64 + 1]));
            prop_assert_eq!(columns.sum(0), (rows * (rows + 1) / 2) as f64);
            columns.add(205_000, &[3]);
            prop_assert_eq!(columns.sum(0), 3.0);
        }

        #[test]
        fn columns_are_sums_of_their_own(rows in prop::collection::vec((0u64..50, any::<i64>(), -9i64..9), 1..100), window in 1u64..200) {
            let mut columns = RollingSums::new(window, 2).unwrap();
            let (mut first, mut second) = (RollingSum::new(window).unwrap(), RollingSum::new(window).unwrap());
            let mut now = 0;
            for (step, one, two) in rows {
                now += step;
                columns.add(now, &[one, two]);
                first.add(now, one);
                second.add(now, two);
                prop_assert_eq!([columns.sum(0), columns.sum(1), columns.sum(2)], [first.sum(), second.sum(), 0.0]);
            }
        }

        #[test]
        fn streaming_is_the_sum_by_definition(steps in prop::collection::vec((0u64..50, any::<i64>()), 1..200), window in 1u64..200) {
            let mut rolling = RollingSum::new(window).unwrap();
            let mut given: Vec<(u64, i64)> = Vec::new();
            let mut now = 1_000;
            for (step, value) in steps {
                now += step;
                rolling.add(now, value);
                given.push((now, value));
                let whole: i128 = given.iter().filter(|(at, _)| now - at < window).map(|(_, value)| i128::from(*value)).sum();
                prop_assert_eq!(rolling.sum(), whole as f64);
            }
        }
    }
}
