//! Paths and prices against the twin, the laws of the process, and Black–Scholes.

use zomma_base::{OptionType, Status};
use zomma_gpu::{Compute, Device, DeviceKind, list};

use super::*;
use crate::black::{self, Model, Row};
use crate::math::reduction::Reduction;
use crate::tolerance::{DEVICE_PATH_EPSILONS, PATH_TWIN_EPSILONS};

fn market() -> Gbm {
    Gbm::new(100.0, 0.75, 0.04, 0.01, 0.3).unwrap()
}

fn draws(paths: usize, antithetic: bool) -> Draws {
    Draws { seed: 0x5eed_0000_0001, paths, antithetic }
}

/// Largest relative distance of paths from the twin's, in 2^-52 × (1 + Σ|steps of the logarithm|).
fn distance(draws: &Draws, steps: usize, out: &[f64]) -> f64 {
    let gbm = market();
    let mut twin = vec![0.0; steps * draws.paths];
    scalar::paths(&gbm, draws, steps, &mut twin);
    let mut worst = 0.0f64;
    for path in 0..draws.paths {
        let (mut before, mut moved) = (0.0f64, 1.0);
        for step in 0..steps {
            let (x, y) = (out[step * draws.paths + path], twin[step * draws.paths + path]);
            let log = (y / 100.0).ln();
            moved += (log - before).abs();
            before = log;
            worst = worst.max((x / y - 1.0).abs() / (f64::EPSILON * moved));
        }
    }
    worst
}

#[test]
fn every_target_draws_the_twins_paths() {
    for (paths, steps, antithetic) in [(1, 1, false), (63, 5, true), (4100, 4, false), (130, 33, true)] {
        let draws = draws(paths, antithetic);
        for target in Target::ALL.into_iter().filter(|target| target.is_available()) {
            let mut out = vec![0.0; steps * paths];
            batch::paths_on(target, &market(), &draws, steps, &mut out);
            let worst = distance(&draws, steps, &out);
            assert!(worst <= PATH_TWIN_EPSILONS, "{paths} × {steps}, {}: {worst}", target.as_str());
        }
    }
}

#[test]
fn threads_and_the_number_of_paths_change_no_bit() {
    let (many, few) = (draws(20_000, true), draws(6000, true));
    let on = |threads: usize, draws: &Draws| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; 3 * draws.paths];
        pool.install(|| {
            paths(&market(), draws, 3, &mut out);
            (european(&market(), draws, OptionType::Call, 105.0), out)
        })
    };
    let one = on(1, &many);
    assert_eq!(one, on(5, &many));
    let (_, fewer) = on(2, &few);
    for step in 0..3 {
        assert_eq!(one.1[step * 20_000..step * 20_000 + 6000], fewer[step * 6000..(step + 1) * 6000]);
    }
}

#[test]
fn another_seed_is_another_set_of_paths() {
    let gbm = market();
    let ends = |seed: u64| {
        let mut out = vec![0.0; 100];
        paths(&gbm, &Draws { seed, ..draws(100, false) }, 1, &mut out);
        out
    };
    let (one, other) = (ends(1), ends(1 << 40));
    assert!(one.iter().zip(&other).all(|(a, b)| a != b));
}

#[test]
fn the_ends_have_the_moments_of_the_process() {
    // 2^18 paths of 7 steps: mean and variance of ln S and the mean of S, each within four of its standard errors.
    let (gbm, draws) = (market(), draws(1 << 18, false));
    let mut out = vec![0.0; 7 * draws.paths];
    paths(&gbm, &draws, 7, &mut out);
    let n = draws.paths as f64;
    let ends: Vec<f64> = out[6 * draws.paths..].iter().map(|s| (s / 100.0).ln()).collect();
    let mean = ends.iter().sum::<f64>() / n;
    let variance = ends.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let wanted = 0.3f64 * 0.3 * 0.75;
    assert!((mean - (0.03 * 0.75 - 0.5 * wanted)).abs() <= 4.0 * (wanted / n).sqrt(), "{mean}");
    assert!((variance / wanted - 1.0).abs() <= 4.0 * (2.0 / n).sqrt(), "{variance}");
    let forward = out[6 * draws.paths..].iter().sum::<f64>() / n;
    let deviation = 100.0 * (wanted.exp() - 1.0).sqrt();
    assert!((forward - 100.0 * (0.03f64 * 0.75).exp()).abs() <= 4.0 * deviation / n.sqrt(), "{forward}");
    // Steps are independent: the first and the second do not move together.
    let product: f64 = (0..draws.paths)
        .map(|i| {
            let (first, second) = (out[i], out[draws.paths + i]);
            let drift = (0.03 - 0.5 * 0.09) * 0.75 / 7.0;
            ((first / 100.0).ln() - drift) * ((second / first).ln() - drift)
        })
        .sum();
    assert!((product / n).abs() <= 4.0 * (wanted / 7.0) / n.sqrt(), "{product}");
}

