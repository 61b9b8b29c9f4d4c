//! Every accuracy against a much finer scheme, the lanes against the twin, and independent methods.

use super::super::{Quadrature, Scheme, price_batch, price_batch_on};
use super::*;
use crate::math::Target;

fn finer() -> Accuracy {
    let scheme = |l, m, n, p| Scheme {
        integral_points: l,
        newton_steps: m,
        boundary_nodes: n,
        premium_points: p,
        quadrature: Quadrature::GaussLegendre,
    };
    Accuracy::new([scheme(56, 6, 28, 160), scheme(160, 6, 120, 220)])
}

fn batch(rows: &[Row], accuracy: &Accuracy) -> (Vec<f64>, Vec<Status>) {
    let columns = Columns::of(rows);
    let (mut out, mut status) = (vec![0.0; rows.len()], vec![Status::BadRow; rows.len()]);
    price_batch(&columns.rows(), accuracy, &mut out, &mut status);
    (out, status)
}

/// The presets keep what tolerance.rs promises over the published ranges; a share of the put's strike.
#[test]
fn presets_meet_a_finer_scheme() {
    let rows = published_ranges(600);
    let want = batch(&rows, &finer()).0;
    for (accuracy, allowed) in [
        (Accuracy::quick(), tolerance::AMERICAN_QUICK),
        (Accuracy::fast(), tolerance::AMERICAN_FAST),
        (Accuracy::accurate(), tolerance::AMERICAN_ACCURATE),
        (Accuracy::high_precision(), tolerance::AMERICAN_HIGH_PRECISION),
    ] {
        let (got, status) = batch(&rows, accuracy);
        let (mut worst, mut squares) = (0.0_f64, 0.0);
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(status[i], Status::Ok, "{row:?}");
            let strike = if row.option_type == OptionType::Put { row.strike } else { row.spot };
            let error = (got[i] - want[i]).abs() / strike;
            assert!(error <= allowed, "{row:?}: {} is not {}", got[i], want[i]);
            worst = worst.max(error);
            squares += error * error;
        }
        println!("{:?}: worst {worst:e}, root mean square {:e}", accuracy.schemes(), (squares / 600.0).sqrt());
    }
}

/// The quick preset keeps its word where volatility, rate and yield are far from usual.
#[test]
fn quick_holds_over_a_wide_table() {
    let rows = wide_ranges(6000);
    let (want, status) = batch(&rows, Accuracy::accurate());
    let (got, status_quick) = batch(&rows, Accuracy::quick());
    let (mut worst, mut early) = (0.0_f64, 0);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(status_quick[i], status[i], "{row:?}");
        if status[i] != Status::Ok {
            assert_eq!(status[i], Status::TwoBoundaries, "{row:?}");
            continue;
        }
        let strike = if row.option_type == OptionType::Put { row.strike } else { row.spot };
        let error = (got[i] - want[i]).abs() / strike;
        assert!(error <= tolerance::AMERICAN_QUICK, "{row:?}: {} is not {}", got[i], want[i]);
        worst = worst.max(error);
        early += usize::from(want[i] > european_price(row).unwrap());
    }
    println!("worst {worst:e} of {early} with a premium");
    assert!(early > 3000, "{early}");
}

