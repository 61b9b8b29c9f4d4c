//! `zomma sql`: functions against the batch commands, files in and out, what is refused, and what a kill leaves.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use zomma_testkit::real_data;

use crate::program::{arg, run, run_with_input, table, zomma};

/// Options by the cell: some cannot be valued, some lack a field.
fn options() -> String {
    let mut text = String::from("id,option_type,spot,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n");
    for i in 0..400_u32 {
        let option = if i % 2 == 0 { "call" } else { "put" };
        let (strike, years) = (f64::from(60 + i % 83), 0.01 + f64::from(i % 17) * 0.11);
        let volatility = 0.05 + f64::from(i % 13) * 0.07;
        text += &format!("{i},{option},100.25,{strike},{years},0.031,0.012,{volatility}\n");
    }
    text + "400,straddle,100,100,1,0,0,0.2\n401,call,-5,100,1,0,0,0.2\n402,put,100,100,0,0,0,0.2\n403,call,100,100,1,0,0,0\n"
}

/// One column of a CSV text.
fn column(text: &str, name: &str) -> Vec<String> {
    table(text).into_iter().map(|mut row| row.remove(name).unwrap()).collect()
}

#[test]
fn functions_give_what_the_batch_commands_give_to_the_last_digit() {
    let folder = tempfile::tempdir().unwrap();
    let [input, priced] = ["in.csv", "priced.csv"].map(|name| folder.path().join(name));
    fs::write(&input, options()).unwrap();
    let arguments = "option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility";
    let table_argument = format!("o={}", arg(&input));
    let ask = |query: &str| run(&["sql", query, "--table", &table_argument]).ok().out;

    let greeks = run(&["greeks", arg(&input), "--device", "cpu"]).ok().out;
    let prices = run(&["price", arg(&input), "--device", "cpu", "-o", arg(&priced)]).ok();
    assert!(prices.err.contains("bad_spot"), "{}", prices.err);
    let names =
        ["price", "delta", "gamma", "vega", "theta", "rho", "vanna", "charm", "zomma", "ultima", "lambda", "status"];
    let fields: Vec<_> = names.iter().map(|name| format!("g['{name}'] AS {name}")).collect();
    let together =
        ask(&format!("SELECT {}, id FROM (SELECT id, greeks({arguments}) AS g FROM o) ORDER BY id", fields.join(", ")));
    for name in names {
        assert_eq!(column(&together, name), column(&greeks, name), "{name}");
    }
    let alone = ask(&format!(
        "SELECT id, bs_price({arguments}) AS price, delta({arguments}) AS delta, vanna({arguments}) AS vanna FROM o ORDER BY id"
    ));
    assert_eq!(column(&alone, "price"), column(&fs::read_to_string(&priced).unwrap(), "price"));
    for name in ["delta", "vanna"] {
        assert_eq!(column(&alone, name), column(&greeks, name), "{name}");
    }

    let volatilities = run(&["iv", arg(&priced), "--device", "cpu"]).ok().out;
    let prices = "option_type, price, spot, strike, expiry_years, risk_free_rate, dividend_yield";
    let query = format!(
        "SELECT id, implied_volatility({prices}) AS implied_volatility, implied_volatility_status({prices}) AS said FROM '{}' ORDER BY id",
        arg(&priced)
    );
    let asked = run(&["sql", &query]).ok().out;
    assert_eq!(column(&asked, "implied_volatility"), column(&volatilities, "implied_volatility"));
    // A price that is not there is a null argument here, and a fault of the row there.
    let said = column(&asked, "said").into_iter().zip(column(&volatilities, "status"));
    for ((found, wanted), price) in said.zip(column(&fs::read_to_string(&priced).unwrap(), "price")) {
        assert!(if price.is_empty() { found.is_empty() } else { found == wanted }, "{price}: {found} {wanted}");
    }
}

#[test]
fn black_76_and_nulls_agree_with_the_batch_commands() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    fs::write(
        &input,
        "option_type,forward,strike,expiry_years,risk_free_rate,volatility\ncall,100,95,0.5,0.02,0.3\nput,100,,0.5,0.02,0.3\n,100,95,0.5,0.02,0.3\nput,100,105,0.25,-0.01,0.2\n",
    )
    .unwrap();
    let greeks = run(&["greeks", arg(&input), "--device", "cpu"]).ok().out;
    let arguments = "option_type, forward, strike, expiry_years, risk_free_rate, volatility";
    let query = format!(
        "SELECT black76_price({arguments}) AS price, black76_rho({arguments}) AS rho, black76_greeks({arguments})['phi'] AS phi FROM '{}'",
        arg(&input)
    );
    let asked = run(&["sql", &query, "--threads", "1"]).ok().out;
    for name in ["price", "rho", "phi"] {
        assert_eq!(column(&asked, name), column(&greeks, name), "{name}");
    }
    assert_eq!(column(&asked, "phi"), ["", "", "", ""]);
}

