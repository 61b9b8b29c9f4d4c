//! The books of the ITCH file that was made of LOBSTER's samples are LOBSTER's own rows.

use std::io::Read;
use std::path::Path;

use super::*;
use crate::feed::Decoder as _;
use crate::{itch, lobster};

fn unpacked(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Bytes of a file of messages behind their `u16` lengths, message by message.
fn frames(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file;
    std::iter::from_fn(move || {
        let length = 2 + usize::from(u16::from_be_bytes(*rest.first_chunk()?));
        let (frame, behind) = rest.split_at(length);
        rest = behind;
        Some(frame)
    })
}

#[test]
fn real_itch_books_are_lobsters_rows() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let folder = data.join("books/itch");
    let file = unpacked(&folder.join("lobster_20120621_AAPL_AMZN_GOOG.itch50.bin.gz"));
    for (symbol, levels, rows) in [("AAPL", 1, 118_497), ("AMZN", 5, 155_935)] {
        let counts = unpacked(&folder.join(format!("{symbol}.row_end_msg_count.u32le.gz")));
        let (counts, rest) = counts.as_chunks::<4>();
        assert_eq!((counts.len(), rest.len()), (rows, 0));
        let mut ends = counts.iter().map(|count| u64::from(u32::from_le_bytes(*count))).peekable();

        let mut decoder = itch::Decoder::new(0);
        let mut books = Books::new();
        let mut written = Vec::new();
        let mut writer = None;
        for (count, frame) in (1u64..).zip(frames(&file)) {
            decoder.feed(frame, &mut books).unwrap();
            while ends.next_if_eq(&count).is_some() {
                let instrument = decoder.instruments().find(symbol).unwrap();
                let definition = decoder.instruments().latest(instrument).unwrap();
                let writer = writer.get_or_insert_with(|| lobster::RowWriter::new(levels, definition));
                writer.write(&books.book(instrument), &mut written);
            }
        }
        assert_eq!(ends.next(), None, "{symbol}: counts beyond the file");
        assert_eq!(books.faults().total(), 0, "{symbol}");
        let published = lobster::samples::day(&data, symbol, levels).orderbook;
        let (mut same, mut read) = (0, 0);
        for (found, wanted) in written.split(|byte| *byte == b'\n').zip(published.split(|byte| *byte == b'\n')) {
            read += usize::from(!wanted.is_empty());
            same += usize::from(found == wanted && !wanted.is_empty());
        }
        assert_eq!((same, read), (rows, rows), "{symbol}");
        assert_eq!(written, published, "{symbol}: byte for byte");
    }
}
