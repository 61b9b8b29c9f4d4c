//! `zomma surface`: fit, query, check, plot, compare, history; what they promise, and what they do with rubbish.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::program::{arg, run, run_with_input, table};

/// Names of all models, as the help gives them.
fn models() -> Vec<String> {
    let refused = run(&["surface", "fit", "-", "--model", "no_such_model"]).refused(2, &["allowed: svi"]);
    let (_, names) = refused.err.split_once("allowed: ").expect("the models are named");
    names.lines().next().unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect()
}

/// A table of volatilities: SSVI of rising variance, free of arbitrage, quoted half a point wide.
fn vol_table() -> String {
    let mut text = "strike,expiry_years,forward,implied_volatility,bid_volatility,ask_volatility\n".to_owned();
    for years in [0.08, 0.25, 0.5, 1.0_f64] {
        let (theta, rho, forward) = (0.04 * years, -0.6, 100.0 * (0.02 * years).exp());
        let phi = 1.2 / (theta * (1.0 + theta)).sqrt();
        for i in 0..25 {
            let k = 0.2 * years.sqrt() * (-2.5 + 4.0 * f64::from(i) / 24.0);
            let root = (phi * k + rho).hypot((1.0 - rho * rho).sqrt());
            let volatility = (0.5 * theta * (1.0 + rho * phi * k + root) / years).sqrt();
            let (strike, bid, ask) = (forward * k.exp(), volatility - 0.0025, volatility + 0.0025);
            writeln!(text, "{strike},{years},{forward},{volatility},{bid},{ask}").unwrap();
        }
    }
    text
}

/// The table as a file.
fn written(folder: &Path) -> PathBuf {
    let path = folder.join("vols.csv");
    fs::write(&path, vol_table()).unwrap();
    path
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_table_of_volatilities_is_fitted_asked_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (vols, surface, answers) =
        (written(folder.path()), folder.path().join("surface.json"), folder.path().join("answers.csv"));
    let fitted = run(&["surface", "fit", arg(&vols), "-o", arg(&surface)]).ok();
    assert!(fitted.out.contains("svi, 4 expiries, 100 quotes, 100.0 % inside bid-ask"), "{}", fitted.out);
    assert!(fitted.out.contains("Arbitrage: none"), "{}", fitted.out);
    let saved = json(&surface);
    assert_eq!((saved["version"].as_u64(), saved["settings"]["weights"].as_str()), (Some(1), Some("bid_ask")));
    assert!(saved["quotes_hash"].as_str().is_some_and(|hash| hash.starts_with("fnv1a128:")));

    run(&["surface", "check", arg(&surface)]).ok();
    run(&["surface", "query", arg(&surface), arg(&vols), "-o", arg(&answers)]).ok();
    let rows = table(&fs::read_to_string(&answers).unwrap());
    assert_eq!(rows.len(), 100);
    for row in &rows {
        // The input's column of that name is replaced by the answer.
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        assert_eq!(row["status"], "ok");
        assert!(
            (number("bid_volatility")..=number("ask_volatility")).contains(&number("implied_volatility")),
            "{row:?}"
        );
        assert!(number("density") >= 0.0 && number("local_volatility") > 0.0, "{row:?}");
        let squared = number("implied_volatility").powi(2) * number("expiry_years");
        assert!((squared / number("total_variance") - 1.0).abs() < 1e-12, "{row:?}");
    }
    let grid = run(&["surface", "query", arg(&surface), "--strike", "90,100,110", "--expiry-years", "0.1,0.7"]).ok();
    assert_eq!(table(&grid.out).len(), 6);
    let one = run(&["surface", "query", arg(&surface), "--log-moneyness", "-0.05", "--expiry-years", "0.5"]).ok();
    assert_eq!(table(&one.out)[0]["status"], "ok");
}

