//! `zomma portfolio`: sums by group, currencies apart, rows that fail, formats, devices.

use std::{fs, fs::File, sync::Arc};

use arrow_array::{Array, Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::program::{arg, run, run_env, run_with_input, table, zomma};

const BOOK: &str = "\
underlying,strategy,currency,option_type,spot,strike,expiry_years,risk_free_rate,volatility,quantity,multiplier
SPY,wheel,USD,put,500,480,0.1,0.04,0.18,-10,100
SPY,hedge,USD,call,500,520,0.1,0.04,0.15,-5,100
QQQ,wheel,USD,put,430,410,0.1,0.04,0.22,3,
ESTX,wheel,EUR,put,5000,4800,0.1,0.02,0.2,2,10
SPY,wheel,USD,put,500,480,0.1,0.04,,1,100
SPY,wheel,USD,put,500,480,0.1,0.04,0.18,many,100
QQQ,wheel,USD,put,430,410,0.1,0.04,0.2,1,-100
SPY,wheel,USD,cal,500,480,0.1,0.04,0.18,1,100
";

/// The sum of quantity × multiplier × a quantity of `zomma greeks` over some rows of the book, counted from 0.
fn by_hand(greek: &str, rows: &[usize]) -> f64 {
    let greeks = table(&run_with_input(&["greeks", "-"], BOOK.as_bytes()).ok().out);
    let term = |&row: &usize| {
        let number = |name: &str| greeks[row][name].parse::<f64>().unwrap_or(1.0);
        number("quantity") * number("multiplier") * number(greek)
    };
    rows.iter().map(term).sum()
}

fn close(cell: &str, wanted: f64) {
    let found: f64 = cell.parse().unwrap();
    assert!((found - wanted).abs() <= 1e-12 * wanted.abs(), "{found} {wanted}");
}

const MIXED: &str = "\
strategy,option_type,exercise_style,model,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility,quantity,multiplier,v0,kappa,theta_v,sigma_v,rho_v
wheel,put,american,,500,480,0.1,0.04,0.01,0.18,-10,100,,,,,
wheel,call,,,500,520,0.1,0.04,0.01,0.15,-5,100,,,,,
hedge,put,,heston,500,430,0.25,0.04,0.01,,20,100,0.04,1.5,0.05,0.5,-0.7
hedge,put,american,heston,500,430,0.25,0.04,0.01,,many,100,0.04,1.5,0.05,0.5,-0.7
hedge,put,american,bachelier,500,430,0.25,0.04,0.01,80,1,100,,,,,
";

#[test]
fn positions_of_any_model_and_style_are_summed() {
    let run = run_with_input(&["portfolio", "-", "--by", "strategy"], MIXED.as_bytes()).ok();
    let sums = table(&run.out);
    let greeks = table(&run_with_input(&["price", "-", "--greeks", "all"], MIXED.as_bytes()).ok().out);
    let by_hand = |name: &str, rows: &[usize]| -> f64 {
        let number = |row: usize, name: &str| greeks[row][name].parse::<f64>().unwrap();
        rows.iter().map(|&row| number(row, "quantity") * number(row, "multiplier") * number(row, name)).sum()
    };
    for (group, rows) in [(0, &[0, 1][..]), (1, &[2])] {
        for (column, name) in [("value", "price"), ("delta", "delta"), ("gamma", "gamma"), ("vega", "vega")] {
            close(&sums[group][column], by_hand(name, rows));
        }
    }
    assert_eq!([&*sums[1]["rows"], &*sums[1]["rows_failed"]], ["3", "2"]);
    for words in ["bad_quantity 1 (first: row 4, quantity is no finite number)", "bad_exercise_style 1 (first: row 5, "]
    {
        assert!(run.err.contains(words), "{words}: {}", run.err);
    }
    // A moved market moves every row; the style may be given for rows that name none.
    let moved = ["portfolio", "-", "--by", "strategy", "--spot-factor", "0.9", "--volatility-shift", "0.05"];
    let moved = table(&run_with_input(&moved, MIXED.as_bytes()).ok().out);
    let prices = "option_type,exercise_style,model,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n\
        put,american,,450,480,0.1,0.04,0.01,0.23\ncall,american,,450,520,0.1,0.04,0.01,0.2\n";
    let prices = table(&run_with_input(&["price", "-"], prices.as_bytes()).ok().out);
    let price = |row: usize| prices[row]["price"].parse::<f64>().unwrap();
    // A call on a spot that yields less than the rate is not exercised early, so its style makes no difference beyond rounding.
    let (found, wanted): (f64, f64) = (moved[0]["value"].parse().unwrap(), -1000.0 * price(0) - 500.0 * price(1));
    assert!((found - wanted).abs() < 1e-4 * wanted.abs(), "{found} {wanted}");
    let american = run_with_input(&["portfolio", "-", "--exercise", "american"], BOOK.as_bytes()).ok();
    let european = run_with_input(&["portfolio", "-"], BOOK.as_bytes()).ok();
    let value = |out: &str| table(out)[1]["value"].parse::<f64>().unwrap();
    assert!(value(&american.out) > value(&european.out), "two puts, held");
}

#[test]
fn sums_are_those_of_the_rows_by_group_and_currency() {
    let run = run_with_input(&["portfolio", "-", "--by", "underlying"], BOOK.as_bytes()).ok();
    let sums = table(&run.out);
    let groups: Vec<[&str; 4]> =
        sums.iter().map(|row| [&*row["currency"], &*row["underlying"], &*row["rows"], &*row["rows_failed"]]).collect();
    assert_eq!(groups, [["USD", "SPY", "5", "3"], ["USD", "QQQ", "2", "1"], ["EUR", "ESTX", "1", "0"]]);
    for (group, rows) in [(0, &[0, 1][..]), (1, &[2]), (2, &[3])] {
        for greek in ["delta", "gamma", "vega", "theta", "rho", "phi", "zomma", "ultima", "dual_gamma"] {
            close(&sums[group][greek], by_hand(greek, rows));
        }
        close(&sums[group]["value"], by_hand("price", rows));
    }
    let (value, cash_delta): (f64, f64) = (sums[2]["value"].parse().unwrap(), sums[2]["cash_delta"].parse().unwrap());
    close(&sums[2]["lambda"], cash_delta / value);
    close(&sums[2]["cash_delta"], 5000.0 * by_hand("delta", &[3]));
    for words in [
        "4 of 8 rows are not in the sums",
        "bad_volatility 1 (first: row 5, volatility is empty or no number; allowed: a finite number at or above zero)",
        "bad_quantity 1 (first: row 6, quantity is empty or no number",
        "bad_multiplier 1 (first: row 7, multiplier = -100; allowed: a finite number above zero)",
        "bad_option_type 1 (first: row 8, option_type = \"cal\"; allowed: call, put)",
    ] {
        assert!(run.err.contains(words), "{words}: {}", run.err);
    }
}

#[test]
fn groups_cross_and_without_any_there_is_one_a_currency() {
    let run = run_with_input(&["portfolio", "-", "--by", "underlying,strategy"], BOOK.as_bytes()).ok();
    assert_eq!(table(&run.out).len(), 4);
    let whole = table(&run_with_input(&["portfolio", "-"], BOOK.as_bytes()).ok().out);
    assert_eq!(whole.len(), 2);
    close(&whole[0]["vega"], by_hand("vega", &[0, 1, 2]));
}

#[test]
fn prices_are_inverted_first_and_a_shock_moves_the_market() {
    let priced = run_with_input(&["price", "-"], BOOK.as_bytes()).ok().out;
    let lines: Vec<String> = priced
        .lines()
        .take(5)
        .map(|line| {
            let mut cells: Vec<&str> = line.split(',').collect();
            cells.remove(8);
            cells.join(",")
        })
        .collect();
    let of_prices = run_with_input(&["portfolio", "-"], (lines.join("\n") + "\n").as_bytes()).ok();
    let sums = table(&of_prices.out);
    close(&sums[1]["value"], by_hand("price", &[3]));
    let relative = sums[1]["vega"].parse::<f64>().unwrap() / by_hand("vega", &[3]) - 1.0;
    assert!(relative.abs() < 1e-10, "{relative}");
    let shocked = ["portfolio", "-", "--spot-factor", "0.9", "--volatility-shift", "-0.01"];
    let moved = table(&run_with_input(&shocked, BOOK.as_bytes()).ok().out);
    let by_hand = BOOK.lines().nth(4).unwrap().replace(",5000,", ",4500,").replace(",0.2,2,", ",0.19,2,");
    let text = format!("{}\n{by_hand}\n", BOOK.lines().next().unwrap());
    let alone = table(&run_with_input(&["portfolio", "-"], text.as_bytes()).ok().out);
    close(&moved[1]["value"], alone[0]["value"].parse().unwrap());
    close(&moved[1]["gamma"], alone[0]["gamma"].parse().unwrap());
}

#[test]
fn a_parquet_file_and_a_file_out_and_counts_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("book.parquet"), folder.path().join("sums.csv"));
    let numbers = |values: [f64; 2]| Arc::new(Float64Array::from(values.to_vec())) as Arc<dyn Array>;
    let batch = RecordBatch::try_from_iter([
        ("option_type", Arc::new(StringArray::from(vec!["put", "call"])) as Arc<dyn Array>),
        ("forward", numbers([100.0, 100.0])),
        ("strike", numbers([95.0, 105.0])),
        ("expiry_years", numbers([0.5, 0.5])),
        ("risk_free_rate", numbers([0.03, 0.03])),
        ("volatility", numbers([0.2, 0.2])),
        ("quantity", numbers([-1.0, 2.0])),
        ("book_id", numbers([7.0, 7.0])),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&input).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let run = run(&["portfolio", arg(&input), "--by", "book_id", "-o", arg(&output), "--json", "--device", "cpu"]).ok();
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&report["rows_ok"], &report["groups"], &report["device"]), (&2.into(), &1.into(), &"cpu".into()));
    let sums = table(&fs::read_to_string(&output).unwrap());
    assert_eq!(sums[0]["phi"], "", "a forward has none");
    assert_eq!(sums[0]["rows"], "2");
}

