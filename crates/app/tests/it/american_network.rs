//! A network of American options: trained, its rows in shards, a table of calls and puts priced by it, and what is refused.

use std::{collections::HashMap, fs};

use serde_json::Value;

use crate::program::{arg, run, table};

/// A network of seconds.
const TINY: &str = r#"
[network]
width = 16
depth = 2
output = "bounds"
[data]
model = "american"
samples = 4000
held_out = 2000
[data.ranges]
moneyness = { min = 0.7, max = 1.4 }
expiry_years = { min = 0.1, max = 1.0 }
volatility = { min = 0.2, max = 0.5 }
risk_free_rate = { min = 0.0, max = 0.08 }
dividend_yield = { min = 0.0, max = 0.1 }
[training]
steps = 1500
batch = 128
learning_rate = 0.01
warm_up = 20
ema = 0.99
"#;

const OPTIONS: &str = "\
option_type,exercise_style,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility
call,american,100,95,0.5,0.03,0.06,0.3
put,american,100,105,0.9,0.05,0.02,0.25
put,,100,105,0.9,0.05,0.02,0.25
put,american,75,100,0.2,0.08,0.0,0.2
put,european,100,105,0.9,0.05,0.02,0.25
call,american,100,95,0.5,0.09,0.02,0.3
put,american,100,95,0.5,0.05,0.09,0.3
put,american,100,95,0.5,0.11,0.03,0.3
put,american,100,50,0.5,0.05,0.03,0.3
call,american,100,95,2,0.05,0.03,0.3
";

#[test]
fn american_options_are_learned_and_priced_by_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let (config, options) = (folder.path().join("tiny.toml"), folder.path().join("options.csv"));
    fs::write(&config, TINY).unwrap();
    fs::write(&options, OPTIONS).unwrap();
    let output = folder.path().join("american");
    let text = run(&["train", arg(&config), "-o", arg(&output)]).ok().out;
    for words in ["price where the option is held", "exercise now is best in", "by the collocation"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let found: Value = serde_json::from_str(&fs::read_to_string(output.join("report.json")).unwrap()).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    // Untrained it is off by 0.05 and more.
    assert!(number(&found["price_rmse"]) < 1e-2, "{found}");
    assert!(number(&found["exercise"]["held_delta_rmse"]) < 0.1, "{found}");
    let (exercised, misjudged) = (&found["exercise"]["exercised_rows"], &found["exercise"]["misjudged_rows"]);
    // By this output nothing is ever quite exercised.
    assert!(number(exercised) > 50.0 && number(misjudged) <= number(exercised), "{found}");

    let network = output.join("network.bin");
    let priced = run(&["price", arg(&options), "--network", arg(&network)]).ok();
    let rows = table(&priced.out);
    let status: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
    let faults = ["bad_exercise_style", "bad_rate", "bad_yield", "bad_rate", "bad_strike", "bad_expiry"];
    assert_eq!(status, [&["ok"; 4][..], &faults].concat());
    let by_collocation = table(&run(&["price", arg(&options), "--exercise", "american"]).ok().out);
    let price = |row: &HashMap<String, String>| row["price"].parse::<f64>().unwrap();
    for row in 0..4 {
        let (found, wanted) = (price(&rows[row]), price(&by_collocation[row]));
        assert!((found - wanted).abs() < 2.0, "row {row}: {found} {wanted}");
    }
    // Exercise is the least that it is worth.
    assert!(price(&rows[3]) >= 25.0 && rows[1]["price"] == rows[2]["price"]);
    for words in [
        "the network learned American options",
        "the network prices risk_free_rate from 0 to 0.08 of calls, from 0 to 0.1 of puts",
        "spot over strike (of puts strike over spot) from 0.7 to 1.4",
    ] {
        assert!(priced.err.contains(words), "{words}: {}", priced.err);
    }

    assert!(!priced.err.contains("allowed: european"), "{}", priced.err);

    let shards = folder.path().join("shards");
    run(&["labels", arg(&config), "-o", arg(&shards), "--rows", "1000"]).ok();
    let query = format!(
        "SELECT count(*) AS rows, min(price - greatest(moneyness - 1, 0)) AS least, min(price_by_dividend_yield) AS phi FROM '{}'",
        arg(&shards.join("*.parquet"))
    );
    let sums = table(&run(&["sql", &query]).ok().out);
    let sum = |name: &str| sums[0][name].parse::<f64>().unwrap();
    assert_eq!(sum("rows"), 1000.0);
    assert!(sum("least") >= 0.0 && sum("phi") < 0.0, "{sums:?}");
}