#[test]
fn every_model_is_fitted_saved_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let vols = written(folder.path());
    for model in models() {
        let path = folder.path().join(format!("{model}.json"));
        run(&["surface", "fit", arg(&vols), "--model", &model, "-o", arg(&path)]).ok();
        let saved = json(&path);
        assert_eq!(saved["surface"]["model"].as_str(), Some(model.as_str()));
        let rmse = saved["quality"]["rmse_vol_points"].as_f64().unwrap();
        // Heston's smile function is one half at most, and these smiles want twelve; jumps alone fade as expiry grows, and these do not.
        let most = match model.as_str() {
            "ssvi_heston" => 8.0,
            "merton" | "kou" => 2.5,
            _ => 1.0,
        };
        assert!(rmse < most, "{model}: {rmse}");
        let asked = run(&["surface", "query", arg(&path), "--strike", "95,100", "--expiry-years", "0.25,0.6"]).ok();
        for row in table(&asked.out) {
            let volatility: f64 = row["implied_volatility"].parse().unwrap();
            assert!((0.12..0.3).contains(&volatility), "{model}: {row:?}");
            assert_eq!(row.contains_key("standard_error"), model == "kriging", "{row:?}");
        }
        if model == "kriging" {
            let asked = run(&["surface", "query", arg(&path), arg(&vols)]).ok();
            for row in table(&asked.out) {
                let error: f64 = row["standard_error"].parse().unwrap();
                assert!(error > 0.0 && error < 0.0025, "{row:?}");
            }
        }
    }
}

#[test]
fn a_chain_is_fitted_and_the_surface_of_analyze_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, surfaces, analysis) =
        (folder.path().join("chain.csv"), folder.path().join("surfaces"), folder.path().join("analysis"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let fitted = run(&["surface", "fit", arg(&chain), "-o", arg(&surfaces)]).ok();
    let files: Vec<PathBuf> = fs::read_dir(&surfaces).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(fitted.out.contains(&format!("{0} of {0} days fitted", files.len())), "{}", fitted.out);
    for file in &files {
        assert!(file.file_name().unwrap().to_string_lossy().starts_with("ZMX-20"), "{}", file.display());
        run(&["surface", "check", arg(file)]).ok();
    }
    run(&["analyze", arg(&chain), "--out", arg(&analysis)]).ok();
    let day = fs::read_dir(&analysis).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let checked = run(&["surface", "check", arg(&day.join("surface.json")), "--json"]).ok();
    let report: Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!(report["violations"].as_array().map(Vec::len), Some(0));
}

/// Slices fitted on a software Vulkan device start the same surfaces.
#[test]
fn a_device_fits_the_slices_of_all_days_at_once() {
    if zomma_gpu::choose(&"vulkan".parse().unwrap()).is_err() {
        return zomma_testkit::skip("no device");
    }
    let folder = tempfile::tempdir().unwrap();
    let vols = written(folder.path());
    let fitted = |device: &str| -> Value {
        let fitted = run(&["surface", "fit", arg(&vols), "--device", device, "--json"]).ok();
        serde_json::from_str(&fitted.out).unwrap()
    };
    let (device, cpu) = (fitted("vulkan"), fitted("cpu"));
    assert_eq!(
        (&device["quotes_hash"], &device["quality"]["inside"]),
        (&cpu["quotes_hash"], &cpu["quality"]["inside"])
    );
    for (ours, theirs) in device["slices"].as_array().unwrap().iter().zip(cpu["slices"].as_array().unwrap()) {
        let atm = |slice: &Value| slice["atm_volatility"].as_f64().unwrap();
        assert!((atm(ours) - atm(theirs)).abs() < 1e-4, "{ours} {theirs}");
    }
}

#[test]
fn arbitrage_is_named_with_its_place_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let (vols, path) = (written(folder.path()), folder.path().join("surface.json"));
    run(&["surface", "fit", arg(&vols), "-o", arg(&path)]).ok();
    let mut saved = json(&path);
    // Vogt's smile, Gatheral and Jacquier (2014), section 5.1, in the place of the last one.
    let vogt = serde_json::json!({ "a": -0.0410, "b": 0.1331, "m": 0.3586, "rho": 0.3060, "sigma": 0.4153 });
    saved["surface"]["smiles"][3] = vogt;
    saved["slices"][3]["log_moneyness_range"] = serde_json::json!([-1.0, 1.0]);
    fs::write(&path, saved.to_string()).unwrap();
    let checked = run(&["surface", "check", arg(&path)]);
    assert_eq!((checked.code, checked.err.as_str()), (1, ""));
    let butterfly = checked.out.lines().find(|line| line.contains("butterfly") && line.contains("1.000000")).unwrap();
    assert!(butterfly.contains("0.879") && butterfly.contains("3.286e-2"), "{butterfly}");
}

