//! The options of an analysis, `quotes.parquet` of `zomma analyze`, as rows of `greeks`.

use std::{collections::BTreeMap, fs, fs::File, path::Path, sync::Arc};

use anyhow::{Context, bail};
use arrow_array::{
    Array, ArrayRef, RecordBatch, StringArray, TimestampNanosecondArray,
    cast::AsArray,
    types::{Float64Type, TimestampMillisecondType},
};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use jiff::{
    Timestamp,
    civil::{Date, Time},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use zomma_base::{OptionType, time::new_york_instant};
use zomma_storage::{convert::option_symbol, table::Table};

/// Columns that tell such a file from others.
const TELLING: [&str; 4] = ["source_row", "quote_date", "underlying", "greeks_status"];
/// Rows that are read at once.
const BATCH_ROWS: usize = 1 << 16;

/// Whether a file is one.
pub fn is_one(path: &Path) -> bool {
    let builder = File::open(path).ok().and_then(|file| ParquetRecordBatchReaderBuilder::try_new(file).ok());
    builder.is_some_and(|builder| TELLING.iter().all(|name| builder.schema().field_with_name(name).is_ok()))
}

/// When the analysis says that its quotes were, where a row does not; nothing where it does not say it.
pub fn told(path: &Path) -> String {
    let text = fs::read_to_string(path.with_file_name("summary.json")).unwrap_or_default();
    let summary: Value = serde_json::from_str(&text).unwrap_or_default();
    summary["quote_time"].as_str().unwrap_or_default().to_owned()
}

/// Gives its rows; how many are left out, by the status that says why they are no option.
///
/// # Errors
///
/// Where it is damaged, or neither it nor the `summary.json` beside it says when the quotes were.
pub fn read(
    path: &Path,
    mut take: impl FnMut(&RecordBatch) -> anyhow::Result<()>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| name.clone())?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).with_context(|| name.clone())?;
    let mut left_out = BTreeMap::new();
    for rows in reader.with_batch_size(BATCH_ROWS).build().with_context(|| name.clone())? {
        let rows = rows.with_context(|| format!("{name}: cannot be read to its end; is it whole?"))?;
        take(&Analysed::of(&rows, path)?.greeks(&mut left_out)?).with_context(|| name.clone())?;
    }
    Ok(left_out)
}

/// Rows of the file, with what makes a row's name and time.
struct Analysed<'a> {
    rows: &'a RecordBatch,
    path: &'a Path,
    option_type: StringArray,
    strike: ArrayRef,
    expiry: ArrayRef,
    expiry_date: StringArray,
    status: StringArray,
}

