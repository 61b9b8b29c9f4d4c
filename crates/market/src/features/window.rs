//! What a rolling window of time holds.

use std::collections::VecDeque;

use super::{
    FeatureError,
    error::{bad, duration},
};

/// How many entries a window has room for before it first grows.
const FIRST_ROOM: usize = 1024;

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
    i64::try_from(sum).map_or_else(|_| sum as f64, |sum| sum as f64)
}

/// Sums of several columns of whole numbers over the last `window_ns`, as [`RollingSum`] each, in one ring. Sums are exact whatever the numbers.
#[derive(Debug, Clone)]
pub struct RollingSums {
    window_ns: u64,
    now_ns: u64,
    times_ns: Vec<u64>,
    /// The rows, each padded to whole pairs of columns.
    held: Vec<[i64; 2]>,
    columns: usize,
    oldest: usize,
    rows: usize,
    sums: Sums,
}

/// What the rows held come to, a column each, padded as they are.
#[derive(Debug, Clone)]
enum Sums {
    /// While every number held is so small that a full ring of them fits in 64 bits.
    Narrow(Vec<[i64; 2]>),
    /// From the first greater number on.
    Wide(Vec<[i128; 2]>),
}

impl Sums {
    #[inline(always)]
    fn add(&mut self, row: &[[i64; 2]]) {
        match self {
            Self::Narrow(sums) => {
                sums.iter_mut().zip(row).for_each(|(sum, pair)| *sum = [sum[0] + pair[0], sum[1] + pair[1]])
            }
            Self::Wide(sums) => sums
                .iter_mut()
                .zip(row)
                .for_each(|(sum, pair)| *sum = [sum[0] + i128::from(pair[0]), sum[1] + i128::from(pair[1])]),
        }
    }

    #[inline(always)]
    fn take(&mut self, row: &[[i64; 2]]) {
        match self {
            Self::Narrow(sums) => {
                sums.iter_mut().zip(row).for_each(|(sum, pair)| *sum = [sum[0] - pair[0], sum[1] - pair[1]])
            }
            Self::Wide(sums) => sums
                .iter_mut()
                .zip(row)
                .for_each(|(sum, pair)| *sum = [sum[0] - i128::from(pair[0]), sum[1] - i128::from(pair[1])]),
        }
    }

    #[cold]
    fn widen(&mut self) {
        if let Self::Narrow(sums) = self {
            *self = Self::Wide(sums.iter().map(|pair| pair.map(i128::from)).collect());
        }
    }
}

/// A number's bits with its sign as the lowest: 0 for 0 alone, and below 2ⁿ⁺¹ for −2ⁿ ≤ number < 2ⁿ.
#[inline(always)]
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
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
        let pairs = columns.div_ceil(2);
        Ok(Self {
            window_ns: duration("window_ns", window_ns)?,
            now_ns: 0,
            times_ns: vec![0; FIRST_ROOM],
            held: vec![[0; 2]; FIRST_ROOM * pairs],
            columns,
            oldest: 0,
            rows: 0,
            sums: Sums::Narrow(vec![[0; 2]; pairs]),
        })
    }

    /// Moves the window on to a time and adds a row there; columns that it lacks get 0, and what it has beyond them is left out.
    #[inline]
    pub fn add(&mut self, time_ns: u64, row: &[i64]) {
        self.now_ns = self.now_ns.max(time_ns);
        let pairs = self.columns.div_ceil(2);
        while self.rows > 0 && self.now_ns - self.times_ns[self.oldest] >= self.window_ns {
            self.sums.take(&self.held[self.oldest * pairs..][..pairs]);
            // The room is a power of two.
            self.oldest = (self.oldest + 1) & (self.times_ns.len() - 1);
            self.rows -= 1;
        }
        let row = &row[..self.columns.min(row.len())];
        let bits = row.iter().fold(0, |bits, value| bits | zigzag(*value));
        // What adds nothing need not be held.
        if bits == 0 {
            return;
        }
        if self.rows == self.times_ns.len() {
            self.grow();
        }
        if bits >= self.least_wide() {
            self.sums.widen();
        }
        let place = (self.oldest + self.rows) & (self.times_ns.len() - 1);
        self.times_ns[place] = self.now_ns;
        let cells = &mut self.held[place * pairs..][..pairs];
        let (whole, odd) = row.as_chunks::<2>();
        let rest = cells.get_mut(whole.len()..).unwrap_or_default();
        if let Some((first, others)) = rest.split_first_mut() {
            *first = [odd.first().copied().unwrap_or(0), 0];
            others.fill([0; 2]);
        }
        cells.iter_mut().zip(whole).for_each(|(cell, pair)| *cell = *pair);
        self.sums.add(cells);
        self.rows += 1;
    }

    /// [`zigzag`] of numbers that sums of 64 bits are not exact for, from here on: a ring of 2ᵐ rows of numbers below 2ⁿ in size sums to 2ᵐ⁺ⁿ at most.
    #[inline(always)]
    fn least_wide(&self) -> u64 {
        1 << (63 - self.times_ns.len().trailing_zeros())
    }

    /// Doubles the room, the oldest row first.
    #[cold]
    fn grow(&mut self) {
        let pairs = self.columns.div_ceil(2);
        self.times_ns.rotate_left(self.oldest);
        self.held.rotate_left(self.oldest * pairs);
        self.oldest = 0;
        self.times_ns.resize(2 * self.rows, 0);
        self.held.resize(2 * self.rows * pairs, [0; 2]);
        let bits = self.held.as_flattened().iter().fold(0, |bits, value| bits | zigzag(*value));
        if bits >= self.least_wide() {
            self.sums.widen();
        }
    }

    /// The sum of a column now; 0 for one that there is not.
    #[inline]
    pub fn sum(&self, column: usize) -> f64 {
        match &self.sums {
            Sums::Narrow(sums) => sums.as_flattened().get(column).map_or(0.0, |sum| *sum as f64),
            Sums::Wide(sums) => sums.as_flattened().get(column).map_or(0.0, |sum| real(*sum)),
        }
    }

    /// The sums of the columns now, as many as `into` has room for.
    #[inline]
    pub fn write_sums(&self, into: &mut [f64]) {
        match &self.sums {
            Sums::Narrow(sums) => into.iter_mut().zip(sums.as_flattened()).for_each(|(into, sum)| *into = *sum as f64),
            Sums::Wide(sums) => into.iter_mut().zip(sums.as_flattened()).for_each(|(into, sum)| *into = real(*sum)),
        }
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
