//! `zomma store list` and `zomma store verify`: what is there, and whether it is as it must be.

use std::fmt::Write;

use clap::Args;
use zomma_storage::{block_on, inventory, postgres::is_postgres, verify as storage_verify};

use super::{TableArgs, bytes_text, server};
use crate::{commands, failure::ExitWith, store};

/// Worked example of `--help`.
const LIST_EXAMPLE: &str = "\
Rows are told by the files' own footers; a file that cannot be read is named, and counts no rows. Of a server (postgres://…) its
partitions are listed, with the rows that it counted last.

Example:
  $ zomma store list tables
  $ zomma store list s3://desk/tables --table ticks --json";

/// Worked example of `--help`.
const VERIFY_EXAMPLE: &str = "\
Reads every row: that each file can be read to its end, has the table's columns, rows of its day alone, sorted by instrument and time,
values that may be kept, and statistics that are those of its values (or queries would leave out rows that they want).

Example:
  $ zomma store verify tables";

/// Arguments of `zomma store list`.
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLE)]
pub struct ListArgs {
    /// Where the tables are: a folder or s3://bucket/prefix.
    #[arg(value_name = "ROOT")]
    root: String,
    #[command(flatten)]
    tables: TableArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `zomma store verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLE)]
pub struct VerifyArgs {
    /// Where the tables are: a folder or s3://bucket/prefix.
    #[arg(value_name = "ROOT")]
    root: String,
    #[command(flatten)]
    tables: TableArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Lists.
pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    if is_postgres(&args.root) {
        return server::list(&args.root, &store::tables(&args.tables.tables), args.json);
    }
    let place = store::open(&args.root)?;
    let found = block_on(inventory::inventory(&place, &store::tables(&args.tables.tables)))?;
    if args.json {
        return commands::print(&(serde_json::to_string(&found)? + "\n"));
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{:<10} {:<10} {:>6} {:>12} {:>10}  from            to",
        "table", "day", "files", "rows", "bytes"
    );
    for day in &found.days {
        let time = |ns: Option<i64>| {
            let time = ns.and_then(|ns| jiff::Timestamp::from_nanosecond(i128::from(ns)).ok());
            time.map_or_else(|| "-".to_owned(), |time| time.strftime("%H:%M:%S.%6f").to_string())
        };
        let _ = writeln!(
            text,
            "{:<10} {:<10} {:>6} {:>12} {:>10}  {:<15} {}",
            day.table,
            day.date,
            day.files,
            day.rows,
            bytes_text(day.bytes),
            time(day.first_ns),
            time(day.last_ns)
        );
    }
    for fault in &found.damaged {
        let _ = writeln!(text, "{}: {}", fault.path, fault.problem);
    }
    commands::print(&text)
}

/// Verifies.
pub fn verify(args: &VerifyArgs) -> anyhow::Result<()> {
    let place = store::open(&args.root)?;
    let report = block_on(storage_verify::verify(&place, &store::tables(&args.tables.tables)))?;
    if args.json {
        commands::print(&(serde_json::to_string(&report)? + "\n"))?;
    } else {
        let (files, rows, bytes) = (report.files, report.rows, bytes_text(report.bytes));
        let mut text = format!("{}: {files} files, {rows} rows, {bytes}: ", args.root);
        // Writing to a string does not fail.
        let _ = match report.faults.len() {
            0 => writeln!(text, "all as they must be"),
            count => writeln!(text, "{count} are not as they must be"),
        };
        commands::print(&text)?;
    }
    let told: Vec<String> = report.faults.iter().map(|fault| format!("{}: {}", fault.path, fault.problem)).collect();
    match told.is_empty() {
        true => Ok(()),
        false => Err(ExitWith { code: 1, message: Some(told.join("\n")) }.into()),
    }
}
