//! `zomma portfolio`: a table of positions in, value and Greeks of each group out.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_base::{ExerciseStyle, Status};
use zomma_gpu::recovery::Place;
use zomma_pricing::{
    black::Greek,
    portfolio::{self, Shock, Sums, Totals},
    valuation::ModelName,
};

use crate::{
    batch::{self, Book, Defaults, DividendArgs, Engine, Units},
    commands,
    failure::BadArguments,
    gpu_config::GpuConfigArgs,
    output_file::AtomicFile,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns in: as `zomma price`, of any model, exercise style and contract (or, without a column volatility, as `zomma iv`: the volatility of the price is taken
first), then quantity (contracts, below zero where short), multiplier (shares of one contract; 1 where there is no
such column or cell) and whatever --by names. Where there is a column currency, sums never mix two of them.
Columns out: currency where there is one, those of --by, rows, rows_failed, value, the sum of quantity x multiplier x
each Greek, cash_delta (the same of spot x delta), and lambda, which is no sum but cash_delta / value.
A row that fails is counted and not summed. Under Black-76 delta and its kin are by the forward, and phi is absent.

Example:
  $ cat book.csv
  underlying,option_type,spot,strike,expiry_years,risk_free_rate,volatility,quantity,multiplier
  SPY,put,500,480,0.1,0.04,0.18,-10,100
  SPY,call,500,520,0.1,0.04,0.15,-5,100
  QQQ,put,430,410,0.1,0.04,0.22,3,100
  $ zomma portfolio book.csv --by underlying -o sums.csv";

/// Arguments of `zomma portfolio`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct PortfolioArgs {
    /// The table: CSV, Parquet or Arrow IPC, told by ending or content; `-` reads standard input.
    #[arg(value_name = "FILE")]
    input: PathBuf,
    /// Where to: a CSV file; `-` is standard output.
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    output: PathBuf,
    /// Column whose cells tell groups apart; may be given more than once, or as a list with commas.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    by: Vec<String>,
    /// Units of the Greeks.
    #[arg(long, value_enum, default_value_t = Units::Raw)]
    units: Units,
    /// Instant of valuation, needed for a column `expiry`: 2019-04-25T15:45 (New York), or with an offset or Z.
    #[arg(long, value_name = "TIME", value_parser = batch::parse_instant)]
    valuation_time: Option<jiff::Timestamp>,
    /// Model of rows that name none, as in `zomma price`.
    #[arg(long, value_name = "MODEL", value_parser = batch::parse_model)]
    model: Option<ModelName>,
    /// Exercise style of rows that name none: european (the default), american.
    #[arg(long, value_name = "STYLE", value_parser = commands::parse_exercise)]
    exercise: Option<ExerciseStyle>,
    #[command(flatten)]
    dividends: DividendArgs,
    /// Value every spot (forward) times this.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, allow_negative_numbers = true,
        value_parser = parse_factor)]
    spot_factor: f64,
    /// Value every volatility plus this; those of prices are implied before.
    #[arg(long, value_name = "SHIFT", default_value_t = 0.0, allow_negative_numbers = true, value_parser = parse_shift)]
    volatility_shift: f64,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Report counts as one line of JSON: on standard output, or on standard error where the table goes there.
    #[arg(long)]
    json: bool,
}

fn parse_factor(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|&x: &f64| x > 0.0 && x.is_finite()).ok_or_else(|| "a finite number above zero".into())
}

fn parse_shift(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| "a finite number".into())
}

