//! The normal density and distribution, scalar.

/// Density.
pub(super) fn density(x: f64) -> f64 {
    const INVERSE_ROOT_TWO_PI: f64 = 0.398_942_280_401_432_7;
    INVERSE_ROOT_TWO_PI * (-0.5 * x * x).exp()
}

/// Distribution, after Hart (1968) in the arrangement of West (2005): absolute error below 1e-15.
pub(super) fn distribution(x: f64) -> f64 {
    const P: [f64; 7] = [
        3.526_249_659_989_11e-2,
        0.700_383_064_443_688,
        6.373_962_203_531_65,
        33.912_866_078_383,
        112.079_291_497_871,
        221.213_596_169_931,
        220.206_867_912_376,
    ];
    const Q: [f64; 8] = [
        8.838_834_764_831_84e-2,
        1.755_667_163_182_64,
        16.064_177_579_207,
        86.780_732_202_946_1,
        296.564_248_779_674,
        637.333_633_378_831,
        793.826_512_519_948,
        440.413_735_824_752,
    ];
    if x.is_nan() {
        return x;
    }
    let z = x.abs();
    let tail = if z > 38.0 {
        0.0
    } else {
        let weight = (-0.5 * z * z).exp();
        if z < 7.071_067_811_865_47 {
            let horner = |c: &[f64]| c.iter().fold(0.0, |sum, c| sum * z + c);
            weight * horner(&P) / horner(&Q)
        } else {
            let fraction = z + 1.0 / (z + 2.0 / (z + 3.0 / (z + 4.0 / (z + 0.65))));
            weight / (fraction * 2.506_628_274_631)
        }
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}
