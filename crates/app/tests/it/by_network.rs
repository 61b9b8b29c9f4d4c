//! `zomma iv --network`, and `zomma price --network` by a network that solves an equation: what they say, of which rows, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use zomma_base::OptionType;
use zomma_learn::physics::{PinnConfig, Solution};
use zomma_pricing::black::Row;

use crate::program::{Run, arg, run, table};

/// Implied volatilities, of a second.
const VOLATILITIES: &str = r#"
[network]
width = 24
depth = 3
output = "scaled"
[data]
model = "black_scholes_implied_volatility"
held_out = 2000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.1, max = 0.5 }
[training]
steps = 800
batch = 256
learning_rate = 0.01
warm_up = 20
ema = 0.99
price_scale = "strike"
"#;

fn trained(folder: &Path, text: &str) -> PathBuf {
    let (config, output) = (folder.join("tiny.toml"), folder.join("run"));
    fs::write(&config, text).unwrap();
    run(&["train", arg(&config), "-o", arg(&output)]).ok();
    output.join("network.bin")
}

fn statuses(run: &Run) -> Vec<String> {
    table(&run.out).iter().map(|row| row["status"].clone()).collect()
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_network_says_the_volatilities_of_prices_and_what_is_wrong_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let network = trained(folder.path(), VOLATILITIES);
    // Prices of known volatilities, on a spot with a yield and on a forward, in the money and out of it.
    let options = written(
        folder.path(),
        "options.csv",
        "option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n\
         call,100,,100,0.5,0.05,0.01,0.2\nput,100,,110,0.9,0.06,0,0.35\ncall,100,,85,0.3,0.04,0.02,0.4\n\
         put,,100,95,0.5,0.05,,0.3\ncall,100,,100,2.5,0.05,0.01,0.2\nput,100,,200,0.5,0.05,0.01,0.4\n\
         call,100,,100,0.5,0.05,0.01,0.8\nput,100,,75,0.2,0.05,0.01,0.15\n",
    );
    let prices = folder.path().join("prices.csv");
    run(&["price", arg(&options), "-o", arg(&prices)]).ok();
    let found = run(&["iv", arg(&prices), "--network", arg(&network)]).ok();
    let rows = table(&found.out);
    assert_eq!(statuses(&found), [&["ok"; 4][..], &["bad_expiry", "bad_strike", "bad_price", "undetermined"]].concat());
    for row in &rows[..4] {
        let [said, wanted] = ["implied_volatility", "volatility"].map(|name| row[name].parse::<f64>().unwrap());
        assert!((said - wanted).abs() < 0.02, "{row:?}");
    }
    assert!(rows[4..].iter().all(|row| row["implied_volatility"].is_empty()));
    for words in [
        "the network learned expiry_years from 0.1 to 1",
        "forward over strike from 0.7 to 1.4",
        "volatilities from 0.1 to 0.5",
        "vegas of 0.01 of the strike or more",
    ] {
        assert!(found.err.contains(words), "{words}: {}", found.err);
    }
    // The same in integers, whose error is measured in volatilities.
    let integers = folder.path().join("int8.bin");
    let told = run(&["quantize", arg(&network), "-o", arg(&integers)]).ok().out;
    for words in
        ["2 of 3 hidden layers in int8", "volatility errors on", "f32, per 1.00", "volatility, this layer alone"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let by_integers = run(&["iv", arg(&prices), "--network", arg(&integers)]).ok();
    assert_eq!(statuses(&by_integers), statuses(&found));
    let said = |row: &std::collections::HashMap<String, String>| row["implied_volatility"].parse::<f64>().unwrap();
    for (row, float) in table(&by_integers.out)[..4].iter().zip(&rows) {
        assert!(said(row) != said(float) && (said(row) - said(float)).abs() < 0.005, "{row:?} {float:?}");
    }
    run(&["price", arg(&options), "--network", arg(&integers)]).refused(1, &["--network", "a network of prices"]);
    // What is no quote at all, American rows and other models.
    let bad = written(
        folder.path(),
        "bad.csv",
        "model,exercise_style,option_type,spot,strike,expiry_years,risk_free_rate,price\n\
         ,,call,100,100,0.5,0,6\n,,call,100,90,0.5,0,9\n,,put,100,100,0.5,0,100\n,,call,100,100,0.5,0,\n\
         ,american,call,100,100,0.5,0,6\nheston,,call,100,100,0.5,0,6\n,,call,-1,100,0.5,0,6\n,,call,100,100,0,0,6\n",
    );
    let found = run(&["iv", arg(&bad), "--network", arg(&network)]).ok();
    let wanted = [
        "ok",
        "below_intrinsic",
        "above_maximum",
        "bad_price",
        "bad_exercise_style",
        "bad_model",
        "bad_spot",
        "expired",
    ];
    assert_eq!(statuses(&found), wanted);
    // The verbs take their own networks.
    run(&["price", arg(&options), "--network", arg(&network)]).refused(1, &["--network", "a network of prices"]);
    let iv = |network: &Path, more: &[&str]| run(&[&["iv", arg(&prices), "--network", arg(network)], more].concat());
    iv(&network, &["--model", "bsm"]).refused(2, &["--network", "--model"]);
    iv(&folder.path().join("none.bin"), &[]).refused(1, &["none.bin", "cannot be read"]);
    iv(&options, &[]).refused(1, &["options.csv", "not a checkpoint or network"]);
    let pinn = folder.path().join("pinn.bin");
    solution("equation = \"black_scholes\"").write(&pinn).unwrap();
    iv(&pinn, &[]).refused(1, &["pinn.bin", "train pinn"]);
}

#[test]
fn a_network_of_prices_has_no_volatilities() {
    let folder = tempfile::tempdir().unwrap();
    let text = VOLATILITIES.replace("_implied_volatility", "").replace("output = \"scaled\"\n", "");
    let network = trained(folder.path(), &text.replace("steps = 800", "steps = 50"));
    let prices = written(
        folder.path(),
        "prices.csv",
        "option_type,spot,strike,expiry_years,risk_free_rate,price\ncall,100,100,0.5,0,6\n",
    );
    run(&["iv", arg(&prices), "--network", arg(&network)])
        .refused(1, &["network.bin", "a network of black_scholes_implied_volatility"]);
}

/// A network of random parameters that solves nothing: what it says is known all the same.
fn solution(problem: &str) -> Solution {
    Solution::untrained(PinnConfig::parse(&format!("[problem]\n{problem}\n[network]\nwidth = 8\ndepth = 2\n")).unwrap())
}

const HESTON: &str =
    "equation = \"heston\"\n[problem.heston]\nkappa = 1.5\ntheta_v = 0.06\nsigma_v = 0.5\nrho_v = -0.6";
const LOCAL: &str = "equation = \"local_volatility\"\n[problem.local_volatility]\nskew = -0.3\nreference = 100.0";

fn option(option_type: OptionType, strike: f64, expiry_years: f64, volatility: f64) -> Row {
    let (spot, risk_free_rate, dividend_yield) = (100.0, 0.05, 0.01);
    Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility }
}