#[test]
fn what_cannot_be_summed_is_refused_in_words() {
    let header = BOOK.lines().next().unwrap();
    run_with_input(&["portfolio", "-", "--by", "desk"], BOOK.as_bytes()).refused(1, &["--by desk", "underlying"]);
    let without = BOOK.replace("quantity", "count");
    run_with_input(&["portfolio", "-"], without.as_bytes()).refused(1, &["missing column quantity", "count"]);
    run_with_input(&["portfolio", "-"], format!("{header}\n").as_bytes()).refused(1, &["no rows"]);
    let broken = format!("{header}\n{}\n", BOOK.lines().nth(5).unwrap());
    run_with_input(&["portfolio", "-"], broken.as_bytes()).refused(1, &["no usable row of 1", "bad_volatility"]);
    run(&["portfolio", "-", "-o", "sums.parquet"]).refused(2, &["-o sums.parquet", "CSV"]);
    run(&["portfolio", "-", "--spot-factor", "0"]).refused(2, &["--spot-factor", "above zero"]);
    run(&["portfolio", "/no/such/book.csv"]).refused(1, &["/no/such/book.csv"]);
    run_with_input(&["portfolio", "-"], &[0, 159, 146, 150]).refused(1, &["not text"]);
}

#[test]
fn a_vulkan_device_sums_what_the_cpu_sums_and_threads_change_nothing() {
    let on = |extra: &[&str]| {
        let arguments: Vec<&str> = ["portfolio", "-", "--by", "underlying"].iter().chain(extra).copied().collect();
        run_with_input(&arguments, BOOK.as_bytes()).ok().out
    };
    let cpu = on(&["--device", "cpu", "--threads", "1"]);
    assert_eq!(cpu, on(&["--device", "cpu", "--threads", "3"]));
    if zomma_gpu::choose(&"vulkan".parse().unwrap()).is_err() {
        return zomma_testkit::skip("no device");
    }
    for (cpu, device) in table(&cpu).iter().zip(table(&on(&["--device", "vulkan"]))) {
        for name in ["value", "delta", "ultima", "cash_delta"] {
            let (cpu, device): (f64, f64) = (cpu[name].parse().unwrap(), device[name].parse().unwrap());
            assert!((cpu - device).abs() <= 1e-12 * cpu.abs(), "{name}: {cpu} {device}");
        }
        assert_eq!((&cpu["rows"], &cpu["rows_failed"]), (&device["rows"], &device["rows_failed"]));
    }
}

