//! `zomma price|greeks|iv` over contracts with terms of their own: cash dividends, barriers, digitals, averages, extremes, exercise times.

use std::{collections::HashMap, fs};

use crate::program::{arg, run, run_with_input, table};

/// Haug (2007), table 4-13, where there is a barrier; 11.1062 by Haug, Haug and Lewis (2003) with the dividend.
const ROWS: &str = "\
option_type,exercise_style,payoff,barrier_type,barrier,rebate,observation_dates,exercise_times,dividends,cash_amount,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility
call,,,down_and_out,95,3,,,,,100,100,0.5,0.08,0.04,0.25
call,,,,,,,,0.5:7,,100,100,1,0.06,,0.3
call,american,,,,,,,0.5:7,,100,100,1,0.06,,0.3
call,,,,,,,,,,100,100,1,0.06,,0.3
put,,cash_or_nothing,,,,,,,10,100,80,0.75,0.06,0.06,0.35
call,,arithmetic_asian,,,,12,,,,100,100,1,0.06,,0.3
put,bermudan,,,,,,0.25;0.5,,,100,100,1,0.06,,0.3
call,,floating_lookback,,,,,,,,100,100,0.5,0.1,0.04,0.3
";

fn number(cell: &str) -> f64 {
    cell.parse().unwrap_or(f64::NAN)
}

#[test]
fn contracts_are_valued_row_by_row_with_the_error_of_grid_and_simulation() {
    let priced = run_with_input(&["price", "-", "--greeks", "first", "--paths", "16384"], ROWS.as_bytes()).ok();
    let rows = table(&priced.out);
    assert!(rows.iter().all(|row| row["status"] == "ok"), "{}", priced.out);
    let price: Vec<f64> = rows.iter().map(|row| number(&row["price"])).collect();
    assert!((price[0] - 6.7924).abs() < 6e-5 && (price[1] - 11.1062).abs() < 3e-4, "{price:?}");
    assert!(price[1] < price[2] && price[2] < price[3], "{price:?}");
    // Haug (2007), section 4.19: 2.6710.
    assert!((price[4] - 2.6710).abs() < 6e-5, "{price:?}");
    assert!(price[5] < 0.7 * price[3], "an average moves less: {price:?}");
    let stated: Vec<bool> = rows.iter().map(|row| number(&row["error_estimate"]) > 0.0).collect();
    assert_eq!(stated, [false, true, true, false, false, true, true, false]);
    for (row, cells) in rows.iter().enumerate() {
        assert!(number(&cells["delta"]).abs() < 2.0 && number(&cells["vega"]).is_finite(), "row {row}: {cells:?}");
        // A simulation has no theta.
        assert_eq!(number(&cells["theta"]).is_finite(), row != 5, "row {row}: {cells:?}");
    }
    let by = |method: &str| table(&run_with_input(&["price", "-", "--method", method], ROWS.as_bytes()).ok().out);
    let grid = by("finite_difference");
    assert!((number(&grid[0]["price"]) - price[0]).abs() < 1e-4, "{:?}", grid[0]);
    let status = |rows: Vec<std::collections::HashMap<String, String>>| {
        rows.iter().map(|row| row["status"] == "ok").collect::<Vec<_>>()
    };
    assert_eq!(status(grid), [true, true, true, true, true, false, true, false]);
    assert_eq!(status(by("closed_form")), [true, false, false, true, true, false, false, true]);
}