#[test]
fn a_network_that_solves_an_equation_prices_a_table_within_its_domain() {
    use OptionType::{Call, Put};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pinn.bin");
    let price = |table: &Path, more: &[&str]| run(&[&["price", arg(table), "--network", arg(&file)], more].concat());
    let options = written(
        folder.path(),
        "options.csv",
        "option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n\
         call,100,,105,0.5,0.05,0.01,0.2\nput,100,,90,1.5,0.05,0.01,0.4\nput,,100,90,1.5,0.05,,0.4\n\
         call,100,,105,4,0.05,0.01,0.2\ncall,100,,300,0.5,0.05,0.01,0.2\ncall,100,,105,0.5,0.05,0.01,2\n\
         call,100,,105,0.5,0.05,0.01,\nspread,100,,105,0.5,0.05,0.01,0.2\ncall,100,,105,0,0.05,0.01,0.2\n",
    );
    let faults = ["bad_expiry", "bad_strike", "bad_volatility", "bad_volatility", "bad_option_type", "expired"];
    for problem in ["equation = \"black_scholes\"", LOCAL] {
        let solution = solution(problem);
        solution.write(&file).unwrap();
        let priced = price(&options, &[]).ok();
        assert_eq!(statuses(&priced), [&["ok"; 3][..], &faults].concat(), "{problem}");
        let on_forward = Row { dividend_yield: 0.05, ..option(Put, 90.0, 1.5, 0.4) };
        let wanted = [option(Call, 105.0, 0.5, 0.2), option(Put, 90.0, 1.5, 0.4), on_forward];
        for (row, wanted) in table(&priced.out).iter().zip(solution.price(&wanted)) {
            assert_eq!(row["price"].parse::<f64>().unwrap(), wanted.unwrap().price, "{row:?}");
        }
        for words in ["expiry_years from 0.003 to 3", "spot over strike from 0.5 to 2", "volatility from 0.05 to 1.5"] {
            assert!(priced.err.contains(words), "{words}: {}", priced.err);
        }
    }
    // A row's model cannot name a local volatility; under Black and Scholes it can name bsm.
    let named = "model,option_type,spot,strike,expiry_years,risk_free_rate,volatility\nbsm,call,100,105,0.5,0.05,0.2\n";
    let named = written(folder.path(), "named.csv", named);
    price(&named, &[]).refused(2, &["local volatility", "column model"]);
    solution("equation = \"black_scholes\"").write(&file).unwrap();
    price(&named, &[]).ok();
    price(&options, &["--greeks", "first"]).refused(2, &["--network", "--greeks"]);
}

#[test]
fn a_heston_equation_has_its_own_parameters_and_rows_of_others_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pinn.bin");
    let solution = solution(HESTON);
    solution.write(&file).unwrap();
    let options = written(
        folder.path(),
        "options.csv",
        "option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,v0,kappa,theta_v,sigma_v,rho_v\n\
         put,100,105,0.5,0.05,0.01,0.09,1.5,0.06,0.5,-0.6\nput,100,105,0.5,0.05,0.01,0.09,2,0.06,0.5,-0.6\n\
         put,100,105,0.5,0.05,0.01,0.09,1.5,0.06,0.5,0.6\nput,100,105,0.5,0.05,0.01,0.001,1.5,0.06,0.5,-0.6\n\
         put,100,105,0.5,0.05,0.01,0.09,1.5,,0.5,-0.6\n",
    );
    let priced = run(&["price", arg(&options), "--network", arg(&file)]).ok();
    assert_eq!(statuses(&priced), ["ok", "bad_kappa", "bad_rho_v", "bad_v0", "bad_theta_v"]);
    let wanted = solution.price(&[option(OptionType::Put, 105.0, 0.5, 0.3)])[0].unwrap().price;
    let found: f64 = table(&priced.out)[0]["price"].parse().unwrap();
    assert!((found - wanted).abs() < 1e-12 * wanted, "{found} {wanted}");
    for words in ["the network was trained for kappa = 1.5", "rho_v = -0.6", "the root of v0 from 0.05"] {
        assert!(priced.err.contains(words), "{words}: {}", priced.err);
    }
}
