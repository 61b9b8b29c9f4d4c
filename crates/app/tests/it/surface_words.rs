//! `zomma surface`: what is said of rows, expiries and files, and how days of few quotes are fitted.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    path::Path,
};

use serde_json::Value;

use crate::program::{arg, run, run_with_input, table};

const HEADER: &str = "strike,expiry_years,forward,implied_volatility,bid_volatility,ask_volatility\n";

/// Rows of one expiry, the strikes of so many deviations about a forward of 100.
fn rows(expiry_years: f64, deviations: &[f64]) -> String {
    let mut text = String::new();
    for deviation in deviations {
        let strike = 100.0 * (deviation * 0.2 * expiry_years.sqrt()).exp();
        let volatility = 0.2 - 0.02 * deviation + 0.004 * deviation * deviation;
        let (bid, ask) = (volatility - 0.002, volatility + 0.002);
        writeln!(text, "{strike},{expiry_years},100,{volatility},{bid},{ask}").unwrap();
    }
    text
}

fn grid(from: f64, to: f64, count: u32) -> Vec<f64> {
    (0..count).map(|i| from + (to - from) * f64::from(i) / f64::from(count - 1)).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn rows_of_one_strike_are_told_with_their_numbers() {
    let quarter = rows(0.25, &grid(-2.0, 1.5, 12));
    let again = quarter.lines().nth(4).unwrap();
    let text = format!("{HEADER}{quarter}{}{again}\n", rows(0.5, &grid(-2.0, 1.5, 12)));
    let fitted = run_with_input(&["surface", "fit", "-"], text.as_bytes()).ok();
    let note = "note: expiry_years 0.250000: 1 strike stands in several rows, all of which take part: rows 5 and 25";
    assert!(fitted.out.contains(note), "{}", fitted.out);
    assert!(fitted.out.contains("25 quotes"), "{}", fitted.out);
}

/// The models of one set of parameters over all expiries, and the splines of prices, where an option ends in ten minutes.
#[test]
fn ten_minutes_to_expiry_are_checked_under_their_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let surface = folder.path().join("surface.json");
    let minutes = 10.0 / 525_600.0;
    let wide = grid(-3.0, 2.0, 21);
    let text = format!("{HEADER}{}{}{}", rows(minutes, &wide), rows(0.25, &wide), rows(1.0, &wide));
    for model in ["heston", "merton", "kou", "smoothing_spline"] {
        run_with_input(&["surface", "fit", "-", "--model", model, "-o", arg(&surface)], text.as_bytes()).ok();
        let checked = run(&["surface", "check", arg(&surface), "--json"]);
        let found: Value = serde_json::from_str(&checked.out).unwrap();
        let found = found["violations"].as_array().unwrap();
        assert!(found.iter().all(|violation| violation["kind"] != "no_value"), "{model}: {found:?}");
        let parts = json(&surface);
        let first = &parts["slices"][0];
        assert!((first["atm_volatility"].as_f64().unwrap() - 0.2).abs() < 0.1, "{model}: {first}");
    }
}

