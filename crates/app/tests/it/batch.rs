//! `zomma price|iv|greeks`: order, cells, statuses, formats, bounded memory.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use arrow_array::{Array, RecordBatch, cast::AsArray, types::Float64Type};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::program::{arg, run, run_with_input, table, zomma};

const HEADER: &str = "id,option_type,spot,forward,strike,expiry_years,risk_free_rate,dividend_yield,volatility\n";

fn number(cell: &str) -> f64 {
    cell.parse().unwrap()
}

#[test]
fn every_row_keeps_its_place_its_cells_and_gets_a_status() {
    let rows = [
        (" a ,call,100,,105,0.25,0.03,0.01,0.2", "ok"),
        ("\"b,\"\"x\"\"\",put,1e2,,95.0,0.5,-0.01,,0.3", "ok"),
        ("c,straddle,100,,105,0.25,0.03,0.01,0.2", "bad_option_type"),
        ("d,call,0,,105,0.25,0.03,0.01,0.2", "bad_spot"),
        ("e,call,100,,,0.25,0.03,0.01,0.2", "bad_strike"),
        ("f,call,100,,inf,0.25,0.03,0.01,0.2", "bad_strike"),
        ("g,call,100,,105,soon,0.03,0.01,0.2", "bad_expiry"),
        ("h,call,100,,105,-1,0.03,0.01,0.2", "expired"),
        ("i,call,100,,105,0.25,nan,0.01,0.2", "bad_rate"),
        ("j,call,100,,105,0.25,0.03,x,0.2", "bad_yield"),
        ("k,call,100,,105,0.25,0.03,0.01,-0.2", "bad_volatility"),
        ("l,call,,100,105,0.25,0.03,,0.2", "ok"),
        ("m,call,100,,105,0.25,0.03,0.01,0.2,surplus", "bad_row"),
        ("n,call,100", "bad_strike"),
    ];
    let text: String = rows.iter().map(|(row, _)| format!("{row}\r\n")).collect();
    let run = run_with_input(&["greeks", "-"], format!("{HEADER}{text}").as_bytes()).ok();
    let lines: Vec<&str> = run.out.lines().skip(1).collect();
    assert_eq!(lines.len(), rows.len());
    for (line, (row, status)) in lines.iter().zip(rows) {
        assert!(line.ends_with(&format!(",{status}")), "{line}: {status}");
        let kept = row.strip_suffix(",surplus").unwrap_or(row);
        assert!(line.starts_with(kept), "{line}: {kept}");
        assert_eq!(line.contains(",,,,,,,,,,,"), status != "ok", "{line}");
    }
    assert!(run.err.contains("row 5") && run.err.contains("strike = \"\""), "{}", run.err);
    assert!(run.err.contains("allowed: call, put"), "{}", run.err);
}

#[test]
fn models_that_miss_what_they_read_have_their_statuses() {
    let text = "model,exercise_style,option_type,spot,forward,strike,expiry_years,risk_free_rate,volatility\n\
                heston,,call,100,,100,1,0,0.2\nbsm,american,call,100,,100,1,0,0.2\nBSM,European,call,100,,100,1,0,0.2\n\
                black76,,call,7,100,100,1,0,0.2\nblack76,,call,7,,100,1,0,0.2\nbsm,,call,,100,100,1,0,0.2\n";
    let run = run_with_input(&["price", "-"], text.as_bytes()).ok();
    let rows = table(&run.out);
    let status: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["bad_v0", "ok", "ok", "ok", "bad_forward", "bad_spot"]);
    assert_eq!(rows[2]["price"], rows[3]["price"], "no carry: spot and forward give one price");
}

