//! `zomma store downsample|thin|compact|retain`: what is done to tables from time to time, by rules.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use zomma_storage::{
    block_on,
    compact::{CompactSettings, LeftAlone},
    downsample as aggregate,
    postgres::is_postgres,
    retention, thin as thinning,
};

use super::{AttemptArgs, NowArgs, TableArgs, bytes_text, server};
use crate::{commands, failure::ExitWith, store};

/// What the file of rules looks like.
const RULES: &str = "\
A file of rules:
  [retention]
  ticks = \"30d\"
  [[aggregate]]
  from = \"ticks\"
  to = \"bars\"
  interval = \"1m\"
  [[aggregate]]
  from = \"bars\"
  from_interval = \"1m\"
  to = \"bars\"
  interval = \"1h\"
  [[thin]]
  table = \"quotes\"
  interval = \"1m\"
  after = \"7d\"
";

/// Worked example of `--help`.
fn example(text: &str) -> String {
    format!("{text}\n\n{RULES}")
}

/// Arguments of `zomma store downsample`.
#[derive(Debug, Args)]
#[command(after_help = example("\
Bars are of trades: executions (those that are not printed count no volume: their cross tells it) and trades. An interval is aggregated
once it is over. Only days with new files, and in them only the intervals that have new rows, are made again: running it twice changes
nothing, and late rows change the bars that they are of. --dry-run reads and folds the same and writes nothing, so that its counts are those
of a run; only a rule that reads another's bars sees those that are there (on a server, those that would be).

Example:
  $ zomma store downsample tables --rules rules.toml --dry-run"))]
