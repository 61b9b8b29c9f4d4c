//! How a command fails: 1 where the work failed, 2 where the arguments were wrong, 0 where the reader of our output went away.

use std::{fmt, io, process::ExitCode};

/// The arguments contradict each other, or name something that is not there to be asked for.
#[derive(Debug)]
pub struct BadArguments(pub String);

impl fmt::Display for BadArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadArguments {}

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

/// Prints the error with its causes on one line and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("zomma: {error:#}");
    ExitCode::from(exit_code(error))
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<BadArguments>()) { 2 } else { 1 }
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
    fn only_a_pipe_that_standard_output_closed_is_no_error() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&anyhow::Error::new(StdoutFailed(pipe()))));
        assert!(!is_closed_pipe(&anyhow::Error::new(pipe())));
    }
}
