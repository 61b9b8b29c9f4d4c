//! LOBSTER's free samples, for tests on real data.

use std::io::Read;
use std::path::Path;

use crate::lobster::{StepReport, check_day};

/// A day of a stock.
pub(crate) struct Day {
    pub(crate) messages: Vec<u8>,
    pub(crate) orderbook: Vec<u8>,
}

/// The sample of 21 June 2012 of a stock; `levels` is part of its name.
pub(crate) fn day(data: &Path, symbol: &str, levels: usize) -> Day {
    let name = format!("books/LOBSTER_SampleFile_{symbol}_2012-06-21_{levels}.zip");
    let zip = std::fs::read(data.join(name)).unwrap();
    Day { messages: member(&zip, "_message_"), orderbook: member(&zip, "_orderbook_") }
}

/// The member of a zip file whose name has this in it (PKWARE's APPNOTE, 4.3.12: central directory; 4.3.7: local header).
fn member(zip: &[u8], name_part: &str) -> Vec<u8> {
    let number =
        |at: usize, bytes: usize| zip[at..at + bytes].iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let end = zip.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let mut entry = number(end + 16, 4);
    loop {
        assert_eq!(&zip[entry..entry + 4], b"PK\x01\x02", "no member with {name_part} in its name");
        let name_bytes = number(entry + 28, 2);
        let name = std::str::from_utf8(&zip[entry + 46..entry + 46 + name_bytes]).unwrap();
        if !name.contains(name_part) {
            entry += 46 + name_bytes + number(entry + 30, 2) + number(entry + 32, 2);
            continue;
        }
        let (packed, whole, local) = (number(entry + 20, 4), number(entry + 24, 4), number(entry + 42, 4));
        let start = local + 30 + number(local + 26, 2) + number(local + 28, 2);
        let mut bytes = Vec::with_capacity(whole);
        flate2::read::DeflateDecoder::new(&zip[start..start + packed]).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), whole);
        return bytes;
    }
}

#[test]
fn real_days_agree_at_every_row() {
    let Some(data) = zomma_testkit::real_data() else { return };
    let check = |symbol, levels| {
        let day = day(&data, symbol, levels);
        check_day(&day.messages, &day.orderbook).unwrap()
    };
    for (symbol, levels, rows, judged) in [("AAPL", 1, 118_497, 88_425), ("AMZN", 5, 155_935, 122_094)] {
        let StepReport { rows: checked, whole, mismatched, mismatches } = check(symbol, levels);
        assert_eq!((checked, mismatched), (rows, 0), "{symbol}: {mismatches:?}");
        assert_eq!(whole, judged, "{symbol}: rows in which no level comes up from below the published ones");
    }
}
