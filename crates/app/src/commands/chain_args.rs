//! The arguments that say which chains are read, and how.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use clap::Args;
use jiff::civil::Time;
use zomma_base::ExerciseStyle;
use zomma_market::chain::ReadOptions;
use zomma_strategy::analysis::{AnalysisConfig, DividendCalendar, WheelFilters};

use crate::{batch, commands, failure::BadArguments};

/// A chain and what its file does not say.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The chain: a file, a directory of files, or a tar.
    #[arg(value_name = "CHAIN")]
    pub chain: PathBuf,
    /// Keep this underlying where a file holds several; names it where the file does not.
    #[arg(long, value_name = "TICKER")]
    underlying: Option<String>,
    /// Our column name for one of the file's; may be repeated.
    #[arg(long, value_name = "OURS=THEIRS", value_parser = parse_map)]
    map: Vec<(String, String)>,
    /// Exercise style of all rows; else told by a column or the root symbol.
    #[arg(long, value_name = "STYLE", value_parser = commands::parse_exercise)]
    exercise: Option<ExerciseStyle>,
    /// New York time of the quotes.
    #[arg(long, value_name = "HH:MM", value_parser = parse_time)]
    quote_time: Option<Time>,
    /// Continuously compounded rate, where parity cannot say it: 0.05 is 5 %.
    #[arg(long, value_name = "R", value_parser = parse_rate, allow_negative_numbers = true, conflicts_with = "rate_curve")]
    rate: Option<f64>,
    /// CSV of rates: expiry_years,risk_free_rate.
    #[arg(long, value_name = "FILE.csv")]
    rate_curve: Option<PathBuf>,
    /// Continuous dividend yield, where parity cannot say it: 0.015 is 1.5 %.
    #[arg(long, value_name = "Q", value_parser = parse_rate, allow_negative_numbers = true)]
    dividend_yield: Option<f64>,
    /// Cash dividends: a table underlying, ex_date or time_years (from the quotes), amount (currency per share of that date); without
    /// the column underlying, of every chain. American options are then inverted on a grid that pays them.
    #[arg(long, value_name = "FILE")]
    dividends: Option<PathBuf>,
}

impl ChainArgs {
    /// What the reader is told.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { column_map: self.map.clone(), underlying: self.underlying.clone() }
    }

    /// What the analysis is told.
    pub fn config(&self, wheel: WheelFilters) -> anyhow::Result<AnalysisConfig> {
        Ok(AnalysisConfig {
            exercise_style: self.exercise,
            quote_time: self.quote_time,
            rate_curve: rate_curve(self)?,
            dividend_yield: self.dividend_yield,
            dividends: self.dividends.as_deref().map(|path| self.read_dividends(path)).transpose()?,
            wheel,
        })
    }

    fn read_dividends(&self, path: &Path) -> anyhow::Result<Arc<DividendCalendar>> {
        commands::refuse_two_of_standard_input(&self.inputs())?;
        batch::dividends_of_chains(path).map(Arc::new)
    }

    /// What is read that may be standard input, by what the user calls it.
    pub fn inputs(&self) -> [(&'static str, Option<&Path>); 2] {
        [("the chain", Some(self.chain.as_path())), ("--dividends", self.dividends.as_deref())]
    }

    /// Says on standard error, once the chains are read, which underlyings of `--dividends` none of them was of.
    pub fn warn_of_dividends(&self, command: &str, calendar: Option<&DividendCalendar>) {
        let unread = self.dividends.as_deref().zip(calendar);
        if let Some(warning) = unread.and_then(|(path, calendar)| batch::unread_by_chains(path, calendar)) {
            eprintln!("{command}: {warning}");
        }
    }
}

fn rate_curve(args: &ChainArgs) -> anyhow::Result<Vec<[f64; 2]>> {
    if let Some(rate) = args.rate {
        return Ok(vec![[1.0, rate]]);
    }
    let Some(path) = &args.rate_curve else { return Ok(Vec::new()) };
    let name = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("--rate-curve {name}"))?;
    let header = reader.headers().with_context(|| format!("--rate-curve {name}"))?.clone();
    let column = |wanted: &str| {
        header.iter().position(|found| found.trim() == wanted).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            anyhow::anyhow!("--rate-curve {name}: missing column {wanted}; found [{found}]")
        })
    };
    let columns = [column("expiry_years")?, column("risk_free_rate")?];
    let mut points = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("--rate-curve {name}"))?;
        let mut point = [0.0; 2];
        for ((value, &column), parse) in point.iter_mut().zip(&columns).zip([parse_finite, parse_rate]) {
            let text = record.get(column).unwrap_or("").trim();
            *value = parse(text).map_err(|allowed| {
                let field = &header[column];
                anyhow::anyhow!("--rate-curve {name}: row {}: {field} = {text:?}; allowed: {allowed}", row + 1)
            })?;
        }
        points.push(point);
    }
    if points.is_empty() {
        bail!("--rate-curve {name}: has a header and no rows");
    }
    if points[0][0] <= 0.0 || !points.is_sorted_by(|a, b| a[0] < b[0]) {
        bail!(BadArguments(format!("--rate-curve {name}: expiry_years must be above zero and ascend from row to row")));
    }
    Ok(points)
}

/// One of the file's columns by our name for it.
pub fn parse_map(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, theirs)) if !ours.trim().is_empty() && !theirs.trim().is_empty() => {
            Ok((ours.trim().into(), theirs.trim().into()))
        }
        _ => Err("needs ours=theirs, for instance strike=K".into()),
    }
}

/// A time of day.
pub fn parse_time(text: &str) -> Result<Time, String> {
    text.parse().map_err(|_| "a time of day in New York, such as 15:45".into())
}

pub fn parse_finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "a finite number".into())
}

/// A rate or yield a year; five where 5 % is meant is refused.
fn parse_rate(text: &str) -> Result<f64, String> {
    parse_finite(text)
        .ok()
        .filter(|rate| rate.abs() <= 1.0)
        .ok_or_else(|| "a finite decimal from -1 to 1, such as 0.05 for 5 %".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_names_both_columns() {
        assert_eq!(parse_map("strike=K"), Ok(("strike".into(), "K".into())));
        assert!(parse_map("strike").is_err() && parse_map("=K").is_err());
    }
}
