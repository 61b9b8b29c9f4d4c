//! Bars of ticks' trades, and of shorter bars.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    builder::StringBuilder,
    cast::AsArray,
    types::{Float64Type, Int64Type},
};
use zomma_market::event::Flags;

use crate::{
    error::Result,
    parquet::check::{instruments, times},
    table::Table,
};

/// Rows that are given at once.
const BATCH_ROWS: usize = 1 << 14;

/// Bars that are being made of rows in order of instrument and time.
pub(crate) struct Fold {
    interval_ns: i64,
    /// Of bars, those of this interval; of ticks none.
    from_interval_ns: Option<i64>,
    /// The instrument and the begin of the bar that is open.
    open: Option<(String, i64, Bar)>,
    done: Columns,
    /// Trades without a price: executions of orders that the feed had not told of.
    pub unpriced: u64,
}

/// One bar so far.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    /// Sum of sizes; none where none is known.
    volume: Option<f64>,
    /// Sum of price times size.
    notional: f64,
    trades: i64,
}

#[derive(Default)]
struct Columns {
    times: Vec<i64>,
    instruments: StringBuilder,
    bars: Vec<Bar>,
}

impl Bar {
    fn add(&mut self, next: &Self) {
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume = match (self.volume, next.volume) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
        self.notional += next.notional;
        self.trades += next.trades;
    }
}

impl Fold {
    /// Bars of an interval, of ticks or of bars of a shorter one.
    pub fn new(interval_ns: i64, from_interval_ns: Option<i64>) -> Self {
        Self { interval_ns, from_interval_ns, open: None, done: Columns::default(), unpriced: 0 }
    }

    /// Takes the next rows, and gives bars once there are enough of them.
    pub fn take(&mut self, rows: &RecordBatch) -> Result<Option<RecordBatch>> {
        match self.from_interval_ns {
            None => self.take_ticks(rows),
            Some(interval_ns) => self.take_bars(rows, interval_ns),
        }
        if self.done.bars.len() < BATCH_ROWS { Ok(None) } else { self.batch() }
    }

    /// The bars that are left.
    pub fn finish(&mut self) -> Result<Option<RecordBatch>> {
        self.close();
        self.batch()
    }

    fn take_ticks(&mut self, rows: &RecordBatch) {
        let (names, times) = (instruments(rows), times(rows));
        let kinds: &StringArray = rows.column(4).as_string();
        let prices: &Float64Array = rows.column(6).as_primitive::<Float64Type>();
        let sizes: &Float64Array = rows.column(7).as_primitive::<Float64Type>();
        let flags: &Int64Array = rows.column(9).as_primitive::<Int64Type>();
        for row in 0..rows.num_rows() {
            // An execution that is not printed is told again as a trade of its cross.
            let is_printed = || Flags((flags.value(row) & 0xff) as u8).contains(Flags::NON_PRINTABLE);
            let is_trade = match kinds.value(row) {
                "trade" => true,
                "execute" => !is_printed(),
                _ => false,
            };
            if !is_trade {
                continue;
            }
            if prices.is_null(row) {
                self.unpriced += 1;
                continue;
            }
            let price = prices.value(row);
            let size = sizes.is_valid(row).then(|| sizes.value(row));
            let notional = size.map_or(0.0, |size| price * size);
            let bar = Bar { open: price, high: price, low: price, close: price, volume: size, notional, trades: 1 };
            self.add(names.value(row), times.value(row), bar);
        }
    }

    fn take_bars(&mut self, rows: &RecordBatch, interval_ns: i64) {
        let (names, times) = (instruments(rows), times(rows));
        let intervals: &Int64Array = rows.column(2).as_primitive::<Int64Type>();
        let float = |index: usize| -> &Float64Array { rows.column(index).as_primitive::<Float64Type>() };
        let [open, high, low, close, volume, vwap] = [3, 4, 5, 6, 7, 8].map(float);
        let trades: &Int64Array = rows.column(9).as_primitive::<Int64Type>();
        for row in (0..rows.num_rows()).filter(|row| intervals.value(*row) == interval_ns) {
            let volume = volume.is_valid(row).then(|| volume.value(row));
            // A bar without its average price counts at its close.
            let average = if vwap.is_valid(row) { vwap.value(row) } else { close.value(row) };
            let bar = Bar {
                open: open.value(row),
                high: high.value(row),
                low: low.value(row),
                close: close.value(row),
                volume,
                notional: volume.map_or(0.0, |volume| volume * average),
                trades: trades.value(row),
            };
            self.add(names.value(row), times.value(row), bar);
        }
    }

    fn add(&mut self, instrument: &str, time_ns: i64, bar: Bar) {
        let begin = time_ns.div_euclid(self.interval_ns) * self.interval_ns;
        match &mut self.open {
            Some((name, at, open)) if *at == begin && name == instrument => open.add(&bar),
            _ => {
                self.close();
                self.open = Some((instrument.to_owned(), begin, bar));
            }
        }
    }

    fn close(&mut self) {
        if let Some((instrument, begin, bar)) = self.open.take() {
            self.done.times.push(begin);
            self.done.instruments.append_value(instrument);
            self.done.bars.push(bar);
        }
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        let Columns { times, mut instruments, bars } = std::mem::take(&mut self.done);
        if bars.is_empty() {
            return Ok(None);
        }
        let float =
            |value: fn(&Bar) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(bars.iter().map(value))) };
        let vwap = |bar: &Bar| bar.volume.filter(|volume| *volume > 0.0).map(|volume| bar.notional / volume);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC")),
            Arc::new(instruments.finish()),
            Arc::new(Int64Array::from(vec![self.interval_ns; bars.len()])),
            float(|bar| bar.open),
            float(|bar| bar.high),
            float(|bar| bar.low),
            float(|bar| bar.close),
            Arc::new(Float64Array::from_iter(bars.iter().map(|bar| bar.volume))),
            Arc::new(Float64Array::from_iter(bars.iter().map(vwap))),
            Arc::new(Int64Array::from_iter_values(bars.iter().map(|bar| bar.trades))),
        ];
        Ok(Some(RecordBatch::try_new(Table::Bars.schema(), columns)?))
    }
}
