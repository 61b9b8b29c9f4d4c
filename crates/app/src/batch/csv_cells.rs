//! CSV by the block: cut at record ends, split into cell ranges, and copied out again byte for byte.

use std::borrow::Cow;

use super::request::{Cells, Numbers};

/// Whole records of a CSV file, split into cells.
#[derive(Debug)]
pub struct CsvCells {
    bytes: Vec<u8>,
    columns: usize,
    /// Byte range of each cell, row by row; quotes are inside the range.
    cells: Vec<[u32; 2]>,
    /// Byte range of each row that has exactly the header's number of cells; an empty range where it has not.
    whole_rows: Vec<[u32; 2]>,
    ragged: Vec<usize>,
}

/// Where the cell that starts at `start` ends: the index of its comma, its line feed, or the end.
fn cell_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    if bytes.get(at) == Some(&b'"') {
        at += 1;
        // Inside quotes: to the closing one, over doubled ones.
        while at < bytes.len() {
            if bytes[at] == b'"' {
                if bytes.get(at + 1) == Some(&b'"') {
                    at += 1;
                } else {
                    break;
                }
            }
            at += 1;
        }
    }
    bytes[at.min(bytes.len())..]
        .iter()
        .position(|&byte| byte == b',' || byte == b'\n')
        .map_or(bytes.len(), |further| at + further)
}

/// Length of the leading part that ends with a record's line feed; None where no record ends inside.
pub fn whole_records(bytes: &[u8]) -> Option<usize> {
    if !bytes.contains(&b'"') {
        return bytes.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
    }
    let (mut start, mut last) = (0, None);
    while start < bytes.len() {
        let end = cell_end(bytes, start);
        if end < bytes.len() && bytes[end] == b'\n' {
            last = Some(end + 1);
        }
        start = end + 1;
    }
    last
}

/// Cells of one record, unquoted; for the header.
pub fn split_record(record: &[u8]) -> Vec<String> {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let (mut start, mut cells) = (0, Vec::new());
    loop {
        let end = cell_end(record, start);
        cells.push(unquoted(&String::from_utf8_lossy(&record[start..end])).trim().to_string());
        if end >= record.len() {
            return cells;
        }
        start = end + 1;
    }
}

fn unquoted(cell: &str) -> Cow<'_, str> {
    match cell.trim().strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) if inner.contains("\"\"") => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(cell),
    }
}

impl CsvCells {
    /// Splits whole records (the last may lack its line feed). Blank lines are no rows. `bytes` is below 4 GiB.
    pub fn split(bytes: Vec<u8>, columns: usize) -> Self {
        let rows_expected = bytes.len() / (8 * columns).max(16);
        let mut cells = Vec::with_capacity(rows_expected * columns);
        let mut whole_rows = Vec::with_capacity(rows_expected);
        let mut ragged = Vec::new();
        let mut start = 0;
        while start < bytes.len() {
            let row_start = start;
            let first_cell = cells.len();
            let mut found = 0;
            let row_end = loop {
                let end = cell_end(&bytes, start);
                let last = end >= bytes.len() || bytes[end] == b'\n';
                let cell_stop = if last && end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
                if found < columns {
                    cells.push([start as u32, cell_stop as u32]);
                }
                found += 1;
                start = end + 1;
                if last {
                    break cell_stop;
                }
            };
            if row_end == row_start {
                cells.truncate(first_cell);
                continue;
            }
            if found > columns {
                ragged.push(whole_rows.len());
            }
            let whole = found == columns;
            for _ in found..columns {
                cells.push([row_end as u32; 2]);
            }
            whole_rows.push(if whole { [row_start as u32, row_end as u32] } else { [0, 0] });
        }
        Self { bytes, columns, cells, whole_rows, ragged }
    }

    fn cell(&self, row: usize, column: usize) -> &[u8] {
        let [start, end] = self.cells[row * self.columns + column];
        &self.bytes[start as usize..end as usize]
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        match std::str::from_utf8(self.cell(row, column)) {
            Ok(text) => unquoted(text),
            Err(_) => Cow::Borrowed("\u{fffd}"),
        }
    }

