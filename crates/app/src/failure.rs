//! How a command fails: 1 where the work failed, 2 where the arguments were wrong, 0 where the reader of our output went away.

use std::{fmt, io, path::Path};

use zomma_learn::LearnError;

/// The arguments contradict each other, or name something that is not there to be asked for.
#[derive(Debug)]
pub struct BadArguments(pub String);

impl fmt::Display for BadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadArguments {}

/// Refuses to write over the file that is read.
pub fn not_over_itself(read: &Path, written: &Path) -> Result<(), BadArguments> {
    let is_same = read.canonicalize().is_ok_and(|read| written.canonicalize().is_ok_and(|written| read == written));
    match is_same {
        true => Err(BadArguments(format!("-o {}: is the file that is read; allowed: another", written.display()))),
        false => Ok(()),
    }
}

/// Refuses a file where the folder of a run or a search is to be.
pub fn not_a_file(folder: &Path) -> Result<(), BadArguments> {
    match folder.exists() && !folder.is_dir() {
        true => Err(BadArguments(format!("-o {}: is a file; allowed: a folder", folder.display()))),
        false => Ok(()),
    }
}

/// What `learn` refuses of a file that the user named: bad arguments where a value in it is not allowed, failed work otherwise.
pub fn refused(file: &Path, error: LearnError) -> anyhow::Error {
    match error {
        LearnError::BadValue { .. } | LearnError::Missing { .. } => {
            BadArguments(format!("{}: {error}", file.display())).into()
        }
        error => error.into(),
    }
}

/// The command that was run on the user's behalf decided the exit code, or why it could not run did.
#[derive(Debug)]
pub struct ExitWith {
    /// The exit code.
    pub code: u8,
    /// What is left to be said.
    pub message: Option<String>,
}

impl fmt::Display for ExitWith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message),
            None => write!(f, "exit code {}", self.code),
        }
    }
}

impl std::error::Error for ExitWith {}

/// Standard output failed. A closed pipe (`zomma … | head`) is the reader's choice, not an error.
#[derive(Debug)]
pub struct StdoutFailed(pub io::Error);

impl fmt::Display for StdoutFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "standard output: {}", self.0)
    }
}

impl std::error::Error for StdoutFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Whether an error is nothing but the reader of standard output having closed the pipe.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<StdoutFailed>().is_some_and(|failed| failed.0.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The error with its causes on one line. A cause that the words before it already end with is not said again, nor are words that a cause begins with.
pub fn words(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        // The parquet crate's word for an error that is not its own.
        let cause = cause.strip_prefix("External: ").unwrap_or(&cause);
        match said.is_empty() {
            true => cause.to_owned(),
            false if said.ends_with(cause) => said,
            // What writes to standard output says so itself.
            false if cause.strip_prefix(&said).is_some_and(|rest| rest.starts_with(": ")) => cause.to_owned(),
            false => format!("{said}: {cause}"),
        }
    })
}

/// The error behind the file that it is about, which is not named twice.
pub fn of_source(source: &str, error: &anyhow::Error) -> String {
    let words = words(error);
    if words.starts_with(source) { words } else { format!("{source}: {words}") }
}

/// Text of a file as it may stand in a message: what no one can read is escaped, and what is long is cut.
pub fn shown(text: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let mut shown = String::new();
    for c in text.chars().take(LENGTH_MAX) {
        if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    if text.chars().nth(LENGTH_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Prints the error with its causes on one line and gives the exit code.
pub fn report(error: &anyhow::Error) -> u8 {
    if is_closed_pipe(error) {
        return 0;
    }
    let exit = error.downcast_ref::<ExitWith>();
    if exit.is_none_or(|exit| exit.message.is_some()) {
        crate::long_run::tell(format_args!("zomma: {}", words(error)));
    }
    exit.map_or_else(|| exit_code(error), |exit| exit.code)
}

/// Whether the arguments were wrong.
pub fn is_bad_argument(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<BadArguments>())
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if is_bad_argument(error) { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_are_told_from_failed_work() {
        assert_eq!(exit_code(&anyhow::Error::new(BadArguments("--units".into())).context("zomma greeks")), 2);
        assert_eq!(exit_code(&anyhow::anyhow!("no such file")), 1);
    }

    #[test]
    fn no_cause_is_said_twice_and_no_control_byte_is_shown() {
        let missing =
            anyhow::anyhow!("no such file").context("x.csv: cannot be read: no such file").context("--history");
        assert_eq!(words(&missing), "--history: x.csv: cannot be read: no such file");
        let full = io::Error::new(io::ErrorKind::StorageFull, "no space");
        let to_stdout = anyhow::Error::new(StdoutFailed(full)).context("standard output");
        assert_eq!(words(&to_stdout), "standard output: no space");
        assert_eq!(words(&anyhow::anyhow!("External: no space").context("-o x.parquet")), "-o x.parquet: no space");
        assert_eq!(shown("strike\u{1b}[2J\u{fffd} Größe"), "strike\\u{1b}[2J\\u{fffd} Größe");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), 61);
    }

    #[test]
    fn only_a_pipe_that_standard_output_closed_is_no_error() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&anyhow::Error::new(StdoutFailed(pipe()))));
        assert!(!is_closed_pipe(&anyhow::Error::new(pipe())));
    }
}
