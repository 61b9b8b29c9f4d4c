//! What must hold of any option, and of the fast path against the twin.

use super::*;
use crate::tolerance;
use proptest::prelude::*;

/// Options from one hour to ten years, σ from 0.01 to 3, up to `deviations` standard deviations from the money, on both signs of rates.
fn option(deviations: f64) -> impl Strategy<Value = Row> {
    let ranges = (1.0..5000.0, -deviations..deviations, -9.1..2.3, -0.05..0.1, -0.03..0.06, -4.6..1.1);
    (any::<bool>(), ranges).prop_map(|(call, (spot, d, log_expiry, risk_free_rate, dividend_yield, log_volatility))| {
        let (expiry_years, volatility) = (f64::exp(log_expiry), f64::exp(log_volatility));
        let strike = spot * (d * volatility * expiry_years.sqrt()).exp();
        let option_type = if call { OptionType::Call } else { OptionType::Put };
        Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
    })
}

fn model() -> impl Strategy<Value = Model> {
    prop_oneof![Just(Model::Bsm), Just(Model::Black76)]
}

fn twin(row: &Row, model: Model) -> scalar::Quantities {
    scalar::greeks(row, model).expect("an option")
}

fn with(row: &Row, field: usize, value: f64) -> Row {
    let mut row = *row;
    *[
        &mut row.spot,
        &mut row.strike,
        &mut row.expiry_years,
        &mut row.risk_free_rate,
        &mut row.dividend_yield,
        &mut row.volatility,
    ][field] = value;
    row
}

fn fields(row: &Row) -> [f64; 6] {
    [row.spot, row.strike, row.expiry_years, row.risk_free_rate, row.dividend_yield, row.volatility]
}

/// |f| times its condition number, by central differences of the twin.
fn conditioned(row: &Row, model: Model) -> [f64; 19] {
    const STEP: f64 = 1e-6;
    let mut sums = [0.0; 19];
    for (field, x) in fields(row).into_iter().enumerate() {
        let up = twin(&with(row, field, x * (1.0 + STEP)), model);
        let down = twin(&with(row, field, x * (1.0 - STEP)), model);
        for (sum, (up, down)) in sums.iter_mut().zip(up.into_iter().zip(down)) {
            *sum += ((up - down) / (2.0 * STEP)).abs();
        }
    }
    let at = twin(row, model);
    std::array::from_fn(|i| sums[i].max(at[i].abs()))
}

