//! `zomma price|greeks|iv` over models, exercise styles and methods, by row and by flag.

use crate::program::{run, run_with_input, table};

/// One row of each model, its published value known where there is one.
const ROWS: &str = "\
model,exercise_style,option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility,displacement,v0,kappa,theta_v,sigma_v,rho_v,jump_intensity,jump_mean,jump_std,jump_up_probability,jump_up_rate,jump_down_rate,vg_theta,vg_nu
heston,,put,100,,80,1,0.01,0.02,,,0.04,4,0.25,1,-0.5,,,,,,,,
bsm,american,put,100,,100,1,0.05,0.05,0.25,,,,,,,,,,,,,,
,,call,,100,105,0.5,0.05,,0.2,,,,,,,,,,,,,,
bachelier,,call,,-5,10,0.5,0.03,,20,,,,,,,,,,,,,,
displaced,,put,100,,95,0.5,0.04,0.01,0.25,0,,,,,,,,,,,,,
bates,,put,100,,80,1,0.01,0.02,,,0.04,4,0.25,1,-0.5,0,0,0,,,,,
merton,,put,100,,95,0.5,0.04,0.01,0.25,,,,,,,0,-0.1,0.2,,,,,
kou,,put,100,,95,0.5,0.04,0.01,0.25,,,,,,,0,,,0.4,10,5,,
variance_gamma,,put,100,,95,0.5,0.04,0.01,0.25,,,,,,,,,,,,,0,0
bsm,,put,100,,95,0.5,0.04,0.01,0.25,,,,,,,,,,,,,,
";

/// Prices of a run over [`ROWS`].
fn prices(arguments: &[&str]) -> Vec<f64> {
    let run = run_with_input(&[&["price", "-"], arguments].concat(), ROWS.as_bytes()).ok();
    let rows = table(&run.out);
    assert!(rows.iter().all(|row| row["status"] == "ok"), "{}", run.out);
    rows.iter().map(|row| row["price"].parse().unwrap()).collect()
}

#[test]
fn each_row_is_valued_by_its_own_model_and_keeps_its_place() {
    let price = prices(&[]);
    let close = |row: usize, wanted: f64, tolerance: f64| {
        assert!((price[row] - wanted).abs() < tolerance, "row {row}: {} for {wanted}", price[row]);
    };
    // Lewis (2000 and later), 15 digits; without jumps Bates is Heston.
    close(0, 7.958_878_113_256_768, 1e-8);
    close(5, 7.958_878_113_256_768, 1e-8);
    // Andersen, Lake and Offengenden (2016): the premium over the European put.
    let european = run_with_input(
        &["price", "-"],
        b"option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility\nput,100,100,1,0.05,0.05,0.25\n",
    );
    let european: f64 = table(&european.ok().out)[0]["price"].parse().unwrap();
    close(1, european + 0.106_952_702_747, 1e-6);
    // 50 digits, mpmath.
    close(3, 1.032_715_108_217_283, 1e-13);
    // Without what tells them apart, four models are Black-Scholes-Merton.
    for row in [4, 6, 7, 8] {
        close(row, price[9], 1e-8);
    }
}

#[test]
fn greeks_come_by_order_and_only_those_asked_for() {
    let header = |order: &str| {
        let run = run_with_input(&["price", "-", "--greeks", order], ROWS.as_bytes()).ok();
        run.out.lines().next().unwrap().split(",vg_nu,").nth(1).unwrap().to_owned()
    };
    assert_eq!(header("none"), "price,status");
    assert_eq!(header("first"), "price,delta,vega,theta,rho,phi,dual_delta,lambda,status");
    assert_eq!(header("second").split(',').count(), 16);
    assert_eq!(header("all").split(',').count(), 20);
    let all = table(&run_with_input(&["greeks", "-", "--units", "trader"], ROWS.as_bytes()).ok().out);
    let some =
        table(&run_with_input(&["price", "-", "--greeks", "first", "--units", "trader"], ROWS.as_bytes()).ok().out);
    for (row, (all, some)) in all.iter().zip(&some).enumerate() {
        for greek in ["delta", "vega", "theta", "rho", "phi"] {
            let numbers = [all, some].map(|cells| cells[greek].parse::<f64>().ok());
            match numbers {
                [Some(a), Some(b)] => assert!((a - b).abs() <= 1e-7 * b.abs().max(1e-3), "row {row} {greek}: {a} {b}"),
                other => assert_eq!(other[0].is_some(), other[1].is_some(), "row {row} {greek}"),
            }
        }
    }
}

