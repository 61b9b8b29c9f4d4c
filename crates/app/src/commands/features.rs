//! `zomma features`: features of a recorded feed.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;
use jiff::{Span, civil::Date};
use zomma_gpu::DeviceRequest;
use zomma_market::{
    device::Plan,
    features::{
        Times,
        registry::{BOOK_FEATURES, features},
    },
    format::Format,
};

use crate::{
    batch::Engine,
    commands,
    failure::{BadArguments, ExitWith},
    features::{Job, Outcome, run as run_job},
    gpu_config::{GpuConfigArgs, GpuSettingsArgs},
    interrupt,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Replays a recorded feed (the formats of `zomma book replay`; LOBSTER with its orderbook file) and writes the features of one instrument: a row
after each of the venue's messages that changed its book or told a trade, or with --every at a steady pace: a row at time t has the values at t
of what happened up to t, windows of time running on also where nothing happens. Of a feed that tells quotes alone, those are the book. The
columns are time_ns (nanoseconds since the Unix epoch) and the features as they were named; a value that is not there yet is empty. Times are
the exchange's, or with --times receive those of receipt: what a strategy knew at that moment. --list prints every feature with its parameters
and their defaults, unit, window and source; values in ticks and lots are in the feed's own, and the report says what they are worth.
With --device and --every the books of all instruments are kept on a device (docs/market-data.md) and the features that have a form there are found
there, the same to the last digit; without --instrument the rows are of every instrument, with a column symbol, to the end of the feed.
Parameters can be told otherwise: vpin:250units (shares, contracts, coins), vpin:1000000value (of the currency), microprice:10:5:0.01price.

Example:
  $ zomma features --list
  $ zomma features day.itch50.gz --date 2012-06-21 --instrument AMZN --features mid,spread,imbalance:5,ofi:10s -o amzn.parquet
  $ zomma features btcusdt.gz --features mid,imbalance:5,vpin:10units --every 1s --times receive -o btc.csv
  $ zomma features day.itch50.gz --date 2012-06-21 --device vulkan --every 1s --features mid,imbalance:5,ofi:10s -o all.parquet";

/// Arguments of `zomma features`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct FeaturesArgs {
    /// The recorded feed; `-` is standard input.
    #[arg(value_name = "FILE", required_unless_present = "list")]
    file: Option<PathBuf>,
    /// List the features and leave.
    #[arg(long)]
    list: bool,
    /// The features, with commas between them, each with its parameters behind colons; the book features where absent.
    #[arg(long, value_name = "LIST")]
    features: Option<String>,
    /// The feed's format, where its content does not tell: itch50, itch50-pcap, mdp3-pcap, lobster, dbn,
    /// binance, tardis.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Of CME MDP 3.0, the venue's schema (templates_FixBinary.xml); Zomma's own description of its templates where absent.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The session's day such as 2012-06-21, for feeds whose times count from midnight (ITCH, LOBSTER); New York.
    #[arg(long, value_name = "DATE", value_parser = commands::parse_session_date)]
    date: Option<Date>,
    /// The instrument, where the feed has several.
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// Levels of the book that the features see; as many as they look at where absent.
    #[arg(long, value_name = "N", value_parser = commands::book::parse_levels)]
    levels: Option<usize>,
    /// A row at this pace, such as 100ms, 1s or 5m, instead of after each book.
    #[arg(long, value_name = "TIME", value_parser = parse_pace)]
    every: Option<u64>,
    /// The times that rows are stamped with and windows run on: exchange, or receive where the feed tells them.
    #[arg(long, value_name = "TIMES", default_value = "exchange", value_parser = parse_times)]
    times: Times,
    /// Where the rows go: .parquet or .csv, or - for CSV on standard output.
    #[arg(short, long, value_name = "OUT", required_unless_present = "list")]
    output: Option<PathBuf>,
    /// Keep the books on a device and find the features there, for rows at the pace of --every: auto, cpu, cuda, cuda:1, vulkan, vulkan:1
    /// and so on; without --instrument the rows are of every instrument, each with its symbol.
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceRequest>,
    #[command(flatten)]
    gpu: GpuSettingsArgs,
    /// Report what was written as JSON: on standard output, or on standard error where the rows go there. With --list, that as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &FeaturesArgs) -> anyhow::Result<()> {
    if args.list {
        return commands::print(&if args.json { listed_json()? } else { listed() });
    }
    let (Some(path), Some(output)) = (&args.file, &args.output) else {
        bail!(BadArguments("FILE and -o are needed, or --list".into()));
    };
    interrupt::watch();
    let engine = match args.device {
        Some(_) => {
            let gpu = GpuConfigArgs { device: args.device, settings: args.gpu.clone() };
            Some(Engine::choose(&gpu.load()?)?)
        }
        None => None,
    };
    // What is not asked for by name is what the device has a form of.
    let default = if engine.is_some() { Plan::of_those_with_a_form(BOOK_FEATURES) } else { BOOK_FEATURES.to_owned() };
    let outcome = run_job(&Job {
        path,
        format: args.format,
        schema: args.schema.as_deref(),
        date: args.date,
        instrument: args.instrument.as_deref(),
        features: args.features.as_deref().unwrap_or(&default),
        levels: args.levels,
        every_ns: args.every,
        times: args.times,
        output,
        engine: engine.as_ref(),
        progress: true,
    })?;
    for note in engine.iter().flat_map(Engine::notes) {
        eprintln!("zomma features: {note}");
    }
    let report = if args.json { json(&outcome)? } else { text(path, &outcome) };
    if output == Path::new("-") {
        eprint!("{report}");
    } else {
        commands::print(&report)?;
    }
    match outcome.broken {
        Some(broken) => {
            let message = format!("{}: {broken}; the rows before it are written", path.display());
            Err(ExitWith { code: 1, message: Some(message) }.into())
        }
        None => Ok(()),
    }
}