#[test]
fn a_device_that_fails_at_any_step_counts_no_row_twice() {
    if zomma_gpu::choose(&"vulkan".parse().unwrap()).is_err() {
        return zomma_testkit::skip("no device");
    }
    let (header, rows) = BOOK.split_once('\n').unwrap();
    let book = format!("{header}\n{}", rows.repeat(100));
    let on = |environment: &[(&str, &str)]| {
        run_env(&["portfolio", "-", "--by", "underlying", "--device", "vulkan"], book.as_bytes(), environment).ok()
    };
    let without = table(&on(&[]).out);
    for kind in ["oom", "refused", "panic", "lost"] {
        for step in 1.. {
            let with = on(&[("ZOMMA_FAULT", &format!("{kind}@{step}"))]);
            for (with, without) in table(&with.out).iter().zip(&without) {
                assert_eq!((&with["rows"], &with["rows_failed"]), (&without["rows"], &without["rows_failed"]));
                for name in ["value", "vega", "cash_delta"] {
                    let (with, without): (f64, f64) = (with[name].parse().unwrap(), without[name].parse().unwrap());
                    assert!((with - without).abs() <= 1e-11 * without.abs(), "{kind}@{step}, {name}: {with} {without}");
                }
            }
            if !with.err.contains("zomma portfolio: device memory ran out")
                && !with.err.contains("done again on the CPU")
            {
                assert!(step > 6, "{kind}@{step} never struck: {}", with.err);
                break;
            }
        }
    }
}

