//! The arguments that the batch verbs share.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use zomma_base::ExerciseStyle;
use zomma_pricing::{
    black::{self, Greek},
    monte_carlo::{MOST_PATHS, Sampling},
    surface::fitted::SavedSurface,
    valuation::{Accuracy, Method, ModelName, Settings},
};

use super::{ByNetwork, Verb, engine::Engine, expiry, fields::Defaults, schedule::Schedule};
use crate::{commands, failure::BadArguments, gpu_config::GpuConfigArgs};

/// Units of the Greeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Units {
    /// Derivatives as they are: per 1.00 and per year.
    Raw,
    /// Per point and per day.
    Trader,
}

impl Units {
    /// What a raw Greek is divided by.
    pub fn divisor(self, greek: Greek) -> f64 {
        match self {
            Self::Raw => black::Units::Raw.divisor(greek),
            Self::Trader => black::Units::Trader.divisor(greek),
        }
    }
}

/// Precision of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC file.
    Arrow,
}

/// Arguments of `price`, `iv` and `greeks`.
#[derive(Debug, Args)]
pub struct BatchArgs {
    /// The table: CSV, Parquet or Arrow IPC, told by ending or content; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Where to: .csv, .parquet or .arrow; `-` is standard output.
    #[arg(short, long, value_name = "OUT", default_value = "-")]
    pub output: PathBuf,
    /// Format of the output, where its ending does not say it.
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Instant of valuation, needed for a column `expiry`: 2019-04-25T15:45 (New York), or with an offset or Z.
    #[arg(long, value_name = "TIME", value_parser = expiry::parse_instant)]
    pub valuation_time: Option<jiff::Timestamp>,
    /// Model of rows that name none: bsm, black76, bachelier, displaced, heston, bates, merton, kou, variance_gamma.
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<ModelName>,
    /// Exercise style of rows that name none: european (the default), american.
    #[arg(long, value_name = "STYLE", value_parser = commands::parse_exercise)]
    pub exercise: Option<ExerciseStyle>,
    /// Precision of the results.
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    pub precision: Precision,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub gpu: GpuConfigArgs,
    /// Report counts as one line of JSON: on standard output, or on standard error where the table goes there.
    #[arg(long)]
    pub json: bool,
}

/// Where the cash dividends stand.
#[derive(Debug, Args)]
pub struct DividendArgs {
    /// Cash dividends of rows that have none of their own: a table underlying, ex_date or time_years, amount (currency per share); without
    /// the column underlying, of every row.
    #[arg(long, value_name = "FILE")]
    dividends: Option<PathBuf>,
}

impl DividendArgs {
    /// Reads the file, where one is given, for the rows of `input`.
    ///
    /// Errors: bad arguments where both are standard input, which is read once; those of [`Schedule::read`].
    pub fn schedule(
        &self,
        input: &Path,
        valuation_time: Option<jiff::Timestamp>,
    ) -> anyhow::Result<Option<Arc<Schedule>>> {
        let Some(path) = self.dividends.as_deref() else { return Ok(None) };
        if [path, input] == [Path::new("-"); 2] {
            return Err(BadArguments(
                "--dividends -: the rows come from standard input already; allowed: a file for one of the two".into(),
            )
            .into());
        }
        Schedule::read(path, valuation_time).map(|schedule| Some(Arc::new(schedule)))
    }
}

/// A model by its name.
pub fn parse_model(text: &str) -> Result<ModelName, String> {
    ModelName::parse(text).ok_or_else(|| format!("allowed: {}", ModelName::ALL.map(ModelName::as_str).join(", ")))
}

/// How the rows are valued.
#[derive(Debug, Args)]
pub struct MethodArgs {
    /// How rows are valued: auto (the best for model and style), closed_form, series, integral, collocation, tree,
    /// finite_difference (adds a column error_estimate), monte_carlo (adds standard_error, and of Greeks delta_standard_error and so on).
    #[arg(long, value_name = "METHOD", default_value = "auto", value_parser = parse_method)]
    method: Method,
    /// Accuracy of American prices, as a share of strike: quick (1e-6), fast (1e-8), accurate (1e-10), high_precision (1e-12), for terms up to three
    /// years, volatilities of 5 to 100 % and rates of 0 to 12 %. Over all terms that the method takes the first three were off by up to 5e-5, 3e-6
    /// (4e-7 where the yield is not far below the rate) and 2e-9. On a grid accurate and high_precision each have twice the cells and steps of the
    /// one before.
    #[arg(long, value_name = "ACCURACY", default_value = "fast", value_parser = parse_accuracy)]
    accuracy: Accuracy,
    /// Paths of a simulation.
    #[arg(long, value_name = "N", default_value_t = Settings::default().paths, value_parser = parse_paths)]
    paths: usize,
    /// Steps a year of a simulation under heston and bates; the other models need one.
    #[arg(long, value_name = "N", default_value_t = Settings::default().steps_per_year, value_parser = parse_steps)]
    steps_per_year: f64,
    /// Seed of a simulation: the same one gives the same numbers.
    #[arg(long, value_name = "SEED", default_value_t = Settings::default().seed)]
    seed: u64,
    /// Numbers of a simulation: sobol (16 scrambled replications), antithetic, independent.
    #[arg(long, value_name = "SAMPLING", default_value = "sobol", value_parser = parse_sampling)]
    sampling: Sampling,
    /// Value rows whose expiry or strike is exactly 0 by the limits of bsm, black76, bachelier and displaced, in the place of the statuses
    /// expired and bad_strike. At expiry off the strike: intrinsic value, delta 0 or ±1, the carry as theta and charm; at the strike delta ±½,
    /// and diverges where a Greek that is asked for has no limit, whose cell is empty.
    #[arg(long)]
    limits: bool,
}

