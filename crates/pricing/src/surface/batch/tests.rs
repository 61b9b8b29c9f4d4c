//! Fits against known smiles, against the fit of one slice, and a device against the twin.

use proptest::prelude::*;
use zomma_base::Status;
use zomma_gpu::{
    Compute, Device, DeviceKind, list,
    recovery::{Runner, RunnerConfig},
};

use super::columns::{SliceColumns, SliceFits};
use super::launch::{Slices, fit_on};
use super::{fit_slices, launch};
use crate::math::reduction::Reduction;
use crate::surface::svi::{
    loss::{Loss, objective},
    slice,
    target::{Anchor, Target},
    wings,
};
use crate::surface::test_quotes::{RealSmile, real_smiles_of_2025};
use crate::surface::{SliceQuotes, Smile, Svi};
use crate::tolerance::{DEVICE_SURFACE_G, DEVICE_SURFACE_MISS, DEVICE_SURFACE_RMS};

/// Numbers in (−1, 1) that look like chance and are the same at every run.
fn noise(seed: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / 2f64.powi(63) - 1.0
}

/// Adds a slice with quotes at `k`, all as wide as `half_share` of their variance, off the smile by `noise` half spreads at most.
fn push(columns: &mut SliceColumns, svi: &Svi, k: impl Iterator<Item = f64>, half_share: f64, off: f64, seed: u64) {
    if columns.offsets.is_empty() {
        columns.offsets.push(0);
    }
    for (i, k) in k.enumerate() {
        let w = svi.total_variance(k);
        let half = half_share * w;
        columns.log_moneyness.push(k);
        columns.total_variance.push(w + off * half * noise(seed + i as u64));
        columns.inverse_half_width.push(1.0 / half);
    }
    columns.offsets.push(columns.log_moneyness.len());
}

fn even(from: f64, to: f64, n: usize) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| from + (to - from) * i as f64 / (n - 1) as f64)
}

/// Smiles of every maturity and tilt, from three days to three years.
fn smiles() -> Vec<Svi> {
    let mut smiles = Vec::new();
    for level in [2e-4, 2e-3, 0.02, 0.12] {
        let deviation = f64::sqrt(level);
        for rho in [-0.8, -0.3, 0.4] {
            for width in [0.3, 0.8, 2.0] {
                let (sigma, b) = (width * deviation, 0.35 * deviation);
                smiles.push(Svi { a: level - 0.6 * b * sigma, b, rho, m: 0.4 * rho * deviation, sigma });
            }
        }
    }
    smiles
}

/// Noisy slices of 5 to 200 quotes.
fn noisy() -> SliceColumns {
    let mut columns = SliceColumns::default();
    for (i, svi) in smiles().iter().enumerate() {
        for (round, n) in [5, 9, 24, 65, 200].into_iter().enumerate() {
            let deviation = svi.total_variance(0.0).sqrt();
            let seed = 1000 * (5 * i + round) as u64;
            push(&mut columns, svi, even(-4.0 * deviation, 2.5 * deviation, n), 0.02, 0.8, seed);
        }
    }
    columns
}

/// The largest distance of two fits over a slice's quotes, in half spreads.
fn distance(columns: &SliceColumns, slice: usize, one: &Svi, other: &Svi) -> f64 {
    let quotes = columns.slice(slice);
    let apart =
        |(&k, &inverse_half): (&f64, &f64)| (one.total_variance(k) - other.total_variance(k)).abs() * inverse_half;
    quotes.k.iter().zip(quotes.inverse_half).map(apart).fold(0.0, f64::max)
}

fn device() -> Option<Device> {
    let found = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    if found.is_none() {
        zomma_testkit::skip("no device");
    }
    found
}

fn compute() -> Option<Compute> {
    device().and_then(|device| device.open().unwrap())
}

#[test]
fn a_known_smile_is_found_again() {
    let mut columns = SliceColumns::default();
    for svi in smiles() {
        let deviation = svi.total_variance(0.0).sqrt();
        push(&mut columns, &svi, even(-4.0 * deviation, 3.0 * deviation, 41), 0.01, 0.0, 0);
    }
    let fits = fit_slices(&columns);
    for (i, svi) in smiles().iter().enumerate() {
        let found = fits.svi(i).unwrap();
        assert_eq!(fits.status[i], Status::Ok, "{svi:?} {found:?}");
        assert!(fits.rms[i] < 1e-6, "{svi:?} {found:?} {}", fits.rms[i]);
        let deviation = svi.total_variance(0.0).sqrt();
        assert!((found.m - svi.m).abs() < 1e-4 * deviation, "{svi:?} {found:?}");
        assert!((found.sigma / svi.sigma - 1.0).abs() < 1e-4, "{svi:?} {found:?}");
        assert!((found.b / svi.b - 1.0).abs() < 1e-4 && (found.rho - svi.rho).abs() < 1e-4, "{svi:?} {found:?}");
    }
}

