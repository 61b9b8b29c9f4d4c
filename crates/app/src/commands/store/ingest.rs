//! `zomma store ingest`: files into a table.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;
use jiff::civil::{Date, Time};
use zomma_market::{chain::ReadOptions, format::Format};
use zomma_storage::{postgres::is_postgres, table::Table};

use super::{bytes_text, server};
use crate::{
    commands::{
        self,
        chain_args::{parse_map, parse_time},
    },
    failure::{BadArguments, ExitWith},
    store::{self, FileReport, Job, Root, RowSchema},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
ROOT is a folder (made where it is missing) or s3://bucket/prefix, reached as the variables AWS_… or ZOMMA_S3_ENDPOINT, ZOMMA_S3_REGION,
ZOMMA_S3_ACCESS_KEY_ID, ZOMMA_S3_SECRET_ACCESS_KEY, ZOMMA_S3_ALLOW_HTTP and ZOMMA_S3_PATH_STYLE say; or a PostgreSQL server,
postgres://user@host/database, that `zomma store migrate` has been to. With --spool rows wait in files while the server is away.

What a file may be: for ticks a recorded feed of any format that `zomma book replay` reads; for quotes an option chain that
`zomma analyze` reads (a file, a folder, a tar); for greeks quotes.parquet of `zomma analyze`; for surfaces a file of `zomma surface fit`; for
every table CSV, Parquet or Arrow IPC (file or stream, also on standard input) with columns time, instrument and others of the table, or
with others that --schema says what they are: `--schema show` prints a template for it. What may not be kept (an absent time, a price that is no number) is named with its row, and
stops its file.

The same file read the same way again, finished or not, replaces what it wrote before: its writer is named by its content and by what decides
its rows (format, day, schema, filter, quote time). Another reading of it, such as one with the right --date after a wrong one, stands beside
the first, which is said; with --replace what other readings of the file put into the table goes when the new rows are in. With --writer
files are added under that name instead, whatever is there.

Example:
  $ zomma store ingest tables day.itch50.gz --table ticks --date 2012-06-21
  $ zomma store ingest s3://desk/tables chains/ --table quotes --underlying SPX
  $ zomma store ingest tables mine.arrow --table quotes --schema show > quotes.toml    (then edit it)
  $ zomma store ingest tables mine.arrow --table quotes --schema quotes.toml";

/// Arguments of `zomma store ingest`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct IngestArgs {
    /// Where the tables are.
    #[arg(value_name = "ROOT")]
    root: String,
    /// The files; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The table: ticks, quotes, bars, greeks, surfaces.
    #[arg(long, value_name = "TABLE")]
    table: Table,
    /// The feed's format, where its content does not tell: itch50, itch50-pcap, lobster, dbn, binance, tardis, mdp3-pcap.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The session's day such as 2012-06-21, for feeds whose times count from midnight (ITCH, LOBSTER); New York.
    #[arg(long, value_name = "DATE", value_parser = commands::parse_session_date)]
    date: Option<Date>,
    /// What the stock of a LOBSTER file is called, where its name does not tell.
    #[arg(long, value_name = "SYMBOL")]
    instrument: Option<String>,
    /// Keep this underlying where a chain holds several; names it where the file does not.
    #[arg(long, value_name = "TICKER")]
    underlying: Option<String>,
    /// Our column name for one of a chain's; may be repeated.
    #[arg(long, value_name = "OURS=THEIRS", value_parser = parse_map)]
    map: Vec<(String, String)>,
    /// New York time of a chain's quotes.
    #[arg(long, value_name = "HH:MM", value_parser = parse_time)]
    quote_time: Option<Time>,
    /// What the columns of one's own files are: a TOML file, or `show`, which prints one for the first file and writes nothing. Of CME MDP 3.0
    /// captures, the venue's schema (templates_FixBinary.xml); Zomma's own description of its templates where absent.
    #[arg(long, value_name = "FILE.toml|FILE.xml|show", conflicts_with_all = ["format", "map", "underlying", "quote_time"])]
    schema: Option<PathBuf>,
    /// Add files under this writer's name, instead of replacing what the same input wrote before.
    #[arg(long, value_name = "NAME")]
    writer: Option<String>,
    /// Take away what other readings of the same file (another --date, --schema, --format …) put into the table.
    #[arg(long, conflicts_with_all = ["writer", "spool"])]
    replace: bool,
    #[command(flatten)]
    spool: server::SpoolOptions,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &IngestArgs) -> anyhow::Result<()> {
    if args.schema.as_deref() == Some(Path::new("show")) {
        return commands::print(&store::schema_template(&args.files[0], args.table)?);
    }
    let is_of_feed = |path: &&PathBuf| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
    let feed_schema = args.schema.as_ref().filter(is_of_feed);
    let rows_schema = args.schema.as_ref().filter(|path| !is_of_feed(path));
    let schema = rows_schema.map(|path| RowSchema::open(path, args.table)).transpose()?;
    let spool = args.spool.spool();
    if spool.is_some() && !is_postgres(&args.root) {
        let root = &args.root;
        let why = "rows wait for a PostgreSQL server alone";
        return Err(BadArguments(format!(
            "--spool: {why}, and ROOT is {root}; allowed: postgres://user@host/database"
        ))
        .into());
    }
    let root = Root::create(&args.root, spool.as_ref())?;
    let job = Job {
        files: &args.files,
        table: args.table,
        format: args.format,
        date: args.date,
        instrument: args.instrument.as_deref(),
        chains: ReadOptions { column_map: args.map.clone(), underlying: args.underlying.clone() },
        quote_time: args.quote_time,
        schema: schema.as_ref(),
        feed_schema: feed_schema.map(PathBuf::as_path),
        writer: args.writer.as_deref(),
        replace: args.replace,
        progress: true,
    };
    let swept = store::sweep(&root, args.table)?;
    if !swept.is_empty() {
        eprintln!("zomma store ingest: taken away, unfinished files of writers that are gone: {}", swept.join(", "));
    }
    let begun = Instant::now();
    let mut reports = Vec::new();
    let done = store::ingest(&root, &job, &mut reports);
    let waiting = root.finish();
    // What was written before a fault is told too.
    if args.json {
        commands::print(
            &(serde_json::to_string(&serde_json::json!({ "table": args.table, "files": reports }))? + "\n"),
        )?;
    } else {
        commands::print(&text(args.table, &reports, begun.elapsed().as_secs_f64()))?;
    }
    done?;
    if let (Some(spool), waiting @ 1..) = (&spool, waiting?) {
        return Err(server::still_waiting(waiting, &args.root, spool.directory).into());
    }
    let broken: Vec<String> = reports
        .iter()
        .filter_map(|report| {
            Some(format!("{}: {}; the rows before it are written", report.file, report.broken.as_ref()?))
        })
        .collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(ExitWith { code: 1, message: Some(broken.join("\n")) }.into()),
    }
}

