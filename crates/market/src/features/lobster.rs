//! LOBSTER's sample days for the tests of this module: the book after each message, and the trades.

use std::{io::Read, path::Path, sync::OnceLock};

use super::{Depth, Level, Trade};
use crate::event::Side;

/// A level of a book written by hand.
pub(super) fn level(price_ticks: i64, size: u64) -> Level {
    Level { price_ticks, size }
}

/// One day of one name: books by row, each with its trade where its message was an execution. Ticks are 10⁻⁴ dollars, times since midnight.
pub(super) struct Day {
    levels: usize,
    times_ns: Vec<u64>,
    bids: Vec<Level>,
    asks: Vec<Level>,
    trades: Vec<Option<Trade>>,
}

impl Day {
    pub fn rows(&self) -> usize {
        self.times_ns.len()
    }

    pub fn depth(&self, row: usize) -> Depth<'_> {
        let of_row = row * self.levels..(row + 1) * self.levels;
        let there = |side: &'_ [Level]| side.iter().take_while(|level| level.size > 0).count();
        let (bids, asks) = (&self.bids[of_row.clone()], &self.asks[of_row]);
        Depth { time_ns: self.times_ns[row], bids: &bids[..there(bids)], asks: &asks[..there(asks)] }
    }

    pub fn trade(&self, row: usize) -> Option<&Trade> {
        self.trades[row].as_ref()
    }

    pub fn books(&self) -> impl Iterator<Item = Depth<'_>> {
        (0..self.rows()).map(|row| self.depth(row))
    }
}

/// AAPL's day at one level; `None` without the folder of real data.
pub(super) fn aapl() -> Option<&'static Day> {
    static DAY: OnceLock<Option<Day>> = OnceLock::new();
    DAY.get_or_init(|| read("AAPL", 1)).as_ref()
}

/// AMZN's day at five levels; `None` without the folder of real data.
pub(super) fn amzn() -> Option<&'static Day> {
    static DAY: OnceLock<Option<Day>> = OnceLock::new();
    DAY.get_or_init(|| read("AMZN", 5)).as_ref()
}

fn read(symbol: &str, levels: usize) -> Option<Day> {
    let file = zomma_testkit::real_data()?.join(format!("books/LOBSTER_SampleFile_{symbol}_2012-06-21_{levels}.zip"));
    let (messages, books) = (member(&file, "message"), member(&file, "orderbook"));
    let mut day = Day { levels, times_ns: Vec::new(), bids: Vec::new(), asks: Vec::new(), trades: Vec::new() };
    for (message, book) in messages.lines().zip(books.lines()) {
        let fields: Vec<&str> = message.split(',').collect();
        let (seconds, fraction) = fields[0].split_once('.').unwrap_or((fields[0], "0"));
        // One row of AMZN's day has twelve decimals.
        let nanoseconds = format!("{fraction:0<9}")[..9].parse::<u64>().unwrap();
        let time_ns = seconds.parse::<u64>().unwrap() * 1_000_000_000 + nanoseconds;
        let resting_side = Some(if fields[5] == "1" { Side::Bid } else { Side::Ask });
        let executed = matches!(fields[1], "4" | "5");
        day.trades.push(executed.then(|| Trade {
            time_ns,
            price_ticks: fields[4].parse().unwrap(),
            size: fields[3].parse().unwrap(),
            resting_side,
        }));
        day.times_ns.push(time_ns);
        let numbers: Vec<i64> = book.split(',').map(|cell| cell.trim().parse().unwrap()).collect();
        for of_level in numbers.chunks_exact(4) {
            day.asks.push(level(of_level[0], of_level[1] as u64));
            day.bids.push(level(of_level[2], of_level[3] as u64));
        }
    }
    Some(day)
}

fn member(archive: &Path, kind: &str) -> String {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(archive).unwrap()).unwrap();
    let name = archive.file_names().map(|name| name.unwrap().into_owned()).find(|name| name.contains(kind)).unwrap();
    let mut text = String::new();
    archive.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
    text
}
