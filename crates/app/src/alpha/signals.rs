//! The alpha signals of a price, row by row: momentum, crossover, mean reversion, regimes, and the spread of a pair.

use std::{fmt::Write, path::Path};

use zomma_strategy::alpha::{
    AlphaError, SteadyPace,
    mean_reversion::{
        EngleGranger, Fitted, Johansen, OrnsteinUhlenbeck, RollingScores, engle_granger, fit, johansen_trace,
        rolling_z_scores,
    },
    momentum::{Crossover, TimeSeriesMomentum},
    regime::{LiveRegime, Regimes, live},
};

use super::table::{Table, of_file};
use crate::{features::Output, feed::is_apart};

/// Lagged differences of Johansen's test.
const JOHANSEN_LAGS: usize = 1;

/// What is asked for.
pub struct SignalsJob<'a> {
    /// The table.
    pub path: &'a Path,
    /// Whose rows, where the table has several's.
    pub instrument: Option<&'a str>,
    /// The price's column.
    pub price: &'a str,
    /// Where the rows go.
    pub output: &'a Path,
    /// Momentum.
    pub momentum: TimeSeriesMomentum,
    /// Crossover.
    pub crossover: Crossover,
    /// Rows of the window of mean reversion.
    pub window: usize,
    /// Rows of a return, and states.
    pub return_rows: usize,
    /// States.
    pub states: usize,
    /// Share of the rows that models are fitted to.
    pub train_fraction: f64,
    /// The column that the price is held against.
    pub pair: Option<&'a str>,
}

/// A pair.
pub struct Pair {
    /// The test of Engle and Granger on the training rows.
    pub engle_granger: EngleGranger,
    /// Johansen's.
    pub johansen: Johansen,
}

/// What came of it.
pub struct SignalsOutcome {
    /// The file.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Columns and how many rows have a value.
    pub columns: Vec<(String, u64)>,
    /// Silences.
    pub silences: usize,
    /// Rows that models were fitted to.
    pub training_rows: usize,
    /// Why rows have no score of mean reversion.
    pub scores: RollingScores,
    /// The process of the training rows, or why there is none.
    pub process: Result<Fitted, AlphaError>,
    /// The regimes, or why there are none.
    pub regimes: Result<LiveRegime, String>,
    /// The pair, or why there is none.
    pub pair: Option<Result<Pair, AlphaError>>,
}

/// Writes the signals of a table's price.
///
/// # Errors
///
/// Where the table cannot be read, its rows are at no steady pace, a column is not there, a parameter is out of range, or the output cannot be written.
/// Regimes and a pair that cannot be fitted leave their columns empty and say why.
pub fn run(job: &SignalsJob<'_>) -> anyhow::Result<SignalsOutcome> {
    is_apart(job.output, &[job.path])?;
    let table = Table::open(job.path, job.instrument)?;
    let prices = table.asked("--price", job.price)?;
    let other = job.pair.map(|name| table.asked("--pair", name)).transpose()?;
    let times_ns = &table.read.times_ns;
    let pace = of_file(SteadyPace::of(times_ns), &table)?;
    let training_rows = (job.train_fraction * times_ns.len() as f64).ceil() as usize;
    let momentum = of_file(job.momentum.signal(prices, &pace.starts), &table)?;
    let crossover = of_file(job.crossover.signal(prices, &pace.starts), &table)?;
    let logarithms: Vec<Option<f64>> = prices.iter().map(|price| price.map(f64::ln)).collect();
    let step_seconds = pace.step_seconds();
    let scores = of_file(rolling_z_scores(&logarithms, &pace.starts, step_seconds, job.window), &table)?;
    // The process of the training rows is told and not traded on; a silence counts as a row that is not there.
    let process = fit(&logarithms[..training_rows.min(logarithms.len())], step_seconds);
    let regimes = Regimes { return_rows: job.return_rows, states: job.states, training_rows };
    let regimes = live(prices, &pace.starts, regimes).map_err(|error| error.to_string());
    let pair = other.map(|other| pair_of(prices, other, training_rows));

    let mut names = vec![job.price.to_owned(), "momentum".into(), "crossover".into(), "ou_z_score".into()];
    names.extend((2..=job.states).map(|state| format!("regime_{state}")));
    let mut columns: Vec<&[Option<f64>]> = vec![prices, &momentum, &crossover, &scores.z_scores];
    let none = vec![None; times_ns.len()];
    match &regimes {
        Ok(found) => columns.extend(found.probabilities[1..].iter().map(Vec::as_slice)),
        Err(_) => columns.extend((2..=job.states).map(|_| &none[..])),
    }
    let spread: Option<Vec<Option<f64>>> = other.zip(pair.as_ref()).map(|(other, pair)| match pair {
        Ok(pair) => (0..times_ns.len())
            .map(|row| {
                (row >= training_rows).then(|| Some(pair.engle_granger.z_score(prices[row]?, other[row]?))).flatten()
            })
            .collect(),
        Err(_) => none.clone(),
    });
    if let Some(spread) = &spread {
        names.push("spread_z_score".into());
        columns.push(spread);
    }
    let mut output = Output::create(job.output, names.iter().map(String::as_str))?;
    let mut cells = vec![None; columns.len()];
    for (row, time_ns) in times_ns.iter().enumerate() {
        cells.iter_mut().zip(&columns).for_each(|(cell, column)| *cell = column[row]);
        output.row_at(*time_ns, &cells)?;
    }
    let finished = output.finish()?;
    Ok(SignalsOutcome {
        name: table.name.clone(),
        rows: finished.rows,
        columns: names.into_iter().zip(finished.present).collect(),
        silences: pace.starts.len(),
        training_rows,
        scores,
        process,
        regimes,
        pair,
    })
}

