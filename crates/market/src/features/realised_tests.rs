//! Realised measures: by hand, streaming against batch, on simulated prices with noise and jumps, and on a real day.

use proptest::prelude::*;

use super::super::{
    lobster,
    realised_kernel::{kernel_bandwidth, realised_kernel},
};
use super::*;

#[test]
fn measures_by_hand() {
    let found = Realised::of(&[1.0, -2.0, 3.0, 1.0, -1.0]).unwrap();
    assert_eq!(found.variance, 16.0);
    assert!((found.bipower - FRAC_PI_2 * (2.0 + 6.0 + 3.0 + 1.0)).abs() < 1e-12);
    // Of fours: |1·2·3·1| + |2·3·1·1| = 12; QV = 5·(π²/4)·12 = 148.04, BV² = 355.31: less than 1, so ϑ/5 stands.
    let z = (1.0 - 6.0 * PI / 16.0) / (0.608_993_9_f64 / 5.0).sqrt();
    assert!((found.jump.unwrap() - z).abs() < 1e-5, "{found:?}, by hand {z}");
    assert_eq!(Realised::of(&[0.0; 9]).unwrap(), Realised { variance: 0.0, bipower: 0.0, jump: None });
    assert_eq!(Realised::of(&[0.0; 3]).unwrap_err().to_string(), "returns: 3 observations; allowed: 4 or more");
}

#[test]
fn two_scales_by_hand() {
    // K = 2 over 4 returns: sums of two are 3, 5, 7, squares 83, half of it 41.5; n̄ = 1.5; fast 30: (41.5 − 0.375·30)/(1 − 0.375).
    let found = two_scale_variance(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
    assert!((found - (41.5 - 11.25) / 0.625).abs() < 1e-12, "{found}");
    let error = two_scale_variance(&[1.0, 2.0, 3.0], 3).unwrap_err().to_string();
    assert_eq!(error, "subgrids 3; allowed: 2 or more, fewer than the returns");
}

/// Standard normal numbers (Box and Muller over SplitMix64).
fn normals(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut uniform = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    (0..count).map(|_| (-2.0 * uniform().ln()).sqrt() * (2.0 * PI * uniform()).cos()).collect()
}

#[test]
fn the_jump_test_sees_a_jump_and_seldom_one_that_is_not() {
    let (mut false_alarms, mut jump_share) = (0, 0.0);
    for seed in 0..200 {
        let mut returns: Vec<f64> = normals(seed, 400).iter().map(|z| z * 5e-4).collect();
        let calm = Realised::of(&returns).unwrap();
        false_alarms += usize::from(calm.jump.unwrap() > 1.645);
        returns[200] += 0.01;
        let jumped = Realised::of(&returns).unwrap();
        assert!(jumped.jump.unwrap() > 4.0 && jumped.jump_probability_value().unwrap() < 1e-4, "{jumped:?}");
        jump_share += jumped.jump_share().unwrap() / 200.0;
    }
    // 10 of 200 are expected at 5 %; more than 20 come once in a thousand times.
    assert!((2..=20).contains(&false_alarms), "{false_alarms}");
    // RV is 2e-4 on average, and BV 1e-4 with what the jump adds beside its neighbours: (π/2)·2·0.01·5e-4·√(2/π) = 1.25e-5.
    assert!((jump_share - 0.437).abs() < 0.02, "{jump_share}");
}

#[test]
fn two_scales_and_the_kernel_see_through_noise_that_plain_variance_does_not() {
    let (prices, noise_deviation, true_variance) = (23_401, 5e-4, 1e-4);
    let (mut plain, mut two_scale, mut kernel) = (0.0, 0.0, 0.0);
    let days = 10;
    for seed in 0..days {
        let steps = normals(2 * seed, prices);
        let noise = normals(2 * seed + 1, prices);
        let step = (true_variance / (prices - 1) as f64).sqrt();
        let returns: Vec<f64> =
            (1..prices).map(|i| steps[i] * step + (noise[i] - noise[i - 1]) * noise_deviation).collect();
        let bandwidth = kernel_bandwidth(&returns, true_variance).unwrap();
        let subgrids = two_scale_subgrids(&returns, true_variance).unwrap();
        plain += Realised::of(&returns).unwrap().variance / days as f64;
        kernel += realised_kernel(&returns, bandwidth).unwrap() / days as f64;
        two_scale += two_scale_variance(&returns, subgrids).unwrap() / days as f64;
    }
    assert!(plain > 100.0 * true_variance, "{plain}");
    assert!((two_scale / true_variance - 1.0).abs() < 0.15, "{two_scale}");
    assert!((kernel / true_variance - 1.0).abs() < 0.15, "{kernel}");
}

proptest! {
    #[test]
    fn streaming_is_batch(returns in prop::collection::vec(-1e-2f64..1e-2, 1..120), window in 4usize..20) {
        let mut rolling = RollingRealised::new(1, window).unwrap().sums;
        for row in 0..returns.len() {
            let found = rolling.push(returns[row]);
            let whole = (row + 1).checked_sub(window).map(|first| Realised::of(&returns[first..=row]).unwrap());
            match (found, whole) {
                (None, None) => {}
                (Some(found), Some(whole)) => {
                    prop_assert!((found.variance - whole.variance).abs() <= 1e-15);
                    prop_assert!((found.bipower - whole.bipower).abs() <= 1e-15);
                    prop_assert!((found.jump.unwrap() - whole.jump.unwrap()).abs() <= 1e-6);
                }
                _ => prop_assert!(false, "{:?} {:?}", found, whole),
            }
        }
    }
}

#[test]
fn real_two_scales_and_the_kernel_agree_with_each_other_and_with_variance_over_minutes() {
    let Some(day) = lobster::amzn() else { return };
    let mids: Vec<f64> = day.books().filter_map(|depth| depth.mid_ticks()).map(f64::ln).collect();
    let returns: Vec<f64> = mids.windows(2).map(|of| of[1] - of[0]).filter(|r| *r != 0.0).collect();
    let over = |seconds: u64| {
        let mut sum = 0.0;
        let mut sampled = IntervalReturns::new(seconds * 1_000_000_000, 100).unwrap();
        day.books().for_each(|depth| sampled.on_depth(&depth, |r| sum += r * r));
        sum
    };
    let (every_move, minutes) = (Realised::of(&returns).unwrap().variance, over(60));
    let bandwidth = kernel_bandwidth(&returns, over(1_200)).unwrap();
    let kernel = realised_kernel(&returns, bandwidth).unwrap();
    let two_scale = two_scale_variance(&returns, bandwidth + 1).unwrap();
    println!(
        "every move {every_move:e}, minutes {minutes:e}, kernel (H {bandwidth}) {kernel:e}, two scales {two_scale:e}"
    );
    assert!(every_move > 1.3 * minutes, "the mid's moves bounce: {every_move} {minutes}");
    assert!((kernel / two_scale - 1.0).abs() < 0.05, "{kernel} {two_scale}");
    assert!((kernel / minutes - 1.0).abs() < 0.15, "{kernel} {minutes}");
}
