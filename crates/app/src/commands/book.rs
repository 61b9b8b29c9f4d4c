//! `zomma book`: recorded feeds, replayed into order books.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use zomma_market::{format::Format, placement::Node};

use crate::{
    book::{self, Job, Moment, parse_moment},
    commands,
    failure::{BadArguments, ExitWith},
    interrupt,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Reads NASDAQ ITCH 5.0 (a file of length-framed messages, or MoldUDP64 packets in pcap or pcapng), CME MDP 3.0 (packets of
one channel in pcap or pcapng, with its snapshots where it begins within a week), LOBSTER, Databento DBN, Binance captures and Tardis CSV, plain or as .gz, .xz, .zst; a LOBSTER zip with both files in it. The format is told by content.

--at writes LOBSTER's columns without a header (ask price, ask size, bid price, bid size by level; prices in dollars times 10,000; fillers
9999999999 and -9999999999 with size 0) after each message count listed: one a line, or u32 little-endian in a file whose name ends in .u32.

--check holds the books against what comes with the feed: LOBSTER's messages against its orderbook rows, Binance's depth against its
bookTicker, everywhere that no message is missing or makes no sense, no update waits for a snapshot to the end, no event failed to apply and
no book is crossed after its first trade.
Exit code 1 where something is wrong. LOBSTER's messages alone do not make the market's book: they begin with orders resting.

Example:
  $ zomma book replay day.itch50.gz --date 2012-06-21 --time 10:00:00 --time 15:59:59
  $ zomma book replay day.itch50 --instrument AMZN --levels 5 --at counts.u32 -o rows.csv
  $ zomma book replay AAPL_2012-06-21_message_and_orderbook.zip --check
  $ zomma book replay btcusdt.gz --check --json";

/// Arguments of `zomma book`.
#[derive(Debug, Args)]
pub struct BookArgs {
    #[command(subcommand)]
    command: BookCommand,
}

#[derive(Debug, Subcommand)]
enum BookCommand {
    /// Rebuild the books of a recorded feed; show, write or check them.
    Replay(Box<ReplayArgs>),
}

/// Arguments of `zomma book replay`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ReplayArgs {
    /// The recorded feed; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The feed's format, where its content does not tell: itch50, itch50-pcap, mdp3-pcap, lobster, dbn,
    /// binance, tardis.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Of CME MDP 3.0, the venue's schema (templates_FixBinary.xml); Zomma's own description of its templates where absent.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The session's day such as 2012-06-21: in New York where times count from midnight (ITCH, LOBSTER), else in UTC for --time.
    #[arg(long, value_name = "DATE", value_parser = commands::parse_session_date)]
    date: Option<Date>,
    /// Show this instrument alone, and write its rows; BTCUSDT finds BTCUSDT@spot or BTCUSDT@futures, where the feed has one of them.
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// Levels in a row of --at.
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_levels, requires = "at")]
    levels: usize,
    /// Write a row after each message count that this file lists.
    #[arg(long, value_name = "COUNTS", requires = "output")]
    at: Option<PathBuf>,
    /// The file of rows.
    #[arg(short, long, value_name = "OUT.csv", requires = "at")]
    output: Option<PathBuf>,
    /// Show the top of the book at this time: a time of the session's day such as 10:30:00.5, or an instant. Repeatable.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    time: Vec<Moment>,
    /// Hold the books against what comes with the feed; exit code 1 where something is wrong.
    #[arg(long)]
    check: bool,
    /// Leave large books on the system's small pages: they are slower, and memory grows in smaller steps.
    #[arg(long)]
    no_huge_pages: bool,
    /// Fetch no memory ahead of what the next messages will change: large books are slower.
    #[arg(long)]
    no_prefetch: bool,
    /// Run on the processors of this memory node (NUMA), and keep the books in its memory; `lscpu` lists nodes. Else Linux chooses.
    #[arg(long, value_name = "NODE")]
    numa_node: Option<u32>,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &BookArgs) -> anyhow::Result<()> {
    match &args.command {
        BookCommand::Replay(args) => replay(args),
    }
}

fn replay(args: &ReplayArgs) -> anyhow::Result<()> {
    if args.output.as_deref() == Some(Path::new("-")) {
        return Err(BadArguments("-o -: rows go to a file, since the report goes to standard output".into()).into());
    }
    let instrument = args.instrument.as_deref();
    if let Some(number) = args.numa_node {
        let node = Node::find(number).map_err(|error| BadArguments(format!("--numa-node: {error}")))?;
        node.bind().context("--numa-node")?;
    }
    interrupt::watch();
    let outcome = book::run(&Job {
        path: &args.file,
        format: args.format,
        schema: args.schema.as_deref(),
        date: args.date,
        instrument,
        levels: args.levels,
        rows: args.at.as_deref().zip(args.output.as_deref()),
        moments: &args.time,
        is_checked: args.check,
        on_huge_pages: !args.no_huge_pages,
        fetches_ahead: !args.no_prefetch,
        progress: true,
    })?;
    let printed = if args.json {
        commands::print(&(serde_json::to_string_pretty(&book::json(&outcome, instrument))? + "\n"))
    } else {
        commands::print(&book::text(&outcome, instrument))
    };
    if let Some(broken) = outcome.broken {
        let message = format!("{}: {broken}; what came before it is shown", outcome.name);
        return Err(ExitWith { code: 1, message: Some(message) }.into());
    }
    // The verdict stands also where the reader of the report went away.
    match outcome.verdict {
        Some(verdict) if verdict.is_right() == Some(false) => Err(ExitWith { code: 1, message: None }.into()),
        _ => printed,
    }
}

/// A number of levels.
pub fn parse_levels(text: &str) -> Result<usize, String> {
    text.parse::<usize>()
        .ok()
        .filter(|levels| (1..=10_000).contains(levels))
        .ok_or_else(|| "a whole number from 1 to 10000".into())
}
