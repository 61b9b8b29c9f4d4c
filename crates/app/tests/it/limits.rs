//! `zomma price|greeks` where options end: at expiry and at a strike of zero, without volatility to speak of, and by simulation with errors.

use std::collections::HashMap;

use crate::program::{run_with_input, table};

const ENDS: &str = "\
model,option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility
bsm,call,100,,90,0,0.05,0.02,0.2
bsm,put,100,,90,0,0.05,0.02,0.2
bsm,put,100,,100,0,0.05,0.02,0.2
bsm,call,100,,0,1,0.05,0.02,0.2
black76,put,,100,110,0,0.05,,0.2
bachelier,call,100,,100,0,0.05,0.02,20
bsm,call,100,,90,-0.1,0.05,0.02,0.2
bsm,call,100,,90,0.5,0.05,0.02,0.2
";

fn column(rows: &[HashMap<String, String>], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn limits_are_given_where_they_are_asked_for_and_statuses_elsewhere() {
    let plain = table(&run_with_input(&["price", "-"], ENDS.as_bytes()).ok().out);
    assert_eq!(
        column(&plain, "status"),
        ["expired", "expired", "expired", "bad_strike", "expired", "expired", "expired", "ok"]
    );
    let run = run_with_input(&["price", "-", "--limits", "--greeks", "first"], ENDS.as_bytes()).ok();
    let rows = table(&run.out);
    assert_eq!(column(&rows, "status"), ["ok", "ok", "diverges", "ok", "ok", "diverges", "expired", "ok"]);
    assert!(
        run.err.contains("3 of 8 rows have no result, or not all") && run.err.contains("diverges 2"),
        "{}",
        run.err
    );
    let number = |row: usize, name: &str| rows[row][name].parse::<f64>().ok();
    assert_eq!(column(&rows, "delta")[..4], ["1", "0", "-0.5", "0.9801986733067553"].map(number_as_written));
    assert_eq!(number(0, "price"), Some(10.0));
    // What is certain to be exercised carries q S − r K a year.
    assert!((number(0, "theta").unwrap() - (0.02 * 100.0 - 0.05 * 90.0)).abs() < 1e-12);
    assert_eq!((number(2, "price"), number(2, "vega"), number(2, "theta")), (Some(0.0), Some(0.0), None));
    assert!((number(3, "price").unwrap() - 100.0 * (-0.02_f64).exp()).abs() < 1e-12);
    assert_eq!((number(4, "price"), number(4, "delta"), number(4, "phi")), (Some(10.0), Some(-1.0), None));
    assert_eq!(rows[7]["price"], plain[7]["price"]);
    // What has a limit is all that is wanted.
    let prices = table(&run_with_input(&["price", "-", "--limits"], ENDS.as_bytes()).ok().out);
    assert_eq!(column(&prices, "status"), ["ok", "ok", "ok", "ok", "ok", "ok", "expired", "ok"]);
    // A table of nothing else is written all the same.
    let at_the_strike =
        ENDS.lines().enumerate().filter(|(i, _)| [0, 3].contains(i)).map(|(_, line)| format!("{line}\n"));
    let alone = run_with_input(&["greeks", "-", "--limits"], at_the_strike.collect::<String>().as_bytes()).ok();
    assert_eq!(table(&alone.out)[0]["delta"], "-0.5");
}

/// As the program writes it.
fn number_as_written(text: &str) -> String {
    let number: f64 = text.parse().unwrap();
    let (plain, exact) = (format!("{number}"), format!("{number:?}"));
    if number.fract() == 0.0 { exact } else { plain }
}

#[test]
fn american_options_of_little_volatility_have_greeks_or_say_that_they_have_none() {
    let rows = "option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n\
                put,95,100,1,0.05,0.01,0.00005\nput,105,100,1,0.05,0.01,0.00005\nput,34,100,1,0.02,0.06,0.00005\n\
                put,100.01,100,1,-0.02,-0.04,0.00005\nput,95,100,1,0.05,0.01,0.2\n";
    let arguments = ["price", "-", "--exercise", "american", "--greeks", "first"];
    let rows = table(&run_with_input(&arguments, rows.as_bytes()).ok().out);
    assert_eq!(column(&rows, "status"), ["ok", "ok", "ok", "price_alone", "ok"]);
    for (row, cells) in rows.iter().enumerate() {
        for name in ["price", "delta", "vega", "theta", "rho", "phi", "dual_delta"] {
            let empty = row == 3 && name != "price";
            assert_eq!(cells[name].is_empty(), empty, "row {row} {name}: {cells:?}");
        }
    }
    assert_eq!(column(&rows, "delta")[0].parse::<f64>(), Ok(-1.0));
    // Exercised when its path meets r K / q, at t = ln(qS / (rK)) / (q − r).
    let years = (0.06_f64 * 34.0 / (0.02 * 100.0)).ln() / 0.04;
    let delta = rows[2]["delta"].parse::<f64>().unwrap();
    assert!((delta + (-0.06 * years).exp()).abs() < 1e-7, "{delta}");
}

#[test]
fn greeks_by_simulation_have_their_standard_errors_beside_them() {
    let rows = "model,option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility,v0,kappa,theta_v,sigma_v,rho_v\n\
                bsm,call,100,,105,0.5,0.05,0.01,0.2,,,,,\nblack76,put,,100,95,1,0.03,,0.3,,,,,\n\
                heston,call,100,,100,0.5,0.03,,,0.04,2,0.04,0.3,-0.5\nbsm,call,100,,0,0.5,0.05,0.01,0.2,,,,,\n";
    let arguments =
        ["price", "-", "--method", "monte_carlo", "--paths", "16384", "--greeks", "second", "--units", "trader"];
    let simulated = run_with_input(&arguments, rows.as_bytes()).ok().out;
    let errors = "standard_error,delta_standard_error,gamma_standard_error,vega_standard_error,theta_standard_error,\
                  rho_standard_error,phi_standard_error,dual_delta_standard_error,status";
    let header = simulated.lines().next().unwrap();
    assert!(header.ends_with(errors), "{header}");
    let simulated = table(&simulated);
    let exact = table(&run_with_input(&["greeks", "-", "--units", "trader"], rows.as_bytes()).ok().out);
    assert_eq!(column(&simulated, "status"), ["ok", "ok", "ok", "bad_strike"]);
    for row in 0..2 {
        for greek in ["delta", "gamma", "vega", "theta", "rho", "phi", "dual_delta"] {
            let value = |cells: &HashMap<String, String>, name: &str| cells[name].parse::<f64>().ok();
            let error = value(&simulated[row], &format!("{greek}_standard_error"));
            let (Some(got), Some(error)) = (value(&simulated[row], greek), error) else {
                assert!(row == 1 && greek == "phi" && error.is_none(), "row {row} {greek}: {simulated:?}");
                continue;
            };
            let exact = value(&exact[row], greek).unwrap();
            assert!(
                (got - exact).abs() < 5.0 * error && error < 0.02 * exact.abs(),
                "{greek}: {got} ± {error}, not {exact}"
            );
        }
    }
    // Under Heston a simulation gives the price alone.
    assert!(!simulated[2]["standard_error"].is_empty() && simulated[2]["delta"].is_empty());
    assert!(simulated[2]["delta_standard_error"].is_empty());
    let prices = run_with_input(&["price", "-", "--method", "monte_carlo"], rows.as_bytes()).ok().out;
    assert!(prices.lines().next().unwrap().ends_with("rho_v,price,standard_error,status"));
}