pub struct DownsampleArgs {
    /// Where the tables are: a folder, s3://bucket/prefix or postgres://user@host/database.
    #[arg(value_name = "ROOT")]
    root: String,
    /// The file of rules.
    #[arg(long, value_name = "FILE.toml")]
    rules: PathBuf,
    #[command(flatten)]
    now: NowArgs,
    /// Tell what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `zomma store thin`.
#[derive(Debug, Args)]
#[command(after_help = example("\
What is thinned is gone: --dry-run lists the days.

Example:
  $ zomma store thin tables --rules rules.toml --dry-run"))]
pub struct ThinArgs {
    /// Where the tables are: a folder, s3://bucket/prefix or postgres://user@host/database.
    #[arg(value_name = "ROOT")]
    root: String,
    /// The file of rules.
    #[arg(long, value_name = "FILE.toml")]
    rules: PathBuf,
    #[command(flatten)]
    attempt: AttemptArgs,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Worked example of `--help`.
const COMPACT_EXAMPLE: &str = "\
A day is closed when it is over (UTC), and --closed-after longer. Of rows with the same key the one that was written last stays. Whoever
reads meanwhile, and a kill at any moment, finds every row once. What a killed process left is ended or taken back an hour later, or at
once with --take-over.

Example:
  $ zomma store compact tables --table ticks --dry-run";

/// Arguments of `zomma store compact`.
#[derive(Debug, Args)]
#[command(after_help = COMPACT_EXAMPLE)]
pub struct CompactArgs {
    /// Where the tables are: a folder or s3://bucket/prefix.
    #[arg(value_name = "ROOT")]
    root: String,
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    attempt: AttemptArgs,
    /// How many hours after its end a day is closed.
    #[arg(long, value_name = "HOURS", default_value_t = 1)]
    closed_after: u16,
    /// Tell what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `zomma store retain`.
#[derive(Debug, Args)]
#[command(after_help = example("\
A day goes when the whole of it is older than the rules keep it. It stays while it is being written (it got a file within the last ten
minutes) or replaced, and until every rule of aggregation that reads it has seen all of its rows.

Example:
  $ zomma store retain tables --rules rules.toml --dry-run"))]
pub struct RetainArgs {
    /// Where the tables are: a folder, s3://bucket/prefix or postgres://user@host/database.
    #[arg(value_name = "ROOT")]
    root: String,
    /// The file of rules.
    #[arg(long, value_name = "FILE.toml")]
    rules: PathBuf,
    #[command(flatten)]
    now: NowArgs,
    /// Tell what would go, and take nothing away.
    #[arg(long)]
    dry_run: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Aggregates.
pub fn downsample(args: &DownsampleArgs) -> anyhow::Result<()> {
    if is_postgres(&args.root) {
        return server::downsample(&args.root, &store::rules(&args.rules)?, args.now.ns(), (args.dry_run, args.json));
    }
    let (place, rules) = (store::open(&args.root)?, store::rules(&args.rules)?);
    let reports = match args.dry_run {
        true => block_on(aggregate::downsample_dry_run(&place, &rules, args.now.ns()))?,
        false => block_on(aggregate::downsample(&place, &rules, args.now.ns()))?,
    };
    if args.json {
        commands::print(&(serde_json::to_string(&reports)? + "\n"))?;
    } else {
        let mut text = String::new();
        if reports.is_empty() {
            text = format!("{}: no rule of aggregation in it\n", args.rules.display());
        }
        // Writing to a string does not fail.
        for report in &reports {
            let bars: u64 = report.days.values().sum();
            let (rule, days, rows) = (&report.rule, report.days.len(), report.rows_read);
            let what = if args.dry_run { "would change" } else { "changed" };
            let _ = writeln!(text, "{rule}: {days} days {what}, {bars} bars in them, {rows} rows read");
            if args.dry_run {
                for (date, bars) in &report.days {
                    let _ = writeln!(text, "  {date}: would have {bars} bars");
                }
            }
            if report.unpriced > 0 {
                let _ = writeln!(
                    text,
                    "  {} executions of orders that the feed had not told of have no price",
                    report.unpriced
                );
            }
            for date in &report.too_late {
                let _ = writeln!(text, "  {date}: new files of a day past its retention: not aggregated");
            }
        }
        commands::print(&text)?;
    }
    let failed = reports
        .iter()
        .flat_map(|report| report.failed.iter().map(move |(date, why)| format!("{} {date}: {why}", report.rule)));
    failed_with(failed.collect())
}

/// Thins.
pub fn thin(args: &ThinArgs) -> anyhow::Result<()> {
    if is_postgres(&args.root) {
        let (rules, now_ns) = (store::rules(&args.rules)?, args.attempt.attempt().now_ns);
        return server::thin(&args.root, &rules, now_ns, (args.dry_run, args.json));
    }
    let (place, rules) = (store::open(&args.root)?, store::rules(&args.rules)?);
    let report = block_on(thinning::thin(&place, &rules, args.attempt.attempt(), args.dry_run))?;
    if args.json {
        commands::print(&(serde_json::to_string(&report)? + "\n"))?;
    } else {
        let lines = report.thinned.iter().map(|day| match args.dry_run {
            true => format!("{} {}: would be thinned\n", day.table, day.date),
            false => format!("{} {}: {} rows of {}\n", day.table, day.date, day.rows, day.rows_before),
        });
        commands::print(&or_nothing(lines.collect(), "nothing to thin"))?;
    }
    failed_with(left_alone(&report.left_alone))
}

/// Compacts.
pub fn compact(args: &CompactArgs) -> anyhow::Result<()> {
    let place = store::open(&args.root)?;
    let settings = CompactSettings {
        tables: store::tables(&args.tables.tables),
        attempt: args.attempt.attempt(),
        closed_after_ns: i64::from(args.closed_after) * 3_600_000_000_000,
        dry_run: args.dry_run,
    };
    let report = block_on(zomma_storage::compact::compact(&place, &settings))?;
    if args.json {
        commands::print(&(serde_json::to_string(&report)? + "\n"))?;
    } else {
        let lines = report.compacted.iter().map(|day| {
            let before =
                format!("{} {}: {} files, {}", day.table, day.date, day.files_before, bytes_text(day.bytes_before));
            match args.dry_run {
                true => format!("{before}: would become one\n"),
                false => {
                    let after = format!("{} files, {}, {} rows", day.files, bytes_text(day.bytes), day.rows);
                    format!("{before} became {after}; {} were there twice\n", day.duplicates)
                }
            }
        });
        let mut text = or_nothing(lines.collect(), "nothing to compact");
        // Writing to a string does not fail.
        if report.taken_up > 0 {
            let _ = writeln!(text, "{} days that a dead process had left were mended", report.taken_up);
        }
        if report.unfinished_removed > 0 {
            let _ = writeln!(text, "{} files that were never finished were removed", report.unfinished_removed);
        }
        commands::print(&text)?;
    }
    if report.has_failed() { failed_with(left_alone(&report.left_alone)) } else { Ok(()) }
}

/// Drops.
pub fn retain(args: &RetainArgs) -> anyhow::Result<()> {
    if is_postgres(&args.root) {
        let rules = store::rules(&args.rules)?;
        return server::retain(&args.root, &rules, args.now.ns(), (args.dry_run, args.json));
    }
    let (place, rules) = (store::open(&args.root)?, store::rules(&args.rules)?);
    let report = block_on(retention::retain(&place, &rules, args.now.ns(), args.dry_run))?;
    if args.json {
        return commands::print(&(serde_json::to_string(&report)? + "\n"));
    }
    let what = if args.dry_run { "would go" } else { "is gone" };
    let dropped = report
        .dropped
        .iter()
        .map(|day| format!("{} {}: {what}: {} files, {}\n", day.table, day.date, day.files, bytes_text(day.bytes)));
    let nothing = if report.left_alone.is_empty() { "nothing is old enough" } else { "nothing goes" };
    let mut text = or_nothing(dropped.collect(), nothing);
    for line in left_alone(&report.left_alone) {
        let _ = writeln!(text, "{line}");
    }
    commands::print(&text)
}

pub(super) fn or_nothing(lines: String, nothing: &str) -> String {
    if lines.is_empty() { format!("{nothing}\n") } else { lines }
}

fn left_alone(days: &[LeftAlone]) -> Vec<String> {
    days.iter().map(|day| format!("{} {}: stays: {}", day.table, day.date, day.reason)).collect()
}

fn failed_with(lines: Vec<String>) -> anyhow::Result<()> {
    match lines.is_empty() {
        true => Ok(()),
        false => Err(ExitWith { code: 1, message: Some(lines.join("\n")) }.into()),
    }
}