#[test]
fn real_implied_volatilities_of_a_chain_are_those_of_the_batch_command() {
    let Some(data) = real_data() else { return };
    let chain = data.join("options/spx_cboe_eod_20190425.csv");
    let folder = tempfile::tempdir().unwrap();
    let [rows, vols] = ["rows.csv", "vols.csv"].map(|name| folder.path().join(name));
    let query = format!(
        "SELECT optionroot, type AS option_type, (bid + ask) / 2 AS price, underlying_last AS spot, strike, \
         substr(expiration, 7, 4) || '-' || substr(expiration, 1, 2) || '-' || substr(expiration, 4, 2) AS expiry, \
         year_fraction('2019-04-25T15:45', substr(expiration, 7, 4) || '-' || substr(expiration, 1, 2) || '-' || substr(expiration, 4, 2)) AS years, \
         0.0243 AS risk_free_rate, 0.0187 AS dividend_yield FROM '{}'",
        arg(&chain)
    );
    run(&["sql", &query, "-o", arg(&rows)]).ok();
    let batch = ["iv", arg(&rows), "--valuation-time", "2019-04-25T15:45", "--device", "cpu", "-o", arg(&vols)];
    run(&batch).ok();
    let prices = "option_type, price, spot, strike, years, risk_free_rate, dividend_yield";
    let query = format!(
        "SELECT implied_volatility({prices}) AS implied_volatility, implied_volatility_status({prices}) AS status FROM '{}'",
        arg(&rows)
    );
    let asked = run(&["sql", &query, "--threads", "1"]).ok().out;
    let wanted = fs::read_to_string(&vols).unwrap();
    assert_eq!(table(&wanted).len(), 13_340);
    assert_eq!(column(&asked, "implied_volatility"), column(&wanted, "implied_volatility"));
    assert_eq!(column(&asked, "status"), column(&wanted, "status"));
    let valued = column(&wanted, "status").iter().filter(|status| *status == "ok").count();
    assert!(valued > 8_000, "{valued}");
}

#[test]
fn rows_go_out_in_every_format_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT value AS n, sqrt(value) AS root, 'a,\"' || value AS text, CASE WHEN value = 2 THEN NULL ELSE to_timestamp_nanos(value) END AS time FROM range(4) ORDER BY n";
    let printed = run(&["sql", query]).ok().out;
    assert!(printed.starts_with("n,root,text,time\n0,0.0,\"a,\"\"0\",1970-01-01T00:00:00\n"), "{printed}");
    assert!(printed.contains("2,1.4142135623730951,\"a,\"\"2\",\n"), "{printed}");
    for name in ["out.csv", "out.parquet", "out.arrow", "out.json"] {
        let path = folder.path().join(name);
        let written = run(&["sql", query, "-o", arg(&path)]).ok();
        assert!(written.out.is_empty() && written.err.starts_with("4 rows in "), "{}", written.err);
        let back = format!("SELECT n, root, text FROM '{}' ORDER BY n", arg(&path));
        let original = run(&["sql", &format!("SELECT n, root, text FROM ({query}) ORDER BY n")]).ok().out;
        assert_eq!(run(&["sql", &back]).ok().out, original, "{name}");
    }
    let parquet = File::open(folder.path().join("out.parquet")).unwrap();
    let rows: usize = ParquetRecordBatchReaderBuilder::try_new(parquet)
        .unwrap()
        .build()
        .unwrap()
        .map(|b| b.unwrap().num_rows())
        .sum();
    assert_eq!(rows, 4);
    let json = run(&["sql", query, "--json"]).ok().out;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[2]["time"], &lines[3]["n"]), (4, &Value::Null, &Value::from(3)));
    let shown = run(&["sql", query, "--format", "table"]).ok().out;
    assert!(shown.lines().next().unwrap().contains("root") && shown.contains("---"), "{shown}");
    let long = run(&["sql", "SELECT value FROM range(5000)", "--format", "table"]).ok().out;
    assert!(long.contains("4000 rows more"), "{}", &long[long.len() - 100..]);
    let empty = folder.path().join("empty.parquet");
    run(&["sql", "SELECT 1 AS n WHERE false", "-o", arg(&empty)]).ok();
    assert_eq!(run(&["sql", &format!("SELECT count(*) AS rows FROM '{}'", arg(&empty))]).ok().out, "rows\n0\n");
}

