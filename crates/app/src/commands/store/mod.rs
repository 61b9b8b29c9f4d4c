//! `zomma store`: long-term tables in a folder, a bucket or a PostgreSQL server.

mod copy;
mod ingest;
mod list;
mod server;
mod upkeep;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use zomma_storage::{parquet::Attempt, table::Table};

use crate::{batch::parse_instant, store::nanoseconds};

/// Arguments of `zomma store`.
#[derive(Debug, Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Take files into a table: feeds, chains, surfaces, or rows with the table's own columns.
    Ingest(Box<ingest::IngestArgs>),
    /// List the tables, their days, files, rows and bytes.
    List(list::ListArgs),
    /// Read every file and say what is wrong; exit code 1 where anything is.
    Verify(list::VerifyArgs),
    /// Make bars of ticks and longer bars of shorter ones, as the rules say; only what has changed.
    Downsample(upkeep::DownsampleArgs),
    /// Keep of old quotes the last of each interval, as the rules say.
    Thin(upkeep::ThinArgs),
    /// Put the files of closed days together, and drop rows that a later one replaces.
    Compact(upkeep::CompactArgs),
    /// Drop the days that are older than the rules keep them.
    Retain(upkeep::RetainArgs),
    /// Bring a second copy up to date, each file read back and compared.
    Replicate(copy::ReplicateArgs),
    /// Make the tables in a PostgreSQL server, or bring them to what this program needs.
    Migrate(server::MigrateArgs),
    /// Say how a PostgreSQL server would answer, and which days it leaves out.
    Explain(server::ExplainArgs),
    /// Send to a PostgreSQL server what waits for it in a spool.
    CatchUp(server::CatchUpArgs),
}

/// Runs it.
pub fn run(args: &StoreArgs) -> anyhow::Result<()> {
    match &args.command {
        StoreCommand::Ingest(args) => ingest::run(args),
        StoreCommand::List(args) => list::run(args),
        StoreCommand::Verify(args) => list::verify(args),
        StoreCommand::Downsample(args) => upkeep::downsample(args),
        StoreCommand::Thin(args) => upkeep::thin(args),
        StoreCommand::Compact(args) => upkeep::compact(args),
        StoreCommand::Retain(args) => upkeep::retain(args),
        StoreCommand::Replicate(args) => copy::run(args),
        StoreCommand::Migrate(args) => server::migrate(args),
        StoreCommand::Explain(args) => server::explain(args),
        StoreCommand::CatchUp(args) => server::catch_up(args),
    }
}

/// What counts as now.
#[derive(Debug, Args)]
struct NowArgs {
    /// What counts as now, such as 2026-01-02T18:00:00Z; the clock's time where absent.
    #[arg(long, value_name = "TIME", value_parser = parse_instant)]
    now: Option<Timestamp>,
}

impl NowArgs {
    fn ns(&self) -> i64 {
        nanoseconds(self.now.unwrap_or_else(Timestamp::now))
    }
}

/// Work in which files of a day are replaced.
#[derive(Debug, Args)]
struct AttemptArgs {
    #[command(flatten)]
    now: NowArgs,
    /// Take over what another process has begun and not ended at once, not only an hour later: where it is known to be dead.
    #[arg(long)]
    take_over: bool,
}

impl AttemptArgs {
    fn attempt(&self) -> Attempt {
        Attempt { now_ns: self.now.ns(), take_over: self.take_over }
    }
}

/// Tables that are looked at.
#[derive(Debug, Args)]
struct TableArgs {
    /// The table: ticks, quotes, bars, greeks, surfaces; may be repeated; all of them where absent.
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<Table>,
}

/// A number of bytes in words.
fn bytes_text(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < units.len() {
        size /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", units[unit]) }
}
