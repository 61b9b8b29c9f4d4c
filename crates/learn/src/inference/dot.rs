//! Dot products of unsigned by signed bytes, four a word, summed in i32: exactly the same on every machine.
//!
//! On x86-64 with AVX-512 VNNI `vpdpbusd` does sixteen words of four products at once. The compiler (LLVM 22) makes that instruction of no
//! plain loop that keeps a row in each lane (it widens to 32 bits and takes a sixteenth of the products an instruction), so that this is
//! the one place of the crate with an intrinsic. Everywhere else the plain loop below is computed, which is also the specification.

use super::dense::ROWS;

/// A column of words: of each row four activations' bytes, the first in the lowest.
pub(super) type Words = [u32; ROWS];
/// A column of sums.
pub(super) type Sums = [i32; ROWS];

/// How dot products are computed.
pub(super) trait Dot: Copy {
    /// Σ over the columns of the four products of a row's bytes and a unit's weights, for two units. Sums wrap.
    fn sums(words: &[Words], weights: &[[i32; 2]]) -> [Sums; 2];
}

/// Plain loops.
#[derive(Clone, Copy)]
pub(super) struct Loops;

impl Dot for Loops {
    #[inline(always)]
    fn sums(words: &[Words], weights: &[[i32; 2]]) -> [Sums; 2] {
        let mut sums = [[0_i32; ROWS]; 2];
        let [first, second] = &mut sums;
        for (words, weights) in words.iter().zip(weights) {
            let [by_first, by_second] = weights.map(|weights| weights.to_le_bytes().map(|w| i32::from(w as i8)));
            for ((word, a), b) in words.iter().zip(first.iter_mut()).zip(second.iter_mut()) {
                for byte in 0..4 {
                    let q = ((word >> (8 * byte)) & 0xff) as i32;
                    *a = a.wrapping_add(q.wrapping_mul(by_first[byte]));
                    *b = b.wrapping_add(q.wrapping_mul(by_second[byte]));
                }
            }
        }
        sums
    }
}

/// `vpdpbusd`, for functions that enable `avx512f` and `avx512vnni`.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Vnni(());

#[cfg(target_arch = "x86_64")]
impl Vnni {
    /// Whether this machine has the instruction.
    pub(super) fn is_available() -> bool {
        std::arch::is_x86_feature_detected!("avx512vnni") && std::arch::is_x86_feature_detected!("avx512f")
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot for Vnni {
    #[inline(always)]
    fn sums(words: &[Words], weights: &[[i32; 2]]) -> [Sums; 2] {
        use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_set1_epi32};
        const VECTORS: usize = ROWS / 16;
        // SAFETY: of the instructions, that they exist: `Vnni` is named by `part_vnni` alone, which enables them and is called where
        // `is_available` found them. Of the transmutations, that both sides are as many plain integers of 32 bits.
        unsafe {
            let zero = _mm512_set1_epi32(0);
            let mut first = [zero; VECTORS];
            let mut second = [zero; VECTORS];
            for (words, [by_first, by_second]) in words.iter().zip(weights) {
                let words: [__m512i; VECTORS] = std::mem::transmute(*words);
                let (by_first, by_second) = (_mm512_set1_epi32(*by_first), _mm512_set1_epi32(*by_second));
                for v in 0..VECTORS {
                    first[v] = _mm512_dpbusd_epi32(first[v], words[v], by_first);
                    second[v] = _mm512_dpbusd_epi32(second[v], words[v], by_second);
                }
            }
            std::mem::transmute::<[[__m512i; VECTORS]; 2], [Sums; 2]>([first, second])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::uniform;

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vnni")]
    fn with_vnni(words: &[Words], weights: &[[i32; 2]]) -> [Sums; 2] {
        Vnni::sums(words, weights)
    }

    fn words(columns: usize, seed: u64) -> Vec<Words> {
        let word = |i: usize| (uniform(seed, i as u64) * (1u64 << 32) as f64) as u32;
        (0..columns).map(|column| std::array::from_fn(|row| word(column * ROWS + row))).collect()
    }

    #[test]
    fn sums_are_those_of_the_bytes_and_the_instruction_gives_the_same() {
        for columns in [0, 1, 5, 64] {
            let words = words(columns, 1);
            let mut weights: Vec<[i32; 2]> = (0..columns).map(|i| [i as i32 * 0x0123_4567, -(i as i32) << 9]).collect();
            // The greatest magnitudes.
            weights.iter_mut().take(1).for_each(|w| *w = [0x8080_8080_u32 as i32, 0x7f7f_7f7f]);
            let found = Loops::sums(&words, &weights);
            for row in 0..ROWS {
                for (unit, found) in found.iter().enumerate() {
                    let wanted: i64 = (0..columns)
                        .flat_map(|column| {
                            let (word, weight) =
                                (words[column][row].to_le_bytes(), weights[column][unit].to_le_bytes());
                            (0..4).map(move |i| i64::from(word[i]) * i64::from(weight[i] as i8))
                        })
                        .sum();
                    assert_eq!(i64::from(found[row]), wanted);
                }
            }
            #[cfg(target_arch = "x86_64")]
            if Vnni::is_available() {
                // SAFETY: the instructions are there.
                assert_eq!(unsafe { with_vnni(&words, &weights) }, found);
            } else {
                zomma_testkit::skip("no AVX-512 VNNI");
            }
        }
    }
}
