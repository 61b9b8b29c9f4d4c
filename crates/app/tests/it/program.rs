//! Runs the binary and reads what it wrote.

use std::{
    collections::HashMap,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// The binary under test.
pub fn zomma() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zomma"));
    command.env_remove("NO_COLOR");
    command
}

/// What a run gave.
pub struct Run {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Run {
    /// What a process gave.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts success.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "standard error: {}", self.err);
        self
    }

    /// Asserts a refusal in words, with this exit code, that says all of `words`.
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "standard output: {}\nstandard error: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
        self
    }
}

/// Runs the binary.
pub fn run(arguments: &[&str]) -> Run {
    Run::of(&zomma().args(arguments).output().unwrap())
}

/// Runs the binary with text on its standard input.
pub fn run_with_input(arguments: &[&str], input: &[u8]) -> Run {
    run_env(arguments, input, &[])
}

/// Runs the binary with text on its standard input and some variables set.
pub fn run_env(arguments: &[&str], input: &[u8], environment: &[(&str, &str)]) -> Run {
    let mut command = zomma();
    command.args(arguments).envs(environment.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // The program may refuse before it has read all.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run::of(&output)
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Rows of a CSV text by column name.
pub fn table(text: &str) -> Vec<HashMap<String, String>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells.len(), header.len(), "{line}");
            header.iter().zip(cells).map(|(name, cell)| ((*name).to_string(), cell.to_string())).collect()
        })
        .collect()
}