#[test]
fn volatilities_of_prices_with_dividends_come_back() {
    let header = "option_type,exercise_style,dividends,spot,strike,expiry_years,risk_free_rate,dividend_yield";
    let rows = [
        "call,,0.1:2;0.4:2,100,100,0.5,0.03,0",
        "put,american,0.1:2;0.4:2,100,105,0.5,0.03,0.01",
        "put,american,,100,105,0.5,0.03,0.01",
    ];
    let text = |column: &str, cells: &[String]| {
        let lines: Vec<String> = rows.iter().zip(cells).map(|(row, cell)| format!("{row},{cell}\n")).collect();
        format!("{header},{column}\n{}", lines.concat())
    };
    let volatility = ["0.2", "0.3", "0.25"].map(str::to_owned);
    let priced = table(&run_with_input(&["price", "-"], text("volatility", &volatility).as_bytes()).ok().out);
    let prices: Vec<String> = priced.iter().map(|row| row["price"].clone()).collect();
    let found = table(&run_with_input(&["iv", "-"], text("price", &prices).as_bytes()).ok().out);
    for (row, (found, wanted)) in found.iter().zip(&volatility).enumerate() {
        let got = number(&found["implied_volatility"]);
        assert!((got - number(wanted)).abs() < 1e-4, "row {row}: {found:?}");
    }
}

#[test]
fn volatilities_of_barriers_digitals_and_bermudans_come_back_where_there_is_one() {
    let header =
        "option_type,exercise_style,payoff,barrier_type,barrier,exercise_times,spot,strike,expiry_years,risk_free_rate";
    let rows = [
        ("call,,,down_and_out,90,,100,100,0.5,0.03", "0.25", "ok"),
        ("put,bermudan,,,,0.25,100,100,0.5,0.03", "0.25", "ok"),
        ("call,,cash_or_nothing,,,,100,90,0.5,0.03", "0.25", "ok"),
        ("call,,cash_or_nothing,,,,100,110,0.5,0.03", "0.25", "several_volatilities"),
        ("call,,,up_and_out,125,,100,105,0.5,0.03", "0.3", "several_volatilities"),
        ("call,,arithmetic_asian,,,,100,100,0.5,0.03", "0.3", "bad_observation_dates"),
    ];
    let text = |column: &str, cells: &[String]| {
        let lines: Vec<String> = rows.iter().zip(cells).map(|((row, ..), cell)| format!("{row},{cell}\n")).collect();
        format!("{header},{column}\n{}", lines.concat())
    };
    let volatility: Vec<String> = rows.iter().map(|row| row.1.to_owned()).collect();
    let priced = table(&run_with_input(&["price", "-"], text("volatility", &volatility).as_bytes()).ok().out);
    let prices: Vec<String> = priced.iter().map(|row| row["price"].clone()).collect();
    let run = run_with_input(&["iv", "-"], text("price", &prices).as_bytes()).ok();
    for (found, (row, wanted, status)) in table(&run.out).iter().zip(rows) {
        assert_eq!(found["status"], status, "{row}");
        let got = number(&found["implied_volatility"]);
        assert!(if status == "ok" { (got - number(wanted)).abs() < 1e-5 } else { got.is_nan() }, "{row}: {found:?}");
    }
    assert!(run.err.contains("more than one volatility gives it"), "{}", run.err);
}

#[test]
fn underlyings_of_the_dividends_that_no_row_has_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("dividends.csv");
    fs::write(&schedule, "underlying,time_years,amount\nABC,0.1,1\nABD,0.1,1\nXYZ,0.1,1\n").unwrap();
    let text = |name: &str| {
        format!(
            "underlying,option_type,spot,strike,expiry_years,risk_free_rate,volatility\n{name},call,100,100,0.5,0.03,0.2\n"
        )
    };
    let price = ["price", "-", "--dividends", arg(&schedule)];
    let warned = run_with_input(&price, text("ABC").as_bytes()).ok();
    assert!(warned.err.contains("dividends.csv: 2 underlyings are in no row: ABD, XYZ"), "{}", warned.err);
    fs::write(&schedule, "underlying,time_years,amount\nABC,0.1,1\n").unwrap();
    let silent = run_with_input(&price, text("ABC").as_bytes()).ok();
    assert!(!silent.err.contains("in no row"), "{}", silent.err);
    run_with_input(&["price", "-", "--dividends", "-"], text("ABC").as_bytes())
        .refused(2, &["--dividends -", "standard input"]);
}

