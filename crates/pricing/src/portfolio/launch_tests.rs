//! Sums on a device against the twin.

use zomma_base::Status;
use zomma_gpu::{Compute, Device, DeviceKind, list};

use super::batch::fold;
use super::launch::{OnePass, sums};
use super::order::Order;
use super::tests::{Book, distance};
use super::{Positions, Resident, Shock, Totals, scalar};
use crate::math::reduction::Reduction;
use crate::tolerance::{DEVICE_PORTFOLIO, DEVICE_PORTFOLIO_OF_PRICES};

fn vulkan() -> Option<Compute> {
    let device = list(DeviceKind::Vulkan).unwrap_or_default().into_iter().find(Device::has_f64);
    device.and_then(|device| device.open().unwrap())
}

fn sums_by(compute: &Compute, book: &Positions, groups: usize, shock: Shock, reduction: Reduction) -> Totals {
    let rows = book.columns();
    let order = Order::of(&rows, groups);
    fold(&order.segments, groups, compute.run(OnePass { rows: &rows, order: &order, shock, reduction }).unwrap())
}

#[test]
fn a_device_sums_what_the_twin_sums_by_planes_and_by_shared_memory() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    let shock =
        Shock { spot_factor: 0.97, volatility_shift: 0.01, volatility_floor: 0.01, rate_shift: 0.005, years: 0.01 };
    // Groups so large that a block shares each, so small that a thread has its own, and between.
    for (n, groups, prices) in
        [(1, 1, false), (20_000, 2, false), (3000, 2500, false), (4000, 300, true), (9000, 3, true)]
    {
        let book = Positions::market(n, groups, true, 17);
        let book = if prices { book.priced() } else { book };
        let groups = groups as usize;
        let allowed = if prices { DEVICE_PORTFOLIO_OF_PRICES } else { DEVICE_PORTFOLIO };
        for shock in [Shock::NONE, shock] {
            let twin = scalar::sums(&book.columns(), groups, shock);
            let magnitudes = book.magnitudes(groups, shock);
            let reductions = [Reduction::Best, Reduction::Shared, Reduction::Planes];
            for reduction in if shock == Shock::NONE { &reductions[..] } else { &reductions[..1] } {
                let device = sums_by(&compute, &book, groups, shock, *reduction);
                let worst = distance(&device, &twin, &magnitudes);
                assert!(worst <= allowed, "{n} rows, {groups} groups, {reduction:?}: {worst:e}");
                assert_eq!(device, sums_by(&compute, &book, groups, shock, *reduction), "the same bits again");
            }
        }
    }
}

#[test]
fn rows_that_a_device_leaves_have_the_twins_status() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    let mut book = Positions::market(2000, 5, true, 23);
    book.given[10] = f64::NAN;
    book.given[11] = 0.0;
    book.spot[12] = -1.0;
    book.quantity[20] = f64::NAN;
    book.multiplier[21] = 0.0;
    (book.quantity[22], book.multiplier[22]) = (1e300, 1e300);
    book.expiry_years[1999] = -1.0;
    book.strike[1500] = 1e60;
    let twin = scalar::sums(&book.columns(), 5, Shock::NONE);
    let device = sums(&compute, &book.columns(), 5, Shock::NONE).unwrap();
    assert_eq!((device.total.rows_ok(), device.total.failed()[&Status::BadForward]), (1994, 1));
    assert!(distance(&device, &twin, &book.magnitudes(5, Shock::NONE)) <= DEVICE_PORTFOLIO);
}

#[test]
fn a_thousand_small_batches_are_one_call() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    let mut book = Positions::market(100_000, 1, false, 29);
    for (row, group) in book.group.iter_mut().enumerate() {
        *group = row as u32 / 100;
    }
    let cpu = super::sums(&book.columns(), 1000, Shock::NONE);
    let device = sums(&compute, &book.columns(), 1000, Shock::NONE).unwrap();
    assert!(distance(&device, &cpu, &book.magnitudes(1000, Shock::NONE)) <= DEVICE_PORTFOLIO);
}

#[test]
fn a_resident_portfolio_follows_the_market() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    let book = Positions::market(5000, 8, true, 31);
    let mut resident = Resident::upload(&compute, book.clone(), 8).unwrap();
    let shock = Shock { spot_factor: 1.1, volatility_shift: -0.03, ..Shock::NONE };
    assert_eq!(resident.sums(shock).unwrap(), sums(&compute, &book.columns(), 8, shock).unwrap());
    let mut moved = book;
    moved.spot.iter_mut().for_each(|spot| *spot *= 1.01);
    moved.given.iter_mut().for_each(|volatility| *volatility += 0.02);
    moved.given[77] = -0.5;
    resident.set_spot(&moved.spot).unwrap();
    resident.set_given(&moved.given).unwrap();
    let after = resident.sums(Shock::NONE).unwrap();
    assert_eq!(after, sums(&compute, &moved.columns(), 8, Shock::NONE).unwrap());
    assert_eq!(after.total.failed()[&Status::BadVolatility], 1);
    assert_eq!(*resident.positions(), moved);
}

#[test]
fn no_rows_sum_to_nothing_on_a_device() {
    let Some(compute) = vulkan() else { return zomma_testkit::skip("no device") };
    let none = Positions::default();
    assert_eq!(sums(&compute, &none.columns(), 3, Shock::NONE).unwrap(), super::sums(&none.columns(), 3, Shock::NONE));
}