/// Runs it.
pub fn run(args: &PortfolioArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let ending = args.output.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    if !matches!(ending.as_deref(), None | Some("csv" | "txt")) {
        bail!(BadArguments(format!("-o {}: allowed: a CSV file, or -", args.output.display())));
    }
    let result = |name: &&String| table_header().any(|column| column == name.as_str());
    if let Some(name) = args.by.iter().find(result) {
        bail!(BadArguments(format!("--by {name}: a column of the results has that name")));
    }
    commands::keep_input(&args.input, &args.output)?;
    commands::use_threads(args.threads)?;
    let engine = Engine::choose(&args.gpu.load()?)?;
    let to_stdout = args.output == Path::new("-");
    let name = if args.input == Path::new("-") { "standard input".into() } else { args.input.display().to_string() };
    let source = batch::open(&args.input)?;
    let dividends = args.dividends.schedule(&args.input, args.valuation_time)?;
    let defaults = Defaults {
        model: args.model,
        exercise: args.exercise,
        valuation_time: args.valuation_time,
        dividends: dividends.clone(),
    };
    let mut book = batch::read_book(source, &args.by, defaults, &engine).with_context(|| name.clone())?;
    if let Some(warning) = dividends.and_then(|schedule| schedule.unread()) {
        eprintln!("zomma portfolio: {warning}");
    }

    let shock = Shock { spot_factor: args.spot_factor, volatility_shift: args.volatility_shift, ..Shock::NONE };
    let (columns, groups) = (book.positions.columns(), book.groups.len());
    let mut totals = Totals::zero(groups);
    let summed = engine.compute(columns.len(), portfolio::launch::BYTES_PER_ROW, |place, at| {
        let part = columns.part(at);
        // A piece that fails adds nothing, so that no row counts twice when it is done again.
        totals.merge(&match place {
            Place::Cpu => portfolio::sums(&part, groups, shock),
            Place::Device(compute) => portfolio::launch::sums(compute, &part, groups, shock)?,
        });
        Ok(())
    });
    let notes = engine.notes();
    for note in &notes {
        eprintln!("zomma portfolio: {note}");
    }
    summed?;
    if !book.others.is_empty() {
        let (others, examples) = book.others.sums(groups, shock);
        totals.merge(&others);
        for (status, example) in examples {
            let first = book.examples.entry(status).or_insert_with(|| example.clone());
            if example.0 < first.0 {
                *first = example;
            }
        }
    }
    let mut faults = totals.total.failed().clone();
    for unread in &book.unread {
        unread.iter().for_each(|(&status, rows)| *faults.entry(status).or_default() += rows);
    }
    book.explain(&faults, shock);
    let reasons = |separator: &str| {
        let line = |(status, rows): (&Status, &u64)| match book.examples.get(status) {
            Some((_, example)) => format!("{status} {rows} (first: {example})"),
            None => format!("{status} {rows}"),
        };
        faults.iter().map(line).collect::<Vec<_>>().join(separator)
    };
    let failed: u64 = faults.values().sum();
    if totals.total.rows_ok() == 0 {
        bail!("{name}: no usable row of {}: {}", book.rows, reasons("; "));
    }
    let overflowed = overflowed(&book, &totals);
    write(args, &table(&book, &totals, args.units))?;
    if !overflowed.is_empty() {
        eprintln!(
            "zomma portfolio: {name}: the value is too large for a float, and left out: {}",
            overflowed.join("; ")
        );
    }
    if args.json {
        let by_status: BTreeMap<&str, u64> = faults.iter().map(|(status, &rows)| (status.as_str(), rows)).collect();
        let line = serde_json::json!({
            "rows": book.rows,
            "rows_ok": totals.total.rows_ok(),
            "groups": groups,
            "status": by_status,
            "device": engine.name(),
            "device_notes": notes,
            "elapsed_ms": started.elapsed().as_secs_f64() * 1e3,
        });
        if to_stdout {
            eprintln!("{line}");
        } else {
            commands::print(&format!("{line}\n"))?;
        }
    } else if failed > 0 {
        eprintln!(
            "zomma portfolio: {name}: {failed} of {} rows are not in the sums:\n  {}",
            book.rows,
            reasons("\n  ")
        );
    }
    Ok(())
}

/// Greeks that add up.
fn greeks() -> impl Iterator<Item = Greek> {
    Greek::ALL.into_iter().filter(|&greek| greek != Greek::Price && greek != Greek::Lambda)
}

/// Columns of the results, after those that tell groups apart.
fn table_header() -> impl Iterator<Item = &'static str> {
    ["rows", "rows_failed", "value"].into_iter().chain(greeks().map(Greek::as_str)).chain(["cash_delta", "lambda"])
}

/// The sums as CSV, groups in the order in which they first appear.
fn table(book: &Book, totals: &Totals, units: Units) -> Vec<u8> {
    let mut header: Vec<&str> = book.keys.iter().map(String::as_str).collect();
    table_header().for_each(|column| header.push(column));
    let mut out = Vec::new();
    batch::append_line(header.into_iter(), &mut out);
    let finite = |x: f64| x.is_finite().then(|| zmij::Buffer::new().format_finite(x).to_owned());
    let number = |x: Option<f64>, divisor: f64| x.and_then(|x| finite(x / divisor)).unwrap_or_default();
    for ((key, sums), unread) in book.groups.iter().zip(&totals.groups).zip(&book.unread) {
        let failed = sums.rows_failed() + unread.values().sum::<u64>();
        let cells = numbers(sums, greeks(), units, number);
        let counts = [(sums.rows_ok() + failed).to_string(), failed.to_string()];
        batch::append_line(key.iter().chain(&counts).chain(&cells).map(String::as_str), &mut out);
    }
    out
}

/// Groups whose value left the range of numbers, by their keys.
fn overflowed(book: &Book, totals: &Totals) -> Vec<String> {
    let beyond = |(_, sums): &(_, &Sums)| sums.rows_ok() > 0 && sums.get(Greek::Price).is_none();
    let words = |(key, _): (&Vec<String>, _)| match key.is_empty() {
        true => "the whole book".to_owned(),
        false => book.keys.iter().zip(key).map(|(name, cell)| format!("{name} {cell}")).collect::<Vec<_>>().join(", "),
    };
    book.groups.iter().zip(&totals.groups).filter(beyond).map(words).collect()
}

/// The value, the Greeks and what follows from them; empty where none of a group's rows has it.
fn numbers(
    sums: &Sums,
    greeks: impl Iterator<Item = Greek>,
    units: Units,
    number: impl Fn(Option<f64>, f64) -> String,
) -> Vec<String> {
    let known = |x: Option<f64>| x.filter(|_| sums.rows_ok() > 0);
    let mut cells = vec![number(known(sums.get(Greek::Price)), 1.0)];
    cells.extend(greeks.map(|greek| number(known(sums.get(greek)), units.divisor(greek))));
    cells.push(number(known(sums.cash_delta()), 1.0));
    cells.push(number(known(sums.get(Greek::Lambda)), 1.0));
    cells
}

fn write(args: &PortfolioArgs, table: &[u8]) -> anyhow::Result<()> {
    if args.output == Path::new("-") {
        return commands::print(&String::from_utf8_lossy(table));
    }
    let cannot = || format!("cannot write {}", args.output.display());
    let mut file = AtomicFile::create(&args.output).with_context(cannot)?;
    file.write_all(table).and_then(|()| file.commit()).with_context(cannot)
}