#[test]
fn the_misses_are_no_more_than_those_of_the_fit_of_one_slice() {
    let columns = noisy();
    let fits = fit_slices(&columns);
    for i in 0..columns.len() {
        let quotes = columns.slice(i);
        let target = Target {
            expiry_years: 1.0,
            k: quotes.k.to_vec(),
            centre: quotes.centre.to_vec(),
            inverse_half: quotes.inverse_half.to_vec(),
            ..Target::default()
        };
        let x = slice::least_squares(&target, &slice::Bounds::new(&target));
        let (one, n) = (objective(&target, &x, Loss::LEAST_SQUARES), target.len() as f64);
        // That fit may have negative variance between or beyond its quotes, which is not allowed here.
        let allowed = wings::to_svi(&x).least_total_variance() >= 2e-4 * target.level().unwrap();
        let all = fits.rms[i] * fits.rms[i] * n;
        assert!(!allowed || all <= 1.01 * one + 1e-9, "slice {i} of {n}: {all} {one} {:?} {x:?}", fits.svi(i));
        assert!(
            (all - objective(&target, &wings::from_svi(&fits.svi(i).unwrap()), Loss::LEAST_SQUARES)).abs() < 1e-6 * n
        );
    }
    let converged = fits.status.iter().filter(|status| status.is_ok()).count();
    assert!(converged * 100 >= 97 * fits.len(), "{converged} of {}", fits.len());
}

#[test]
fn the_least_g_tells_of_butterfly_arbitrage() {
    // Axel Vogt's example, in Gatheral and Jacquier (2014), "Arbitrage-free SVI volatility surfaces", section 3.
    let vogt = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };
    let mut columns = SliceColumns::default();
    push(&mut columns, &vogt, even(-1.5, 1.5, 61), 0.01, 0.0, 0);
    push(&mut columns, &smiles()[13], even(-0.3, 0.2, 61), 0.01, 0.0, 0);
    let fits = fit_slices(&columns);
    let (first, last) = (-1.5 - 0.75, 1.5 + 0.75);
    let least = (0..=4000).map(|i| vogt.durrleman_g(first + (last - first) * f64::from(i) / 4000.0));
    let least = least.fold(f64::INFINITY, f64::min);
    assert!(least < -0.01 && (fits.least_g[0] - least).abs() < 1e-3, "{} {least}", fits.least_g[0]);
    assert!(fits.least_g[1] > 0.0, "{}", fits.least_g[1]);
}

#[test]
fn the_least_variance_is_kept_above_zero() {
    // Below zero over a part of the strikes: what is left over is the least that the bound allows.
    let sunk = Svi { a: -0.03, b: 0.1, rho: 0.1, m: 0.0, sigma: 0.25 };
    let mut columns = SliceColumns::default();
    let wings = even(-1.5, -0.4, 12).chain(even(0.4, 1.5, 12));
    push(&mut columns, &sunk, wings, 0.02, 0.0, 0);
    let fits = fit_slices(&columns);
    let found = fits.svi(0).unwrap();
    assert_eq!(fits.status[0], Status::Ok, "{found:?}");
    let level = sunk.total_variance(-0.4).min(sunk.total_variance(0.4));
    assert!(found.least_total_variance() > 0.5e-4 * level, "{found:?}");
    assert!(fits.rms[0] > 1e-3, "without the bound there would be no misses: {}", fits.rms[0]);
}

