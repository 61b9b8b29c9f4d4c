//! Recorded feeds: opened, recognised, and played to whoever listens.

mod player;
mod schema;
mod session;
mod source;

pub use player::{Feed, Listener, Note, Played, play};
pub use schema::schema_of;
pub use session::{session_of, utc_midnight_ns};
pub use source::{Opened, Orderbook, open, shown};

use std::path::Path;

use zomma_market::instruments::Instruments;

use crate::failure::BadArguments;

/// So many names are listed; the others are counted.
const NAMES_SHOWN: usize = 12;

/// That the output is none of the files that are read: they would be replaced by it.
pub fn is_apart(output: &Path, inputs: &[&Path]) -> anyhow::Result<()> {
    let same = |input: &&&Path| match (output.canonicalize(), input.canonicalize()) {
        (Ok(output), Ok(input)) => output == input && output.is_file(),
        _ => false,
    };
    match inputs.iter().find(same) {
        Some(input) => {
            Err(BadArguments(format!("-o {}: is the file {} that is read", output.display(), input.display())).into())
        }
        None => Ok(()),
    }
}

/// The names of the instruments, in words.
pub fn names(instruments: &Instruments) -> String {
    let shown: Vec<&str> = instruments.iter().take(NAMES_SHOWN).map(|(_, it)| it.symbol.as_str()).collect();
    match instruments.len() {
        0 => "no instrument".to_owned(),
        count if count > NAMES_SHOWN => format!("{} and {} more", shown.join(", "), count - NAMES_SHOWN),
        _ => shown.join(", "),
    }
}
