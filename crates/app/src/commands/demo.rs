//! `zomma demo`: generated data to try things on.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::civil::Date;
use zomma_strategy::demo;

use crate::{failure::StdoutFailed, output_file::AtomicFile};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Example:
  $ zomma demo chain -o chain.csv --history history.csv
  $ zomma analyze chain.csv --history history.csv --out report";

/// Arguments of `zomma demo`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct DemoArgs {
    /// What to generate.
    #[command(subcommand)]
    what: What,
}

/// What can be generated.
#[derive(Debug, Subcommand)]
enum What {
    /// An option chain of two sessions: American and European rows, several expiries, dividends, and the faults of real files.
    Chain(ChainArgs),
}

/// Arguments of `zomma demo chain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
struct ChainArgs {
    /// Where to: a CSV file, or `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Also write daily bars of the underlying, for `zomma analyze --history`.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// The same seed gives the same bytes on every machine.
    #[arg(long, value_name = "N", default_value_t = demo::SEED)]
    seed: u64,
    /// Date of the quotes; a day without a session gives the one before it.
    #[arg(long, value_name = "DATE", default_value_t = demo::QUOTE_DATE)]
    quote_date: Date,
}

/// Runs it.
pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let What::Chain(args) = &args.what;
    let rows = demo::demo_chain(args.seed, args.quote_date);
    write(&args.output, |out| demo::write_chain_csv(&rows, out))?;
    if let Some(path) = &args.history {
        let bars = demo::demo_history(args.seed, args.quote_date);
        write(path, |out| demo::write_history_csv(&bars, out))?;
    }
    Ok(())
}

fn write(path: &Path, content: impl Fn(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        content(&mut out).and_then(|()| out.flush()).map_err(StdoutFailed)?;
        return Ok(());
    }
    let cannot = || format!("cannot write {}", path.display());
    let mut file = AtomicFile::create(path).with_context(cannot)?;
    content(&mut file).and_then(|()| file.commit()).with_context(cannot)
}