#[test]
fn prices_and_volatilities_are_each_others_inverse_through_files() {
    let folder = tempfile::tempdir().unwrap();
    let [input, priced, vols] = ["in.csv", "priced.parquet", "vols.arrow"].map(|name| folder.path().join(name));
    let rows: String = (0..500)
        .map(|i| {
            let (strike, years) = (60 + i % 80, 0.05 + f64::from(i % 7) * 0.3);
            let side = if i % 2 == 0 { "call" } else { "put" };
            format!("{i},{side},100,,{strike},{years},0.02,0.01,{}\n", 0.1 + f64::from(i % 5) * 0.1)
        })
        .collect();
    fs::write(&input, format!("{HEADER}{rows}")).unwrap();
    run(&["price", arg(&input), "-o", arg(&priced)]).ok();
    run(&["iv", arg(&priced), "-o", arg(&vols)]).ok();
    let run = run(&["price", arg(&vols)]).ok();
    let mut inverted = 0;
    for row in table(&run.out) {
        if !row["implied_volatility"].is_empty() {
            let (given, found) = (number(&row["volatility"]), number(&row["implied_volatility"]));
            assert!((found / given - 1.0).abs() < 1e-6, "{row:?}");
            inverted += 1;
        }
    }
    assert!(inverted > 450, "{inverted} of 500");
}

#[test]
fn floats_read_back_to_the_same_bits_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.csv");
    fs::write(&input, format!("{HEADER}1,call,100,,105,0.3,0.03,0.01,0.2\n2,put,100,,105,0.3,0.03,0.01,0.25\n"))
        .unwrap();
    let csv = table(&run(&["greeks", arg(&input)]).ok().out);
    let parquet = folder.path().join("out.parquet");
    run(&["greeks", arg(&input), "-o", arg(&parquet)]).ok();
    let batch = read_parquet(&parquet);
    for name in ["price", "delta", "gamma", "color", "ultima"] {
        let column = batch.column_by_name(name).unwrap().as_primitive::<Float64Type>();
        for (row, cells) in csv.iter().enumerate() {
            assert_eq!(number(&cells[name]).to_bits(), column.value(row).to_bits(), "{name}");
        }
    }
    let ids = batch.column_by_name("id").unwrap().as_string::<i32>();
    assert_eq!((ids.value(0), ids.value(1)), ("1", "2"));
    // And back to CSV, where an existing result column is replaced, and said to be.
    let again = run(&["greeks", arg(&parquet)]).ok();
    assert_eq!(table(&again.out)[1]["ultima"], csv[1]["ultima"]);
    assert!(again.err.contains("column price is replaced"), "{}", again.err);
}

fn read_parquet(path: &Path) -> RecordBatch {
    ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap())
        .unwrap()
        .build()
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
}

