//! Sobol's points with the direction numbers of Joe and Kuo, scrambled after Owen by a hash and shifted.
//!
//! Method   coordinate d of point i is the exclusive or of the directions of i's bits; a nested permutation of its bits (each bit flipped by
//!          a hash of the higher ones) keeps a net a net; a digital shift of 52 bits makes each coordinate uniform over the seeds
//! Source   S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008)
//!          (`joe_kuo.txt`, the first lines of new-joe-kuo-6); S. Laine and T. Karras, "Stratified sampling for stochastic
//!          transparency" (2011), B. Burley, "Practical Hash-based Owen Scrambling", JCGT 9 (2020); the hash's constants are N. Vegdahl's (2021)
//! Limits   1,024 dimensions, 2³² points

use std::sync::OnceLock;

use super::Stream;
use crate::monte_carlo::lanes::{LANES, Lanes};
use crate::monte_carlo::philox::{key, philox, uniform};

/// Dimensions of the table.
pub(in crate::monte_carlo) const DIMENSIONS: usize = 1024;
/// Bits of a coordinate.
const BITS: usize = 32;

/// The directions of a dimension, mirrored: the highest bit of the coordinate is the lowest here, which is what the hash wants.
type Directions = [u32; BITS];

/// The directions of every dimension of the table.
fn directions() -> &'static [Directions] {
    static TABLE: OnceLock<Vec<Directions>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let lines = include_str!("joe_kuo.txt").lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let mut table: Vec<Directions> = vec![std::array::from_fn(|bit| 1 << bit)];
        table.extend(lines.map(|line| {
            let numbers: Vec<u32> = line.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect();
            recurrence(numbers[1] as usize, numbers[2], &numbers[3..])
        }));
        table
    })
}

/// Directions from a primitive polynomial (its degree and inner coefficients) and the first odd numbers.
fn recurrence(degree: usize, inner: u32, first: &[u32]) -> Directions {
    let mut v = [0u32; BITS];
    for bit in 0..BITS {
        v[bit] = if bit < degree {
            first[bit] << (BITS - 1 - bit)
        } else {
            let far = v[bit - degree];
            (1..degree)
                .filter(|k| inner >> (degree - 1 - k) & 1 == 1)
                .fold(far ^ (far >> degree), |sum, k| sum ^ v[bit - k])
        };
    }
    v.map(u32::reverse_bits)
}

/// What one replication does to a dimension.
#[derive(Clone, Copy, Debug)]
pub(in crate::monte_carlo) struct Scramble {
    hash: u32,
    shift: u64,
}

impl Scramble {
    pub(in crate::monte_carlo) fn new(seed: u64, replication: u32, dimension: usize) -> Self {
        let words = philox([dimension as u32, Stream::Scramble as u32, replication, 0], key(seed));
        Self { hash: words[0], shift: u64::from(words[1]) << 32 | u64::from(words[2]) }
    }

    /// The uniform number of a mirrored coordinate.
    #[inline(always)]
    pub(in crate::monte_carlo) fn uniform(self, mirrored: u32) -> f64 {
        let bits = scrambled(mirrored, self.hash).reverse_bits();
        uniform(bits ^ (self.shift >> 32) as u32, self.shift as u32)
    }
}

/// Flips each bit by a hash of the lower ones.
#[inline(always)]
fn scrambled(mut x: u32, hash: u32) -> u32 {
    x ^= x.wrapping_mul(0x3d20_adea);
    x = x.wrapping_add(hash);
    x = x.wrapping_mul((hash >> 16) | 1);
    x ^= x.wrapping_mul(0x0552_6c56);
    x ^ x.wrapping_mul(0x53a2_2864)
}

/// A mirrored coordinate of a point.
pub(in crate::monte_carlo) fn coordinate(point: u32, dimension: usize) -> u32 {
    let v = &directions()[dimension];
    (0..BITS).filter(|bit| point >> bit & 1 == 1).fold(0, |x, bit| x ^ v[bit])
}

/// One coordinate of the points from `first`, a multiple of the lanes.
#[inline(always)]
pub(in crate::monte_carlo) fn uniforms(first: u32, dimension: usize, scramble: Scramble, out: &mut Lanes) {
    let v = &directions()[dimension];
    let mut mirrored = [0u32; LANES];
    mirrored[0] = coordinate(first, dimension);
    // The lower bits of the point's number run through all their values: double the points bit by bit.
    for (bit, direction) in v.iter().enumerate().take(LANES.ilog2() as usize) {
        let (done, rest) = mirrored.split_at_mut(1 << bit);
        for (new, old) in rest.iter_mut().zip(done) {
            *new = *old ^ direction;
        }
    }
    for (u, mirrored) in out.iter_mut().zip(mirrored) {
        *u = scramble.uniform(mirrored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_points_are_those_of_joe_and_kuo() {
        // SciPy 1.17 (the authors' numbers), its Gray order undone: points 1 to 7 of dimensions 1 to 4.
        let wanted = [
            [0.5, 0.5, 0.5, 0.5],
            [0.25, 0.75, 0.75, 0.75],
            [0.75, 0.25, 0.25, 0.25],
            [0.125, 0.625, 0.375, 0.125],
            [0.625, 0.125, 0.875, 0.625],
            [0.375, 0.375, 0.625, 0.875],
            [0.875, 0.875, 0.125, 0.375],
        ];
        let at =
            |point: u32, dimension: usize| f64::from(coordinate(point, dimension - 1).reverse_bits()) / 2f64.powi(32);
        for (i, wanted) in wanted.iter().enumerate() {
            for (d, wanted) in wanted.iter().enumerate() {
                assert_eq!(at(i as u32 + 1, d + 1), *wanted, "point {} dimension {}", i + 1, d + 1);
            }
        }
        // The same of far ones.
        for (point, dimension, wanted) in [
            (5, 501, 0.125),
            (100, 11, 0.3203125),
            (100, 101, 0.7109375),
            (100, 1024, 0.4296875),
            (999, 101, 0.9697265625),
            (999, 501, 0.1181640625),
            (999, 1024, 0.8056640625),
        ] {
            assert_eq!(at(point, dimension), wanted, "point {point} dimension {dimension}");
        }
        assert_eq!(directions().len(), DIMENSIONS);
    }

    #[test]
    fn every_dimension_is_a_net_before_and_after_scrambling() {
        // 256 points of each dimension lie one in each 256th, and the first two dimensions one in each 16 × 16 cell.
        for dimension in (0..DIMENSIONS).step_by(7) {
            for replication in 0..2 {
                let scramble = Scramble::new(9, replication, dimension);
                let mut seen = [false; 256];
                let mut lanes = [0.0; LANES];
                for first in (0..256).step_by(LANES) {
                    uniforms(first as u32, dimension, scramble, &mut lanes);
                    for (i, u) in lanes.iter().enumerate() {
                        assert_eq!(*u, scramble.uniform(coordinate((first + i) as u32, dimension)));
                        seen[(u * 256.0) as usize] = true;
                    }
                }
                assert!(seen.iter().all(|seen| *seen), "dimension {dimension}");
            }
        }
        let [a, b] = [0, 1].map(|dimension| Scramble::new(4, 1, dimension));
        let mut cells = [0; 256];
        for point in 0..256 {
            let (x, y) = (a.uniform(coordinate(point, 0)), b.uniform(coordinate(point, 1)));
            cells[(x * 16.0) as usize * 16 + (y * 16.0) as usize] += 1;
        }
        assert!(cells.iter().all(|count| *count == 1), "{cells:?}");
    }
}
