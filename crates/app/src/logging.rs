//! What the program says of its own work: `tracing` events on standard error, by the level that `ZOMMA_LOG` names.

use std::io;

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::failure::BadArguments;

/// The variable that names the level.
pub const VARIABLE: &str = "ZOMMA_LOG";

/// The levels, the quietest first.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// Sends the events of our own crates to standard error; `level` is what the variable says, `warn` where it is not set.
///
/// Libraries of others stay silent: their warnings are about things that this program decides.
///
/// # Errors
///
/// [`BadArguments`] where the level is none.
pub fn install(level: Option<&str>) -> Result<(), BadArguments> {
    let level = level.map_or(Ok(LevelFilter::WARN), parse)?;
    // Without colours, also on a terminal: they are a feature of the library that is not built in.
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let ours = Targets::new().with_target("zomma", level);
    // Installed once, at the start; a second try could only be a test's.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
    Ok(())
}

/// A level by its name; an empty one counts as not set.
fn parse(text: &str) -> Result<LevelFilter, BadArguments> {
    if text.is_empty() {
        return Ok(LevelFilter::WARN);
    }
    LEVELS.iter().find(|(name, _)| *name == text).map(|(_, level)| *level).ok_or_else(|| {
        let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
        BadArguments(format!("{VARIABLE}={text:?}: allowed are {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_by_name_and_a_wrong_one_says_what_is_allowed() {
        assert_eq!(parse("debug").unwrap(), LevelFilter::DEBUG);
        assert_eq!(parse("").unwrap(), LevelFilter::WARN);
        let error = parse("loud").unwrap_err();
        assert_eq!(error.to_string(), "ZOMMA_LOG=\"loud\": allowed are off, error, warn, info, debug, trace");
    }
}
