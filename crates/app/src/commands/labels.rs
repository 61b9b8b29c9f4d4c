//! `zomma labels`: labelled rows of a training config's domain, into shards.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use zomma_learn::{
    config::TrainConfig,
    data::shards::{LabelJob, Progress, check, write_labels},
};
use zomma_storage::shards::MANIFEST;

use crate::{
    commands, config_file,
    failure::{BadArguments, ExitWith, refused},
    long_run::{StopWish, bar},
    store,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Makes labelled rows of the domain in a training config ([data] and [data.ranges]) by the same formulae that `zomma price` uses, and writes them
as Parquet files (shards) into a folder or a bucket, with all derivatives. manifest.json is written last: a set without it is not finished.
After Ctrl-C, a kill or a power cut --resume goes on, and ends with the same bytes; on a finished set it checks every shard, and makes again
what is damaged. S3 is reached by the variables that `zomma store` knows (AWS_…, ZOMMA_S3_…).

A training config learns from them with `shards = \"PLACE\"` in its [data]; see docs/training-data.md for shards of one's own.

Example:
  $ zomma train --example > black_scholes.toml
  $ zomma labels black_scholes.toml -o shards/black_scholes --rows 10000000
  $ zomma labels black_scholes.toml -o s3://research/black_scholes --rows 1000000000 --shard-rows 1000000";

/// Arguments of `zomma labels`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct LabelsArgs {
    /// The training config, TOML or JSON.
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Where the shards go: a folder, or s3://bucket/prefix.
    #[arg(short, long, value_name = "PLACE")]
    output: String,
    /// Rows of all shards together.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    rows: u64,
    /// Rows of a shard.
    #[arg(long, value_name = "M", default_value_t = 1 << 18, value_parser = clap::value_parser!(u64).range(1..=1 << 22))]
    shard_rows: u64,
    /// Go on with what is there.
    #[arg(long)]
    resume: bool,
    /// Threads that compute; all cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    /// Print what came of it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &LabelsArgs) -> anyhow::Result<()> {
    let shown = args.config.display();
    let text = config_file::read(&args.config)?;
    let config = TrainConfig::parse(&text).map_err(|error| BadArguments(format!("{shown}: {error}")))?;
    commands::use_threads(args.threads)?;
    check(&config.data).map_err(|error| refused(&args.config, error))?;
    let place = store::create(&args.output)?;
    let stop = StopWish::hear().context("signals")?;
    let bar = bar(args.rows);
    let begun = Instant::now();
    let job = LabelJob { config: &config.data, rows: args.rows, shard_rows: args.shard_rows, resume: args.resume };
    let written = write_labels(&job, &place, &mut |progress| {
        if let Some(bar) = &bar {
            bar.set_position(progress.done);
            bar.set_message(format!("{:.0} thousand rows/s", rate(progress, begun) / 1e3));
        }
        !stop.is_there()
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let written = written.map_err(|error| refused(&args.config, error))?;
    let Progress { done, found } = written.progress;
    let Some(manifest) = written.manifest else {
        let message = format!("stopped after {done} of {} rows: go on with --resume", args.rows);
        // What a shell shows for a program that Ctrl-C ended.
        bail!(ExitWith { code: 130, message: Some(message) });
    };
    let (seconds, rows_per_second) = (begun.elapsed().as_secs_f64(), rate(written.progress, begun));
    let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
    if args.json {
        let value = json!({
            "place": args.output,
            "manifest": MANIFEST,
            "content": manifest.content,
            "rows": manifest.rows,
            "rows_found": found,
            "shards": manifest.shards.len(),
            "columns": manifest.columns,
            "bytes": bytes,
            "seconds": seconds,
            "rows_per_second": rows_per_second,
        });
        return commands::print(&(serde_json::to_string_pretty(&value)? + "\n"));
    }
    let before = if found > 0 { format!(", {found} of them were there") } else { String::new() };
    commands::print(&format!(
        "{}: {} rows of {} in {} shards, {:.1} MB{before}; {seconds:.1} s, {:.0} thousand rows/s\n",
        args.output,
        manifest.rows,
        config.data.model.as_str(),
        manifest.shards.len(),
        bytes as f64 / 1e6,
        rows_per_second / 1e3
    ))
}

/// Rows made a second.
fn rate(progress: Progress, begun: Instant) -> f64 {
    (progress.done - progress.found) as f64 / begun.elapsed().as_secs_f64().max(1e-9)
}
