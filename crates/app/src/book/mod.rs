//! `zomma book`: recorded feeds, replayed into order books.

mod counts;
mod latency;
mod moment;
mod player;
mod replay;
mod report;
mod rows;
mod run;
mod source;
mod verdict;

pub use moment::{Moment, parse_moment};
pub use report::{json, text};
pub use run::{Job, run};

use zomma_market::instruments::Instruments;

/// So many names are listed; the others are counted.
const NAMES_SHOWN: usize = 12;

/// The names of the instruments, in words.
fn names(instruments: &Instruments) -> String {
    let shown: Vec<&str> = instruments.iter().take(NAMES_SHOWN).map(|(_, it)| it.symbol.as_str()).collect();
    match instruments.len() {
        0 => "no instrument".to_owned(),
        count if count > NAMES_SHOWN => format!("{} and {} more", shown.join(", "), count - NAMES_SHOWN),
        _ => shown.join(", "),
    }
}