/// Lanes of every target are the twin; a batch is its rows, whatever their order and statuses.
#[test]
fn lanes_are_the_twin() {
    let mut rows = published_ranges(300);
    rows[0].volatility = f64::NAN;
    rows[1].expiry_years = -1.0;
    rows[2] = row(OptionType::Put, 98.0, 100.0, 1.0, [-0.01, -0.02], 0.2);
    rows[3] = row(OptionType::Put, 98.0, 100.0, 1.0, [-0.02, -0.01], 0.2);
    rows[4] = row(OptionType::Call, 98.0, 100.0, 1.0, [0.03, 0.0], 0.2);
    rows[5] = row(OptionType::Put, 98.0, 100.0, 1.0, [0.03, 0.0], 1e-7);
    rows[6] = row(OptionType::Put, 98.0, 100.0, 1.0, [0.0, -0.03], 0.3);
    let columns = Columns::of(&rows);
    for target in Target::ALL.into_iter().filter(|target| target.is_available()) {
        for accuracy in [Accuracy::quick(), Accuracy::fast(), Accuracy::accurate()] {
            let (mut out, mut status) = (vec![0.0; rows.len()], vec![Status::BadRow; rows.len()]);
            price_batch_on(target, &columns.rows(), accuracy, &mut out, &mut status);
            for (i, row) in rows.iter().enumerate() {
                match price_with(row, accuracy) {
                    Ok(want) => {
                        let error = (out[i] - want).abs() / row.strike.max(row.spot);
                        assert!(error <= tolerance::AMERICAN_LANES, "{target:?} {row:?}: {} is not {want}", out[i]);
                        assert_eq!(status[i], Status::Ok);
                    }
                    Err(code) => assert!(out[i].is_nan() && status[i] == code, "{target:?} {row:?}"),
                }
            }
        }
    }
}

/// The tree of 1,001 steps, within what its own steps leave.
#[test]
fn the_tree_agrees() {
    for row in published_ranges(60) {
        let (got, tree) = (price(&row).unwrap(), tree::price(&row, 1001).unwrap());
        let allowed = tolerance::AMERICAN_TREE * row.spot.max(row.strike);
        assert!((got - tree).abs() < allowed, "{row:?}: {got}, tree {tree}");
    }
}

/// Kim (1990) with the boundary of infinite time: a very long put is a perpetual one (Merton 1973).
#[test]
fn long_puts_are_perpetual() {
    let (rate, volatility) = (0.08_f64, 0.4_f64);
    let gamma = 2.0 * rate / (volatility * volatility);
    let boundary = 100.0 * gamma / (1.0 + gamma);
    let perpetual = (100.0 - boundary) * (120.0_f64 / boundary).powf(-gamma);
    let put = row(OptionType::Put, 120.0, 100.0, 49.0, [rate, 0.0], volatility);
    let got = price_with(&put, Accuracy::accurate()).unwrap();
    assert!(got < perpetual && (got - perpetual).abs() < 0.02, "{got} {perpetual}");
}

/// Where there are two boundaries the accuracies refuse, and the default price is that of finite differences, held against the tree.
#[test]
fn two_boundaries() {
    let put = row(OptionType::Put, 95.0, 100.0, 2.0, [-0.01, -0.05], 0.15);
    let call = row(OptionType::Call, 100.0, 95.0, 2.0, [-0.05, -0.01], 0.15);
    for option in [put, call] {
        assert_eq!(price_with(&option, Accuracy::fast()), Err(Status::TwoBoundaries));
        let (default, fine) = (price(&option).unwrap(), tree::price(&option, 2001).unwrap());
        assert!((default - fine).abs() < tolerance::AMERICAN_PRICE_SHARE_OF_SPOT * option.spot, "{default} {fine}");
        assert!(default > european_price(&option).unwrap() + 0.01);
    }
    // One boundary or none: a rate of either sign with a yield of the other, or between rate and nought.
    for (rates, is_early) in
        [([0.02, -0.03], true), ([0.0, -0.03], true), ([-0.03, -0.03], false), ([-0.03, -0.01], false)]
    {
        let option = row(OptionType::Put, 95.0, 100.0, 2.0, rates, 0.15);
        let premium = price_with(&option, Accuracy::fast()).unwrap() - european_price(&option).unwrap();
        assert_eq!(premium > 1e-6, is_early, "{rates:?}: {premium}");
        let by_tree = tree::price(&option, 1001).unwrap() - european_price(&option).unwrap();
        assert!((premium - by_tree).abs() < 2e-3, "{rates:?}: {premium} {by_tree}");
    }
}
