//! Columns of numbers with the time of each row, read whole: what `zomma features` writes.

use anyhow::{Context, bail};
use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use arrow_schema::DataType;

use super::{
    book::found,
    csv_cells::CsvCells,
    request::Cells,
    source::{Chunk, Source},
};
use crate::failure::shown;

/// The column of times.
const TIME: &str = "time_ns";
/// Columns that say whose a row is.
const SYMBOLS: [&str; 2] = ["symbol", "instrument"];

/// Columns of one length.
#[derive(Debug, Default)]
pub struct TimedColumns {
    /// Nanoseconds since the Unix epoch.
    pub times_ns: Vec<i64>,
    /// Names of the columns, in the file's order.
    pub names: Vec<String>,
    /// Their values; none where a cell is empty.
    pub columns: Vec<Vec<Option<f64>>>,
    /// Columns that hold no number at all though they hold something, and were left out.
    pub left_out: Vec<String>,
    /// Of a table with a column `symbol` or `instrument` of text: whose each row is.
    pub symbols: Option<Symbols>,
}

/// Whose each row of a table is.
#[derive(Debug, Default)]
pub struct Symbols {
    /// The column.
    pub column: String,
    /// Who there is, in the order of their first rows.
    pub names: Vec<String>,
    /// The place among the names of each row's.
    pub rows: Vec<usize>,
}

impl Symbols {
    fn take(&mut self, name: &str) {
        // Rows come in runs or in turn of a few: the last names are the likeliest.
        let known = self.names.iter().rposition(|known| known == name);
        self.rows.push(known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }));
    }
}

impl TimedColumns {
    /// Keeps the rows of one of the symbols.
    pub fn keep(&mut self, symbol: usize) {
        let Some(symbols) = self.symbols.take() else { return };
        let stays = |row: usize| symbols.rows.get(row) == Some(&symbol);
        let mut row = 0..;
        self.times_ns.retain(|_| row.next().is_some_and(stays));
        for column in &mut self.columns {
            let mut row = 0..;
            column.retain(|_| row.next().is_some_and(stays));
        }
    }
}

/// A column as it is read.
struct Reading {
    name: String,
    place: usize,
    values: Vec<Option<f64>>,
    numbers: usize,
    /// The first cell that is neither empty nor a finite number, in words.
    fault: Option<String>,
}

/// Reads a table to its end: the times, and every other column as numbers.
///
/// Errors: no column `time_ns`, a name that stands twice, a time that is no whole number, a cell that is neither empty nor a finite number in a column
/// that has numbers, and a table without rows or that cannot be read.
pub fn read(mut source: Source) -> anyhow::Result<TimedColumns> {
    let header = source.columns().to_vec();
    if let Some((at, name)) = header.iter().enumerate().find(|(at, name)| header[..*at].contains(name)) {
        bail!("column {} stands twice in the header (the second is column {})", shown(name), at + 1);
    }
    let Some(time) = header.iter().position(|name| name == TIME) else {
        bail!("has no column {TIME} (nanoseconds since the Unix epoch); found [{}]", found(&header));
    };
    let mut columns: Vec<Reading> = header
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != time)
        .map(|(place, name)| Reading { name: name.clone(), place, values: Vec::new(), numbers: 0, fault: None })
        .collect();
    let symbol = SYMBOLS.iter().find_map(|name| header.iter().position(|column| column == name));
    let mut symbols = symbol.map(|place| Symbols { column: header[place].clone(), ..Symbols::default() });
    let mut times_ns = Vec::new();
    while let Some(chunk) = source.next_chunk()? {
        match chunk {
            Chunk::Csv(bytes) => {
                let cells = CsvCells::split(bytes, header.len());
                take_csv(&cells, time, &mut times_ns, &mut columns)?;
                if let (Some(place), Some(symbols)) = (symbol, &mut symbols) {
                    cells.texts(place, &mut |_, text| symbols.take(text.unwrap_or_default()));
                }
            }
            Chunk::Arrow(batch) => {
                take_arrow(&batch, time, &mut times_ns, &mut columns)?;
                if let (Some(place), Some(symbols)) = (symbol, &mut symbols) {
                    let texts = arrow_cast::cast(batch.column(place), &DataType::Utf8)
                        .with_context(|| format!("column {}", symbols.column))?;
                    texts.as_string::<i32>().iter().for_each(|text| symbols.take(text.unwrap_or_default()));
                }
            }
        }
    }
    if times_ns.is_empty() {
        bail!("has a header and no rows; found [{}]", found(&header));
    }
    let mut read = TimedColumns { times_ns, ..TimedColumns::default() };
    for Reading { name, values, numbers, fault, .. } in columns {
        match fault {
            None => {
                read.names.push(name);
                read.columns.push(values);
            }
            Some(_) if numbers == 0 => read.left_out.push(name),
            Some(fault) => bail!("{fault}; allowed: a finite number, or an empty cell"),
        }
    }
    // A column of numbers of that name is a signal as any other.
    read.symbols = symbols.filter(|symbols| read.left_out.contains(&symbols.column));
    Ok(read)
}