#[test]
fn queries_come_as_an_argument_a_file_or_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("q.sql");
    fs::write(&file, "-- a comment\nSELECT 1 + 1 AS two;\n").unwrap();
    assert_eq!(run(&["sql", "-f", arg(&file)]).ok().out, "two\n2\n");
    assert_eq!(run_with_input(&["sql", "-"], b"SELECT 3 AS three").ok().out, "three\n3\n");
    run(&["sql"]).refused(2, &["a query is needed"]);
    run(&["sql", "-f", arg(&folder.path().join("gone.sql"))]).refused(1, &["gone.sql"]);
}

#[test]
fn what_can_be_called_and_asked_is_listed() {
    let listed = run(&["sql", "--functions"]).ok().out;
    for words in [
        "bs_price(option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility)",
        "implied_volatility(",
        "vwap(price, size)",
        "per square root of a year",
    ] {
        assert!(listed.contains(words), "{words}: {listed}");
    }
    let json: Value = serde_json::from_str(&run(&["sql", "--functions", "--json"]).ok().out).unwrap();
    assert!(json.as_array().unwrap().iter().any(|function| function["name"] == "black76_delta"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    fs::write(&file, "x,y\n1,b\n").unwrap();
    let tables =
        run(&["sql", "--tables", "--root", arg(folder.path()), "--table", &format!("mine={}", arg(&file))]).ok();
    for words in ["ticks (", "bid_size", "mine (", "Int64"] {
        assert!(tables.out.contains(words), "{words}: {}", tables.out);
    }
}

#[test]
fn what_is_wrong_with_a_query_is_shown_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.csv", "out.csv"].map(|name| folder.path().join(name));
    fs::write(&input, "strike,name\n100,a\n").unwrap();
    let table_argument = format!("chain={}", arg(&input));
    let refused = |query: &str, code: i32, words: &[&str]| {
        run(&["sql", query, "--table", &table_argument, "-o", arg(&output)]).refused(code, words);
        assert!(!output.exists() && fs::read_dir(folder.path()).unwrap().count() == 1, "{query} left a file");
    };
    refused("SELECT strke FROM chain", 2, &["1 | SELECT strke FROM chain", "    |        ^^^^^", "strike"]);
    refused("SELECT * FROM chian", 2, &["no table chian", "chain", "^^^^^"]);
    refused("SELECT * FORM chain", 2, &["^"]);
    refused("SELECT bs_price('call', name, 1, 1, 1, 1, 1) FROM chain", 2, &["argument 2 (spot)", "a number"]);
    refused("DROP TABLE chain", 2, &["DROP TABLE", "only reads"]);
    refused("COPY chain TO 'x.csv'", 2, &["COPY", "only reads"]);
    refused("SELECT 1; SELECT 2", 2, &["2 statements"]);
    refused("SELECT * FROM 'gone.csv'", 1, &["gone.csv: no such file"]);
    refused("SELECT CAST(name AS DOUBLE) FROM chain", 1, &["a"]);
    run(&["sql", "SELECT 1", "-o", "out.txt.gz"]).refused(2, &[".gz", ".parquet"]);
    run(&["sql", "SELECT 1", "--table", "Chain=x.csv"]).refused(2, &["NAME=FILE"]);
    run(&["sql", "SELECT 1", "--table", "chain=gone.csv"]).refused(1, &["gone.csv", "no such file"]);
    run(&["sql", "SELECT 1", "--root", "/no/such/folder"]).refused(1, &["/no/such/folder"]);
    run(&["sql", "SELECT 1", "--memory-limit", "1kB"]).refused(2, &["16MiB"]);
    run(&["sql", "SELECT * FROM chain", "--table", &table_argument, "-o", arg(&input)]).refused(2, &["is the file"]);
    assert_eq!(fs::read_to_string(&input).unwrap(), "strike,name\n100,a\n");
}

#[test]
fn what_was_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let [csv, parquet] = ["in.csv", "in.parquet"].map(|name| folder.path().join(name));
    fs::write(&csv, "x\n1\n2\n").unwrap();
    run(&["sql", "SELECT value AS x FROM range(100000)", "-o", arg(&parquet)]).ok();
    let query = format!("SELECT x FROM '{}' WHERE x < 5", arg(&parquet));
    let explained = run(&["sql", &query, "--explain"]).ok().out;
    for words in ["for 5 rows", "1 of 1 files", "row groups", "steps"] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    let planned = run(&["sql", &format!("EXPLAIN SELECT * FROM '{}'", arg(&csv))]).ok().out;
    assert!(planned.starts_with("would read") && planned.contains("1 of 1 files"), "{planned}");
    let json: Value =
        serde_json::from_str(&run(&["sql", &format!("EXPLAIN ANALYZE {query}"), "--json"]).ok().out).unwrap();
    assert_eq!(json["rows"], 5);
}

