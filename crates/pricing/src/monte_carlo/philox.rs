//! Philox 4×32-10: random bits by counter, so that any draw of any path is had alone, and on every device the same.
//!
//! Source    J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011)

/// Multipliers of a round.
pub(super) const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
/// What the key grows by from round to round: the golden ratio and √3 − 1.
pub(super) const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
/// Rounds.
pub(super) const ROUNDS: usize = 10;

/// The four words of a counter under a key.
#[inline(always)]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (mut c, mut k) = (counter, key);
    for round in 0..ROUNDS {
        if round > 0 {
            k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
        }
        let first = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let second = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [(second >> 32) as u32 ^ c[1] ^ k[0], second as u32, (first >> 32) as u32 ^ c[3] ^ k[1], first as u32];
    }
    c
}

/// A number in (0, 1) of 52 random bits: never 0 or 1, and as likely as its distance from 1.
#[inline(always)]
pub(super) fn uniform(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 12;
    // The bits as the fraction of a number in [1, 2): exact, and the same in vector code.
    f64::from_bits(0x3ff0_0000_0000_0000 | bits) - (1.0 - 0.5 / (1u64 << 52) as f64)
}

/// The key of a seed.
#[inline(always)]
pub(super) fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// Two uniform numbers: those of two steps of one path. `pair` counts pairs of steps.
#[inline(always)]
pub(super) fn uniforms(seed: u64, path: u64, pair: u32) -> [f64; 2] {
    stream_uniforms(seed, 0, path, pair)
}

/// As [`uniforms`], of another stream of the same seed.
#[inline(always)]
pub(super) fn stream_uniforms(seed: u64, stream: u32, path: u64, pair: u32) -> [f64; 2] {
    let words = philox([pair, stream, path as u32, (path >> 32) as u32], key(seed));
    [uniform(words[0], words[1]), uniform(words[2], words[3])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers_of_random123_come_out() {
        // Random123 1.14, tests/kat_vectors, philox4x32 10.
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_numbers_are_inside_and_symmetric() {
        let least = uniform(0, 0);
        assert_eq!(least, 0.5 / (1u64 << 52) as f64);
        assert_eq!(uniform(u32::MAX, u32::MAX), 1.0 - least);
        for (high, low) in [(0x1234_5678, 0x9abc_def0), (7, 0), (0x8000_0000, 0x1000)] {
            assert_eq!(uniform(!high, !low), 1.0 - uniform(high, low));
        }
    }
}
