//! `zomma store` where the tables are in PostgreSQL: `migrate`, `explain`, `catch-up`, and what other commands do there.

use std::{fmt::Write, path::PathBuf, time::Duration};

use clap::Args;
use jiff::Timestamp;
use zomma_storage::{
    block_on,
    postgres::{self, Layout, Request, is_postgres},
    rules::Rules,
    table::Table,
};

use super::bytes_text;
use crate::{
    batch::parse_instant,
    commands,
    failure::{BadArguments, ExitWith},
    store::{self, SpoolArgs, nanoseconds},
};

/// What a server's place looks like.
const SERVER: &str = "\
SERVER is postgres://user@host:port/database, or postgres://user@localhost/database?host=/socket/folder. What it leaves out comes from
PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD, PGSSLMODE and ~/.pgpass, as with psql. PostgreSQL 15 or newer; TimescaleDB where it is.";

/// Worked example of `--help`.
fn example(text: &str) -> String {
    format!("{SERVER}\n\n{text}")
}

/// Arguments of `zomma store migrate`.
#[derive(Debug, Args)]
#[command(after_help = example("\
Everything is in the schema zomma. Where CREATE EXTENSION timescaledb was done before, tables become hypertables; else they are
partitioned by day. Doing it again does nothing; two at once do it once.

Example:
  $ zomma store migrate postgres://desk@db/market"))]
pub struct MigrateArgs {
    /// The server and database.
    #[arg(value_name = "SERVER")]
    root: String,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `zomma store explain`.
#[derive(Debug, Args)]
#[command(after_help = example("\
Of files, zomma sql --root FOLDER \"EXPLAIN SELECT …\" says which days, files and row groups a query reads.

Example:
  $ zomma store explain postgres://desk@db/market --table ticks --from 2026-01-02T14:30:00Z --to 2026-01-03T00:00:00Z --instrument SPY"))]
pub struct ExplainArgs {
    /// The server and database.
    #[arg(value_name = "SERVER")]
    root: String,
    /// The table: ticks, quotes, bars, greeks, surfaces.
    #[arg(long, value_name = "TABLE")]
    table: Table,
    /// Rows from this time on.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    from: Option<Timestamp>,
    /// Rows before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    to: Option<Timestamp>,
    /// Rows of this instrument; may be repeated.
    #[arg(long = "instrument", value_name = "SYMBOL")]
    instruments: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Where rows wait.
#[derive(Debug, Args)]
pub struct SpoolOptions {
    /// Where rows wait in files while a PostgreSQL server is away; a command that finds some there sends them first.
    #[arg(long, value_name = "FOLDER")]
    spool: Option<PathBuf>,
    /// How much may wait there, in MiB; what is over is not taken, and the command says so.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    spool_limit: u64,
}

impl SpoolOptions {
    /// The spool that was named.
    pub fn spool(&self) -> Option<SpoolArgs<'_>> {
        let limit_bytes = self.spool_limit.saturating_mul(1 << 20);
        self.spool.as_deref().map(|directory| SpoolArgs { directory, limit_bytes })
    }
}

/// Arguments of `zomma store catch-up`.
#[derive(Debug, Args)]
#[command(after_help = example("\
Batches go in in their order, each once, whatever was killed in the middle.

Example:
  $ zomma store catch-up postgres://desk@db/market --spool waiting --wait 600"))]
pub struct CatchUpArgs {
    /// The server and database.
    #[arg(value_name = "SERVER")]
    root: String,
    /// Where rows wait.
    #[arg(long, value_name = "FOLDER")]
    spool: PathBuf,
    /// For how many seconds to ask again where the server is away.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Migrates.
pub fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    let done = block_on(postgres::migrate(&only_server(&args.root, "migrate")?))?;
    if args.json {
        return commands::print(&(serde_json::to_string(&done)? + "\n"));
    }
    let kind = match done.layout {
        Layout::Partitions => "tables partitioned by day",
        Layout::Hypertables => "TimescaleDB hypertables",
    };
    let made =
        if done.made.is_empty() { "nothing was to do".to_owned() } else { format!("made {}", done.made.join(", ")) };
    commands::print(&format!("version {} (was {}), {kind}: {made}\n", done.to_version, done.from_version))
}

/// Explains.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    if !is_postgres(&args.root) {
        let (root, table) = (&args.root, args.table);
        return Err(BadArguments(format!(
            "store explain: {root}; allowed: postgres://user@host:port/database (what a query reads of files says \
             zomma sql --root {root} \"EXPLAIN SELECT * FROM {table} WHERE time >= …\")"
        ))
        .into());
    }
    let database = only_server(&args.root, "explain")?;
    let request = Request {
        from_ns: args.from.map(nanoseconds),
        to_ns: args.to.map(nanoseconds),
        instruments: args.instruments.clone(),
        ..Request::of(args.table)
    };
    let plan = block_on(postgres::explain(&database, &request))?;
    if args.json {
        return commands::print(&(serde_json::to_string(&plan)? + "\n"));
    }
    let (read, all, pruned) = (plan.days_read.len(), plan.days, plan.days_pruned());
    commands::print(&format!("{}\n{}\n{read} of {all} days are read, {pruned} left out\n", plan.sql, plan.text))
}

