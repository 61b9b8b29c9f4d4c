//! Normal numbers from uniform ones by the inverse of the distribution: one draw each, in order, and the same on every back end.
//!
//! Method    rational functions of the seventh degree: in q² about the middle, in √(−ln p) in the tails
//! Source    M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution" (1988), PPND16
//! Accuracy  tolerance.rs: inverse normal

use crate::math::{MultiplyAdd, ln, polynomial};

/// |q| up to which the middle's fraction holds.
pub(super) const MIDDLE: f64 = 0.425;
/// The middle's variable is this less q².
pub(super) const MIDDLE_SQUARE: f64 = 0.180_625;
/// √(−ln p) up to which the near tail's fraction holds.
pub(super) const FAR: f64 = 5.0;
/// What is taken off √(−ln p) in the near tail.
pub(super) const NEAR_SHIFT: f64 = 1.6;

pub(super) const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
pub(super) const B: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_854,
];
pub(super) const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    0.000_774_545_014_278_341_4,
];
pub(super) const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    0.000_547_593_808_499_534_5,
    1.050_750_071_644_416_9e-9,
];
pub(super) const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    0.001_242_660_947_388_078_4,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
pub(super) const F: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    0.000_786_869_131_145_613_3,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_7e-15,
];

/// The number that a normal one is below with probability u, for u in (0, 1). Without a branch.
#[inline(always)]
pub fn inverse_normal_cdf<M: MultiplyAdd>(u: f64) -> f64 {
    let q = u - 0.5;
    let r = M::multiply_add(-q, q, MIDDLE_SQUARE);
    let central = q.abs() <= MIDDLE;

    let p = if q < 0.0 { u } else { 1.0 - u };
    let root = (-ln::<M>(p)).sqrt();
    let near = root <= FAR;
    let s = if near { root - NEAR_SHIFT } else { root - FAR };
    let (mut above, mut below) = (0.0, 0.0);
    for i in (0..8).rev() {
        above = M::multiply_add(above, s, if near { C[i] } else { E[i] });
        below = M::multiply_add(below, s, if near { D[i] } else { F[i] });
    }
    // One division serves the middle and the tails.
    let numerator = if central { q * polynomial::<M, 8>(r, &A) } else { above.copysign(q) };
    numerator / if central { polynomial::<M, 8>(r, &B) } else { below }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Fused, Plain};
    use crate::tolerance::INVERSE_NORMAL_EPSILONS;

    #[test]
    fn it_meets_fifty_digits_from_the_middle_to_the_least_number() {
        // mpmath 1.3, 50 digits: √2 erfinv(2u − 1) of the double u.
        for (u, wanted) in GOLDEN {
            for got in [inverse_normal_cdf::<Plain>(u), inverse_normal_cdf::<Fused>(u)] {
                let error = (got / wanted - 1.0).abs() / f64::EPSILON;
                assert!(error <= INVERSE_NORMAL_EPSILONS, "{u:e}: {got} for {wanted}, {error} epsilons");
            }
            assert_eq!(inverse_normal_cdf::<Plain>(0.5), 0.0);
        }
    }

    const GOLDEN: [(f64, f64); 24] = [
        (0.5000000000000002, 5.565832849343534e-16),
        (0.5000001, 2.506628273311648e-07),
        (0.4999, -0.00025066283008800747),
        (0.51, 0.025068908258711057),
        (0.4, -0.2533471031357997),
        (0.6180339887498949, 0.30032138538999864),
        (0.3, -0.5244005127080408),
        (0.92, 1.4050715603096329),
        (0.0749999, -1.4395321773759007),
        (0.075000001, -1.439531463874085),
        (0.9250000000000003, 1.439531470938458),
        (0.01, -2.326347874040841),
        (0.99, 2.3263478740408408),
        (0.001, -3.0902323061678136),
        (1e-06, -4.753424308822899),
        (0.9999999, 5.199337582290661),
        (1e-10, -6.361340902404057),
        (1.3887e-11, -6.657914635462508),
        (1.39e-11, -6.657777073049202),
        (1e-12, -7.034483825301132),
        (1e-14, -7.650628092935269),
        (2.220446049250313e-16, -8.125890664701906),
        (1.1102230246251565e-16, -8.209536151601387),
        (0.9999999999999999, 8.209536151601387),
    ];
}
