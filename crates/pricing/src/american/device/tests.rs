//! A device against the scalar twin.

use zomma_base::OptionType;
use zomma_gpu::{Device, DeviceKind, list};

use super::*;
use crate::american::tests::{Columns, published_ranges, row};
use crate::american::{greeks_with, price_with};
use crate::black::{Greek, Row};
use crate::tolerance;

fn compute() -> Option<Compute> {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    device.and_then(|device| device.open().unwrap())
}

/// Prices on the device, statuses, and how many puts it left to the CPU.
fn prices(
    compute: &Compute,
    rows: &[Row],
    accuracy: &Accuracy,
    reduction: Reduction,
) -> (Vec<f64>, Vec<Status>, usize) {
    let columns = Columns::of(rows);
    let (mut out, mut status) = (vec![0.0; rows.len()], vec![Status::BadRow; rows.len()]);
    let batch = Prices { rows: &columns.rows(), accuracy, out: &mut out, status: &mut status, reduction };
    let left = compute.run(batch).unwrap();
    (out, status, left)
}

fn assert_twin(rows: &[Row], accuracy: &Accuracy, out: &[f64], status: &[Status]) {
    let mut worst = 0.0_f64;
    for (i, row) in rows.iter().enumerate() {
        match price_with(row, accuracy) {
            Ok(want) => {
                let error = (out[i] - want).abs() / row.strike.max(row.spot);
                worst = worst.max(error);
                assert!(error <= tolerance::DEVICE_AMERICAN, "{row:?}: {} is not {want}, {error:e}", out[i]);
                assert_eq!(status[i], Status::Ok);
            }
            Err(code) => assert!(out[i].is_nan() && status[i] == code, "{row:?}: {} {:?}", out[i], status[i]),
        }
    }
    println!("worst: {worst:e}");
}

/// Rows of the published ranges, and one of each kind that is not valued by a boundary.
fn mixed(count: usize) -> Vec<Row> {
    let mut rows = published_ranges(count);
    rows[0].volatility = f64::NAN;
    rows[1].expiry_years = -1.0;
    rows[2] = row(OptionType::Put, 98.0, 100.0, 1.0, [-0.01, -0.02], 0.2);
    rows[3] = row(OptionType::Put, 98.0, 100.0, 1.0, [-0.02, -0.01], 0.2);
    rows[4] = row(OptionType::Call, 98.0, 100.0, 1.0, [0.03, 0.0], 0.2);
    rows[5] = row(OptionType::Put, 98.0, 100.0, 1.0, [0.03, 0.0], 1e-7);
    rows[6] = row(OptionType::Put, 98.0, 100.0, 1.0, [0.0, -0.03], 0.3);
    rows[7] = row(OptionType::Put, 40.0, 100.0, 1.0, [0.05, 0.0], 0.2);
    rows
}

#[test]
fn a_device_prices_as_the_twin_does() {
    let Some(compute) = compute() else { return zomma_testkit::skip("no device") };
    let rows = mixed(500);
    for reduction in [Reduction::Best, Reduction::Shared, Reduction::Planes] {
        let (out, status, left) = prices(&compute, &rows, Accuracy::fast(), reduction);
        assert_twin(&rows, Accuracy::fast(), &out, &status);
        assert!(left < rows.len() / 50, "{left} left to the CPU");
    }
    // A row's bits do not depend on its place.
    let reversed: Vec<Row> = rows.iter().rev().copied().collect();
    let (forth, ..) = prices(&compute, &rows, Accuracy::fast(), Reduction::Best);
    let (back, ..) = prices(&compute, &reversed, Accuracy::fast(), Reduction::Best);
    assert!(forth.iter().zip(back.iter().rev()).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn finer_schemes_are_the_devices_where_shared_memory_holds_them() {
    let Some(compute) = compute() else { return zomma_testkit::skip("no device") };
    let rows = mixed(64);
    let (out, status, left) = prices(&compute, &rows, Accuracy::accurate(), Reduction::Best);
    assert_twin(&rows, Accuracy::accurate(), &out, &status);
    assert!(left < 4, "{left} left to the CPU");
    let rows = mixed(24);
    let (out, status, left) = prices(&compute, &rows, Accuracy::high_precision(), Reduction::Best);
    assert_twin(&rows, Accuracy::high_precision(), &out, &status);
    assert!(left > 4, "shared memory of a megabyte? {left}");
}

#[test]
fn a_device_makes_the_greeks_of_the_twin() {
    let Some(compute) = compute() else { return zomma_testkit::skip("no device") };
    let rows = mixed(40);
    let columns = Columns::of(&rows);
    let mut out = GreekColumns::zeros(rows.len());
    let mut status = vec![Status::BadRow; rows.len()];
    greeks(&compute, &columns.rows(), Accuracy::accurate(), &mut out, &mut status).unwrap();
    let mut worst = [0.0_f64; 19];
    for (i, row) in rows.iter().enumerate() {
        match greeks_with(row, Accuracy::accurate()) {
            Err(code) => assert_eq!(status[i], code, "{row:?}"),
            Ok(want) => {
                assert_eq!(status[i], Status::Ok, "{row:?}");
                for greek in Greek::ALL {
                    let (got, want) = (out.column(greek)[i], want[greek as usize]);
                    // Of a price under the range of numbers the elasticity is one rounding's or another's.
                    if greek == Greek::Lambda && out.column(Greek::Price)[i] < 1e-100 {
                        continue;
                    }
                    assert_eq!(got.is_nan(), want.is_nan(), "{row:?} {}", greek.as_str());
                    let error = (got - want).abs() / want.abs().max(1.0);
                    worst[greek as usize] = worst[greek as usize].max(error);
                    let allowed = tolerance::DEVICE_AMERICAN_GREEKS;
                    assert!(want.is_nan() || error <= allowed, "{row:?} {}: {got} {want}", greek.as_str());
                }
            }
        }
    }
    println!("worst: {worst:?}");
}

#[test]
fn batches_of_none_and_one() {
    let Some(compute) = compute() else { return zomma_testkit::skip("no device") };
    let (out, ..) = prices(&compute, &[], Accuracy::fast(), Reduction::Best);
    assert!(out.is_empty());
    let one = [row(OptionType::Call, 110.0, 100.0, 0.5, [0.02, 0.08], 0.3)];
    let (out, status, _) = prices(&compute, &one, Accuracy::fast(), Reduction::Best);
    assert_twin(&one, Accuracy::fast(), &out, &status);
}