#[test]
fn a_surface_is_drawn_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let (vols, path) = (written(folder.path()), folder.path().join("surface.json"));
    run(&["surface", "fit", arg(&vols), "-o", arg(&path)]).ok();
    let (svg, html) = (folder.path().join("surface.svg"), folder.path().join("surface.html"));
    run(&["surface", "plot", arg(&path), "--quotes", arg(&vols), "-o", arg(&svg)]).ok();
    let drawn = fs::read_to_string(&svg).unwrap();
    for panel in ["Smiles", "At the money", "Density of ln(S/F)", "Local volatility"] {
        assert!(drawn.contains(panel), "{panel}");
    }
    run(&["surface", "plot", arg(&path), "-o", arg(&html)]).ok();
    let page = fs::read_to_string(&html).unwrap();
    assert!(page.contains("svi, 4 expiries"));
    assert!(!page.contains("<script src") && !page.contains("<link"), "the page loads nothing");
    run(&["surface", "plot", arg(&path), "-o", "x.png"]).refused(2, &["allowed endings: .svg, .html"]);
}

#[test]
fn models_are_compared_on_the_same_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let vols = written(folder.path());
    let compared = run(&["surface", "compare", arg(&vols), "--models", "svi,svi", "--json"]).ok();
    let value: Value = serde_json::from_str(&compared.out).unwrap();
    let models = value["models"].as_array().unwrap();
    assert_eq!(models.len(), 1, "a model that is named twice is fitted once");
    assert_eq!(models[0]["quality"]["inside"].as_u64(), Some(100));
    // Eight of each slice's 25 are held out.
    assert_eq!(
        (models[0]["held_out"]["quotes"].as_u64(), models[0]["held_out"]["inside"].as_u64()),
        (Some(32), Some(32))
    );
    let text = run(&["surface", "compare", arg(&vols), "--models", "svi"]).ok();
    assert!(text.out.contains("held out in") && text.out.contains("svi"), "{}", text.out);
}

