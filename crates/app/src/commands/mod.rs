//! One file a command: its arguments, its help, and the few lines that join the parts.

pub mod alpha;
pub mod analyze;
pub mod bench;
pub mod book;
pub mod chain_args;
pub mod demo;
pub mod export;
pub mod features;
pub mod gpu;
pub mod greeks;
pub mod iv;
pub mod labels;
pub mod onnx;
pub mod pinn;
pub mod portfolio;
pub mod predict;
pub mod price;
pub mod quantize;
pub mod risk;
pub mod runs;
pub mod sql;
pub mod store;
pub mod surface;
pub mod train;
pub mod tune;

use std::{io::Write, path::Path};

use anyhow::bail;
use zomma_base::ExerciseStyle;

use crate::{
    cli::{Cli, Command, OVERVIEW},
    failure::{BadArguments, StdoutFailed},
};

/// Runs the command that the user named.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        None => print(OVERVIEW),
        Some(Command::Alpha(args)) => alpha::run(&args),
        Some(Command::Analyze(args)) => analyze::run(&args),
        Some(Command::Price(args)) => price::run(&args),
        Some(Command::Iv(args)) => iv::run(&args),
        Some(Command::Greeks(args)) => greeks::run(&args),
        Some(Command::Portfolio(args)) => portfolio::run(&args),
        Some(Command::Risk(args)) => risk::run(&args),
        Some(Command::Surface(args)) => surface::run(&args),
        Some(Command::Book(args)) => book::run(&args),
        Some(Command::Sql(args)) => sql::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Features(args)) => features::run(&args),
        Some(Command::Labels(args)) => labels::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Predict(args)) => predict::run(&args),
        Some(Command::Tune(args)) => tune::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Onnx(args)) => onnx::run(&args),
        Some(Command::Runs(args)) => runs::run(&args),
        Some(Command::Quantize(args)) => quantize::run(&args),
        Some(Command::Store(args)) => store::run(&args),
        Some(Command::Gpu(args)) => gpu::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
    }
}

/// Prints to standard output; a closed pipe comes back as an error and not as a panic.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(StdoutFailed)?;
    Ok(())
}

/// Sets how many threads compute: once, before any work.
pub fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

/// Refuses an output that is the input, which it would replace.
///
/// # Errors
/// Bad arguments that name the output.
pub fn keep_input(input: &Path, output: &Path) -> anyhow::Result<()> {
    let same = |path: &Path| path.canonicalize().ok();
    // A shell may have redirected the very file: `portfolio - -o book.csv < book.csv`.
    let input = if input == Path::new("-") { Path::new("/dev/stdin") } else { input };
    if same(input).is_some_and(|input| same(output) == Some(input)) {
        bail!(BadArguments(format!("-o {}: is the input, which it would replace", output.display())));
    }
    Ok(())
}

/// A number of threads: at least one.
pub fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(threads) if (1..=1024).contains(&threads) => Ok(threads),
        _ => Err("a whole number from 1 to 1024".into()),
    }
}

/// Refuses two inputs that are standard input, which can be read once. `inputs` are what the user calls them, and their paths.
///
/// # Errors
/// Bad arguments that name the first two.
pub fn refuse_two_of_standard_input(inputs: &[(&str, Option<&Path>)]) -> anyhow::Result<()> {
    let mut dashes = inputs.iter().filter(|(_, path)| *path == Some(Path::new("-"))).map(|(name, _)| *name);
    if let (Some(first), Some(second)) = (dashes.next(), dashes.next()) {
        bail!(BadArguments(format!(
            "{second} -: {first} comes from standard input already; allowed: a file for one of the two"
        )));
    }
    Ok(())
}

/// The day of a session.
pub fn parse_session_date(text: &str) -> Result<jiff::civil::Date, String> {
    let date: Option<jiff::civil::Date> = text.parse().ok();
    date.filter(|date| (1970..2262).contains(&date.year()))
        .ok_or_else(|| "a date from 1970 to 2261 such as 2012-06-21".into())
}

/// An exercise style by its name.
pub fn parse_exercise(text: &str) -> Result<ExerciseStyle, String> {
    match text {
        "european" => Ok(ExerciseStyle::European),
        "american" => Ok(ExerciseStyle::American),
        _ => Err("allowed: european, american".into()),
    }
}