/// The discounted asset and strike.
fn legs(row: &Row, model: Model) -> (f64, f64) {
    let dividend = if model == Model::Bsm { row.dividend_yield } else { row.risk_free_rate };
    (row.spot * (-dividend * row.expiry_years).exp(), row.strike * (-row.risk_free_rate * row.expiry_years).exp())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_target_agrees_with_the_twin(row in option(30.0), model in model()) {
        let mut table = Table::default();
        table.push(row);
        let (want, scale) = (twin(&row, model), conditioned(&row, model));
        for target in available() {
            let (out, status) = on(target, &table.rows(), model);
            prop_assert_eq!(status[0], Status::Ok);
            for greek in Greek::ALL {
                let (got, i) = (out.column(greek)[0], greek as usize);
                let allowed = tolerance::BLACK_TARGET_TO_TWIN_EPSILONS * f64::EPSILON * scale[i] + 1e-290;
                prop_assert!(
                    (got - want[i]).abs() <= allowed || got.is_nan() && want[i].is_nan(),
                    "{:?}: {:?} is {:e}, not {:e} within {:e}", target, greek, got, want[i], allowed
                );
            }
        }
    }

    #[test]
    fn call_minus_put_is_the_forward(row in option(30.0), model in model()) {
        let (a, b) = legs(&row, model);
        let call = twin(&Row { option_type: OptionType::Call, ..row }, model)[0];
        let put = twin(&Row { option_type: OptionType::Put, ..row }, model)[0];
        prop_assert!((call - put - (a - b)).abs() <= tolerance::BLACK_PARITY * a.max(b), "{} {} {}", call, put, a - b);
    }

    #[test]
    fn a_value_lies_between_intrinsic_and_its_leg(row in option(30.0), model in model()) {
        let ((a, b), value) = (legs(&row, model), twin(&row, model)[0]);
        let (low, high) = match row.option_type {
            OptionType::Call => ((a - b).max(0.0), a),
            OptionType::Put => ((b - a).max(0.0), b),
        };
        let slack = 4.0 * f64::EPSILON * a.max(b);
        prop_assert!(value >= 0.0 && value >= low - slack && value <= high + slack, "{} not in [{}, {}]", value, low, high);
    }

    #[test]
    fn a_value_grows_with_volatility(row in option(10.0), model in model(), more in 1e-6..0.5) {
        let low = twin(&row, model)[0];
        let high = twin(&Row { volatility: row.volatility * (1.0 + more), ..row }, model)[0];
        let (a, b) = legs(&row, model);
        // In the money the vega can be less than the rounding of the legs.
        prop_assert!(high >= low - 2.0 * f64::EPSILON * a.max(b), "{} after {}", high, low);
    }

    #[test]
    fn doubling_spot_and_strike_doubles_the_value_to_the_bit(row in option(30.0), model in model()) {
        let one = twin(&row, model);
        let two = twin(&Row { spot: 2.0 * row.spot, strike: 2.0 * row.strike, ..row }, model);
        prop_assume!(one[Greek::Price as usize].min(one[Greek::Gamma as usize]) > 1e-280);
        prop_assert_eq!(two[Greek::Price as usize], 2.0 * one[Greek::Price as usize]);
        prop_assert_eq!(two[Greek::Vega as usize], 2.0 * one[Greek::Vega as usize]);
        prop_assert_eq!(two[Greek::Delta as usize], one[Greek::Delta as usize]);
        prop_assert_eq!(two[Greek::Gamma as usize], 0.5 * one[Greek::Gamma as usize]);
    }

    #[test]
    fn each_greek_is_the_finite_difference_of_the_one_before(row in option(4.0), model in model()) {
        const PARENTS: [(Greek, Greek, usize, f64); 17] = [
            (Greek::Delta, Greek::Price, 0, 1.0),
            (Greek::Gamma, Greek::Delta, 0, 1.0),
            (Greek::Speed, Greek::Gamma, 0, 1.0),
            (Greek::DualDelta, Greek::Price, 1, 1.0),
            (Greek::DualGamma, Greek::DualDelta, 1, 1.0),
            (Greek::Theta, Greek::Price, 2, -1.0),
            (Greek::Charm, Greek::Delta, 2, -1.0),
            (Greek::Color, Greek::Gamma, 2, -1.0),
            (Greek::Veta, Greek::Vega, 2, -1.0),
            (Greek::Rho, Greek::Price, 3, 1.0),
            (Greek::Vera, Greek::Vega, 3, 1.0),
            (Greek::Phi, Greek::Price, 4, 1.0),
            (Greek::Vega, Greek::Price, 5, 1.0),
            (Greek::Vanna, Greek::Delta, 5, 1.0),
            (Greek::Vomma, Greek::Vega, 5, 1.0),
            (Greek::Zomma, Greek::Gamma, 5, 1.0),
            (Greek::Ultima, Greek::Vomma, 5, 1.0),
        ];
        let at = twin(&row, model);
        // The drift may carry the forward far from the strike: there a difference needs steps that rounding drowns.
        prop_assume!(at[Greek::Vega as usize] > 1e-6 * row.spot * row.expiry_years.sqrt());
        let v = row.volatility * row.expiry_years.sqrt();
        // A step that is small against the width over which the density changes, whichever input moves.
        let drift = (row.risk_free_rate.abs() + row.dividend_yield.abs()) * row.expiry_years;
        let step = 2e-4 * v.min(1.0) / (1.0 + drift / v);
        let widths = [row.spot * step, row.strike * step, row.expiry_years * 1e-4 * v.min(1.0), step / row.expiry_years,
            step / row.expiry_years, row.volatility * 1e-4];
        for (greek, parent, field, sign) in PARENTS {
            if model == Model::Black76 && greek == Greek::Phi {
                continue;
            }
            let x = fields(&row)[field];
            let (up, down) = (x + widths[field], x - widths[field]);
            let f = |x: f64| twin(&with(&row, field, x), model)[parent as usize];
            let (f_up, f_down, f_at) = (f(up), f(down), at[parent as usize]);
            let difference = sign * (f_up - f_down) / (up - down);
            // The curvature over the step bounds what central differences leave out; rounding adds its share.
            let curvature = (f_up - 2.0 * f_at + f_down).abs() / (up - down);
            let rounding = 1e-13 * f_up.abs().max(f_down.abs()).max(legs(&row, model).0 * f64::from(u8::from(parent == Greek::Price))) / (up - down);
            let want = at[greek as usize];
            let allowed = 1e-5 * want.abs() + 0.01 * curvature + rounding;
            prop_assert!((difference - want).abs() <= allowed, "{:?} is {:e}, its difference {:e} ± {:e}", greek, want, difference, allowed);
        }
    }
}

