//! Recorded feeds: opened, recognised, and played to whoever listens.

mod player;
mod session;
mod source;

pub use player::{Listener, Played, play};
pub use session::session_of;
pub use source::{Opened, Orderbook, open, shown};

use zomma_market::instruments::Instruments;

/// So many names are listed; the others are counted.
const NAMES_SHOWN: usize = 12;

/// The names of the instruments, in words.
pub fn names(instruments: &Instruments) -> String {
    let shown: Vec<&str> = instruments.iter().take(NAMES_SHOWN).map(|(_, it)| it.symbol.as_str()).collect();
    match instruments.len() {
        0 => "no instrument".to_owned(),
        count if count > NAMES_SHOWN => format!("{} and {} more", shown.join(", "), count - NAMES_SHOWN),
        _ => shown.join(", "),
    }
}