/// Catches up.
pub fn catch_up(args: &CatchUpArgs) -> anyhow::Result<()> {
    only_place(&args.root, "catch-up")?;
    // What waits is there already: there is no room to be asked for.
    let mut sink = store::sink(&args.root, &SpoolArgs { directory: &args.spool, limit_bytes: 0 })?;
    let done = block_on(sink.finish(Duration::from_secs(args.wait)))?;
    if args.json {
        commands::print(&(serde_json::to_string(&done)? + "\n"))?;
    } else {
        commands::print(&format!(
            "{} batches, {} rows went in; {} batches wait\n",
            done.batches, done.rows, done.waiting
        ))?;
    }
    match done.waiting {
        0 => Ok(()),
        waiting => Err(still_waiting(waiting, &args.root, &args.spool).into()),
    }
}

/// Rows wait: that is no loss, and not done either.
pub fn still_waiting(waiting: usize, root: &str, spool: &std::path::Path) -> ExitWith {
    let shown = store::shown(root).unwrap_or_default();
    let spool = spool.display();
    let message =
        format!("{shown} is away: {waiting} batches wait in {spool}; zomma store catch-up sends them when it is back");
    ExitWith { code: 1, message: Some(message) }
}

/// Lists.
pub fn list(root: &str, tables: &[Table], json: bool) -> anyhow::Result<()> {
    let database = store::database(root)?;
    let mut found = block_on(postgres::partitions(&database))?;
    found.retain(|partition| tables.contains(&partition.table));
    if json {
        return commands::print(&(serde_json::to_string(&serde_json::json!({ "days": found }))? + "\n"));
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(text, "{:<10} {:<10} {:>12} {:>10}", "table", "day", "about rows", "bytes");
    for day in &found {
        let date = day.date.map_or_else(|| "-".to_owned(), |date| date.to_string());
        let rows = day.rows_about.map_or_else(|| "not counted".to_owned(), |rows| rows.to_string());
        let _ = writeln!(text, "{:<10} {date:<10} {rows:>12} {:>10}", day.table, bytes_text(day.bytes));
    }
    commands::print(&text)
}

/// Aggregates.
pub fn downsample(root: &str, rules: &Rules, now_ns: i64, (dry_run, json): (bool, bool)) -> anyhow::Result<()> {
    let database = store::database(root)?;
    let done = match dry_run {
        true => block_on(postgres::aggregate_dry_run(&database, rules, now_ns))?,
        false => block_on(postgres::aggregate(&database, rules, now_ns))?,
    };
    if json {
        return commands::print(&(serde_json::to_string(&done)? + "\n"));
    }
    let what = if dry_run { "would be made" } else { "made" };
    let lines = done.iter().map(|rule| format!("{}: {} bars {what} of {} days\n", rule.name, rule.bars, rule.days));
    commands::print(&lines.collect::<String>())
}

/// Thins.
pub fn thin(root: &str, rules: &Rules, now_ns: i64, (dry_run, json): (bool, bool)) -> anyhow::Result<()> {
    let done = block_on(postgres::thin(&store::database(root)?, rules, now_ns, dry_run))?;
    if json {
        let done: Vec<_> =
            done.iter().map(|(table, rows)| serde_json::json!({ "table": table, "rows": rows })).collect();
        return commands::print(&(serde_json::to_string(&done)? + "\n"));
    }
    let what = if dry_run { "would go" } else { "are gone" };
    let lines = done.iter().map(|(table, rows)| format!("{table}: {rows} rows {what}\n"));
    commands::print(&super::upkeep::or_nothing(lines.collect(), "nothing to thin"))
}

/// Drops.
pub fn retain(root: &str, rules: &Rules, now_ns: i64, (dry_run, json): (bool, bool)) -> anyhow::Result<()> {
    let done = block_on(postgres::retain(&store::database(root)?, rules, now_ns, dry_run))?;
    if json {
        return commands::print(&(serde_json::to_string(&done)? + "\n"));
    }
    let what = if dry_run { "would go" } else { "is gone" };
    let mut text: String = done.dropped.iter().map(|(table, date)| format!("{table} {date}: {what}\n")).collect();
    for (table, date) in &done.held {
        let _ = writeln!(text, "{table} {date}: stays: bars are yet to be made of it; downsample first");
    }
    commands::print(&super::upkeep::or_nothing(text, "nothing is old enough"))
}

fn only_server(root: &str, command: &str) -> anyhow::Result<postgres::Database> {
    only_place(root, command)?;
    store::database(root)
}

fn only_place(root: &str, command: &str) -> anyhow::Result<()> {
    match is_postgres(root) {
        true => Ok(()),
        false => {
            Err(BadArguments(format!("store {command}: {root}; allowed: postgres://user@host:port/database")).into())
        }
    }
}
