//! The cash dividends of `--dividends FILE`: by underlying, or of the one underlying that a table is about.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, bail};
use jiff::Timestamp;
use zomma_base::{
    Settlement,
    time::{Expiry, year_fraction},
};
use zomma_pricing::{finite_difference::CashDividend, valuation::MOST_TIMES};

use super::{
    arrow_cells,
    csv_cells::CsvCells,
    source::{self, Chunk},
};
use crate::failure::{BadArguments, shown};

/// Dividends by underlying.
#[derive(Debug, Default)]
pub struct Schedule {
    /// The file's, for messages.
    name: String,
    by_underlying: HashMap<String, OfUnderlying>,
    /// Those of every row, where the file names no underlying.
    all: Option<Arc<[CashDividend]>>,
}

/// The dividends of one underlying, and whether a row had it.
#[derive(Debug, Default)]
struct OfUnderlying {
    dividends: Arc<[CashDividend]>,
    asked: AtomicBool,
}

/// Underlyings that a warning names.
const NAMED: usize = 5;

/// Places of the columns.
struct Columns {
    underlying: Option<usize>,
    time_years: Option<usize>,
    ex_date: Option<usize>,
    amount: usize,
}

impl Schedule {
    /// Those of every row, where the file names no underlying.
    pub fn of_all(&self) -> Option<&Arc<[CashDividend]>> {
        self.all.as_ref()
    }

    /// Those of an underlying, where it has any.
    pub fn of(&self, underlying: &str) -> Option<&Arc<[CashDividend]>> {
        let found = self.by_underlying.get(underlying)?;
        found.asked.store(true, Ordering::Relaxed);
        Some(&found.dividends)
    }

    /// The underlyings of the file that [`Self::of`] was not asked for, as a warning.
    pub fn unread(&self) -> Option<String> {
        let unread = self.by_underlying.iter().filter(|(_, of)| !of.asked.load(Ordering::Relaxed));
        let mut names: Vec<String> = unread.map(|(name, _)| shown(name)).collect();
        names.sort_unstable();
        let (count, more) = (names.len(), names.len().saturating_sub(NAMED));
        names.truncate(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let what = if count == 1 { "underlying is" } else { "underlyings are" };
        (count > 0).then(|| format!("--dividends {}: {count} {what} in no row: {}{more}", self.name, names.join(", ")))
    }

    /// Whether rows must name their underlyings.
    pub fn by_underlying(&self) -> bool {
        self.all.is_none()
    }

    /// Reads a table `underlying, ex_date | time_years, amount`. A date is its opening in New York, when the share first trades without the
    /// dividend; what is past is left out.
    ///
    /// Errors: a file that cannot be read, a missing column, and a cell that is no date, time or amount, by row.
    pub fn read(path: &Path, valuation_time: Option<Timestamp>) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut source = source::open(path).context("--dividends")?;
        let header = source.columns().to_vec();
        let columns = Columns::of(&header).with_context(|| name.clone())?;
        if columns.time_years.is_none() && valuation_time.is_none() {
            bail!(BadArguments(format!(
                "--dividends {name}: a column ex_date needs --valuation-time, since no clock is read: \
                 --valuation-time 2019-04-25T15:45 (New York), or with an offset or Z"
            )));
        }
        let mut found: HashMap<String, Vec<CashDividend>> = HashMap::new();
        let mut row = 0;
        while let Some(chunk) = source.next_chunk()? {
            let cells: Vec<Vec<Option<String>>> = match chunk {
                Chunk::Csv(bytes) => {
                    let cells = CsvCells::split(bytes, header.len());
                    let columns: Vec<_> = (0..header.len()).map(|column| cells.text_column(column)).collect();
                    let rows = columns.first().map_or(0, Vec::len);
                    (0..rows).map(|row| columns.iter().map(|column| column[row].clone()).collect()).collect()
                }
                Chunk::Arrow(batch) => arrow_cells::cells(&batch)?,
            };
            for cells in cells {
                row += 1;
                let read = columns.read(&cells, valuation_time);
                let (underlying, dividend) = read.map_err(|fault| anyhow::anyhow!("{name}: row {row}: {fault}"))?;
                let of = found.entry(underlying).or_default();
                if dividend.time_years >= 0.0 {
                    of.push(dividend);
                }
                if of.len() > MOST_TIMES {
                    bail!("{name}: row {row}: more than {MOST_TIMES} dividends of one underlying");
                }
            }
        }
        if row == 0 {
            bail!("{name}: has a header and no rows");
        }
        let of =
            |dividends: Vec<CashDividend>| OfUnderlying { dividends: dividends.into(), asked: AtomicBool::default() };
        let mut by_underlying: HashMap<String, OfUnderlying> =
            found.into_iter().map(|(underlying, dividends)| (underlying, of(dividends))).collect();
        let all = columns.underlying.is_none().then(|| by_underlying.remove("").unwrap_or_default().dividends);
        Ok(Self { name, by_underlying, all })
    }
}

impl Columns {
    fn of(header: &[String]) -> anyhow::Result<Self> {
        let at = |name: &str| header.iter().position(|column| column == name);
        let found = || header.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
        let Some(amount) = at("amount") else { bail!("missing column amount; found [{}]", found()) };
        let (time_years, ex_date) = (at("time_years"), at("ex_date"));
        if time_years.is_none() && ex_date.is_none() {
            bail!("missing column ex_date or time_years; found [{}]", found());
        }
        Ok(Self { underlying: at("underlying"), time_years, ex_date, amount })
    }

    /// The underlying, empty where there is no such column, and its dividend.
    fn read(
        &self,
        cells: &[Option<String>],
        valuation_time: Option<Timestamp>,
    ) -> Result<(String, CashDividend), String> {
        let cell = |column: usize| cells.get(column).and_then(Option::as_deref).map_or("", str::trim);
        let number = |column: usize, name: &str| {
            let text = cell(column);
            let number = text.parse().ok().filter(|x: &f64| x.is_finite() && *x >= 0.0);
            number.ok_or_else(|| format!("{name} = \"{}\"; allowed: a finite number at or above zero", shown(text)))
        };
        let underlying = self.underlying.map_or("", cell);
        if self.underlying.is_some() && underlying.is_empty() {
            return Err("underlying is empty".into());
        }
        let amount = number(self.amount, "amount")?;
        let by_time = self.time_years.filter(|&column| !cell(column).is_empty());
        let time_years = match (by_time, self.ex_date, valuation_time) {
            (Some(column), ..) => number(column, "time_years")?,
            (None, Some(column), Some(now)) => {
                let text = cell(column);
                let date = Expiry::parse(text).map_err(|_| {
                    format!("ex_date = \"{}\"; allowed: an ISO date or date-time, such as 2019-05-10", shown(text))
                })?;
                year_fraction(now, date.instant(Settlement::Am))
            }
            (None, Some(_), None) => return Err("ex_date needs --valuation-time, since no clock is read".into()),
            (None, None, _) => return Err("time_years is empty; allowed: a finite number at or above zero".into()),
        };
        Ok((underlying.to_owned(), CashDividend { time_years, amount }))
    }
}