#[test]
fn a_file_of_dividends_is_joined_by_underlying() {
    let folder = tempfile::tempdir().unwrap();
    let schedule = folder.path().join("dividends.csv");
    fs::write(
        &schedule,
        "underlying,ex_date,amount\nABC,2025-04-01,1.5\nABC,2024-10-01,9\nABC,2026-04-01,9\nXYZ,2025-02-03,3\n",
    )
    .unwrap();
    let now = ["--valuation-time", "2025-01-02T09:30"];
    let text = "underlying,option_type,spot,strike,expiry_years,risk_free_rate,volatility,dividends\n\
                ABC,call,100,100,0.5,0.03,0.2,\nXYZ,call,100,100,0.5,0.03,0.2,\nNONE,call,100,100,0.5,0.03,0.2,\n\
                XYZ,call,100,100,0.5,0.03,0.2,0.25:1.5\nXYZ,call,100,100,0.05,0.03,0.2,\n";
    let price = |arguments: &[&str], text: &str| {
        let run = run_with_input(&[&["price", "-"], arguments].concat(), text.as_bytes()).ok();
        table(&run.out).iter().map(|row| number(&row["price"])).collect::<Vec<_>>()
    };
    let got = price(&[&["--dividends", arg(&schedule)][..], &now[..]].concat(), text);
    // From 09:30 to 09:30 in New York, an hour less for the clocks.
    let years = (89.0 - 1.0 / 24.0) / 365.0;
    let own = format!(
        "option_type,spot,strike,expiry_years,risk_free_rate,volatility,dividends\n\
         call,100,100,0.5,0.03,0.2,{years}:1.5\ncall,100,100,0.5,0.03,0.2,{}:3\n",
        32.0 / 365.0
    );
    let wanted = price(&[], &own);
    assert!((got[0] - wanted[0]).abs() < 1e-9 && (got[1] - wanted[1]).abs() < 1e-9, "{got:?} {wanted:?}");
    assert!(got[2] > got[0] && (got[3] - got[0]).abs() < 0.02, "{got:?}");
    assert!(got[4] > 0.0, "what falls after expiry does nothing: {got:?}");
    let refused = |text: &str, arguments: &[&str], code, words: &[&str]| {
        run_with_input(&[&["price", "-", "--dividends", arg(&schedule)], arguments].concat(), text.as_bytes())
            .refused(code, words);
    };
    refused(text, &[], 2, &["ex_date", "--valuation-time"]);
    refused(
        "option_type,spot,strike,expiry_years,risk_free_rate,volatility\ncall,1,1,1,0,0.2\n",
        &now,
        1,
        &["underlying"],
    );
    fs::write(&schedule, "underlying,time_years,amount\nABC,0.1,1\nABC,soon,1\n").unwrap();
    refused(text, &[], 1, &["row 2", "time_years = \"soon\""]);
    fs::write(&schedule, "time_years,amount\n0.1,-1\n").unwrap();
    refused(text, &[], 1, &["row 1", "amount = \"-1\""]);
    fs::write(&schedule, "time_years,amount\n0.1,1\n").unwrap();
    let all = price(&["--dividends", arg(&schedule)], text);
    assert!(all[2] < got[2] && all[0] > got[0], "{all:?}");
    run(&["price", "x.csv", "--dividends", "none.csv"]).refused(1, &["none.csv"]);
}

