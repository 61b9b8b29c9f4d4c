//! Options of which it is certain when they are exercised.

use super::super::{certain, gradient_batch, greeks, greeks_batch, price_batch};
use super::*;
use crate::american::Gradient;
use crate::black::{Greek, GreekColumns};
use crate::valuation::{self, ModelName, Order, Settings, Table};
use zomma_base::ExerciseStyle;

/// The most that exercise at one time or never gives without volatility: a grid of times, then a search round the best of them.
fn best_time(row: &Row) -> f64 {
    let omega = row.option_type.sign();
    let value =
        |t: f64| omega * (row.spot * (-row.dividend_yield * t).exp() - row.strike * (-row.risk_free_rate * t).exp());
    let (times, step) = (400, row.expiry_years / 400.0);
    let best = (0..=times).max_by(|a, b| value(f64::from(*a) * step).total_cmp(&value(f64::from(*b) * step))).unwrap();
    let (mut low, mut high) = ((f64::from(best) - 1.0).max(0.0) * step, (f64::from(best) + 1.0).min(400.0) * step);
    for _ in 0..80 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if value(a) < value(b) {
            low = a;
        } else {
            high = b;
        }
    }
    [0.0, value(0.0), value(row.expiry_years), value(0.5 * (low + high))].into_iter().fold(0.0, f64::max)
}

/// Rates of every sign, spots about the strike of 100, no volatility; every third such that it is exercised on the way.
fn without_volatility(count: usize) -> Vec<Row> {
    let mut state = 5;
    let mut between = |low: f64, high: f64| low + (high - low) * next(&mut state);
    let mut one = |i: usize| {
        let option_type = if i.is_multiple_of(2) { OptionType::Put } else { OptionType::Call };
        if i.is_multiple_of(3) {
            let (near, far) = (between(0.01, 0.08), between(0.02, 0.1));
            let sign = if i % 4 < 2 { 1.0 } else { -1.0 };
            let mut rates = [sign * near, sign * (near + far)];
            if option_type == OptionType::Call {
                rates.reverse();
            }
            let (years, share) = (between(0.1, 3.0), between(0.1, 0.9));
            let log = (rates[0] / rates[1]).ln() - (rates[0] - rates[1]) * share * years;
            return row(option_type, 100.0 * log.exp(), 100.0, years, rates, 0.0);
        }
        let rates = [between(-0.1, 0.1), between(-0.1, 0.1)];
        row(option_type, between(50.0, 170.0), 100.0, between(0.1, 8.0), rates, 0.0)
    };
    (0..count).map(&mut one).collect()
}

/// Now, at expiry or never, later: by what the Greeks say.
fn kind(row: &Row) -> Option<usize> {
    let found = certain::of(row)?;
    let greeks = found.greeks(row).unwrap();
    let is_later = greeks[Greek::Vomma as usize] > 0.0;
    Some(if found.is_exercised() { 0 } else { 1 + usize::from(is_later) })
}