#[test]
fn days_are_followed_with_yesterday_as_the_prior() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, out) = (folder.path().join("chain.csv"), folder.path().join("history"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let followed = run(&["surface", "history", arg(&chain), "-o", arg(&out)]).ok();
    assert!(followed.out.contains("days fitted") && followed.out.contains("atm_volatility"), "{}", followed.out);
    let shapes = table(&fs::read_to_string(out.join("shapes.csv")).unwrap());
    assert!(shapes.iter().any(|row| row["maturity_days"] == "30"));
    for row in &shapes {
        let volatility: f64 = row["atm_volatility"].parse().unwrap();
        assert!((0.05..0.6).contains(&volatility), "{row:?}");
    }
    assert!(fs::read_to_string(out.join("history.html")).unwrap().contains("atm_volatility"));
    assert!(
        fs::read_to_string(out.join("parameters.csv")).unwrap().starts_with("underlying,date,expiry_years,parameter")
    );
}

#[test]
fn mids_alone_say_nothing_of_what_is_inside_bid_and_ask() {
    let folder = tempfile::tempdir().unwrap();
    let surface = folder.path().join("surface.json");
    let mids = "log_moneyness,expiry_years,implied_volatility\n-0.1,1,0.21\n0,1,0.2\n0.1,1,0.19\n";
    let fitted = run_with_input(&["surface", "fit", "-", "-o", arg(&surface)], mids.as_bytes()).ok();
    assert!(fitted.out.contains("1 expiries, 3 quotes without bid and ask, error"), "{}", fitted.out);
    assert!(!fitted.out.contains("inside bid-ask"), "{}", fitted.out);
    let quality = &json(&surface)["quality"];
    assert!(quality["inside"].is_null() && quality["quotes"] == 3, "{quality}");
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let fit = |text: &str| run_with_input(&["surface", "fit", "-"], text.as_bytes());
    fit("strike,expiry_years,implied_volatility\n1,1,0.2\n").refused(1, &["missing column forward"]);
    fit("expiry_years,forward,implied_volatility\n1,1,0.2\n").refused(1, &["missing column strike or log_moneyness"]);
    fit("strike,expiry_years,forward,implied_volatility\n-1,1,100,0.2\n")
        .refused(1, &["no usable row of 1", "row 1, strike = -1; allowed: a finite number above zero"]);
    let mixed = fit("log_moneyness,expiry_years,implied_volatility\n0,1,0.2\n0.1,1,x\n0.2,0,0.2\n").ok();
    assert!(mixed.out.contains("note: 1 of 3 rows take no part: row 3, expiry_years = 0"), "{}", mixed.out);
    assert!(mixed.out.contains("row 2, implied_volatility = \"x\"; allowed: a number"), "{}", mixed.out);

    let two = fit("strike,expiry_years,forward,implied_volatility\n90,1,100,0.2\n100,1,100,0.2\n110,1,150,0.2\n").ok();
    assert!(two.out.contains("1 rows have another forward than their expiry: row 3, forward = 150"), "{}", two.out);

    let path = folder.path().join("x.json");
    for (text, words) in [
        ("", "is not JSON"),
        ("[]", "has no field version"),
        (r#"{"version": 99}"#, "version 99 of a surface; this program reads versions 1 to 1"),
        (r#"{"version": 1, "model": "svi"}"#, "is not a surface"),
    ] {
        fs::write(&path, text).unwrap();
        run(&["surface", "check", arg(&path)]).refused(2, &["x.json", words]);
    }
    run(&["surface", "check", "no_such_file.json"]).refused(2, &["no_such_file.json"]);

    let vols = written(folder.path());
    run(&["surface", "fit", arg(&vols), "-o", arg(&path)]).ok();
    run(&["surface", "query", arg(&path)]).refused(2, &["POINTS is needed, or --expiry-years"]);
    run(&["surface", "query", arg(&path), "--strike", "-1", "--expiry-years", "1"]).refused(1, &["no point has"]);
    let asked =
        run_with_input(&["surface", "query", arg(&path), "-"], b"strike,expiry_years\n100,1\nx,1\n100,-1\n").ok();
    let status: Vec<String> = table(&asked.out).into_iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["ok", "bad_strike", "expired"]);
    assert!(asked.err.contains("bad_strike"), "{}", asked.err);
}

/// Every kind of bad input that a chain may have, as tables of volatilities.
#[test]
fn every_model_takes_poor_quotes_and_says_what_was_crossed() {
    let header = "log_moneyness,expiry_years,implied_volatility,bid_volatility,ask_volatility\n";
    let rows = |slices: &[(f64, &[(f64, f64)])]| {
        let mut text = header.to_owned();
        for (years, quotes) in slices {
            for (k, volatility) in *quotes {
                writeln!(text, "{k},{years},{volatility},{},{}", volatility - 0.005, volatility + 0.005).unwrap();
            }
        }
        text
    };
    let smile: Vec<(f64, f64)> = (-6..=4).map(|i| 0.04 * f64::from(i)).map(|k| (k, 0.2 - 0.3 * k + k * k)).collect();
    let high: Vec<(f64, f64)> = smile.iter().map(|(k, volatility)| (10.0 * k, 15.0 * volatility)).collect();
    let tight: Vec<(f64, f64)> = smile.iter().map(|(k, volatility)| (0.02 * k, *volatility)).collect();
    let flat: Vec<(f64, f64)> = smile.iter().map(|(k, _)| (*k, 0.2)).collect();
    let calls: Vec<(f64, f64)> = smile.iter().filter(|(k, _)| *k > 0.02).copied().collect();
    let twice: Vec<(f64, f64)> = smile.iter().chain(&smile).copied().collect();
    // Each third quote's bid is a point above its ask.
    let mut crossed = header.to_owned();
    for (i, (k, volatility)) in smile.iter().enumerate() {
        let (bid, ask) = if i % 3 == 0 { (0.01, 0.0) } else { (-0.005, 0.005) };
        writeln!(crossed, "{k},0.5,{volatility},{},{}", volatility + bid, volatility + ask).unwrap();
    }
    let cases: [(&str, String); 10] = [
        ("two quotes on a slice", rows(&[(0.25, &smile[5..7]), (0.5, &smile), (1.0, &smile)])),
        ("one side alone", rows(&[(0.25, &calls), (0.5, &smile)])),
        ("one expiry", rows(&[(0.5, &smile)])),
        ("variance that falls", rows(&[(0.1, &high), (0.5, &smile)])),
        ("flat", rows(&[(0.25, &flat), (0.5, &flat)])),
        ("300 %", rows(&[(0.25, &high), (0.5, &high)])),
        ("ten minutes to expiry", rows(&[(10.0 / 525_600.0, &tight), (0.5, &smile)])),
        ("every strike twice", rows(&[(0.25, &twice), (0.5, &twice)])),
        ("crossed", crossed),
        ("no number", rows(&[(0.5, &smile), (1.0, &smile)]).replacen(&format!(",{},", smile[3].1), ",NaN,", 1)),
    ];
    let models = models();
    for (what, text) in &cases {
        for model in &models {
            let fitted = run_with_input(&["surface", "fit", "-", "--model", model, "--json"], text.as_bytes());
            assert!(!fitted.err.contains("panicked"), "{model}, {what}: {}", fitted.err);
            let saved: Value = serde_json::from_str(&fitted.ok().out).unwrap();
            if *what == "crossed" {
                let notes = saved["notes"].as_array().unwrap();
                assert!(notes.iter().any(|note| note["reason"] == "crossed_quotes"), "{model}: {notes:?}");
            }
            for slice in saved["slices"].as_array().unwrap() {
                let atm = slice["atm_volatility"].as_f64();
                assert!(atm.is_some_and(|atm| (0.02..10.0).contains(&atm)), "{model}, {what}: {slice}");
            }
        }
    }
}

/// Every SPX day under one model, by `zomma surface fit`.
fn real_spx_surfaces(data: &Path, model: &str) -> Vec<Value> {
    let days = data.join("options/spx_cboe_eod_2019-04-25_2019-06-28.tar.xz");
    let fitted = run(&["surface", "fit", arg(&days), "--model", model, "--json"]).ok();
    let surfaces: Vec<Value> = fitted.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(surfaces.len(), 41);
    for surface in &surfaces {
        let violations = |kind: &str| surface["arbitrage"][kind].as_u64().unwrap();
        let found = violations("butterfly_violations") + violations("calendar_violations");
        assert_eq!(found, 0, "{model}, {}: {}", surface["quote_time"], surface["arbitrage"]);
    }
    surfaces
}

/// Quotes inside bid-ask over all surfaces, and quotes.
fn real_inside(surfaces: &[Value], quality: &str) -> [f64; 2] {
    let sum = |count: &str| surfaces.iter().map(|surface| surface[quality][count].as_f64().unwrap()).sum::<f64>();
    [sum("inside"), sum("quotes")]
}

#[test]
fn real_spx_days_have_svi_surfaces_without_arbitrage_as_good_as_without_constraints() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let surfaces = real_spx_surfaces(&data, "svi");
    let ([inside, quotes], [free, _]) = (real_inside(&surfaces, "quality"), real_inside(&surfaces, "unconstrained"));
    assert!((free - inside) / quotes < 0.05, "{inside} and {free} of {quotes}");
}

#[test]
fn real_spx_days_are_met_by_splines_of_the_price_without_arbitrage() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let [inside, quotes] = real_inside(&real_spx_surfaces(&data, "price_spline"), "quality");
    assert!(inside / quotes > 0.995, "{inside} of {quotes}");
}

