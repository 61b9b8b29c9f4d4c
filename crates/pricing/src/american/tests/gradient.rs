//! The gradient against all Greeks, and what must hold exactly.

use super::super::{Gradient, gradient_batch, greeks_with};
use super::*;
use crate::black::Greek;

fn gradients(rows: &[Row], accuracy: &Accuracy) -> (Vec<Gradient>, Vec<Status>) {
    let columns = Columns::of(rows);
    let (mut out, mut status) = (vec![Gradient::default(); rows.len()], vec![Status::BadRow; rows.len()]);
    gradient_batch(&columns.rows(), accuracy, &mut out, &mut status);
    (out, status)
}

fn numbers(of: &Gradient) -> [f64; 7] {
    [of.price, of.delta, of.gamma, of.vega, of.theta, of.rho, of.phi]
}

#[test]
fn a_gradient_is_that_of_all_greeks() {
    let accurate = Accuracy::accurate();
    let mut rows = published_ranges(60);
    // Calls, and a put whose rate is 0.
    for row in rows.iter_mut().step_by(2) {
        *row = Row { option_type: OptionType::Call, ..*row };
    }
    rows.push(row(OptionType::Put, 101.0, 100.0, 0.5, [0.0, -0.02], 0.2));
    let (found, status) = gradients(&rows, accurate);
    let mut exercised = 0;
    let mut worst = [0.0f64; 7];
    for ((row, found), status) in rows.iter().zip(&found).zip(status) {
        let wanted = greeks_with(row, accurate).unwrap();
        assert_eq!(status, Status::Ok);
        let (s, t, v) = (row.spot.max(row.strike), row.expiry_years, row.volatility);
        let scaled = [
            (Greek::Price, s),
            (Greek::Delta, 1.0),
            (Greek::Gamma, 1.0 / (row.spot * v * t.sqrt())),
            (Greek::Vega, s * t.sqrt()),
            (Greek::Theta, s * v / t.sqrt()),
            (Greek::Rho, s * t),
            (Greek::Phi, s * t),
        ];
        for (i, ((greek, scale), found)) in scaled.into_iter().zip(numbers(found)).enumerate() {
            let error = (found - wanted[greek as usize]).abs() / scale;
            worst[i] = worst[i].max(error);
            assert!(error <= tolerance::AMERICAN_GRADIENT, "{row:?} {}: {error:e}", greek.as_str());
        }
        let exercise = row.option_type.sign() * (row.spot - row.strike);
        assert_eq!(found.is_exercised, found.price == exercise, "{row:?}");
        exercised += usize::from(found.is_exercised);
    }
    println!("{worst:?}");
    assert!((5..50).contains(&exercised), "{exercised}");
}

#[test]
fn exercised_options_european_ones_and_bad_rows_are_told_apart() {
    let mut rows = vec![
        row(OptionType::Call, 200.0, 100.0, 1.0, [0.01, 0.05], 0.2),
        row(OptionType::Call, 100.0, 95.0, 1.0, [0.05, 0.0], 0.2),
        row(OptionType::Put, 100.0, 95.0, 1.0, [0.05, 0.02], 0.2),
        row(OptionType::Put, 100.0, 95.0, 1.0, [-0.01, -0.03], 0.2),
        row(OptionType::Put, 100.0, -95.0, 1.0, [0.05, 0.02], 0.2),
    ];
    rows.extend(published_ranges(300));
    let (found, status) = gradients(&rows, Accuracy::fast());
    let exercise = Gradient { price: 100.0, delta: 1.0, is_exercised: true, ..Gradient::default() };
    assert_eq!(found[0], exercise);
    let european = greeks_with(&rows[1], Accuracy::fast()).unwrap();
    assert_eq!((found[1].price, found[1].vega), (european[Greek::Price as usize], european[Greek::Vega as usize]));
    assert_eq!(status[..5], [Status::Ok, Status::Ok, Status::Ok, Status::TwoBoundaries, Status::BadStrike]);
    assert!(found[3..5].iter().all(|found| numbers(found).iter().all(|x| x.is_nan())));
    // A row does not depend on its neighbours.
    let (alone, _) = gradients(&rows[200..201], Accuracy::fast());
    assert_eq!(numbers(&alone[0]).map(f64::to_bits), numbers(&found[200]).map(f64::to_bits));
}