fn take_csv(cells: &CsvCells, time: usize, times_ns: &mut Vec<i64>, columns: &mut [Reading]) -> anyhow::Result<()> {
    let before = times_ns.len();
    if let Some(row) = cells.ragged().first() {
        bail!("row {}: has more cells than the header has columns", before + row + 1);
    }
    let mut fault = None;
    cells.texts(time, &mut |row, text| {
        let read = text.and_then(|text| text.parse().ok());
        if let (None, None) = (read, &fault) {
            fault = Some(format!("row {}, {TIME} = \"{}\"", before + row + 1, shown(text.unwrap_or_default())));
        }
        times_ns.push(read.unwrap_or_default());
    });
    if let Some(fault) = fault {
        bail!("{fault}; allowed: a whole number of nanoseconds since the Unix epoch");
    }
    for column in columns {
        let numbers = cells.numbers(column.place);
        for (row, (value, absent)) in numbers.value.into_iter().zip(numbers.absent).enumerate() {
            let place = column.place;
            let text = || cells.show(row, place);
            column.take(before + row, (!absent).then_some(value), text);
        }
    }
    Ok(())
}

fn take_arrow(
    batch: &RecordBatch,
    time: usize,
    times_ns: &mut Vec<i64>,
    columns: &mut [Reading],
) -> anyhow::Result<()> {
    let before = times_ns.len();
    let times = batch.column(time);
    let nanoseconds = match times.data_type() {
        DataType::Timestamp(_, zone) => {
            arrow_cast::cast(times, &DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, zone.clone()))
                .and_then(|times| arrow_cast::cast(&times, &DataType::Int64))
        }
        of if of.is_integer() => arrow_cast::cast(times, &DataType::Int64),
        of => bail!("column {TIME} is of type {of}; allowed: whole numbers of nanoseconds, or timestamps"),
    };
    let nanoseconds = nanoseconds.with_context(|| format!("column {TIME}"))?;
    for (row, time_ns) in nanoseconds.as_primitive::<Int64Type>().iter().enumerate() {
        let Some(time_ns) = time_ns else { bail!("row {}, {TIME} is empty", before + row + 1) };
        times_ns.push(time_ns);
    }
    for column in columns {
        let array = batch.column(column.place);
        if !array.data_type().is_numeric() {
            for row in 0..array.len() {
                column.take(before + row, array.is_valid(row).then_some(f64::NAN), || array.data_type().to_string());
            }
            continue;
        }
        let numbers = arrow_cast::cast(array, &DataType::Float64).with_context(|| format!("column {}", column.name))?;
        for (row, value) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
            column.take(before + row, value, || value.map(|value| value.to_string()).unwrap_or_default());
        }
    }
    Ok(())
}

impl Reading {
    /// Takes a cell in; what is not finite is a fault.
    fn take(&mut self, row: usize, value: Option<f64>, text: impl Fn() -> String) {
        let finite = value.filter(|value| value.is_finite());
        self.numbers += usize::from(finite.is_some());
        if let (Some(_), None, None) = (value, finite, &self.fault) {
            self.fault = Some(format!("row {}, {} = \"{}\"", row + 1, self.name, shown(&text())));
        }
        self.values.push(finite);
    }
}