fn text(path: &Path, outcome: &Outcome) -> String {
    let mut text = String::new();
    let Outcome { rows, events, instrument, columns, busy_seconds, .. } = outcome;
    let pace = if *busy_seconds > 0.0 { *busy_seconds * 1e9 / (*events).max(1) as f64 } else { 0.0 };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}: {instrument}, {events} events, {rows} rows in {busy_seconds:.2} s ({pace:.0} ns an event of it, all in)",
        path.display()
    );
    if let Some((tick, lot)) = outcome.tick_and_lot_nanos {
        let (tick, lot) = (tick as f64 / 1e9, lot as f64 / 1e9);
        let _ = writeln!(text, "  one tick is {tick}, one lot {lot}");
    }
    for (what, count) in told(outcome) {
        let _ = writeln!(text, "  {count} {what}");
    }
    for (name, unit, present) in columns {
        let _ = writeln!(text, "  {name:<28} {unit:<16} {present} values");
    }
    text
}

/// What was lost on the way: rows after it may be of a wrong book.
fn told(outcome: &Outcome) -> Vec<(String, u64)> {
    let counts = &outcome.counts;
    let of_feed = [
        ("missing messages or more", counts.missing),
        ("malformed messages", counts.malformed),
        ("messages of unknown type", counts.unknown),
        ("times far ahead that were not believed", outcome.unbelieved_times),
    ];
    let of_book = outcome.faults.iter().map(|(fault, count)| (format!("events not applied: {fault}"), *count));
    of_feed
        .into_iter()
        .map(|(what, count)| (what.to_owned(), count))
        .chain(of_book)
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn json(outcome: &Outcome) -> anyhow::Result<String> {
    let columns: Vec<_> = outcome
        .columns
        .iter()
        .map(|(name, unit, present)| serde_json::json!({ "name": name, "unit": unit, "values": present }))
        .collect();
    let value = serde_json::json!({
        "instrument": outcome.instrument,
        "events": outcome.events,
        "rows": outcome.rows,
        "columns": columns,
        "tick": outcome.tick_and_lot_nanos.map(|(tick, _)| tick as f64 / 1e9),
        "lot": outcome.tick_and_lot_nanos.map(|(_, lot)| lot as f64 / 1e9),
        "missing": outcome.counts.missing,
        "malformed": outcome.counts.malformed,
        "unknown_type": outcome.counts.unknown,
        "unbelieved_times": outcome.unbelieved_times,
        "faults": outcome.faults.iter().map(|(fault, count)| ((*fault).to_owned(), (*count).into())).collect::<serde_json::Map<_, _>>(),
        "busy_seconds": outcome.busy_seconds,
        "broken": outcome.broken,
    });
    Ok(serde_json::to_string(&value)? + "\n")
}

/// Every feature, a line each, in columns as wide as what is in them.
fn listed() -> String {
    let rows = features().map(|info| [info.name, info.parameters, info.unit, info.window, info.about]);
    let rows: Vec<[&str; 5]> = std::iter::once(["name", "parameters", "unit", "window", "about"]).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(text, "{cell:<width$}  ");
        }
        text += row[4];
        text.push('\n');
    }
    text
}

/// Every feature as JSON.
fn listed_json() -> anyhow::Result<String> {
    let features: Vec<_> = features()
        .map(|info| {
            serde_json::json!({
                "name": info.name,
                "parameters": info.parameters,
                "unit": info.unit,
                "window": info.window,
                "about": info.about,
            })
        })
        .collect();
    Ok(serde_json::to_string(&features)? + "\n")
}

fn parse_times(text: &str) -> Result<Times, String> {
    match text {
        "exchange" => Ok(Times::Exchange),
        "receive" => Ok(Times::Receive),
        _ => Err("allowed: exchange, receive".into()),
    }
}

/// A time such as 100ms, in nanoseconds.
pub fn parse_pace(text: &str) -> Result<u64, String> {
    const ALLOWED: &str = "a time of 1us or more, such as 100ms, 1s or 5m (us, ms, s, m, h)";
    let span: Span = text.parse().map_err(|_| ALLOWED)?;
    let duration = jiff::SignedDuration::try_from(span).map_err(|_| ALLOWED)?;
    u64::try_from(duration.as_nanos()).ok().filter(|ns| *ns >= 1_000).ok_or_else(|| ALLOWED.into())
}