#[test]
fn a_parquet_file_with_other_types_is_read_by_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    let floats = |values: [f64; 2]| -> Arc<dyn Array> {
        Arc::new(arrow_array::Float32Array::from_iter_values(values.map(|v| v as f32)))
    };
    let batch = RecordBatch::try_from_iter([
        ("option_type", Arc::new(arrow_array::LargeStringArray::from(vec!["call", "put"])) as Arc<dyn Array>),
        ("spot", Arc::new(arrow_array::Int64Array::from(vec![Some(100), None]))),
        ("strike", floats([100.0, 100.0])),
        ("expiry_years", floats([0.5, 0.5])),
        ("risk_free_rate", floats([0.0, 0.0])),
        ("volatility", floats([0.25, 0.25])),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let rows = table(&run(&["price", arg(&path)]).ok().out);
    assert_eq!((rows[0]["status"].as_str(), rows[1]["status"].as_str()), ("ok", "bad_spot"));
    assert_eq!((rows[0]["spot"].as_str(), rows[1]["spot"].as_str()), ("100", ""));
}

#[test]
fn trader_units_divide_by_points_and_days() {
    let text = format!("{HEADER}1,call,100,,105,0.25,0.03,0.01,0.2\n");
    let greeks =
        |units: &str| table(&run_with_input(&["greeks", "-", "--units", units], text.as_bytes()).ok().out).remove(0);
    let (raw, trader) = (greeks("raw"), greeks("trader"));
    let divisors = [
        ("delta", 1.0),
        ("gamma", 1.0),
        ("vega", 100.0),
        ("rho", 100.0),
        ("phi", 100.0),
        ("vanna", 100.0),
        ("zomma", 100.0),
        ("vomma", 1e4),
        ("vera", 1e4),
        ("ultima", 1e6),
        ("theta", 365.0),
        ("charm", 365.0),
        ("color", 365.0),
        ("veta", 36_500.0),
        ("speed", 1.0),
        ("lambda", 1.0),
        ("dual_delta", 1.0),
    ];
    for (name, divisor) in divisors {
        assert_eq!(number(&raw[name]) / divisor, number(&trader[name]), "{name}");
    }
}

#[test]
fn single_precision_is_on_request_alone() {
    let text = format!("{HEADER}1,call,100,,105,0.25,0.03,0.01,0.2\n");
    let price = |precision: &str| {
        let run = run_with_input(&["price", "-", "--precision", precision], text.as_bytes()).ok();
        table(&run.out)[0]["price"].clone()
    };
    let (double, single) = (price("f64"), price("f32"));
    assert_eq!(number(&double) as f32, single.parse::<f32>().unwrap());
    assert!(single.len() <= 10 && double.len() > 12, "{single} {double}");
}

#[test]
fn an_expiry_date_needs_a_valuation_time() {
    let text = "option_type,spot,strike,expiry,risk_free_rate,volatility\n\
                call,100,100,2019-04-26,0,0.2\ncall,100,100,2019-04-26T16:00,0,0.2\ncall,100,100,2019-04-26T20:00:00Z,0,0.2\n\
                call,100,100,2019-04-24,0,0.2\ncall,100,100,later,0,0.2\n";
    run_with_input(&["price", "-"], text.as_bytes()).refused(2, &["--valuation-time"]);
    let run = run_with_input(&["price", "-", "--valuation-time", "2019-04-25T16:00"], text.as_bytes()).ok();
    let rows = table(&run.out);
    let status: Vec<&str> = rows.iter().map(|row| row["status"].as_str()).collect();
    assert_eq!(status, ["ok", "ok", "ok", "expired", "bad_expiry"]);
    assert_eq!(rows[0]["price"], rows[1]["price"]);
    assert_eq!(rows[0]["price"], rows[2]["price"]);
    // A day at 20 %: 0.4 of the standard deviation.
    let expected = 0.398_942 * 100.0 * 0.2 / 365f64.sqrt();
    assert!((number(&rows[0]["price"]) / expected - 1.0).abs() < 1e-3);
}

#[test]
fn a_long_table_streams_in_order_and_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let [input, output] = ["in.csv", "out.csv"].map(|name| folder.path().join(name));
    let rows = 600_000;
    let body: String = (0..rows).map(|i| format!("{i},call,100,,{},0.25,0.03,0.01,0.2\n", 50 + i % 100)).collect();
    fs::write(&input, format!("{HEADER}{body}")).unwrap();
    let input_bytes = fs::metadata(&input).unwrap().len();
    let mut child = zomma().args(["greeks", arg(&input), "-o", arg(&output), "--threads", "2"]).spawn().unwrap();
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(peak_memory_kib(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success());
    let text = fs::read_to_string(&output).unwrap();
    assert!(text.len() as u64 > 6 * input_bytes, "all Greeks are there");
    let ids = text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse::<usize>().unwrap());
    assert!(ids.eq(0..rows), "rows are in order");
    // Input and output together have some 270 MB; a few chunks a thread are some 60.
    assert!(peak_kib < 150_000, "peak {peak_kib} KiB");
}

/// Peak resident memory of a process that runs, on Linux.
fn peak_memory_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

