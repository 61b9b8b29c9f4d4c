//! Levels of one instrument after given message counts, in LOBSTER's columns.

use std::{io::Write, path::Path};

use anyhow::{Context, bail};
use zomma_market::{
    book::Books,
    event::InstrumentId,
    instruments::{Definition, Instruments},
    lobster::RowWriter,
};

use crate::{failure::BadArguments, output_file::AtomicFile};

/// Rows that are written as their message counts come.
pub struct Rows {
    file: AtomicFile,
    shown: String,
    counts: Vec<u64>,
    written: usize,
    symbol: Option<String>,
    /// The instrument, once it is known.
    instrument: Option<InstrumentId>,
    writer: RowWriter,
    /// How many instruments were known when it was last looked for.
    looked_among: usize,
    levels: usize,
    line: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl Rows {
    /// Will write to a file the best `levels` of the instrument of this name, or of the only one, after each of `counts` messages.
    pub fn create(path: &Path, counts: Vec<u64>, symbol: Option<&str>, levels: usize) -> anyhow::Result<Self> {
        let file = AtomicFile::create(path).with_context(|| format!("-o {}", path.display()))?;
        Ok(Self {
            file,
            shown: path.display().to_string(),
            counts,
            written: 0,
            symbol: symbol.map(str::to_owned),
            instrument: None,
            writer: RowWriter::new(levels, &unknown()),
            looked_among: 0,
            levels,
            line: Vec::new(),
            failed: None,
        })
    }

    /// Whether a row could not be written: the rest of the feed need not be read.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// So many messages have passed: writes the rows that are due.
    pub fn after(&mut self, messages: u64, books: &Books, instruments: &Instruments) {
        while self.counts.get(self.written).is_some_and(|count| *count <= messages) {
            self.look_for_instrument(instruments);
            self.row(books);
        }
    }

    fn look_for_instrument(&mut self, instruments: &Instruments) {
        if self.instrument.is_some() || instruments.len() == self.looked_among {
            return;
        }
        self.looked_among = instruments.len();
        self.instrument = match &self.symbol {
            Some(symbol) => instruments.find(symbol),
            None => Some(InstrumentId(0)),
        };
        if let Some(definition) = self.instrument.and_then(|id| instruments.latest(id)) {
            self.writer = RowWriter::new(self.levels, definition);
        }
    }

    /// A row of the book as it is; of an instrument that is not known yet, as it is: empty.
    fn row(&mut self, books: &Books) {
        self.written += 1;
        if self.failed.is_some() {
            return;
        }
        // The book of no instrument is empty.
        let book = books.book(self.instrument.unwrap_or(InstrumentId(u32::MAX)));
        self.line.clear();
        self.writer.write(&book, &mut self.line);
        self.failed = self.file.write_all(&self.line).err();
    }

    /// Ends the file, once the feed has ended after so many messages.
    pub fn finish(self, messages: u64, instruments: &Instruments) -> anyhow::Result<usize> {
        if let Some(error) = self.failed {
            return Err(error).with_context(|| format!("-o {}", self.shown));
        }
        if let Some(count) = self.counts.get(self.written) {
            bail!("--at: number {}: {count}; allowed: at most {messages}, the feed's messages", self.written + 1);
        }
        if self.symbol.is_none() && instruments.len() > 1 {
            let known = crate::feed::names(instruments);
            return Err(BadArguments(format!("-o needs --instrument: the feed has {known}")).into());
        }
        self.file.commit().with_context(|| format!("-o {}", self.shown))?;
        Ok(self.written)
    }
}

/// What a row is written by before its instrument is known: it is empty then, whatever a tick is worth.
fn unknown() -> Definition {
    Definition { symbol: String::new(), tick_nanos: 100_000, lot_nanos: 1_000_000_000, valid_from_ns: 0 }
}
