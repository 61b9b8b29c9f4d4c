//! A table with a price and signals, as it is asked for by names.

use std::path::Path;

use anyhow::{Context, bail};
use zomma_strategy::alpha::AlphaError;

use crate::{
    batch::{self, TimedColumns},
    failure::{BadArguments, of_source, shown},
};

/// A table.
pub struct Table {
    /// The file in words.
    pub name: String,
    /// Its columns.
    pub read: TimedColumns,
}

impl Table {
    /// Reads the file: of one with rows of several instruments (a column `symbol` or `instrument`) those of the one that is asked for.
    ///
    /// Several of them in one series would be returns from one's price to another's: without a name that is refused.
    pub fn open(path: &Path, instrument: Option<&str>) -> anyhow::Result<Self> {
        Self::open_if(path, |_| instrument)
    }

    /// Reads the file for an instrument: its rows alone where the table says whose each row is.
    pub fn open_for(path: &Path, instrument: &str) -> anyhow::Result<Self> {
        Self::open_if(path, |read| read.symbols.as_ref().map(|_| instrument))
    }

    fn open_if<'a>(path: &Path, instrument: impl FnOnce(&TimedColumns) -> Option<&'a str>) -> anyhow::Result<Self> {
        let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        let read = batch::open(path).and_then(batch::read_timed);
        let read = read.map_err(|error| anyhow::anyhow!("{}", of_source(&name, &error)))?;
        let mut table = Self { name, read };
        table.keep(instrument(&table.read))?;
        let times_ns = &table.read.times_ns;
        if let Some(above) = times_ns.windows(2).position(|pair| pair[1] < pair[0]) {
            let (time_ns, above_ns) = (times_ns[above + 1], times_ns[above]);
            return Err(table.fault(AlphaError::TimeStepsBack { row: above + 2, time_ns, above_ns }));
        }
        Ok(table)
    }

    /// Keeps the rows of an instrument.
    fn keep(&mut self, instrument: Option<&str>) -> anyhow::Result<()> {
        let wrong = |problem: String| Err(BadArguments(problem).into());
        let Some(symbols) = &self.read.symbols else {
            return match instrument {
                Some(asked) => {
                    wrong(format!("--instrument {}: {} has no column symbol or instrument", shown(asked), self.name))
                }
                None => Ok(()),
            };
        };
        let known = || {
            let more = if symbols.names.len() > 20 { ", …" } else { "" };
            symbols.names.iter().take(20).map(|name| shown(name)).collect::<Vec<_>>().join(", ") + more
        };
        let place = match instrument {
            Some(asked) => match symbols.names.iter().position(|name| name == asked) {
                Some(place) => place,
                None => {
                    return wrong(format!(
                        "--instrument {}: not in {}, which has {}",
                        shown(asked),
                        self.name,
                        known()
                    ));
                }
            },
            None if symbols.names.len() > 1 => {
                return wrong(format!(
                    "--instrument is needed: rows of {} are of {} (column {})",
                    self.name,
                    known(),
                    symbols.column
                ));
            }
            None => 0,
        };
        if symbols.names.len() > 1 {
            self.read.keep(place);
        }
        Ok(())
    }

    /// An error of the library, of this file.
    pub fn fault(&self, error: impl Into<anyhow::Error>) -> anyhow::Error {
        error.into().context(self.name.clone())
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&[Option<f64>]> {
        self.read.names.iter().position(|found| found == name).map(|at| &self.read.columns[at][..])
    }

    /// A column that an option names.
    pub fn asked(&self, option: &str, name: &str) -> anyhow::Result<&[Option<f64>]> {
        self.column(name).ok_or_else(|| {
            let known = self.read.names.join(", ");
            BadArguments(format!(
                "{option} {}: {} has no such column of numbers; it has [{known}]",
                shown(name),
                self.name
            ))
            .into()
        })
    }

    /// The signals that a list names, each a column or the difference of two, such as `microprice-mid`; every column but the price where there is no list.
    pub fn signals(&self, list: Option<&str>, price: &str) -> anyhow::Result<Vec<(String, Vec<Option<f64>>)>> {
        let Some(list) = list else {
            let others = self.read.names.iter().zip(&self.read.columns).filter(|(name, _)| *name != price);
            let others: Vec<_> = others.map(|(name, column)| (name.clone(), column.clone())).collect();
            if others.is_empty() {
                bail!("{}: has no column of numbers but {price}: there is no signal to report on", self.name);
            }
            return Ok(others);
        };
        let mut signals: Vec<(String, Vec<Option<f64>>)> = Vec::new();
        for name in list.split(',').map(str::trim) {
            if signals.iter().any(|(known, _)| known == name) {
                return Err(BadArguments(format!("--signals: {} stands twice", shown(name))).into());
            }
            let signal = match (self.column(name), self.difference(name)) {
                (Some(column), _) => column.to_vec(),
                (None, Some(difference)) => difference,
                (None, None) => self.asked("--signals", name)?.to_vec(),
            };
            signals.push((name.to_owned(), signal));
        }
        Ok(signals)
    }

    /// `A-B` as the difference of the columns A and B.
    fn difference(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let mut cuts = name
            .match_indices('-')
            .filter_map(|(at, _)| Some((self.column(&name[..at])?, self.column(&name[at + 1..])?)));
        let (a, b) = cuts.next_back()?;
        Some(a.iter().zip(b).map(|(a, b)| Some((*a)? - (*b)?)).collect())
    }

    /// First and last time, in words.
    pub fn span(&self) -> String {
        let shown = |time_ns: Option<&i64>| {
            let stamp = time_ns.and_then(|ns| jiff::Timestamp::from_nanosecond(i128::from(*ns)).ok());
            stamp.map_or_else(|| "?".to_owned(), |stamp| stamp.to_string())
        };
        format!("{} to {}", shown(self.read.times_ns.first()), shown(self.read.times_ns.last()))
    }

    /// Columns of text, in words, where there are any.
    pub fn left_out(&self) -> Option<String> {
        let names = &self.read.left_out;
        (!names.is_empty()).then(|| format!("columns without a number were left out: {}", names.join(", ")))
    }
}

/// Says of which file an error is.
pub fn of_file<T>(result: Result<T, AlphaError>, table: &Table) -> anyhow::Result<T> {
    result.with_context(|| table.name.clone())
}