fn text(table: Table, reports: &[FileReport], seconds: f64) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for report in reports {
        let written = &report.written;
        let _ = write!(text, "{}: {}, {} rows into {table}", report.file, report.read_as, written.rows);
        let _ = match &report.sent {
            Some(sent) => writeln!(
                text,
                ": {} were there already, {} went into the spool (named {})",
                sent.was_there, sent.spooled, report.writer
            ),
            None => {
                writeln!(text, " in {} files, {} (writer {})", written.files, bytes_text(written.bytes), report.writer)
            }
        };
        if written.replaced > 0 {
            let _ =
                writeln!(text, "  {} rows were left out: a later row of the same file has their key", written.replaced);
        }
        if written.files_removed > 0 {
            let _ = writeln!(text, "  {} files of an earlier run are gone", written.files_removed);
        }
        for other in &report.other_readings {
            let _ = writeln!(text, "  {}", other.text());
        }
        if let Some(first) = report.first_lone_ns {
            let first = jiff::Timestamp::from_nanosecond(i128::from(first)).map_or("?".to_owned(), |at| at.to_string());
            let _ = writeln!(
                text,
                "  {} rows are more than a day from the row before and after (a clock that jumped?): kept in the days that they tell, the first {first}",
                report.lone_times
            );
        }
        for (what, count) in &report.left_out {
            let _ = writeln!(text, "  {count} {what}");
        }
    }
    let rows: u64 = reports.iter().map(|report| report.written.rows).sum();
    if rows > 0 {
        let _ = writeln!(
            text,
            "{rows} rows in {seconds:.2} s, {:.2} million a second",
            rows as f64 / seconds.max(1e-9) / 1e6
        );
    }
    text
}