#[test]
fn antithetic_neighbours_mirror_each_other() {
    let (gbm, draws) = (market(), draws(1000, true));
    let mut out = vec![0.0; 1000];
    paths(&gbm, &draws, 1, &mut out);
    let middle = 2.0 * gbm.drift(1);
    for pair in out.chunks_exact(2) {
        let sum = (pair[0] / 100.0).ln() + (pair[1] / 100.0).ln();
        assert!((sum - middle).abs() <= 1e-14, "{pair:?}");
    }
}

/// How many standard errors an estimate is off the price of Black and Scholes.
fn errors_off(estimate: Estimate, option_type: OptionType, strike: f64) -> f64 {
    let row = Row {
        option_type,
        spot: 100.0,
        strike,
        expiry_years: 0.75,
        risk_free_rate: 0.04,
        dividend_yield: 0.01,
        volatility: 0.3,
    };
    (estimate.price - black::scalar::price(&row, Model::Bsm).unwrap()) / estimate.standard_error
}

#[test]
fn prices_are_black_and_scholes_within_their_error() {
    for antithetic in [false, true] {
        for (option_type, strike) in [(OptionType::Call, 90.0), (OptionType::Put, 100.0), (OptionType::Call, 130.0)] {
            let draws = draws(1 << 18, antithetic);
            let estimate = european(&market(), &draws, option_type, strike).unwrap();
            let twin = scalar::european(&market(), &draws, option_type, strike).unwrap();
            assert!((estimate.price / twin.price - 1.0).abs() <= 1e-12);
            assert!((estimate.standard_error / twin.standard_error - 1.0).abs() <= 1e-9);
            let off = errors_off(estimate, option_type, strike);
            assert!(off.abs() <= 3.5, "{option_type:?} {strike}: {off} standard errors");
        }
    }
    let plain = european(&market(), &draws(1 << 18, false), OptionType::Call, 90.0).unwrap();
    let pairs = european(&market(), &draws(1 << 18, true), OptionType::Call, 90.0).unwrap();
    assert!(pairs.standard_error < 0.7 * plain.standard_error, "opposite numbers pay for a call in the money");
}

#[test]
fn a_field_at_fault_is_named_and_too_few_samples_are_none() {
    let status = |spot, years, rate, dividend, volatility| Gbm::new(spot, years, rate, dividend, volatility).err();
    assert_eq!(status(0.0, 1.0, 0.0, 0.0, 0.2), Some(Status::BadSpot));
    assert_eq!(status(1.0, 0.0, 0.0, 0.0, 0.2), Some(Status::Expired));
    assert_eq!(status(1.0, f64::NAN, 0.0, 0.0, 0.2), Some(Status::BadExpiry));
    assert_eq!(status(1.0, 1.0, f64::INFINITY, 0.0, 0.2), Some(Status::BadRate));
    assert_eq!(status(1.0, 1.0, 0.0, f64::NAN, 0.2), Some(Status::BadYield));
    assert_eq!(status(1.0, 1.0, 0.0, 0.0, -0.1), Some(Status::BadVolatility));
    assert_eq!(status(1.0, 1.0, 0.0, 0.0, 100.0), Some(Status::Overflow));
    assert_eq!(status(1.0, 1.0, 0.0, 0.0, 0.0), None);
    assert_eq!(european(&market(), &draws(1, false), OptionType::Call, 100.0), None);
    assert_eq!(european(&market(), &draws(3, true), OptionType::Call, 100.0), None);
    let mut out = [];
    paths(&market(), &draws(0, false), 3, &mut out);
    paths(&market(), &draws(3, false), 0, &mut out);
}

fn vulkan() -> Option<Compute> {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    device.and_then(|device| device.open().unwrap())
}

#[test]
fn a_device_draws_the_twins_paths() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    for (paths, steps, antithetic) in [(1, 1, false), (1000, 5, true), (3001, 4, false)] {
        let draws = draws(paths, antithetic);
        let mut out = vec![0.0; steps * paths];
        launch::paths(&compute, &market(), &draws, steps, &mut out).unwrap();
        let worst = distance(&draws, steps, &out);
        assert!(worst <= DEVICE_PATH_EPSILONS, "{paths} × {steps}: {worst}");
    }
    launch::paths(&compute, &market(), &draws(0, false), 3, &mut []).unwrap();
}

#[test]
fn a_device_prices_as_the_cpu_does_by_planes_and_by_shared_memory() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    for antithetic in [false, true] {
        let draws = draws(100_001, antithetic);
        let cpu = european(&market(), &draws, OptionType::Put, 95.0).unwrap();
        for reduction in [Reduction::Best, Reduction::Shared, Reduction::Planes] {
            let by = || launch::european_by(&compute, &market(), &draws, OptionType::Put, 95.0, reduction).unwrap();
            let device = by().unwrap();
            assert!((device.price / cpu.price - 1.0).abs() <= 1e-12, "{reduction:?}: {device:?} {cpu:?}");
            assert!((device.standard_error / cpu.standard_error - 1.0).abs() <= 1e-9, "{device:?} {cpu:?}");
            assert_eq!(by(), Some(device), "the same bits again");
        }
    }
}