#[test]
fn a_kill_half_way_leaves_no_half_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.csv");
    fs::write(&output, "the old file").unwrap();
    let mut child =
        zomma().args(["greeks", "-", "-o", arg(&output)]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let rows = format!("{HEADER}{}", "1,call,100,,105,0.25,0.03,0.01,0.2\n".repeat(200_000));
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), rows.as_bytes()).unwrap();
    // All that was sent is being written and its end has not come.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), "the old file");
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let rows: String = (0..60_000).map(|i| format!("{i},put,100,,{},0.25,0.03,0.01,0.2\n", 60 + i % 80)).collect();
    let text = format!("{HEADER}{rows}");
    let on = |threads: &str| run_with_input(&["greeks", "-", "--threads", threads], text.as_bytes()).ok().out;
    assert!(on("1") == on("4"));
}

#[test]
fn one_file_may_be_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, format!("{HEADER}1,call,100,,105,0.25,0.03,0.01,0.2\n")).unwrap();
    run(&["price", arg(&path), "-o", arg(&path)]).ok();
    assert_eq!(table(&fs::read_to_string(&path).unwrap())[0]["status"], "ok");
}

#[test]
fn a_vulkan_device_gives_the_american_numbers_of_the_cpu() {
    let request = "vulkan".parse().unwrap();
    if zomma_gpu::choose(&request).is_err() {
        return zomma_testkit::skip("no device");
    }
    // Puts and calls with yields on both sides of the rate; two boundaries, and a volatility beyond the boundary's method, are the tree's.
    let rows: String = (0..60)
        .map(|i| format!("{i},{},100,,{},0.5,0.03,0.0{},0.2\n", ["put", "call"][i % 2], 80 + i, i % 6))
        .collect();
    let text = format!(
        "{HEADER}{rows}60,put,100,,95,0.5,-0.01,-0.05,0.2\n61,put,100,,95,0.5,0.03,0.01,9\n62,put,-1,,95,0.5,0.03,0,0.2\n"
    );
    for (arguments, names) in
        [(&["price"][..], &["price"][..]), (&["price", "--greeks", "second"], &["price", "delta", "vega"])]
    {
        let on = |device: &str| {
            let all = [&arguments[..1], &["-", "--exercise", "american", "--device", device], &arguments[1..]].concat();
            let run = run_with_input(&all, text.as_bytes()).ok();
            table(&run.out)
        };
        for (cpu, gpu) in on("cpu").iter().zip(on("vulkan")) {
            assert_eq!(cpu["status"], gpu["status"]);
            for name in names.iter().filter(|name| !cpu[**name].is_empty()) {
                let (cpu, gpu) = (number(&cpu[*name]), number(&gpu[*name]));
                assert!((cpu - gpu).abs() <= 1e-8 * cpu.abs().max(1.0), "{name}: {cpu} {gpu}");
            }
        }
    }
}

#[test]
fn a_vulkan_device_gives_the_numbers_of_the_cpu() {
    let request = "vulkan".parse().unwrap();
    if zomma_gpu::choose(&request).is_err() {
        return zomma_testkit::skip("no device");
    }
    let rows: String = (0..300).map(|i| format!("{i},put,100,,{},0.25,0.03,0.01,0.2\n", 60 + i % 80)).collect();
    let text = format!("{HEADER}{rows}");
    let on = |device: &str| {
        let run = run_with_input(&["greeks", "-", "--device", device], text.as_bytes()).ok();
        table(&run.out)
    };
    for (cpu, gpu) in on("cpu").iter().zip(on("vulkan")) {
        assert_eq!(gpu["status"], "ok");
        for name in ["price", "delta", "gamma", "ultima"] {
            let (cpu, gpu) = (number(&cpu[name]), number(&gpu[name]));
            assert!((cpu - gpu).abs() <= 1e-9 * cpu.abs() + 1e-12, "{name}: {cpu} {gpu}");
        }
    }
}