#[test]
fn what_would_lose_or_confuse_the_book_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book.csv");
    fs::write(&book, BOOK).unwrap();
    let other_way = folder.path().join(".").join("book.csv");
    run(&["portfolio", arg(&book), "-o", arg(&other_way)]).refused(2, &["is the input"]);
    let redirected = File::open(&book).unwrap();
    let refused = zomma().args(["portfolio", "-", "-o", arg(&book)]).stdin(redirected).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(fs::read_to_string(&book).unwrap(), BOOK);
    run(&["portfolio", arg(&book), "--by", "value"]).refused(2, &["--by value", "results"]);
    run(&["portfolio", arg(&book), "--spot-factor", "-1"]).refused(2, &["--spot-factor", "a finite number above zero"]);
    let twice = BOOK.replacen("underlying,strategy", "quantity,strategy", 1);
    run_with_input(&["portfolio", "-"], twice.as_bytes()).refused(1, &["column quantity stands twice"]);
    let without = BOOK.replacen("volatility", "vol", 1);
    run_with_input(&["portfolio", "-"], without.as_bytes()).refused(1, &["missing column volatility (or price"]);
}

#[test]
fn a_value_beyond_all_numbers_is_said_and_large_ones_have_exponents() {
    let row = |name: &str, quantity: &str| format!("{name},p,USD,put,500,480,0.1,0.04,0.18,{quantity},1\n");
    let header = BOOK.lines().next().unwrap();
    let book = format!("{header}\n{}{}{}", row("A", "1.7e308"), row("A", "1.7e308"), row("B", "1e200"));
    let run = run_with_input(&["portfolio", "-", "--by", "underlying"], book.as_bytes()).ok();
    let sums = table(&run.out);
    assert_eq!((&*sums[0]["value"], &*sums[0]["rows_failed"]), ("", "0"));
    assert!(run.err.contains("too large for a float") && run.err.contains("currency USD, underlying A"), "{}", run.err);
    assert!(sums[1]["value"].ends_with("e+200") && sums[1]["value"].len() < 25, "{}", sums[1]["value"]);
}