/// Waits until something holds, for half a minute at most.
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn has_temporary(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
}

#[test]
#[cfg(unix)]
fn an_interrupted_query_leaves_no_file() {
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.csv");
        let query = "SELECT a.value * b.value AS x FROM range(10000000) a CROSS JOIN range(10000000) b";
        let mut command = zomma();
        command.args(["sql", query, "-o", arg(&output)]).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        wait("no output was begun", || has_temporary(folder.path()));
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, signal).unwrap();
        let ended = crate::program::Run::of(&child.wait_with_output().unwrap());
        ended.refused(code, &["interrupted"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A place of quotes on two days, and a chain, as the documentation has them.
fn documented_data(folder: &Path) {
    let sql = |query: &str, output: &str| {
        let output = folder.join(output);
        fs::create_dir_all(output.parent().unwrap()).unwrap();
        run(&["sql", query, "-o", arg(&output)]).ok();
    };
    sql(
        "SELECT 'call' AS option_type, bs_price('call', 100, value, 0.5, 0.03, 0.01, 0.3 - value / 1000.0) AS price, 100.0 AS spot, \
         CAST(value AS double) AS strike, 0.5 AS expiry_years FROM range(90, 111, 10) \
         UNION ALL SELECT 'call', 2.0, 100.0, 80.0, 0.5",
        "chain.csv",
    );
    for day in [5, 6] {
        let query = format!(
            "SELECT arrow_cast(arrow_cast(timestamp '2026-01-0{day}T14:30:00', 'Timestamp(Nanosecond, None)'), 'Int64') AS t, value FROM range(7)"
        );
        let query = format!(
            "SELECT arrow_cast(t + value * 3600000000000, 'Timestamp(Nanosecond, Some(\"UTC\"))') AS time, 'SPY' AS instrument, \
             680.0 + {day} + value / 4.0 AS bid, 680.05 + {day} + value / 4.0 AS ask, 100.0 * (value + 1) AS bid_size, 300.0 AS ask_size FROM ({query})"
        );
        sql(&query, &format!("desk/quotes/date=2026-01-0{day}/demo-000001.parquet"));
    }
}

#[test]
fn documented_queries_give_what_the_documentation_shows() {
    let page = fs::read_to_string(zomma_testkit::workspace_root().join("docs/sql.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    documented_data(folder.path());
    let program = Path::new(env!("CARGO_BIN_EXE_zomma")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut tried = 0;
    for block in page.split("\n\n").filter(|block| block.starts_with("    $ zomma")) {
        let lines: Vec<&str> = block.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
        // The command ends with the line that closes its quote.
        let quotes = |count: usize| lines[..count].concat().matches('"').count();
        let command = (1..=lines.len()).find(|count| quotes(*count) % 2 == 0).unwrap();
        let text = lines[..command].join("\n");
        let text = text.strip_prefix("$ ").unwrap();
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", text]).env("PATH", &path).current_dir(folder.path()).output().unwrap();
        let ran = crate::program::Run::of(&output).ok();
        assert_eq!(ran.out.trim_end(), lines[command..].join("\n"), "{text}");
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
}

/// A time in a text file that has an offset is an instant; one that has none is a wall clock in New York.
#[test]
fn times_of_text_files_keep_their_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let [file, back] = ["times.csv", "back.csv"].map(|name| folder.path().join(name));
    let hours = |file: &Path| {
        let query = format!("SELECT year_fraction(time, '2026-01-05') * 8760 AS hours FROM '{}'", arg(file));
        column(&run(&["sql", &query]).ok().out, "hours").iter().map(|x| x.parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    // The close is at 16:00 in New York, 21:00 UTC.
    for (time, wanted) in [
        ("2026-01-05T15:00:00Z", 6.0),
        ("2026-01-05T15:00:00+05:00", 11.0),
        ("2026-01-05 15:00:00.250-05:00", 1.0 - 0.25 / 3600.0),
        ("2026-01-05T15:00:00", 1.0),
    ] {
        fs::write(&file, format!("time,x\n{time},1\n{time},2\n")).unwrap();
        let found = hours(&file);
        assert!(found.len() == 2 && found.iter().all(|x| (x - wanted).abs() < 1e-9), "{time}: {found:?}");
        // And what is written of it is read as the same.
        run(&["sql", &format!("SELECT * FROM '{}'", arg(&file)), "-o", arg(&back)]).ok();
        assert_eq!(hours(&back), found, "{time}");
    }
    fs::write(&file, "time,x\n2026-01-05T15:00:00Z,1\n2026-01-05T15:00:00,2\n").unwrap();
    run(&["sql", &format!("SELECT * FROM '{}'", arg(&file))])
        .refused(1, &["times.csv", "column time", "with an offset and without"]);
}
