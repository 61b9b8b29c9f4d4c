//! `zomma quantize` and `zomma price --network`: a tiny network in f32 and in integers, and what is refused.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{Run, arg, run, table};

/// A network of a second.
const TINY: &str = r#"
[network]
width = 16
depth = 3
[data]
model = "black_scholes"
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
"#;

/// Trains it, or one with something replaced.
fn trained(folder: &Path, from: &str, to: &str) -> PathBuf {
    assert!(TINY.contains(from), "{from}");
    let config = folder.join("tiny.toml");
    fs::write(&config, TINY.replace(from, to)).unwrap();
    let output = folder.join(to);
    run(&["train", arg(&config), "-o", arg(&output)]).ok();
    output.join("network.bin")
}

fn quantize(network: &Path, output: &Path, more: &[&str]) -> Run {
    run(&[&["quantize", arg(network), "-o", arg(output), "--json"], more].concat())
}

fn figures(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const OPTIONS: &str = "\
option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility
call,100,100,0.5,0.03,0.01,0.2
put,100,100,0.5,0.03,0.01,0.2
call,100,80,0.3,0.0,0.0,0.4
put,100,130,0.9,0.05,0.0,0.15
call,100,100,2.5,0.03,0.01,0.2
put,100,500,0.5,0.03,0.01,0.2
call,100,100,0.5,0.03,0.01,0.9
call,100,100,0.5,0.03,0.01,
call,-1,100,0.5,0.03,0.01,0.2
call,100,100,-0.5,0.03,0.01,0.2
straddle,100,100,0.5,0.03,0.01,0.2
";

#[test]
fn a_network_prices_a_table_as_its_formula_does_and_so_do_its_integers() {
    let folder = tempfile::tempdir().unwrap();
    let network = trained(folder.path(), "width = 16", "width = 16");
    let quantised = folder.path().join("int8.bin");
    let found = figures(&quantize(&network, &quantised, &[]).ok().out);
    let number = |key: &str| found[key].as_f64().unwrap();
    assert!(number("error_ratio") < 1.5 && number("error_ratio") > 0.5, "{found}");
    assert!(number("difference_rmse") > 0.0 && number("difference_rmse") < number("float_rmse"), "{found}");
    assert!(number("quantised_bytes") < 0.6 * number("float_bytes"), "{found}");
    assert_eq!((found["quantised_layers"].as_u64(), found["layers"][1]["layer"].as_u64()), (Some(2), Some(2)));
    assert!(number("float_ns") > 0.0 && number("quantised_ns") > 0.0, "{found}");
    assert!(fs::metadata(&quantised).unwrap().len() < fs::metadata(&network).unwrap().len());

    let options = folder.path().join("options.csv");
    fs::write(&options, OPTIONS).unwrap();
    let formula = table(&run(&["price", arg(&options)]).ok().out);
    for path in [&network, &quantised] {
        let priced = run(&["price", arg(&options), "--network", arg(path)]).ok();
        let rows = table(&priced.out);
        let status: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
        let ok = ["ok"; 4];
        let faults =
            ["bad_expiry", "bad_strike", "bad_volatility", "bad_volatility", "bad_spot", "expired", "bad_option_type"];
        assert_eq!(status, [&ok[..], &faults[..]].concat());
        let price = |row: usize| rows[row]["price"].parse::<f64>().unwrap();
        for (row, formula) in formula.iter().take(4).enumerate() {
            let wanted: f64 = formula["price"].parse().unwrap();
            assert!((price(row) - wanted).abs() < 0.5, "row {row}: {} {wanted}", price(row));
        }
        assert!(rows[4..].iter().all(|row| row["price"].is_empty()));
        // Parity is exact: F = 100·e^0.01, discounted by e^-0.015.
        let parity = (100.0 * 0.01f64.exp() - 100.0) * (-0.015f64).exp();
        assert!((price(0) - price(1) - parity).abs() < 1e-10);
        for words in
            ["the network prices expiry_years from 0.1 to 1", "forward over strike from 0.7 to 1.4", "strike = \"500\""]
        {
            assert!(priced.err.contains(words), "{words}: {}", priced.err);
        }
    }
    let shown = run(&["quantize", arg(&network), "-o", arg(&quantised)]).ok().out;
    for words in ["2 of 3 hidden layers in int8", "one from the other", "error by weights", "an option costs"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn a_network_that_loses_too_much_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let network = trained(folder.path(), "width = 16", "width = 16");
    let output = folder.path().join("int8.bin");
    fs::write(&output, "what was there").unwrap();
    let gate = quantize(&network, &output, &["--max-error-ratio", "0.5"]);
    assert!(figures(&gate.out)["output"].is_null());
    gate.refused(1, &["nothing is written", "0.5 is allowed", "--max-error-ratio"]);
    assert_eq!(fs::read(&output).unwrap(), b"what was there");
    // One byte an activation, clipped hard, moves prices far more than two.
    let at =
        |more: &[&str]| figures(&quantize(&network, &output, &[more, &["--max-error-ratio", "1e9"]].concat()).ok().out);
    let (fine, coarse) =
        (at(&[]), at(&["--activation-bits", "8", "--calibration", "percentile", "--percentile", "90"]));
    let lost = |found: &Value| found["difference_rmse"].as_f64().unwrap();
    assert!(lost(&coarse) > 10.0 * lost(&fine), "{coarse} {fine}");
    assert!(coarse["layers"][0]["clipped"].as_f64().unwrap() > 0.02, "{coarse}");
    assert_eq!(at(&["--calibration", "mse", "--nearest"])["calibration"], "mse");
}

#[test]
fn what_cannot_be_quantised_or_priced_with_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("int8.bin");
    let shallow = trained(folder.path(), "depth = 3", "depth = 1");
    quantize(&shallow, &output, &[]).refused(1, &["network.bin", "network.depth: 1", "2 or more"]);
    let network = trained(folder.path(), "width = 16", "width = 8");
    quantize(&folder.path().join("none.bin"), &output, &[]).refused(1, &["none.bin", "cannot be read"]);
    quantize(&network, &output, &["--percentile", "20"]).refused(2, &["--percentile", "above 50"]);
    // Of another way of calibrating it says nothing.
    quantize(&network, &output, &["--percentile", "99"])
        .refused(2, &["--percentile 99", "percentile alone", "min_max"]);
    quantize(&network, &output, &["--activation-bits", "4"]).refused(2, &["--activation-bits", "8, 16"]);
    quantize(&network, &output, &["--calibration", "luck"]).refused(2, &["luck", "min_max"]);
    quantize(&network, &folder.path().join("no/int8.bin"), &[]).refused(1, &["int8.bin", "cannot be written"]);
    assert!(!output.exists());
    quantize(&network, &output, &["--max-error-ratio", "1e9"]).ok();
    let options = folder.path().join("options.csv");
    fs::write(&options, OPTIONS).unwrap();
    let price =
        |network: &Path, more: &[&str]| run(&[&["price", arg(&options), "--network", arg(network)], more].concat());
    price(&output, &["--greeks", "first"]).refused(2, &["--network", "--greeks"]);
    price(&output, &["--model", "heston"]).refused(2, &["--network", "--model"]);
    let mut bytes = fs::read(&output).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = folder.path().join("damaged.bin");
    fs::write(&damaged, &bytes).unwrap();
    price(&damaged, &[]).refused(1, &["damaged.bin", "checksum"]);
    price(&options, &[]).refused(1, &["options.csv", "not a checkpoint or network"]);
    // Rows of another model, and American ones.
    fs::write(
        &options,
        "model,exercise_style,option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n\
         ,,call,100,100,0.5,0,0,0.2\nheston,,call,100,100,0.5,0,0,0.2\n,american,call,100,100,0.5,0,0,0.2\n",
    )
    .unwrap();
    let priced = price(&output, &[]).ok();
    let status: Vec<String> = table(&priced.out).into_iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["ok", "bad_model", "bad_exercise_style"]);
    assert!(priced.err.contains("the network learned black_scholes"), "{}", priced.err);
}