/// Slices that cannot be fitted between slices that can, and what each is to be told.
fn rubbish() -> (SliceColumns, Vec<Status>) {
    let mut columns = SliceColumns::default();
    let mut expected = Vec::new();
    let svi = smiles()[4];
    let good = |columns: &mut SliceColumns, expected: &mut Vec<Status>| {
        push(columns, &svi, even(-0.05, 0.03, 15), 0.01, 0.5, 7);
        expected.push(Status::Ok);
    };
    good(&mut columns, &mut expected);
    push(&mut columns, &svi, std::iter::empty(), 0.01, 0.0, 0);
    expected.push(Status::NoQuote);
    push(&mut columns, &svi, even(-0.01, 0.01, 2), 0.01, 0.0, 0);
    expected.push(Status::TooFewQuotes);
    push(&mut columns, &svi, [0.0, 0.01, 0.0, 0.01, 0.02, 0.02, 0.03, 0.03, 0.0].into_iter(), 0.01, 0.0, 0);
    expected.push(Status::TooFewQuotes);
    for number in [f64::NAN, f64::INFINITY, 30.0] {
        let at = columns.log_moneyness.len();
        good(&mut columns, &mut expected);
        columns.log_moneyness[at + 3] = number;
        *expected.last_mut().unwrap() = Status::BadLogMoneyness;
    }
    for number in [f64::NAN, 0.0, -0.01, f64::INFINITY] {
        let at = columns.log_moneyness.len();
        good(&mut columns, &mut expected);
        columns.total_variance[at + 3] = number;
        good(&mut columns, &mut expected);
        columns.inverse_half_width[at + 17] = number;
        *expected.last_mut().unwrap() = Status::BadQuote;
        let before = expected.len() - 2;
        expected[before] = Status::BadQuote;
    }
    good(&mut columns, &mut expected);
    (columns, expected)
}

fn assert_rubbish_is_told(fits: &SliceFits, expected: &[Status]) {
    assert_eq!(fits.status, expected);
    for (i, status) in expected.iter().enumerate() {
        let numbers = [fits.a[i], fits.b[i], fits.rho[i], fits.m[i], fits.sigma[i], fits.rms[i], fits.least_g[i]];
        assert!(numbers.iter().all(|number| number.is_nan() != status.is_ok()), "{i} {status} {numbers:?}");
        assert_eq!(fits.svi(i).is_some(), status.is_ok());
        assert!(!status.is_ok() || fits.rms[i] == fits.rms[0], "every good slice is the same");
    }
}

#[test]
fn what_cannot_be_fitted_keeps_its_place_and_is_told_why() {
    let (columns, expected) = rubbish();
    assert_rubbish_is_told(&fit_slices(&columns), &expected);
    assert!(fit_slices(&SliceColumns::default()).is_empty());
}

#[test]
#[should_panic(expected = "offsets that do not fall")]
fn offsets_that_fall_are_a_mistake_of_the_caller() {
    let (mut columns, _) = rubbish();
    columns.offsets.swap(3, 4);
    fit_slices(&columns);
}

#[test]
fn columns_are_made_of_the_quotes_that_the_surface_s_own_fit_uses() {
    let quotes = SliceQuotes {
        expiry_years: 0.5,
        forward: 100.0,
        log_moneyness: vec![0.1, -0.2, 0.0, 0.3],
        bid_volatility: vec![0.19, f64::NAN, 0.2, 0.2],
        mid_volatility: vec![0.2, 0.25, 0.21, f64::NAN],
        ask_volatility: vec![0.21, 0.27, 0.22, 0.3],
        open_interest: Vec::new(),
    };
    let columns = SliceColumns::from_slices(&[SliceQuotes::default(), quotes.clone()]);
    let target = Target::new(&quotes);
    assert_eq!(columns.offsets, [0, 0, 3]);
    assert_eq!(columns.log_moneyness, target.k);
    assert_eq!(columns.total_variance, target.centre);
    assert_eq!(columns.inverse_half_width, target.inverse_half);
    assert_eq!(columns.log_moneyness, [-0.2, 0.0, 0.1]);
}

#[test]
fn real_smiles_are_fitted_as_by_the_fit_of_one_slice() {
    for RealSmile { name, quotes, .. } in real_smiles_of_2025() {
        // The quotes alone: what a slice of a surface has beside them is not the batch's.
        let target = Target { anchor: Anchor::default(), pull: None, ..Target::new(&quotes) };
        let alone = slice::least_squares(&target, &slice::Bounds::new(&target));
        let one = objective(&target, &alone, Loss::LEAST_SQUARES);
        let fits = fit_slices(&SliceColumns::from_slices(&[quotes]));
        assert_eq!(fits.status[0], Status::Ok);
        assert!(fits.rms[0] * fits.rms[0] * target.len() as f64 <= 1.01 * one, "{name}: {} {one}", fits.rms[0]);
    }
}

