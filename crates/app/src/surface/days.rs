//! The quotes behind a path: one table of volatilities, or the chains of a file, a directory or a tar, each made ready on a thread of the
//! pool and handed on in the order of their dates.

use std::path::Path;

use anyhow::bail;
use zomma_market::chain::ReadOptions;
use zomma_strategy::analysis::{AnalysisConfig, surface_quotes};

use super::{quotes::Quotes, vol_table};
use crate::{
    batch,
    chain_days::{self, Days},
    failure::BadArguments,
};

/// Reads what is behind `path` and does `work` to each day, in parallel; with a progress line by day where `shows_days`.
pub fn read_days<T: Send>(
    path: &Path,
    read: &ReadOptions,
    config: &AnalysisConfig,
    shows_days: bool,
    work: impl Fn(Quotes) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Days<T>> {
    let is_stdin = path == Path::new("-");
    if path.is_file() || is_stdin {
        // Standard input can be opened once only, and chains are files.
        let columns = if is_stdin { None } else { batch::open(path).ok().map(|source| source.columns().to_vec()) };
        if let Some([header]) = columns.as_deref() {
            vol_table::refuse_other_delimiter(path, header)?;
        }
        if is_stdin || columns.is_some_and(|columns| vol_table::is_vol_table(&columns)) {
            refuse_for_table(path, read, config)?;
            let mut quotes = vol_table::read(path)?;
            quotes.quoted.underlying.clone_from(&read.underlying);
            return Ok(Days { done: vec![work(quotes)?], failed: Vec::new(), many: false });
        }
    }
    chain_days::of_chains(path, read, shows_days, |day| {
        let quotes = surface_quotes(day.chain, day.previous, config)?;
        work(Quotes::of_chain(day, quotes))
    })
}

/// Refuses what is said of option chains where `path` is a table of volatilities.
fn refuse_for_table(path: &Path, read: &ReadOptions, config: &AnalysisConfig) -> anyhow::Result<()> {
    let given = [
        ("--dividends", config.dividends.is_some()),
        ("--map", !read.column_map.is_empty()),
        ("--exercise", config.exercise_style.is_some()),
        ("--quote-time", config.quote_time.is_some()),
        ("--rate or --rate-curve", !config.rate_curve.is_empty()),
        ("--dividend-yield", config.dividend_yield.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => {
            let name = path.display();
            bail!(BadArguments(format!("{option}: {name} is a table of volatilities; allowed: for option chains")))
        }
        None => Ok(()),
    }
}