impl MethodArgs {
    /// What the engines take.
    pub fn settings(&self) -> Settings {
        Settings {
            method: self.method,
            accuracy: self.accuracy,
            paths: self.paths,
            steps_per_year: self.steps_per_year,
            seed: self.seed,
            sampling: self.sampling,
            limits: self.limits,
        }
    }
}

fn parse_method(text: &str) -> Result<Method, String> {
    let named = Method::ALL.into_iter().find(|method| method.as_str() == text);
    named.ok_or_else(|| format!("allowed: {}", Method::ALL.map(Method::as_str).join(", ")))
}

fn parse_accuracy(text: &str) -> Result<Accuracy, String> {
    let named = Accuracy::ALL.into_iter().find(|accuracy| accuracy.as_str() == text);
    named.ok_or_else(|| format!("allowed: {}", Accuracy::ALL.map(Accuracy::as_str).join(", ")))
}

fn parse_paths(text: &str) -> Result<usize, String> {
    let paths = text.parse().ok().filter(|paths| (LEAST_PATHS..=MOST_PATHS).contains(paths));
    paths.ok_or_else(|| format!("a whole number from {LEAST_PATHS} to {MOST_PATHS}"))
}

fn parse_steps(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|steps: &f64| *steps > 0.0 && *steps <= 16_384.0)
        .ok_or_else(|| "a number above 0, up to 16384".into())
}

fn parse_sampling(text: &str) -> Result<Sampling, String> {
    match text {
        "sobol" => Ok(Sampling::Sobol { replications: 16 }),
        "antithetic" => Ok(Sampling::Antithetic),
        "independent" => Ok(Sampling::Independent),
        _ => Err("allowed: sobol, antithetic, independent".into()),
    }
}

/// What 16 replications, or pairs of paths, need.
const LEAST_PATHS: usize = 32;

/// What every chunk is computed with.
#[derive(Debug)]
pub struct Plan {
    /// What is computed.
    pub verb: Verb,
    /// How the output is written.
    pub format: Format,
    /// Precision of the results.
    pub precision: Precision,
    /// How rows are valued.
    pub settings: Settings,
    /// What holds for rows that do not say it.
    pub defaults: Defaults,
    /// What computes.
    pub engine: Engine,
    /// The surface that is asked, under [`Verb::Query`].
    pub surface: Option<SavedSurface>,
    /// The result column in which engines state their errors.
    pub error_column: Option<&'static str>,
    /// Whether columns of standard errors of Greeks follow it.
    pub greek_errors: bool,
    /// The network that says prices or volatilities, in the place of `settings`.
    pub network: Option<ByNetwork>,
}

impl BatchArgs {
    /// Checks the arguments against each other and readies the device.
    pub fn plan(&self, verb: Verb, settings: Settings) -> anyhow::Result<Plan> {
        let format = self.output_format()?;
        commands::use_threads(self.threads)?;
        let engine = Engine::choose(&self.gpu.load()?)?;
        let (model, exercise) = (self.model, self.exercise);
        let defaults = Defaults { model, exercise, valuation_time: self.valuation_time, dividends: None };
        let (error_column, surface, network) = (None, None, None);
        let precision = self.precision;
        let greek_errors = false;
        Ok(Plan { verb, format, precision, settings, defaults, engine, surface, error_column, greek_errors, network })
    }

    /// The input in messages.
    pub fn input_name(&self) -> String {
        if self.input == Path::new("-") { "standard input".into() } else { self.input.display().to_string() }
    }

    /// Whether the table goes to standard output.
    pub fn to_stdout(&self) -> bool {
        self.output == Path::new("-")
    }

    /// Whether a progress bar may be drawn: not over a table that goes to the same terminal.
    pub fn progress(&self) -> bool {
        use std::io::IsTerminal;
        !(self.to_stdout() && std::io::stdout().is_terminal())
    }

    fn output_format(&self) -> Result<Format, BadArguments> {
        if let Some(format) = self.format {
            return Ok(format);
        }
        let ending = self.output.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            None | Some("csv" | "txt") => Ok(Format::Csv),
            Some("parquet" | "pq") => Ok(Format::Parquet),
            Some("arrow" | "ipc" | "feather") => Ok(Format::Arrow),
            Some(other) => Err(BadArguments(format!(
                "-o {}: cannot tell the format from .{other}; allowed: .csv, .parquet, .arrow, or name it with --format",
                self.output.display()
            ))),
        }
    }
}
