//! A recorded feed into `ticks`.

use zomma_market::{
    event::{Event, Sink},
    instruments::Instruments,
};
use zomma_storage::{
    StorageError,
    convert::{LoneTimes, TickRows},
    table::Table,
};

use super::row_writer::RowWriter;
use crate::feed::Listener;

/// Makes rows of events, and writes them as they come.
pub struct TickWriter {
    rows: TickRows,
    writer: RowWriter,
    failed: Option<StorageError>,
}

impl TickWriter {
    /// Into a writer.
    pub fn new(writer: RowWriter) -> Self {
        Self { rows: TickRows::new(), writer, failed: None }
    }

    fn write(&mut self) {
        for rows in self.rows.ready() {
            if self.failed.is_none() {
                self.failed = self.writer.append(Table::Ticks, &rows).err();
            }
        }
    }

    /// The writer, with every row of the feed in it, how many events made no row, and the rows whose time stands alone.
    pub fn finish(mut self, instruments: &Instruments) -> Result<(RowWriter, u64, LoneTimes), StorageError> {
        for rows in self.rows.finish(instruments)? {
            if self.failed.is_none() {
                self.failed = self.writer.append(Table::Ticks, &rows).err();
            }
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.writer, self.rows.refused(), self.rows.lone_times())),
        }
    }
}

impl Sink for TickWriter {
    fn event(&mut self, event: &Event) {
        self.rows.event(event);
    }

    fn message_end(&mut self, instruments: &Instruments) {
        self.rows.message_end(instruments);
        self.write();
    }
}

impl Listener for TickWriter {
    fn is_done(&self) -> bool {
        self.failed.is_some()
    }
}