#[test]
fn a_file_whose_slice_has_no_variance_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("surface.json");
    let text = format!("{HEADER}{}{}", rows(0.25, &grid(-2.0, 1.5, 12)), rows(0.5, &grid(-2.0, 1.5, 12)));
    run_with_input(&["surface", "fit", "-", "-o", arg(&path)], text.as_bytes()).ok();
    let mut saved = json(&path);
    saved["surface"]["smiles"][1]["a"] = Value::from(-1.0);
    fs::write(&path, saved.to_string()).unwrap();
    let words = ["surface.json", "smiles entry 1 (expiry_years 0.5)", "a = -1"];
    run(&["surface", "check", arg(&path)]).refused(2, &words);

    let (chain, out) = (folder.path().join("chain.csv"), folder.path().join("out"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let date = last_days(&chain, 1).remove(0).0;
    run(&["analyze", arg(&chain), "--out", arg(&out)]).ok();
    let path = out.join(date).join("surface.json");
    run(&["surface", "check", arg(&path)]).ok();
    let mut saved = json(&path);
    saved["slices"][0]["svi"]["a"] = Value::from(-1.0);
    fs::write(&path, saved.to_string()).unwrap();
    run(&["surface", "check", arg(&path)]).refused(2, &["surface.json", "smiles entry 0", "a = -1"]);
}

#[test]
fn slices_of_svi_are_told_in_three_forms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("surface.json");
    let text = format!("{HEADER}{}{}", rows(0.25, &grid(-2.0, 1.5, 12)), rows(0.5, &grid(-2.0, 1.5, 12)));
    run_with_input(&["surface", "fit", "-", "-o", arg(&path)], text.as_bytes()).ok();
    let told = |form: &str| table(&run(&["surface", "parameters", arg(&path), "--form", form]).ok().out);
    let number = |row: &HashMap<String, String>, name: &str| row[name].parse::<f64>().unwrap();
    let (raw, natural, wings) = (told("raw"), told("natural"), told("jump_wings"));
    let saved = json(&path);
    for i in 0..2 {
        for name in ["a", "b", "rho", "m", "sigma"] {
            assert_eq!(number(&raw[i], name), saved["surface"]["smiles"][i][name].as_f64().unwrap());
        }
        // Lemma 3.1 of Gatheral and Jacquier, and the variance at the money.
        let b = 0.5 * number(&natural[i], "omega") * number(&natural[i], "zeta");
        assert!((b / number(&raw[i], "b") - 1.0).abs() < 1e-12);
        let atm = saved["slices"][i]["atm_volatility"].as_f64().unwrap();
        assert!((number(&wings[i], "variance") / (atm * atm) - 1.0).abs() < 1e-12);
    }
    run(&["surface", "parameters", arg(&path), "--form", "x"]).refused(2, &["allowed: raw, natural, jump_wings"]);
    run_with_input(&["surface", "fit", "-", "--model", "ssvi", "-o", arg(&path)], text.as_bytes()).ok();
    run(&["surface", "parameters", arg(&path)]).refused(2, &["is a surface of ssvi"]);
}

/// Dates and rows of the last days of a chain, the first of them first.
fn last_days(chain: &Path, count: usize) -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(chain).unwrap();
    let mut days: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().skip(1) {
        let date = line.split(',').next().unwrap();
        if days.last().is_none_or(|(last, _)| last != date) {
            days.push((date.to_owned(), Vec::new()));
        }
        days.last_mut().unwrap().1.push(line.to_owned());
    }
    days.split_off(days.len() - count)
}

