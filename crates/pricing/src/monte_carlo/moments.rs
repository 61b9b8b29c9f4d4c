//! Count, mean and squared deviations of samples, merged in the order of the tiles: the same bits on any number of threads.
//!
//! Method   two passes over a tile, then the update of T. F. Chan, G. H. Golub and R. J. LeVeque (1979) over a binary tree of tiles

use super::lanes::LANES;

/// Moments of some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub count: f64,
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub squares: f64,
}

impl Moments {
    /// Of the samples of a tile.
    pub(super) fn of(samples: &[f64]) -> Self {
        if samples.is_empty() {
            return Self::default();
        }
        let count = samples.len() as f64;
        let mean = lane_sum(samples, |x| x) / count;
        Self { count, mean, squares: lane_sum(samples, |x| (x - mean) * (x - mean)) }
    }

    /// Of both.
    pub(super) fn merge(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * (other.count / count),
            squares: self.squares + other.squares + apart * apart * (self.count * other.count / count),
        }
    }

    /// Of all, in their order.
    pub(super) fn merge_all(parts: &[Self]) -> Self {
        match parts {
            [] => Self::default(),
            [one] => *one,
            _ => {
                let (left, right) = parts.split_at(parts.len().div_ceil(2));
                Self::merge_all(left).merge(Self::merge_all(right))
            }
        }
    }

    /// Standard error of the mean of independent samples.
    pub(super) fn standard_error(&self) -> f64 {
        (self.squares / (self.count - 1.0) / self.count).sqrt()
    }
}

/// A sum in as many parts as a block has lanes, then over them.
fn lane_sum(samples: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    for block in samples.chunks(LANES) {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += term(*x);
        }
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            sums[i] += sums[i + width];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_moments_of_the_whole() {
        let samples: Vec<f64> = (0..10_000).map(|i| 1e6 + (i as f64 * 0.7).sin()).collect();
        let parts: Vec<Moments> = samples.chunks(777).map(Moments::of).collect();
        let (one, merged) = (Moments::of(&samples), Moments::merge_all(&parts));
        assert_eq!(one.count, merged.count);
        assert!((one.mean - merged.mean).abs() <= 1e-9);
        assert!((one.squares / merged.squares - 1.0).abs() <= 1e-9);
        assert_eq!(Moments::merge_all(&[Moments::default(), one, Moments::default()]), one);
    }
}
