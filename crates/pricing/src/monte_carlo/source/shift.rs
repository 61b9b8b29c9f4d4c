//! A random shift of the cells of a net in one coordinate, so that a jump at one number of it is never met by all replications alike.
//!
//! Why       the points of a replication lie one in each cell of width 1/N: a jump a small share f of a cell beyond its end is counted alike
//!           by sixteen replications with probability (1 − f)¹⁶, and their scatter, the stated error, is then 0 though the mean is off by
//!           f/N of the jump
//! Method    v becomes v + D for a D that is uniform within half a cell, replication by replication; cells at both ends, where that would
//!           leave [0, 1], are stretched and squeezed by 1 ± D/E instead, and weighted so: E f(u) w = ∫ f whatever D is. A jump then
//!           lies anywhere in its cell, and a replication's count is off by a triangular number of variance 1/6, the mean over all places of
//!           a jump. No point leaves its order, so that what is smooth stays as accurate
//! Limits    none of it where points are odd in number: the one beyond all cells lies anywhere in [0, 1] already

use super::Stream;
use crate::monte_carlo::philox::{key, philox};

/// Cells at each end that are stretched or squeezed.
const CELLS: f64 = 8.0;

/// The largest number below 1.
pub(in crate::monte_carlo) const MOST: f64 = 1.0 - 0.5 * f64::EPSILON;

/// The shift of one coordinate in one replication.
#[derive(Clone, Copy, Debug)]
pub(in crate::monte_carlo) struct Shift {
    by: f64,
    /// Width of each end, a whole number of cells that hold equally many points.
    end: f64,
    /// by/end: what the low end is stretched by and the high end squeezed.
    stretch: f64,
}

impl Shift {
    /// Of so many points; none where they are odd in number.
    pub(in crate::monte_carlo) fn new(seed: u64, replication: u32, dimension: usize, points: usize) -> Option<Self> {
        if !points.is_multiple_of(2) || points == 0 {
            return None;
        }
        let part = |power: u32| 0.5f64.powi(power as i32);
        let (cell, equal) = (part(points.ilog2()), part(points.trailing_zeros()));
        // The word of the scramble's draw that the scramble leaves.
        let word = philox([dimension as u32, Stream::Scramble as u32, replication, 0], key(seed))[3];
        let by = ((f64::from(word) + 0.5) / 2f64.powi(32) - 0.5) * cell;
        let end = (CELLS * cell).min(0.5).max(equal);
        Some(Self { by, end, stretch: by / end })
    }

    /// What a number becomes, and its weight.
    #[inline(always)]
    pub(in crate::monte_carlo) fn at(self, v: f64) -> (f64, f64) {
        let Self { by, end, stretch } = self;
        if v < end {
            (v * (1.0 + stretch), 1.0 + stretch)
        } else if v > 1.0 - end {
            ((1.0 - (1.0 - v) * (1.0 - stretch)).min(MOST), 1.0 - stretch)
        } else {
            (v + by, 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_their_ends_and_their_measure() {
        for points in [2, 6, 8, 64, 700, 1000, 4096, 6250] {
            for replication in 0..8 {
                let shift = Shift::new(11, replication, 0, points).unwrap();
                assert!(shift.by.abs() <= 0.5 / (points as f64 / 2.0), "{points}: {shift:?}");
                // Middles of 2¹⁶ parts: the weighted mean of 3u² is 1, and weights are the slope of what numbers become.
                let n = 1 << 16;
                let (mut mean, mut weights, mut before) = (0.0, 0.0, 0.0);
                for i in 0..n {
                    let (u, weight) = shift.at((i as f64 + 0.5) / f64::from(n));
                    assert!(u > before && u < 1.0, "{points}: {u} after {before}");
                    before = u;
                    mean += weight * 3.0 * u * u / f64::from(n);
                    weights += weight / f64::from(n);
                }
                assert!((weights - 1.0).abs() <= 1e-11, "{points}: {weights}");
                assert!((mean - 1.0).abs() <= 1e-9, "{points}: {mean}");
                let (least, most) = (shift.at(f64::EPSILON / 2.0).0, shift.at(MOST).0);
                assert!(least > 0.0 && least <= f64::EPSILON && (1.0 - 2.0 * f64::EPSILON..1.0).contains(&most));
            }
        }
        for points in [0, 1, 625] {
            assert!(Shift::new(11, 0, 0, points).is_none());
        }
    }

    #[test]
    fn replications_are_shifted_apart() {
        let by = |replication| Shift::new(11, replication, 0, 4096).unwrap().by * 4096.0;
        let mut places: Vec<f64> = (0..1000).map(by).collect();
        places.sort_by(f64::total_cmp);
        // Uniform from −½ to ½: Kolmogorov's distance of a thousand is below 0.062 in 999 of 1,000 cases.
        for (k, place) in places.iter().enumerate() {
            assert!((place + 0.5 - (k as f64 + 0.5) / 1000.0).abs() <= 0.062, "{k}: {place}");
        }
    }
}