#[test]
fn without_volatility_it_is_the_best_of_all_times() {
    let mut seen = [0; 3];
    for option in without_volatility(4000) {
        let Some(kind_here) = kind(&option) else { panic!("{option:?}") };
        let greeks = certain::of(&option).unwrap().greeks(&option).unwrap();
        let price = greeks[Greek::Price as usize];
        assert!((price - best_time(&option)).abs() < 1e-11, "{option:?}: {price} {}", best_time(&option));
        let moved = |change: &dyn Fn(&mut Row, f64), step: f64| {
            let mut to = option;
            change(&mut to, step);
            to
        };
        let mut check = |greek: Greek, change: &dyn Fn(&mut Row, f64), step: f64, sign: f64| {
            let (low, high) = (moved(change, -step), moved(change, step));
            if kind(&low) == Some(kind_here) && kind(&high) == Some(kind_here) {
                let slope = sign * (best_time(&high) - best_time(&low)) / (2.0 * step);
                let got = greeks[greek as usize];
                assert!((got - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{option:?} {greek:?}: {got} {slope}");
                seen[kind_here] += 1;
            }
        };
        check(Greek::Delta, &|row, by| row.spot += by, 1e-3, 1.0);
        check(Greek::DualDelta, &|row, by| row.strike += by, 1e-3, 1.0);
        check(Greek::Theta, &|row, by| row.expiry_years += by, 1e-4, -1.0);
        check(Greek::Rho, &|row, by| row.risk_free_rate += by, 1e-6, 1.0);
        check(Greek::Phi, &|row, by| row.dividend_yield += by, 1e-6, 1.0);
        // Derivatives of derivatives.
        let of = |row: &Row, greek: Greek| certain::of(row).unwrap().greeks(row).unwrap()[greek as usize];
        for (greek, first) in [(Greek::Gamma, Greek::Delta), (Greek::Speed, Greek::Gamma)] {
            let (low, high) = (moved(&|row, by| row.spot += by, -1e-3), moved(&|row, by| row.spot += by, 1e-3));
            if kind(&low) == Some(kind_here) && kind(&high) == Some(kind_here) {
                let (slope, got) = ((of(&high, first) - of(&low, first)) / 2e-3, of(&option, greek));
                assert!((got - slope).abs() < 1e-5 * (1.0 + slope.abs()), "{option:?} {greek:?}: {got} {slope}");
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 500), "{seen:?}");
}

/// Spectral collocation still resolves a volatility of a thousandth.
#[test]
fn with_little_volatility_it_is_what_the_boundary_gives() {
    let late = [
        row(OptionType::Put, 34.0, 100.0, 1.0, [0.02, 0.06], 1e-3),
        row(OptionType::Put, 68.0, 100.0, 1.5, [0.08, 0.12], 1e-3),
        row(OptionType::Call, 295.0, 100.0, 1.0, [0.06, 0.02], 1e-3),
    ];
    for option in late {
        let ours = greeks_with(&option, Accuracy::fast()).unwrap();
        let theirs = greeks::by_the_boundary(&option, Accuracy::high_precision()).unwrap();
        // One per cent of a rate moves the time of exercise by half a year: differences of prices know no rho here.
        for (greek, allowed) in [
            (Greek::Price, 1e-9),
            (Greek::Delta, 1e-6),
            (Greek::Gamma, 1e-3),
            (Greek::Vega, 2e-3),
            (Greek::Vanna, 1e-2),
            (Greek::DualDelta, 1e-6),
            (Greek::DualGamma, 1e-3),
            (Greek::Lambda, 1e-6),
        ] {
            let (a, b) = (ours[greek as usize], theirs[greek as usize]);
            assert!((a - b).abs() <= allowed * b.abs(), "{option:?} {greek:?}: {a}, by the boundary {b}");
        }
        assert!(theirs[Greek::Theta as usize].abs() < 1e-5 && ours[Greek::Theta as usize] == 0.0);
    }
    let clear = [
        row(OptionType::Put, 95.0, 100.0, 1.0, [0.05, 0.01], 1e-3),
        row(OptionType::Put, 105.0, 100.0, 1.0, [0.05, 0.01], 1e-3),
        row(OptionType::Put, 95.0, 100.0, 1.0, [0.01, 0.05], 1e-3),
        row(OptionType::Call, 120.0, 100.0, 1.0, [0.01, 0.05], 1e-3),
        row(OptionType::Call, 120.0, 100.0, 1.0, [0.05, 0.01], 1e-3),
    ];
    let mut compared = 0;
    for option in clear {
        let ours = certain::of(&option).unwrap().greeks(&option).unwrap();
        // Not every boundary of changed rows settles at so small a volatility.
        let Ok(theirs) = greeks::by_the_boundary(&option, Accuracy::accurate()) else { continue };
        compared += 1;
        // A third difference leaves nothing of so small a step.
        let skipped = [Greek::Lambda, Greek::Ultima];
        for greek in Greek::ALL.into_iter().filter(|greek| !skipped.contains(greek)) {
            let (a, b) = (ours[greek as usize], theirs[greek as usize]);
            assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{option:?} {greek:?}: {a}, by the boundary {b}");
        }
    }
    assert!(compared >= 2, "{compared} of 5 were compared");
}

/// A change of the row, not the row, may be certain: the row's Greeks are then those of the boundary.
#[test]
fn next_to_what_is_certain_there_are_greeks() {
    let minute = 1.0 / 525_600.0;
    for spot in [99.38, 99.387, 99.4, 100.6, 100.615, 100.63] {
        let option = row(OptionType::Put, spot, 100.0, minute, [0.05, 0.01], 0.5);
        let found = greeks_with(&option, Accuracy::fast()).unwrap();
        assert!((found[0] - price_with(&option, Accuracy::fast()).unwrap()).abs() < 1e-9, "{option:?}: {found:?}");
    }
    for volatility in [1e-3, 1.01e-3, 1.03e-3, 5e-4] {
        for spot in [33.34, 34.0] {
            let option = row(OptionType::Put, spot, 100.0, 1.0, [0.02, 0.06], volatility);
            assert!(greeks_with(&option, Accuracy::fast()).is_ok(), "{option:?}");
        }
    }
}

/// A path that starts at an edge of the region, or near it, may leave on the other side: nothing is certain of it but what is exercised now.
#[test]
fn who_starts_at_an_edge_is_not_about_to_enter() {
    for (volatility, spot) in [(0.0, 50.0), (1e-5, 50.01), (1e-5, 49.99)] {
        let put = row(OptionType::Put, spot, 100.0, 40.0, [-0.02, -0.04], volatility);
        assert!(certain::of(&put).is_none(), "{put:?}");
        assert!((price(&put).unwrap() - (100.0 - spot)).abs() < 1e-3, "{put:?}: {}", price(&put).unwrap());
        assert_eq!(price_with(&put, Accuracy::fast()), Err(Status::TwoBoundaries));
    }
    // Spots in and about the edges, terms up to forty years, volatilities from none to tiny.
    let mut state = 77;
    let mut between = |low: f64, high: f64| low + (high - low) * next(&mut state);
    let mut seen = [0; 3];
    for i in 0..20_000 {
        let option_type = if i % 2 == 0 { OptionType::Put } else { OptionType::Call };
        let (rates, years) = ([between(-0.1, 0.1), between(-0.1, 0.1)], between(0.1, 40.0));
        let volatility = [0.0, 1e-7, 1e-6, 1e-5][i % 4];
        let deviation = volatility * years.sqrt();
        let ratio = rates[0] / rates[1];
        let edge = if i % 3 == 0 || ratio <= 0.0 { 0.0 } else { ratio.ln() };
        let log = edge + between(-20.0, 20.0) * if i % 5 < 3 { deviation } else { 0.1 };
        let option = row(option_type, 100.0 * log.exp(), 100.0, years, rates, volatility);
        let Some(found) = certain::of(&option) else { continue };
        // A European option has the time value of its last instant.
        let forward = option.spot * (-rates[1] * years).exp();
        let at_most = forward.min(100.0 * (-rates[0] * years).exp()) + option.spot;
        let allowed = (0.5 * deviation + 1e-12) * at_most;
        let best = best_time(&option);
        assert!((found.price - best).abs() <= allowed, "{option:?}: {} {best}", found.price);
        seen[kind(&option).unwrap()] += 1;
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

/// Where changes of a row leave the boundary's domain, what is certain of the row still has its Greeks.
#[test]
fn at_the_end_of_the_boundarys_domain_what_is_certain_has_greeks() {
    let rows = [
        row(OptionType::Put, 95.0, 100.0, 1.0, [0.05, 0.01], 1.005e-4),
        row(OptionType::Put, 34.0, 100.0, 1.0, [0.02, 0.06], 1.005e-4),
        row(OptionType::Put, 60.0, 100.0, 1.0, [0.499, 0.01], 0.01),
    ];
    let columns = Columns::of(&rows);
    let (mut gradients, mut status) = (vec![Gradient::default(); 3], vec![Status::NotConverged; 3]);
    gradient_batch(&columns.rows(), Accuracy::fast(), &mut gradients, &mut status);
    for (i, row) in rows.iter().enumerate() {
        let greeks = greeks_with(row, Accuracy::fast()).unwrap();
        assert!((greeks[0] - price_with(row, Accuracy::fast()).unwrap()).abs() < 1e-6, "{row:?}: {}", greeks[0]);
        assert_eq!(status[i], Status::Ok);
        assert!((gradients[i].delta - greeks[1]).abs() < 1e-6, "{row:?}: {} {}", gradients[i].delta, greeks[1]);
    }
}

/// Two boundaries, many deviations away, and the tree that knows them.
#[test]
fn between_two_boundaries_or_far_from_them_it_is_the_tree() {
    for (spot, volatility) in [(80.0, 0.01), (30.0, 0.02), (130.0, 0.01)] {
        let put = row(OptionType::Put, spot, 100.0, 1.0, [-0.02, -0.04], volatility);
        let (got, fine) = (price_with(&put, Accuracy::fast()).unwrap(), tree::price(&put, 2001).unwrap());
        assert!((got - fine).abs() < 1e-4, "{put:?}: {got} {fine}");
        assert!(greeks_with(&put, Accuracy::fast()).unwrap()[Greek::Delta as usize] <= 0.0);
    }
}

#[test]
fn every_path_says_the_same_and_what_is_not_certain_has_a_status() {
    let tiny = 5e-5;
    let rows = [
        row(OptionType::Put, 95.0, 100.0, 1.0, [0.05, 0.01], tiny),
        row(OptionType::Put, 105.0, 100.0, 1.0, [0.05, 0.01], tiny),
        row(OptionType::Put, 34.0, 100.0, 1.0, [0.02, 0.06], tiny),
        row(OptionType::Call, 120.0, 100.0, 1.0, [0.05, 0.0], 0.0),
        row(OptionType::Put, 100.01, 100.0, 1.0, [-0.02, -0.04], tiny),
        row(OptionType::Put, 95.0, 100.0, 1.0, [0.05, 0.01], 0.2),
    ];
    let columns = Columns::of(&rows);
    let n = rows.len();
    let (mut prices, mut status) = (vec![0.0; n], vec![Status::Ok; n]);
    price_batch(&columns.rows(), Accuracy::fast(), &mut prices, &mut status);
    let (mut made, mut of_greeks) = (GreekColumns::zeros(n), vec![Status::Ok; n]);
    greeks_batch(&columns.rows(), Accuracy::fast(), &mut made, &mut of_greeks);
    let (mut gradients, mut of_gradients) = (vec![Gradient::default(); n], vec![Status::Ok; n]);
    gradient_batch(&columns.rows(), Accuracy::fast(), &mut gradients, &mut of_gradients);
    let mut wanted = [Status::Ok; 6];
    wanted[4] = Status::TwoBoundaries;
    assert_eq!((&status[..], &of_greeks[..], &of_gradients[..]), (&wanted[..], &wanted[..], &wanted[..]));
    for (i, row) in rows.iter().enumerate().filter(|(i, _)| *i != 4) {
        let alone = greeks_with(row, Accuracy::fast()).unwrap();
        assert_eq!(price_with(row, Accuracy::fast()).unwrap().to_bits(), prices[i].to_bits());
        assert!((prices[i] - price(row).unwrap()).abs() < 1e-9);
        assert!((alone[0] - prices[i]).abs() < 1e-12 && made.column(Greek::Delta)[i] == alone[1]);
        let (delta, vega) = (gradients[i].delta - alone[1], gradients[i].vega - alone[3]);
        assert!(i == 5 || delta.abs() < 1e-9 && vega.abs() < 1e-9, "row {i}: {delta} {vega}");
    }
    assert!(gradients[0].is_exercised && !gradients[1].is_exercised && !gradients[2].is_exercised);

    let table = Table {
        model: vec![ModelName::Bsm; n],
        exercise: vec![ExerciseStyle::American; n],
        on_forward: vec![false; n],
        option_type: rows.iter().map(|row| row.option_type).collect(),
        spot: rows.iter().map(|row| row.spot).collect(),
        strike: rows.iter().map(|row| row.strike).collect(),
        expiry_years: rows.iter().map(|row| row.expiry_years).collect(),
        risk_free_rate: rows.iter().map(|row| row.risk_free_rate).collect(),
        dividend_yield: rows.iter().map(|row| row.dividend_yield).collect(),
        volatility: rows.iter().map(|row| row.volatility).collect(),
        status: vec![Status::Ok; n],
        ..Table::default()
    };
    let results = valuation::evaluate(&table, Order::All, &Settings::default());
    wanted[4] = Status::PriceAlone;
    assert_eq!(results.status, wanted);
    for (at, greek) in Order::All.quantities().enumerate() {
        for (i, value) in results.columns[at].iter().enumerate() {
            let empty = i == 4 && greek != Greek::Price;
            assert_eq!(value.is_nan(), empty, "row {i} {greek:?}: {value}");
        }
    }
    let prices_alone = valuation::evaluate(&table, Order::None, &Settings::default());
    assert_eq!(prices_alone.status, vec![Status::Ok; n]);
}
