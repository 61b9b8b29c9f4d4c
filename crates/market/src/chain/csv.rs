//! Chains from CSV: comma, semicolon, tab or |, with or without a byte order mark, any line ends, quoted fields.

use ::csv::{ByteRecord, ReaderBuilder};

use super::build::{Builder, FileFacts, Row};
use super::cell::Cell;
use super::columns::{COUNT, Column};
use super::recognise::{self, SAMPLE_ROWS, Table};
use super::{Chain, ChainError, MAX_ROWS, Member, ReadOptions};

/// Delimiters that are looked for.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Bytes looked at to tell text from something else.
const LOOK: usize = 8192;

struct CsvRow<'a> {
    record: &'a ByteRecord,
    index: &'a [Option<usize>; COUNT],
}

impl Row for CsvRow<'_> {
    #[inline]
    fn cell(&self, column: Column) -> Cell<'_> {
        match self.index[column as usize] {
            Some(at) => self.record.get(at).map_or(Cell::Absent, Cell::Text),
            None => Cell::Absent,
        }
    }
}

pub(super) fn parse(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    let path = member.name.as_str();
    let bytes = text_of(path, &member.bytes)?;
    // Counted before any row is kept, so that a file beyond the limit costs its reading and no more.
    if bytes.iter().filter(|byte| **byte == b'\n').count() > MAX_ROWS + 1 {
        return Err(ChainError::TooManyRows { path: path.to_owned() });
    }
    let first_line = first_line(bytes);
    let delimiter = delimiter_of(first_line).ok_or_else(|| {
        let header: String = String::from_utf8_lossy(first_line).chars().take(120).collect();
        let needed = recognise::needed(std::slice::from_ref(&header));
        ChainError::Delimiter { path: path.to_owned(), header, needed }
    })?;
    let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
    let mut record = ByteRecord::new();
    let damaged =
        |error: ::csv::Error| ChainError::Corrupt { path: path.to_owned(), format: "CSV", reason: error.to_string() };
    reader.read_byte_record(&mut record).map_err(damaged)?;
    let header = texts(&record);

    let mut sample = Vec::new();
    let mut head: Vec<ByteRecord> = Vec::new();
    while head.len() < SAMPLE_ROWS && reader.read_byte_record(&mut record).map_err(damaged)? {
        sample.push(texts(&record));
        head.push(record.clone());
    }
    let found = recognise::recognise(&Table { path, header: &header, sample: &sample }, options)?;
    let facts = FileFacts {
        path: path.to_owned(),
        layout: found.layout,
        present: found.present(),
        quote_time: found.quote_time,
    };
    let mut builder = Builder::new(facts, options)?;
    let index = &found.index;
    for record in &head {
        builder.push(&CsvRow { record, index })?;
    }
    while reader.read_byte_record(&mut record).map_err(damaged)? {
        builder.push(&CsvRow { record: &record, index })?;
    }
    builder.finish(recognise::listed(&header))
}

/// The text behind a byte order mark; an error where it is something else.
pub(crate) fn text_of<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a [u8], ChainError> {
    let not_text = |what| Err(ChainError::NotText { path: path.to_owned(), what });
    for (magic, what) in [
        (&b"PK\x03\x04"[..], "a zip archive (unpack it first)"),
        (b"\xFF\xFE", "UTF-16 (save it as UTF-8)"),
        (b"\xFE\xFF", "UTF-16 (save it as UTF-8)"),
        (b"ARROW1", "an Arrow file (save it as Parquet or CSV)"),
        (b"BZh", "bzip2 (use gz, xz or zst)"),
    ] {
        if bytes.starts_with(magic) {
            return not_text(what);
        }
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let look = &bytes[..bytes.len().min(LOOK)];
    let is_control = |byte: &u8| *byte < 32 && !matches!(byte, b'\t' | b'\n' | b'\r');
    if look.iter().any(is_control) {
        return not_text("binary (control characters in its first lines)");
    }
    if std::str::from_utf8(first_line(bytes)).is_err() {
        return not_text("its first line is not UTF-8");
    }
    Ok(bytes)
}

/// The first line that is not blank.
pub(crate) fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.trim_ascii().is_empty()).unwrap_or_default()
}

/// The delimiter that stands most often in the header outside quotes; `None` where none does.
pub(crate) fn delimiter_of(header: &[u8]) -> Option<u8> {
    let mut counts = [0usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for byte in header {
        match DELIMITERS.iter().position(|delimiter| delimiter == byte) {
            _ if *byte == b'"' => is_quoted = !is_quoted,
            Some(at) if !is_quoted => counts[at] += 1,
            _ => {}
        }
    }
    let most = (0..DELIMITERS.len()).rev().max_by_key(|at| counts[*at])?;
    (counts[most] > 0).then_some(DELIMITERS[most])
}

fn texts(record: &ByteRecord) -> Vec<String> {
    record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_what_stands_outside_quotes() {
        for (header, expected) in [
            ("a,b,c", Some(b',')),
            ("a;b;c", Some(b';')),
            ("a\tb", Some(b'\t')),
            ("a|b|c", Some(b'|')),
            ("\"a,b,c,d\";e", Some(b';')),
            ("a b c", None),
            ("", None),
        ] {
            assert_eq!(delimiter_of(header.as_bytes()), expected, "{header}");
        }
    }
}
