//! `zomma store replicate`: a second copy of the tables.

use std::fmt::Write;

use clap::Args;
use zomma_storage::{
    block_on,
    replicate::{ReplicateSettings, replicate},
};

use super::{TableArgs, bytes_text};
use crate::{commands, failure::ExitWith, store};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Copies what is missing, has another size, or is newer at the source and not the same; every file that is written is read back and
compared. --full compares files that look the same byte by byte. Files that compaction replaced at the source go from the copy once their
replacement is there; others that the source does not have go with --delete alone.

Example:
  $ zomma store replicate tables s3://backup/tables
  $ zomma store replicate s3://backup/tables restored --table ticks";

/// Arguments of `zomma store replicate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ReplicateArgs {
    /// The source: a folder or s3://bucket/prefix.
    #[arg(value_name = "FROM")]
    from: String,
    /// The copy: a folder, which is made where it is missing, or s3://bucket/prefix.
    #[arg(value_name = "TO")]
    to: String,
    #[command(flatten)]
    tables: TableArgs,
    /// Take away from the copy what the source does not have.
    #[arg(long)]
    delete: bool,
    /// Compare files that look the same byte by byte.
    #[arg(long)]
    full: bool,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &ReplicateArgs) -> anyhow::Result<()> {
    let from = store::open(&args.from)?;
    let to = store::create(&args.to)?;
    let settings = ReplicateSettings {
        tables: store::tables(&args.tables.tables),
        delete: args.delete,
        full: args.full,
        dry_run: args.dry_run,
    };
    let report = block_on(replicate(&from, &to, &settings))?;
    if args.json {
        commands::print(&(serde_json::to_string(&report)? + "\n"))?;
    } else {
        let (copied, bytes) = (report.copied.len(), bytes_text(report.copied_bytes));
        let verb = if args.dry_run { "would be copied" } else { "copied and read back" };
        let mut text = format!("{copied} files, {bytes} {verb}; {} were the same\n", report.same);
        // Writing to a string does not fail.
        for path in &report.deleted {
            let _ = writeln!(
                text,
                "{path}: {}",
                if args.dry_run { "would be removed from the copy" } else { "removed from the copy" }
            );
        }
        for path in &report.extra {
            let _ = writeln!(text, "{path}: not at the source; stays (--delete takes it away)");
        }
        commands::print(&text)?;
    }
    let damaged: Vec<String> = report.damaged.iter().map(|(path, why)| format!("{path}: {why}; not copied")).collect();
    match damaged.is_empty() {
        true => Ok(()),
        false => Err(ExitWith { code: 1, message: Some(damaged.join("\n")) }.into()),
    }
}