/// Yesterday has all its quotes; of today each expiry keeps the six strikes nearest to the spot, calls and puts, which tell nothing of the
/// wing.
#[test]
fn a_day_of_few_quotes_stays_near_the_day_before() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, out) = (folder.path().join("chain.csv"), folder.path().join("history"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let text = fs::read_to_string(&chain).unwrap();
    let header = text.lines().next().unwrap();
    let place = |name: &str| header.split(',').position(|found| found == name).unwrap();
    let cell = |line: &str, name: &str| line.split(',').nth(place(name)).unwrap().to_owned();
    let number = |line: &str, name: &str| cell(line, name).parse::<f64>().unwrap();
    let days = last_days(&chain, 2);
    let [(yesterday, all), (today, rows)] = &days[..] else { panic!("{} days", days.len()) };
    let mut by_listing: BTreeMap<(String, String), Vec<&String>> = BTreeMap::new();
    for line in rows {
        by_listing.entry((cell(line, "expiry"), cell(line, "root"))).or_default().push(line);
    }
    let mut kept: Vec<String> = all.clone();
    for mut lines in by_listing.into_values() {
        let away = |line: &String| (number(line, "strike") - number(line, "spot")).abs();
        lines.sort_by(|x, y| away(x).total_cmp(&away(y)));
        kept.extend(lines.into_iter().take(12).cloned());
    }
    fs::write(&chain, format!("{header}\n{}\n", kept.join("\n"))).unwrap();
    // Volatility at a put of 12 % out of the money over that at the money.
    let tilt = |date: &str| {
        let surface = out.join(format!("ZMX-{date}.json"));
        let asked = ["surface", "query", arg(&surface), "--log-moneyness", "-0.12,0", "--expiry-years", "0.25"];
        let answers = table(&run(&asked).ok().out);
        let volatility = |i: usize| answers[i]["implied_volatility"].parse::<f64>().unwrap();
        volatility(0) - volatility(1)
    };
    for model in ["svi", "essvi"] {
        let moved = |more: &[&str]| {
            run(&[&["surface", "history", arg(&chain), "--model", model, "-o", arg(&out)], more].concat()).ok();
            let (before, after) = (tilt(yesterday), tilt(today));
            println!("{model} {more:?}: {before} {after}");
            (after - before).abs()
        };
        let (pulled, free) = (moved(&[]), moved(&["--tikhonov", "0"]));
        assert!(pulled < 0.005 && free > 2.0 * pulled, "{model}: {pulled} {free}");
    }
}

#[test]
fn snapshots_of_one_day_are_surfaces_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, out) = (folder.path().join("chain.csv"), folder.path().join("fitted"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let text = fs::read_to_string(&chain).unwrap();
    let header = text.lines().next().unwrap();
    let (date, rows) = last_days(&chain, 1).remove(0);
    let early: Vec<String> = rows.iter().map(|row| row.replace(",15:45,", ",10:30,")).collect();
    fs::write(&chain, format!("{header}\n{}\n{}\n", early.join("\n"), rows.join("\n"))).unwrap();
    let quote_time = |folder: &Path, name: &str| {
        let saved: Value = serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        saved["quote_time"].as_str().unwrap().to_owned()
    };
    let names = [format!("ZMX-{date}.json"), format!("ZMX-{date}-1545.json")];
    for command in ["fit", "history"] {
        let fitted = run(&["surface", command, arg(&chain), "-o", arg(&out)]).ok();
        assert!(fitted.out.contains("2 of 2 days fitted"), "{}", fitted.out);
        let [first, second] = names.each_ref().map(|name| quote_time(&out, name));
        assert!(first < second, "{command}: {first} {second}");
        fs::remove_file(out.join(&names[1])).unwrap();
    }
    let shapes = table(&fs::read_to_string(out.join("shapes.csv")).unwrap());
    let of = |label: &str| shapes.iter().filter(|row| row["date"] == label).count();
    assert!(of(&date) > 0 && of(&date) == of(&format!("{date}-1545")), "{shapes:?}");
    // The same day from two files: a number tells them apart.
    let (days, twice) = (folder.path().join("days"), folder.path().join("twice"));
    fs::create_dir(&days).unwrap();
    for name in ["a.csv", "b.csv"] {
        fs::write(days.join(name), format!("{header}\n{}\n", early.join("\n"))).unwrap();
    }
    run(&["surface", "fit", arg(&days), "-o", arg(&twice)]).ok();
    let mut found: Vec<String> =
        fs::read_dir(&twice).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    assert_eq!(found, [format!("ZMX-{date}-1030.json"), format!("ZMX-{date}.json")]);
}

/// Expiries of two to four strikes, by the models that had one volatility there.
#[test]
fn expiries_of_few_strikes_are_met_and_it_is_said_by_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("surface.json");
    let tables = [
        rows(0.5, &[-0.5, 0.5]),
        rows(0.5, &[-1.0, 0.0, 1.0]),
        rows(0.5, &[-1.0, -0.3, 0.3, 1.0]),
        [rows(0.1, &[-1.0, -0.3, 0.3, 1.0]), rows(0.5, &[-1.0, 0.0, 1.0]), rows(1.0, &[-0.5, 0.5])].concat(),
    ];
    for text in tables.map(|rows| HEADER.to_owned() + &rows) {
        for model in ["svi", "sabr"] {
            let fitted = run_with_input(&["surface", "fit", "-", "--model", model, "-o", arg(&path)], text.as_bytes());
            let out = fitted.ok().out;
            assert!(out.contains("100.0 % inside bid-ask"), "{model}: {out}");
            assert!(out.contains("usable strikes, 5 needed; "), "{model}: {out}");
        }
        run_with_input(&["surface", "fit", "-", "-o", arg(&path)], text.as_bytes()).ok();
        run(&["surface", "check", arg(&path)]).ok();
    }
}

