//! `zomma sql`: a query over tables and files, with our functions in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_storage::{
    Place, block_on,
    place::S3Settings,
    postgres::{self, Database, is_postgres},
    sql::{Kept, NamedPlace, Settings},
};

use crate::{
    bench::available_bytes,
    commands,
    failure::BadArguments,
    feed::is_apart,
    sql::{self, Format, Job},
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
A place of tables has ticks, quotes, bars, greeks and surfaces, each with a column date besides, the UTC day of its time; conditions on time
or date decide which files are opened. A file is named by --table, or in quotes by the query: Parquet, CSV, TSV, Arrow, JSON (an object a
line), also folders of them and patterns. The SQL is DataFusion's, and only reads. --functions lists ours: prices, Greeks, implied
volatilities, years, vwap. EXPLAIN tells which days and files would be read, EXPLAIN ANALYZE or --explain which days, files and row groups
were.

Example:
  $ zomma sql \"SELECT 1 + 1\"
  $ zomma sql \"SELECT strike, implied_volatility(option_type, price, spot, strike, expiry_years, risk_free_rate, 0) AS iv
      FROM 'chain.csv' WHERE expiry_years < 0.5\" -o vols.parquet
  $ zomma sql --root /data \"SELECT date, vwap(price, size) FROM ticks WHERE instrument = 'SPY' AND kind = 'trade'
      AND time >= '2026-01-05' GROUP BY date\"";

/// Arguments of `zomma sql`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct SqlArgs {
    /// The query; `-` reads it from standard input.
    #[arg(value_name = "QUERY")]
    query: Option<String>,
    /// Read the query from a file.
    #[arg(short, long, value_name = "QUERY.sql", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// A place of tables: a folder, s3://bucket/prefix, or postgres://user@host:port/database. Of a second one the tables are NAME.quotes and so on, NAME being the last part of
    /// its path, or postgres, unless given. Repeatable.
    #[arg(long, value_name = "[NAME=]ROOT")]
    root: Vec<String>,
    /// A file under a name. Repeatable.
    #[arg(long, value_name = "NAME=FILE")]
    table: Vec<String>,
    /// Where the rows go, instead of standard output: .csv, .json, .parquet or .arrow.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// How rows are written to standard output: a table on a terminal, else CSV, where absent.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Run the query, drop its rows, and tell what was read: days, files, row groups, bytes.
    #[arg(long, conflicts_with = "output")]
    explain: bool,
    /// Memory for sorting, joining and grouping, such as 512MB or 4GiB; what is beyond it goes to temporary files where it can. Half of what
    /// is free where absent.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory_limit: Option<u64>,
    /// Threads that work on the query; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// List the functions that are ours, with units and examples, and leave.
    #[arg(long)]
    functions: bool,
    /// List the tables and their columns, and leave.
    #[arg(long, conflicts_with = "functions")]
    tables: bool,
}

/// Runs it.
pub fn run(args: &SqlArgs) -> anyhow::Result<()> {
    let format = if args.json { Some(Format::Json) } else { args.format };
    if args.functions {
        let is_json = format == Some(Format::Json);
        return commands::print(&if is_json { sql::functions_json()? } else { sql::functions() });
    }
    let query = if args.tables { None } else { Some(read_query(args)?) };
    commands::use_threads(args.threads)?;
    let s3 = S3Settings::from_variables(std::env::vars())?;
    let places = args.root.iter().map(|root| place(root, &s3)).collect::<anyhow::Result<_>>()?;
    let files = args.table.iter().map(|table| named_file(table)).collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(output) = &args.output {
        let inputs: Vec<&Path> = files.iter().map(|(_, path)| Path::new(path)).chain(args.file.as_deref()).collect();
        is_apart(output, &inputs)?;
    }
    let memory_bytes = args.memory_limit.or_else(|| available_bytes().map(|bytes| bytes / 2));
    let memory_bytes = memory_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    sql::run(Job {
        settings: Settings { places, files, s3, threads: args.threads, memory_bytes },
        query: query.as_deref(),
        explain: args.explain,
        output: args.output.as_deref(),
        format,
    })
}

fn read_query(args: &SqlArgs) -> anyhow::Result<String> {
    match (&args.query, &args.file) {
        (Some(query), _) if query == "-" => io::read_to_string(io::stdin()).context("standard input"),
        (Some(query), _) => Ok(query.clone()),
        (None, Some(path)) => fs::read_to_string(path).with_context(|| path.display().to_string()),
        (None, None) => bail!(BadArguments("a query is needed: zomma sql \"SELECT 1\", or -f QUERY.sql".into())),
    }
}

/// `NAME=ROOT`, or a root whose last part is its name.
fn place(root: &str, s3: &S3Settings) -> anyhow::Result<NamedPlace> {
    let (name, root) = match root.split_once('=') {
        Some((name, rest)) if is_name(name) => (name.to_owned(), rest),
        _ if is_postgres(root) => ("postgres".to_owned(), root),
        _ => (name_of(root), root),
    };
    let kept = if is_postgres(root) {
        Kept::Server(Box::new(block_on(Database::connect(root, postgres::Settings::default())).context("--root")?))
    } else {
        Kept::Files(Place::open(root, s3).context("--root")?)
    };
    Ok(NamedPlace { name, kept })
}

/// The last part of a path as a name that needs no quotes.
fn name_of(root: &str) -> String {
    let last = root.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if is_name(&name) { name } else { format!("_{name}") }
}

fn named_file(table: &str) -> anyhow::Result<(String, String)> {
    match table.split_once('=') {
        Some((name, path)) if is_name(name) && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => bail!(BadArguments(format!(
            "--table {table}: allowed: NAME=FILE, the name of lower-case letters, digits and _"
        ))),
    }
}

/// A name that a query may say without quotes.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn parse_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 16 << 20;
    match zomma_gpu::config::size::parse(text) {
        Ok(bytes) if bytes >= LEAST => Ok(bytes),
        Ok(_) => Err("allowed from 16MiB on".into()),
        Err(error) => Err(error.to_string()),
    }
}