/// A table of `n` options, some of them broken or extreme.
fn mixed(n: usize) -> Table {
    let mut table = Table::default();
    for i in 0..n {
        let u = |k: f64| (i as f64 * k).fract();
        table.push(Row {
            option_type: if i % 3 == 0 { OptionType::Put } else { OptionType::Call },
            spot: 100.0 + 10.0 * u(0.618_034),
            strike: if i % 97 == 5 { -1.0 } else { 70.0 + 60.0 * u(0.414_214) },
            expiry_years: if i % 211 == 7 { 0.0 } else { 0.01 + 2.0 * u(0.732_051) },
            risk_free_rate: 0.05 * u(0.236_068),
            dividend_yield: 0.03 * u(0.302_776),
            volatility: if i % 131 == 9 { 0.0 } else { 0.05 + 0.6 * u(0.162_278) },
        });
    }
    table
}

fn bits(out: &GreekColumns, i: usize) -> [u64; 19] {
    Greek::ALL.map(|greek| out.column(greek)[i].to_bits())
}

#[test]
fn a_row_has_the_same_bits_wherever_it_stands() {
    let n = 64 * 3 + 17;
    let table = mixed(n);
    let mut turned = Table::default();
    for i in 0..n {
        turned.push(table.rows().row((i * 100 + 31) % n));
    }
    for target in available() {
        let (out, status) = on(target, &table.rows(), Model::Bsm);
        let (out_turned, status_turned) = on(target, &turned.rows(), Model::Bsm);
        for (i, status_turned) in status_turned.into_iter().enumerate() {
            let from = (i * 100 + 31) % n;
            assert_eq!(status_turned, status[from]);
            assert_eq!(bits(&out_turned, i), bits(&out, from), "{target:?}: row {from} at {i}");
        }
    }
}

#[test]
fn threads_and_smaller_sets_change_no_bit() {
    let n = 50_001;
    let table = mixed(n);
    let rows = table.rows();
    for model in [Model::Bsm, Model::Black76] {
        let (alone, status_alone) = on(Target::best(), &rows, model);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("a pool of three threads");
        let (mut all, mut five) = (GreekColumns::zeros(n), GreekColumns::zeros(n));
        let (mut value, mut status) =
            (vec![0.0; n], [const { Vec::new() }; 3].map(|_: Vec<Status>| vec![Status::NoQuote; n]));
        pool.install(|| {
            greeks(&rows, model, &mut all, &mut status[0]);
            price_and_five(&rows, model, &mut five, &mut status[1]);
            price(&rows, model, &mut value, &mut status[2]);
        });
        for i in 0..n {
            assert_eq!(bits(&all, i), bits(&alone, i), "row {i}");
            assert_eq!(bits(&five, i)[..6], bits(&alone, i)[..6], "row {i}");
            assert_eq!(value[i].to_bits(), bits(&alone, i)[0], "row {i}");
            assert!(status.iter().all(|status| status[i] == status_alone[i]), "row {i}");
        }
        assert!(status_alone.contains(&Status::BadStrike) && status_alone.contains(&Status::Expired));
    }
}

#[test]
fn an_empty_batch_is_fine() {
    let table = Table::default();
    for target in available() {
        on(target, &table.rows(), Model::Bsm);
    }
    greeks(&table.rows(), Model::Black76, &mut GreekColumns::zeros(0), &mut []);
}