#[test]
fn a_method_values_what_it_can_and_states_its_error() {
    let run =
        run_with_input(&["price", "-", "--method", "monte_carlo", "--paths", "16384", "--seed", "7"], ROWS.as_bytes());
    let rows = table(&run.ok().out);
    let exact = prices(&[]);
    for (row, valued) in [true, false, true, false, false, true, true, false, false, true].into_iter().enumerate() {
        assert_eq!(rows[row]["status"], if valued { "ok" } else { "bad_method" }, "row {row}");
        if valued {
            let [price, error] = ["price", "standard_error"].map(|name| rows[row][name].parse::<f64>().unwrap());
            // Four standard errors and what 100 steps a year leave.
            assert!(
                (price - exact[row]).abs() < 4.0 * error + 0.02,
                "row {row}: {price} ± {error}, not {}",
                exact[row]
            );
        }
    }
    let again = run_with_input(
        &["price", "-", "--method", "monte_carlo", "--paths", "16384", "--seed", "7", "--threads", "1"],
        ROWS.as_bytes(),
    );
    assert_eq!(table(&again.ok().out)[0]["price"], rows[0]["price"], "one seed, one number, whatever the threads");
    let tree = table(&run_with_input(&["price", "-", "--method", "tree"], ROWS.as_bytes()).ok().out);
    assert!((tree[1]["price"].parse::<f64>().unwrap() - exact[1]).abs() < 0.02, "{}", tree[1]["price"]);
}

#[test]
fn flags_hold_for_rows_that_do_not_say_it() {
    let rows = "option_type,spot,strike,expiry_years,risk_free_rate,volatility,exercise_style\n\
                put,90,100,0.5,0.05,0.3,\nput,90,100,0.5,0.05,0.3,european\n";
    let priced = table(&run_with_input(&["price", "-", "--exercise", "american"], rows.as_bytes()).ok().out);
    let [american, european] = [0, 1].map(|row: usize| priced[row]["price"].parse::<f64>().unwrap());
    assert!(american > european + 0.1, "{american} {european}");
    let price = format!("{american}");
    let rows = format!("option_type,spot,strike,expiry_years,risk_free_rate,price\nput,90,100,0.5,0.05,{price}\n");
    let vols = table(&run_with_input(&["iv", "-", "--exercise", "american"], rows.as_bytes()).ok().out);
    assert!((vols[0]["implied_volatility"].parse::<f64>().unwrap() - 0.3).abs() < 1e-6, "{:?}", vols[0]);
}

#[test]
fn bad_parameters_are_named_with_what_is_allowed() {
    let rows = "model,option_type,spot,strike,expiry_years,risk_free_rate,v0,kappa,theta_v,sigma_v,rho_v\n\
                heston,put,100,100,1,0.01,0.04,1,0.04,0.5,-0.5\nheston,put,100,100,1,0.01,0.04,1,0.04,0.5,-1.5\n\
                heston,put,100,100,1,0.01,0.04,0,0.04,0.5,0\nheston,put,100,100,1,0.01,,1,0.04,0.5,0\n\
                stochastic,put,100,100,1,0.01,,,,,\n";
    let priced = run_with_input(&["price", "-"], rows.as_bytes()).ok();
    let status: Vec<String> = table(&priced.out).iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["ok", "bad_rho_v", "bad_kappa", "bad_v0", "bad_model"]);
    assert!(priced.err.contains("row 2, rho_v = \"-1.5\"; allowed: a number within -1 and 1"), "{}", priced.err);
    run_with_input(
        &["price", "-", "--model", "heston"],
        b"option_type,spot,strike,expiry_years,risk_free_rate\nput,1,1,1,0\n",
    )
    .refused(1, &["v0, kappa, theta_v, sigma_v, rho_v"]);
    run(&["price", "x.csv", "--model", "stochastic"]).refused(2, &["heston"]);
    run(&["price", "x.csv", "--method", "guess"]).refused(2, &["monte_carlo"]);
    run(&["price", "x.csv", "--paths", "0"]).refused(2, &["whole number"]);
}