/// Tests price and other column on the training rows that have both.
fn pair_of(prices: &[Option<f64>], other: &[Option<f64>], training_rows: usize) -> Result<Pair, AlphaError> {
    let both = prices.iter().zip(other).take(training_rows);
    let (y, x): (Vec<f64>, Vec<f64>) = both.filter_map(|(y, x)| (*y).zip(*x)).unzip();
    Ok(Pair { engle_granger: engle_granger(&y, &x)?, johansen: johansen_trace(&y, &x, JOHANSEN_LAGS)? })
}

impl SignalsOutcome {
    /// In words.
    pub fn in_words(&self) -> String {
        let Self { name, rows, silences, training_rows, scores, .. } = self;
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "{name}: {rows} rows, {silences} silences, models fitted to the first {training_rows} rows");
        for (name, present) in &self.columns {
            let _ = writeln!(text, "  {name:<16} {present} values");
        }
        let _ = writeln!(
            text,
            "  ou_z_score: {} rows whose window is not full, {} that do not return to a level, {} that swing",
            scores.too_little, scores.not_mean_reverting, scores.oscillating
        );
        let _ = writeln!(text, "  ln price over the training rows: {}", process_in_words(&self.process));
        let _ = writeln!(text, "  {}", self.regimes_in_words());
        match &self.pair {
            None => {}
            Some(Err(error)) => {
                let _ = writeln!(text, "  no pair: {error}");
            }
            Some(Ok(pair)) => {
                let test = &pair.engle_granger;
                let verdict = if test.is_cointegrated() { "holds together" } else { "does not hold together" };
                let _ = writeln!(
                    text,
                    "  pair {verdict} at 5 %: Dickey-Fuller {:.3} against {:.3} ({} lags), hedge ratio {:.6}; Johansen rank {}, trace {:.2} against {:.2}",
                    test.statistic,
                    test.critical.at_5_percent,
                    test.lags,
                    test.hedge_ratio,
                    pair.johansen.rank(),
                    pair.johansen.trace[0],
                    pair.johansen.critical[0][1],
                );
            }
        }
        text
    }

    fn regimes_in_words(&self) -> String {
        match &self.regimes {
            Err(error) => format!("no regimes: {error}"),
            Ok(live) => {
                let model = &live.fit.model;
                let state = |state: usize| {
                    let (mean, deviation) = (1e4 * model.means[state], 1e4 * model.variances[state].sqrt());
                    format!(
                        "{}: mean {mean:.3} bp, deviation {deviation:.3} bp, {:.1} returns long",
                        state + 1,
                        model.stay_rows(state)
                    )
                };
                let states: Vec<String> = (0..model.states()).map(state).collect();
                let rest = if live.fit.converged { "" } else { " (the likelihood had not come to rest)" };
                format!("regimes of returns{rest}: {}", states.join("; "))
            }
        }
    }
}

fn process_in_words(process: &Result<Fitted, AlphaError>) -> String {
    match process {
        Ok(Fitted::MeanReverting(process)) => {
            let OrnsteinUhlenbeck { speed_per_second, speed_standard_error, dickey_fuller, .. } = process;
            format!(
                "speed {speed_per_second:.3e} a second (error {speed_standard_error:.1e}), half-life {:.1} s, Dickey-Fuller {dickey_fuller:.2} (below -2.86 at 5 %)",
                process.half_life_seconds()
            )
        }
        Ok(Fitted::NotMeanReverting(b, error)) => {
            format!("does not return to a level (coefficient {b:.6}, error {error:.1e})")
        }
        Ok(Fitted::Oscillating(b, error)) => format!("swings (coefficient {b:.4}, error {error:.1e})"),
        Err(error) => format!("no process: {error}"),
    }
}