#[test]
fn what_is_wrong_with_a_contract_is_said_by_row_with_what_is_allowed() {
    let header = "option_type,exercise_style,payoff,barrier_type,barrier,barrier_upper,rebate,observation_dates,extreme,\
                  exercise_times,dividends,cash_amount,spot,strike,expiry_years,risk_free_rate,volatility";
    let rows = [
        (",,,,,,,,,,", "ok", ""),
        (",barrier,,,,,,,,,", "bad_payoff", "payoff = \"barrier\"; allowed: vanilla; cash_or_nothing"),
        (
            ",,knock_out,90,,,,,,,",
            "bad_barrier_type",
            "barrier_type = \"knock_out\", payoff = \"\"; allowed: down_and_out",
        ),
        (",,,90,,,,,,,", "bad_barrier_type", ""),
        (",,down_and_out,101,,,,,,,", "barrier_hit", "barrier = \"101\""),
        (",,double_out,90,,,,,,,", "bad_barrier", "barrier_upper = \"\""),
        (",,down_and_out,90,,-1,,,,,", "bad_rebate", "rebate = \"-1\""),
        (",arithmetic_asian,,,,,,,,,", "bad_observation_dates", "arithmetic_asian needs it"),
        (",arithmetic_asian,,,,,1.5,,,,", "bad_observation_dates", ""),
        (",fixed_lookback,,,,,,-3,,,", "bad_extreme", "extreme = \"-3\""),
        ("bermudan,,,,,,,,,,", "bad_exercise_times", "exercise_times = \"\""),
        ("american,,,,,,,,0.2,,", "bad_exercise_times", ""),
        ("bermudan,,,,,,,,0.6,,", "bad_exercise_times", ""),
        (",,,,,,,,,0.6:1,", "dividend_after_expiry", "dividends = \"0.6:1\""),
        (",,,,,,,,,0.2:-1,", "bad_dividend", "dividends = \"0.2:-1\", payoff = \"\"; allowed: time_years:amount"),
        (",,,,,,,,,0.2:120,", "dividend_above_spot", ""),
        ("american,floating_lookback,,,,,,,,,", "bad_exercise_style", ""),
        (",cash_or_nothing,,,,,,,,,-5", "bad_cash", "cash_amount = \"-5\""),
    ];
    let lines: Vec<String> = rows.iter().map(|(terms, ..)| format!("call,{terms},100,100,0.5,0.03,0.2\n")).collect();
    let priced = run_with_input(&["price", "-"], format!("{header}\n{}", lines.concat()).as_bytes()).ok();
    for ((terms, status, words), cells) in rows.iter().zip(table(&priced.out)) {
        assert_eq!(&cells["status"], status, "{terms}");
        assert_eq!(cells["price"].is_empty(), *status != "ok", "{terms}");
        assert!(priced.err.contains(words), "{terms}: {}", priced.err);
    }
    let of = "payoff,option_type,spot,strike,expiry_years,risk_free_rate,price,observation_dates";
    let prices = format!("{of}\narithmetic_asian,call,100,100,1,0,5,12\n");
    run_with_input(&["iv", "-"], prices.as_bytes()).refused(1, &["bad_payoff", "a closed form or a grid"]);
}

#[test]
fn scenarios_take_contracts_with_terms() {
    let book = "option_type,barrier_type,barrier,rebate,dividends,spot,strike,expiry_years,risk_free_rate,volatility,quantity\n\
                call,down_and_out,90,2,,100,100,0.5,0.03,0.2,1\ncall,,,,0.2:1,100,100,0.5,0.03,0.2,1\n\
                call,,,,,100,100,0.5,0.03,0.2,1e308\n";
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("grid.csv");
    let arguments = [
        "risk",
        "scenarios",
        "-",
        "--by",
        "barrier_type",
        "--spot",
        "-12%,0",
        "--volatility",
        "0",
        "--stress",
        "none",
        "-o",
        arg(&out),
    ];
    let multiplied =
        book.replace("quantity\n", "quantity,multiplier\n").replace(",1\n", ",1,1\n").replace("1e308\n", "1e308,100\n");
    let run = run_with_input(&arguments, multiplied.as_bytes()).ok();
    assert!(
        run.err.contains("overflow 1 (first: row 3, ") && run.err.contains("quantity times multiplier"),
        "{}",
        run.err
    );
    let rows = table(&fs::read_to_string(&out).unwrap());
    let fallen: Vec<f64> =
        rows.iter().filter(|row| row["spot_change"] == "-0.12").map(|row| number(&row["value"])).collect();
    assert!((fallen[0] - 2.0).abs() < 1e-12 && fallen[1] > 0.5, "the barrier is passed: its rebate is paid: {rows:?}");
    // The position that is no number is one of the rows without a barrier, in every scenario.
    let failed = |row: &HashMap<String, String>| if row["barrier_type"].is_empty() { "1" } else { "0" };
    assert!(rows.iter().all(|row| row["rows_failed"] == failed(row)), "{rows:?}");
}