#[test]
fn real_spx_strikes_that_were_held_out_lie_inside_bid_and_ask() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let day = data.join("options/spx_cboe_eod_20190425.csv");
    let compared = run(&["surface", "compare", arg(&day), "--models", "price_spline,andreasen_huge", "--json"]).ok();
    let value: Value = serde_json::from_str(&compared.out).unwrap();
    for model in value["models"].as_array().unwrap() {
        let share = |of: &str| model[of]["inside"].as_f64().unwrap() / model[of]["quotes"].as_f64().unwrap();
        assert!(share("quality") > 0.995 && share("held_out") > 0.9, "{model}");
        assert_eq!(model["violations"].as_u64(), Some(0), "{model}");
    }
    assert!(value["models"][0]["density_maxima"].as_u64() <= Some(2), "{value}");
}

/// Apple on both sides of its split of seven for one, American options with dividends. The spot is a seventh; the market fell asleep before
/// the earnings of July in between, and kept its volatilities after them.
#[test]
fn real_apple_has_one_smile_on_both_sides_of_its_split() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let chain = data.join("options/aapl_american_chain_201406_daily.csv");
    let fitted = run(&["surface", "fit", arg(&chain), "--json"]).ok();
    let days: Vec<Value> = fitted.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(days.len(), 2);
    let spot = |day: &Value| day["forwards"]["spot"].as_f64().unwrap();
    assert!((spot(&days[0]) / 645.57 - 1.0).abs() < 2e-3, "{}", spot(&days[0]));
    assert!((spot(&days[1]) / 93.70 - 1.0).abs() < 2e-3, "{}", spot(&days[1]));
    let mut compared = 0;
    for before in days[0]["slices"].as_array().unwrap() {
        let same = |after: &&Value| after["expiry"] == before["expiry"] && before["expiry_years"].as_f64() > Some(0.13);
        let Some(after) = days[1]["slices"].as_array().unwrap().iter().find(same) else { continue };
        let atm = |slice: &Value| slice["atm_volatility"].as_f64().unwrap();
        assert!((atm(before) - atm(after)).abs() < 0.007, "{}: {} {}", before["expiry"], atm(before), atm(after));
        compared += 1;
    }
    assert_eq!(compared, 6);
    for day in &days {
        let report = &day["arbitrage"];
        let count = |kind: &str| report[kind].as_u64().unwrap();
        assert_eq!(count("butterfly_violations") + count("calendar_violations"), 0, "{report}");
    }
}