impl<'a> Analysed<'a> {
    fn of(rows: &'a RecordBatch, path: &'a Path) -> anyhow::Result<Self> {
        Ok(Self {
            option_type: text(rows, path, "option_type")?,
            strike: column(rows, path, "strike", &DataType::Float64)?,
            expiry: column(rows, path, "expiry", &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))?,
            expiry_date: text(rows, path, "expiry_date")?,
            status: text(rows, path, "status")?,
            rows,
            path,
        })
    }

    fn greeks(&self, left_out: &mut BTreeMap<String, u64>) -> anyhow::Result<RecordBatch> {
        let mut kept = Vec::with_capacity(self.rows.num_rows());
        let mut names = Vec::with_capacity(self.rows.num_rows());
        let (root, symbol) = (text(self.rows, self.path, "root")?, text(self.rows, self.path, "symbol")?);
        for row in 0..self.rows.num_rows() {
            match self.option(row) {
                Some((expiry, option_type, strike)) => {
                    let given: String = there(&symbol, row).unwrap_or_default().split_whitespace().collect();
                    let root = there(&root, row).unwrap_or_default();
                    names.push(if given.is_empty() { option_symbol(root, expiry, option_type, strike) } else { given });
                    kept.push(row);
                }
                None => {
                    let status = there(&self.status, row).unwrap_or("no status");
                    *left_out.entry(format!("rows: {status}")).or_default() += 1;
                }
            }
        }
        let columns = Table::Greeks.columns().iter().map(|column| {
            Ok(match column.name {
                "time" => self.times(&kept)?,
                "instrument" => Arc::new(StringArray::from_iter_values(&names)) as ArrayRef,
                "expiry" => {
                    let expiry = self.expiry.as_primitive::<TimestampMillisecondType>();
                    let times = kept.iter().map(|row| expiry.value(*row).checked_mul(1_000_000));
                    Arc::new(times.collect::<TimestampNanosecondArray>().with_timezone("UTC"))
                }
                // Of its Greeks: a quote that nobody would trade on has them all the same.
                "status" => self.taken("greeks_status", &DataType::Utf8, &kept)?,
                name => self.taken(name, &column.kind.data_type(), &kept)?,
            })
        });
        Ok(RecordBatch::try_new(Table::Greeks.schema(), columns.collect::<anyhow::Result<Vec<_>>>()?)?)
    }

    /// What the row is an option of, where it is one.
    fn option(&self, row: usize) -> Option<(Date, OptionType, f64)> {
        if self.expiry.is_null(row) || self.strike.is_null(row) {
            return None;
        }
        let option_type = match there(&self.option_type, row)? {
            "call" => OptionType::Call,
            "put" => OptionType::Put,
            _ => return None,
        };
        let strike = self.strike.as_primitive::<Float64Type>().value(row);
        Some((there(&self.expiry_date, row)?.parse().ok()?, option_type, strike)).filter(|_| strike.is_finite())
    }

    /// When the quotes were.
    fn times(&self, kept: &[usize]) -> anyhow::Result<ArrayRef> {
        let (dates, times) = (text(self.rows, self.path, "quote_date")?, text(self.rows, self.path, "quote_time")?);
        let mut summary = None;
        let instants = kept.iter().map(|row| {
            let date = there(&dates, *row).and_then(|date| date.parse::<Date>().ok());
            let time = there(&times, *row).and_then(|time| time.parse::<Time>().ok());
            let instant = match (date, time) {
                (Some(date), Some(time)) => new_york_instant(date.to_datetime(time)),
                // The analysis knew, from the layout or the calendar.
                _ => match summary {
                    Some(instant) => instant,
                    None => *summary.insert(self.of_summary()?),
                },
            };
            Ok(i64::try_from(instant.as_nanosecond()).unwrap_or(i64::MAX))
        });
        let instants = instants.collect::<anyhow::Result<Vec<i64>>>()?;
        Ok(Arc::new(TimestampNanosecondArray::from(instants).with_timezone("UTC")))
    }

    fn of_summary(&self) -> anyhow::Result<Timestamp> {
        let path = self.path.with_file_name("summary.json");
        let shown = || format!("{}: no quote_time in it, so that the analysis must say it", self.path.display());
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string()).with_context(shown)?;
        let summary: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        match summary["quote_time"].as_str().and_then(|time| time.parse().ok()) {
            Some(instant) => Ok(instant),
            None => {
                bail!("{}: quote_time is {}; allowed: a time with its offset", path.display(), summary["quote_time"])
            }
        }
    }

    fn taken(&self, name: &str, kind: &DataType, kept: &[usize]) -> anyhow::Result<ArrayRef> {
        let rows = kept.iter().map(|row| *row as u64).collect::<arrow_array::UInt64Array>();
        Ok(arrow_select::take::take(&column(self.rows, self.path, name, kind)?, &rows, None)?)
    }
}

fn column(rows: &RecordBatch, path: &Path, name: &str, kind: &DataType) -> anyhow::Result<ArrayRef> {
    let Some(found) = rows.column_by_name(name) else { bail!("{}: has no column {name}", path.display()) };
    cast(found, kind).with_context(|| format!("{}: column {name} is {}", path.display(), found.data_type()))
}

fn text(rows: &RecordBatch, path: &Path, name: &str) -> anyhow::Result<StringArray> {
    Ok(column(rows, path, name, &DataType::Utf8)?.as_string::<i32>().clone())
}

fn there(texts: &StringArray, row: usize) -> Option<&str> {
    (!texts.is_null(row)).then(|| texts.value(row)).filter(|text| !text.is_empty())
}