    /// A column as text, None where the cell is empty.
    pub fn text_column(&self, column: usize) -> Vec<Option<String>> {
        (0..self.rows()).map(|row| Some(self.text(row, column).into_owned()).filter(|text| !text.is_empty())).collect()
    }

    /// Appends the copied cells of a row, with commas between them.
    pub fn copy_row(&self, row: usize, copied: &[bool], all_copied: bool, out: &mut Vec<u8>) {
        let [start, end] = self.whole_rows[row];
        if all_copied && start < end {
            out.extend_from_slice(&self.bytes[start as usize..end as usize]);
            return;
        }
        let mut first = true;
        for column in (0..self.columns).filter(|&column| copied[column]) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(self.cell(row, column));
        }
    }
}

impl Cells for CsvCells {
    fn rows(&self) -> usize {
        self.whole_rows.len()
    }

    fn numbers(&self, column: usize) -> Numbers {
        let rows = self.rows();
        let mut numbers = Numbers { value: Vec::with_capacity(rows), absent: Vec::with_capacity(rows) };
        for row in 0..rows {
            let cell = self.cell(row, column);
            let parsed = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok());
            let value = parsed.or_else(|| self.text(row, column).trim().parse().ok());
            numbers.absent.push(value.is_none() && self.text(row, column).trim().is_empty());
            numbers.value.push(value.unwrap_or(f64::NAN));
        }
        numbers
    }

    fn texts(&self, column: usize, see: &mut dyn FnMut(usize, Option<&str>)) {
        for row in 0..self.rows() {
            let text = self.text(row, column);
            see(row, Some(text.trim()).filter(|text| !text.is_empty()));
        }
    }

    fn ragged(&self) -> &[usize] {
        &self.ragged
    }

    fn show(&self, row: usize, column: usize) -> String {
        self.text(row, column).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, columns: usize) -> Vec<String> {
        let cells = CsvCells::split(text.as_bytes().to_vec(), columns);
        (0..cells.rows())
            .map(|row| {
                let mut out = Vec::new();
                cells.copy_row(row, &vec![true; columns], true, &mut out);
                String::from_utf8(out).unwrap()
            })
            .collect()
    }

    #[test]
    fn rows_come_back_byte_for_byte() {
        assert_eq!(rows("1,2\r\n 3 ,\"a,\"\"b\"\n\n5,\n", 2), ["1,2", " 3 ,\"a,\"\"b\"", "5,"]);
        assert_eq!(rows("1,2\n3,4", 2), ["1,2", "3,4"]);
    }

    #[test]
    fn short_rows_are_filled_and_long_ones_are_told() {
        assert_eq!(rows("1\n1,2,3,4\n", 3), ["1,,", "1,2,3"]);
        assert_eq!(CsvCells::split(b"1\n1,2,3,4\n".to_vec(), 3).ragged(), [1]);
    }

    #[test]
    fn numbers_may_be_quoted_padded_absent_or_rubbish() {
        let cells = CsvCells::split(b"1e3\n\" 2 \"\n 3\n\"\"\nabc\nnan\n".to_vec(), 1);
        let numbers = cells.numbers(0);
        assert_eq!(numbers.value[..3], [1000.0, 2.0, 3.0]);
        assert!(numbers.value[3..].iter().all(|value| value.is_nan()));
        assert_eq!(numbers.absent, [false, false, false, true, false, false]);
    }

    #[test]
    fn a_line_feed_in_quotes_does_not_end_a_record() {
        let text = b"a,\"b\nc\"\nd,\"e\n";
        assert_eq!(whole_records(text), Some(8));
        assert_eq!(whole_records(b"1,2\n3"), Some(4));
        assert_eq!(whole_records(b"12"), None);
        assert_eq!(CsvCells::split(text[..8].to_vec(), 2).rows(), 1);
    }

    #[test]
    fn a_header_is_split_and_trimmed() {
        assert_eq!(split_record(b"a, b ,\"c,d\"\r\n"), ["a", "b", "c,d"]);
        assert_eq!(split_record(b"a,"), ["a", ""]);
    }
}