#[test]
fn sabr_holds_the_beta_and_the_shift_that_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let vols = written(folder.path());
    let path = folder.path().join("sabr.json");
    for (model, options) in [("sabr", &["--beta", "0.5"][..]), ("sabr_normal", &["--beta", "0.7", "--shift", "0.25"])] {
        run(&[&["surface", "fit", arg(&vols), "--model", model, "-o", arg(&path)], options].concat()).ok();
        let saved = json(&path);
        let smile = &saved["surface"]["smiles"][0];
        assert_eq!(smile["beta"].as_f64().unwrap().to_string(), options[1], "{saved}");
        assert_eq!(smile["shift"].as_f64(), (model == "sabr_normal").then_some(0.25), "{saved}");
        assert_eq!(saved["settings"]["sabr"]["beta"].as_f64().unwrap().to_string(), options[1]);
        assert!(saved["quality"]["rmse_vol_points"].as_f64().unwrap() < 1.0, "{saved}");
        run(&["surface", "query", arg(&path), "--strike", "95,100", "--expiry-years", "0.25,0.6"]).ok();
    }
    let refused = |options: &[&str], words: &[&str]| {
        run(&[&["surface", "fit", arg(&vols), "-o", arg(&path)], options].concat()).refused(2, words);
    };
    refused(&["--beta", "0.5"], &["--beta", "sabr_normal"]);
    refused(&["--model", "sabr", "--beta", "1.5"], &["from 0 to 1"]);
    refused(&["--model", "sabr", "--shift", "0.2"], &["--shift", "sabr_normal"]);
    refused(&["--model", "sabr_normal", "--shift", "0.2"], &["--beta"]);
    refused(&["--prior", arg(&path)], &["--prior", "sabr_normal", "svi"]);
    refused(&["--event", "junk"], &["--event", "junk"]);
}

#[test]
fn what_a_table_of_volatilities_does_not_say_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let vols = written(folder.path());
    run(&["surface", "fit", arg(&vols), "--weights", "open-interest"]).refused(1, &["open_interest"]);
    let text = fs::read_to_string(&vols).unwrap();
    let semicolons = folder.path().join("semicolons.csv");
    fs::write(&semicolons, text.replace(',', ";")).unwrap();
    run(&["surface", "fit", arg(&semicolons)]).refused(1, &["semicolons.csv", "';'", "commas"]);
    run_with_input(&["surface", "fit", "-"], text.replace(',', ";").as_bytes()).refused(1, &["';'", "commas"]);
    let outside = folder.path().join("outside.csv");
    let row = "100,0.5,100,0.4,0.19,0.2\n";
    fs::write(&outside, format!("strike,expiry_years,forward,implied_volatility,bid_volatility,ask_volatility\n{row}"))
        .unwrap();
    let fitted = run(&["surface", "fit", arg(&outside)]).ok();
    assert!(fitted.out.contains("row 1, 0.4 is not within 0.19 and 0.2"), "{}", fitted.out);
}
