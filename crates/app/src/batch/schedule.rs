//! The cash dividends of `--dividends FILE`: by underlying, or of the one underlying that a table is about; for rows that are valued at one
//! instant ([`Schedule`]), or for chains, each with the instant of its quotes ([`of_chains`]).

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
use zomma_strategy::analysis::{DividendCalendar, ExTime, ScheduledDividend};

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
        let names: Vec<&str> = unread.map(|(name, _)| name.as_str()).collect();
        unread_words(&self.name, names, "row")
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
        let check = |columns: &Columns| {
            if columns.time_years.is_none() && valuation_time.is_none() {
                bail!(BadArguments(format!(
                    "--dividends {name}: a column ex_date needs --valuation-time, since no clock is read: \
                     --valuation-time 2019-04-25T15:45 (New York), or with an offset or Z"
                )));
            }
            Ok(())
        };
        let mut found: HashMap<String, Vec<CashDividend>> = HashMap::new();
        let has_underlyings = rows(path, check, |row, underlying, dividend| {
            let time_years = match (dividend.ex, valuation_time) {
                (ExTime::YearsFromQuotes(years), _) => years,
                (ExTime::At(instant), Some(now)) => year_fraction(now, instant),
                (ExTime::At(_), None) => {
                    bail!("{name}: row {row}: ex_date needs --valuation-time, since no clock is read")
                }
            };
            let of = found.entry(underlying).or_default();
            if time_years >= 0.0 {
                of.push(CashDividend { time_years, amount: dividend.amount });
            }
            if of.len() > MOST_TIMES {
                bail!("{name}: row {row}: more than {MOST_TIMES} dividends of one underlying");
            }
            Ok(())
        })?;
        let of =
            |dividends: Vec<CashDividend>| OfUnderlying { dividends: dividends.into(), asked: AtomicBool::default() };
        let mut by_underlying: HashMap<String, OfUnderlying> =
            found.into_iter().map(|(underlying, dividends)| (underlying, of(dividends))).collect();
        let all = (!has_underlyings).then(|| by_underlying.remove("").unwrap_or_default().dividends);
        Ok(Self { name, by_underlying, all })
    }
}

/// The underlyings of a file that were not asked for, as a warning; `what` they are in none of.
fn unread_words(file: &str, mut names: Vec<&str>, what: &str) -> Option<String> {
    names.sort_unstable();
    let (count, more) = (names.len(), names.len().saturating_sub(NAMED));
    let names: Vec<String> = names.into_iter().take(NAMED).map(shown).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let are = if count == 1 { "underlying is" } else { "underlyings are" };
    (count > 0).then(|| format!("--dividends {file}: {count} {are} in no {what}: {}{more}", names.join(", ")))
}

/// Reads the same table for chains: a date is an instant, `time_years` counts from the quotes of each chain.
///
/// Errors: those of [`Schedule::read`], without an instant of valuation.
pub fn of_chains(path: &Path) -> anyhow::Result<DividendCalendar> {
    let name = path.display().to_string();
    let mut found: Vec<(String, ScheduledDividend)> = Vec::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let has_underlyings = rows(
        path,
        |_| Ok(()),
        |row, underlying, dividend| {
            let count = counts.entry(underlying.clone()).or_default();
            *count += 1;
            if *count > MOST_TIMES {
                bail!("{name}: row {row}: more than {MOST_TIMES} dividends of one underlying");
            }
            found.push((underlying, dividend));
            Ok(())
        },
    )?;
    if has_underlyings {
        return Ok(DividendCalendar::by_underlying(found));
    }
    Ok(DividendCalendar::of_all(found.into_iter().map(|(_, dividend)| dividend).collect()))
}

/// The underlyings of the file that were in no chain, as a warning.
pub fn unread_by_chains(path: &Path, calendar: &DividendCalendar) -> Option<String> {
    unread_words(&path.display().to_string(), calendar.unread(), "chain")
}

/// Hands each row of the table to `put` with its number, its underlying (empty without that column) and its dividend; whether there is a
/// column of underlyings.
fn rows(
    path: &Path,
    check: impl Fn(&Columns) -> anyhow::Result<()>,
    mut put: impl FnMut(usize, String, ScheduledDividend) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let name = path.display().to_string();
    let mut source = source::open(path).context("--dividends")?;
    let header = source.columns().to_vec();
    let columns = Columns::of(&header).with_context(|| name.clone())?;
    check(&columns)?;
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
            let (underlying, dividend) =
                columns.read(&cells).map_err(|fault| anyhow::anyhow!("{name}: row {row}: {fault}"))?;
            put(row, underlying, dividend)?;
        }
    }
    if row == 0 {
        bail!("{name}: has a header and no rows");
    }
    Ok(columns.underlying.is_some())
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
        let underlying = at("underlying");
        // Without underlyings a dividend is every row's: a column that may name them under another word is not passed over.
        let known = [Some(amount), time_years, ex_date];
        if underlying.is_none()
            && let Some(other) = (0..header.len()).find(|&column| !known.contains(&Some(column)))
        {
            bail!(
                "column {} is not read; allowed without a column underlying: amount, ex_date, time_years",
                shown(&header[other])
            );
        }
        Ok(Self { underlying, time_years, ex_date, amount })
    }

    /// The underlying, empty where there is no such column, and its dividend.
    fn read(&self, cells: &[Option<String>]) -> Result<(String, ScheduledDividend), String> {
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
        let ex = match (by_time, self.ex_date) {
            (Some(column), _) => ExTime::YearsFromQuotes(number(column, "time_years")?),
            (None, Some(column)) => {
                let text = cell(column);
                let date = Expiry::parse(text).map_err(|_| {
                    format!("ex_date = \"{}\"; allowed: an ISO date or date-time, such as 2019-05-10", shown(text))
                })?;
                ExTime::At(date.instant(Settlement::Am))
            }
            (None, None) => return Err("time_years is empty; allowed: a finite number at or above zero".into()),
        };
        Ok((underlying.to_owned(), ScheduledDividend { ex, amount }))
    }
}