/// 300 % over two years, where two variants of SABR have no value.
#[test]
fn a_model_without_a_smile_at_the_quotes_gives_way_to_one_that_has() {
    let mut text = HEADER.to_owned();
    for strike in [30, 45, 60, 75, 90, 100, 110, 130, 160, 200, 300] {
        writeln!(text, "{strike},2,100,3.0,2.98,3.02").unwrap();
    }
    for model in ["sabr_normal", "sabr_no_arbitrage"] {
        let out = run_with_input(&["surface", "fit", "-", "--model", model], text.as_bytes()).ok().out;
        assert!(out.contains(&format!("{model} has no smile at these quotes")) && out.contains(" instead"), "{out}");
        assert!(out.contains("300.") && !out.contains("none  "), "{out}");
    }
}

#[test]
fn a_table_has_the_underlying_that_it_is_given_and_refuses_what_is_said_of_chains() {
    let folder = tempfile::tempdir().unwrap();
    let (vols, path) = (folder.path().join("vols.csv"), folder.path().join("surface.json"));
    fs::write(&vols, format!("{HEADER}{}", rows(0.25, &grid(-2.0, 1.5, 12)))).unwrap();
    run(&["surface", "fit", arg(&vols), "--underlying", "XYZ", "-o", arg(&path)]).ok();
    assert_eq!(json(&path)["underlying"], "XYZ");
    let given = [
        ["--map", "implied_volatility=iv"],
        ["--rate", "0.05"],
        ["--dividend-yield", "0.01"],
        ["--quote-time", "15:45"],
        ["--exercise", "european"],
    ];
    for [option, value] in given {
        for command in ["fit", "compare"] {
            run(&["surface", command, arg(&vols), option, value])
                .refused(2, &[option, "vols.csv", "table of volatilities"]);
        }
    }
    // A dash is standard output, and the report goes beside it.
    let fitted = run(&["surface", "fit", arg(&vols), "-o", "-"]).ok();
    let saved: Value = serde_json::from_str(&fitted.out).unwrap();
    assert!(saved["surface"]["model"] == "svi" && fitted.err.contains("1 expiries"), "{}", fitted.err);
    assert!(!Path::new("-").exists());
}

/// A member of a tar: its header and its bytes, filled up to whole blocks.
fn tar_member(name: &str, text: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    let octal = |number: usize, digits: usize| format!("{number:0digits$o}\0").into_bytes();
    for (place, number, digits) in [(100, 0o644, 7), (108, 0, 7), (116, 0, 7), (124, text.len(), 11), (136, 0, 11)] {
        header[place..=place + digits].copy_from_slice(&octal(number, digits));
    }
    header[148..156].fill(b' ');
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: usize = header.iter().map(|byte| usize::from(*byte)).sum();
    header[148..155].copy_from_slice(&octal(sum, 6));
    let mut member = header.to_vec();
    member.extend_from_slice(text);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

/// What stands before the damage is fitted, and the exit code says that it is not all.
#[test]
fn a_tar_that_ends_early_gives_its_sound_days_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, tar, out) =
        (folder.path().join("chain.csv"), folder.path().join("days.tar"), folder.path().join("fitted"));
    run(&["demo", "chain", "-o", arg(&chain)]).ok();
    let header = fs::read_to_string(&chain).unwrap().lines().next().unwrap().to_owned();
    let days = last_days(&chain, 2);
    let members: Vec<Vec<u8>> = days
        .iter()
        .map(|(date, rows)| tar_member(&format!("{date}.csv"), format!("{header}\n{}\n", rows.join("\n")).as_bytes()))
        .collect();
    let whole: Vec<u8> = [members.concat(), vec![0; 1024]].concat();
    fs::write(&tar, &whole).unwrap();
    let fitted = run(&["surface", "fit", arg(&tar), "-o", arg(&out)]).ok();
    assert!(fitted.out.contains("2 of 2 days fitted"), "{}", fitted.out);
    fs::remove_dir_all(&out).unwrap();
    fs::write(&tar, &whole[..members[0].len() + 4096]).unwrap();
    for command in ["fit", "history"] {
        let fitted = run(&["surface", command, arg(&tar), "-o", arg(&out)]);
        assert!(fitted.out.contains("1 days fitted; how many more there are could not be read"), "{}", fitted.out);
        fitted.refused(1, &["days.tar", "truncated or damaged", "not all of it could be read"]);
        assert!(out.join(format!("ZMX-{}.json", days[0].0)).exists());
        fs::remove_dir_all(&out).unwrap();
    }
}