#[test]
fn a_device_fits_as_the_twin_does() {
    let Some(compute) = compute() else { return };
    let columns = noisy();
    let twin = fit_slices(&columns);
    for reduction in [Reduction::Best, Reduction::Shared, Reduction::Planes] {
        let mut fits = SliceFits::unknown(columns.len());
        compute.run(Slices { columns: &columns, slices: 0..columns.len(), fits: &mut fits, reduction }).unwrap();
        let (mut apart, mut g_apart, mut rms_apart) = (0.0_f64, 0.0_f64, 0.0_f64);
        for i in (0..columns.len()).filter(|&i| twin.status[i].is_ok()) {
            assert_eq!(fits.status[i], Status::Ok, "{reduction:?} slice {i}");
            apart = apart.max(distance(&columns, i, &twin.svi(i).unwrap(), &fits.svi(i).unwrap()));
            g_apart = g_apart.max((twin.least_g[i] - fits.least_g[i]).abs());
            rms_apart = rms_apart.max((twin.rms[i] - fits.rms[i]).abs());
        }
        let seen = format!("{reduction:?}: {apart:e} half spreads, g {g_apart:e}, misses {rms_apart:e}");
        assert!(apart <= DEVICE_SURFACE_MISS, "{seen}");
        assert!(g_apart <= DEVICE_SURFACE_G, "{seen}");
        assert!(rms_apart <= DEVICE_SURFACE_RMS, "{seen}");
    }
}

#[test]
fn a_device_tells_of_rubbish_as_the_cpu_does() {
    let Some(compute) = compute() else { return };
    let (columns, expected) = rubbish();
    let mut fits = SliceFits::unknown(columns.len());
    fit_on(&compute, &columns, 0..columns.len(), &mut fits).unwrap();
    assert_rubbish_is_told(&fits, &expected);
    fit_on(&compute, &SliceColumns::default(), 0..0, &mut SliceFits::unknown(0)).unwrap();
}

fn runner(fault: Option<&str>) -> Option<Runner> {
    let config =
        RunnerConfig { rows_min: 8, fault: fault.map(|fault| fault.parse().unwrap()), ..RunnerConfig::default() };
    device().map(|device| Runner::new(vec![device], config).unwrap())
}

fn bits(fits: &SliceFits) -> Vec<u64> {
    let columns = [&fits.a, &fits.b, &fits.rho, &fits.m, &fits.sigma, &fits.rms, &fits.least_g];
    columns.into_iter().flatten().map(|number| number.to_bits()).collect()
}

#[test]
fn pieces_give_the_bits_of_one() {
    let (Some(whole), Some(short)) = (runner(None), runner(Some("oom>20000"))) else { return };
    let columns = noisy();
    let one = launch::fit_slices(&whole, &columns).unwrap();
    let pieces = launch::fit_slices(&short, &columns).unwrap();
    assert!(short.stats().halvings_total > 0 && whole.stats().halvings_total == 0, "{:?}", short.stats());
    assert_eq!(whole.stats().rows_on_devices, columns.len() as u64);
    assert_eq!(short.stats().rows_on_devices, columns.len() as u64);
    assert_eq!((bits(&one), &one.status, &one.iterations), (bits(&pieces), &pieces.status, &pieces.iterations));
}

#[test]
fn a_lost_device_loses_no_slice() {
    let Some(runner) = runner(Some("lost@2")) else { return };
    let (columns, expected) = rubbish();
    let fits = launch::fit_slices(&runner, &columns).unwrap();
    assert_eq!(runner.stats().rows_on_cpu, columns.len() as u64, "{:?}", runner.stats());
    assert_rubbish_is_told(&fits, &expected);
    assert_eq!(bits(&fits), bits(&fit_slices(&columns)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_quotes_give_numbers_or_a_reason(
        slices in prop::collection::vec(
            prop::collection::vec((-2.0_f64..2.0, 1e-8_f64..2.0, 1e-1_f64..1e6), 0..40), 1..6)
    ) {
        let mut columns = SliceColumns { offsets: vec![0], ..SliceColumns::default() };
        for quotes in &slices {
            for &(k, w, inverse_half) in quotes {
                columns.log_moneyness.push(k);
                columns.total_variance.push(w);
                columns.inverse_half_width.push(inverse_half);
            }
            columns.offsets.push(columns.log_moneyness.len());
        }
        let fits = fit_slices(&columns);
        for (i, quotes) in slices.iter().enumerate() {
            match fits.svi(i) {
                None => prop_assert!(quotes.len() < 5, "{:?}", fits.status[i]),
                Some(svi) => {
                    let [left, right] = svi.wing_slopes();
                    prop_assert!((-1e-12..2.0).contains(&left) && (-1e-12..2.0).contains(&right), "{svi:?}");
                    prop_assert!(svi.least_total_variance() > 0.0, "{svi:?}");
                    prop_assert!(fits.rms[i].is_finite() && fits.least_g[i].is_finite(), "{svi:?}");
                }
            }
        }
    }
}
