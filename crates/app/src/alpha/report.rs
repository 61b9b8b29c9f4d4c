//! What signals told of a price: computed.

use std::path::Path;

use anyhow::bail;
use rayon::prelude::*;
use zomma_strategy::alpha::{
    AlphaError,
    combine::{Combined, Method, OnlineGradient, Split, online, walk_forward},
    evaluation::{
        Cost, Decay, ForwardReturns, InformationCoefficient, LONGEST_SILENCE_NS, Prices, Trading, decay,
        forward_returns, hit_rate, information_coefficient, trading,
    },
};

use super::table::{Table, of_file};

/// What is asked for.
pub struct Job<'a> {
    /// The table.
    pub path: &'a Path,
    /// Whose rows, where the table has several's.
    pub instrument: Option<&'a str>,
    /// The price's column.
    pub price: &'a str,
    /// The signals' columns; all others where absent.
    pub signals: Option<&'a str>,
    /// Horizons in nanoseconds, the shortest first.
    pub horizons_ns: &'a [i64],
    /// What a position costs to trade.
    pub cost: Cost,
    /// How the signals are joined, where they are.
    pub combining: Option<Combining>,
}

/// How signals are joined.
#[derive(Debug, Clone, Copy)]
pub struct Combining {
    /// By which weights.
    pub by: CombineBy,
    /// Training share and folds; online weights learn from the first row and are judged behind the same share.
    pub split: Split,
}

/// By which weights.
#[derive(Debug, Clone, Copy)]
pub enum CombineBy {
    /// Fitted in folds.
    Folds(Method),
    /// Learnt row by row.
    Online(OnlineGradient),
}

/// What came of it.
pub struct Outcome {
    /// The file and its span, in words.
    pub name: String,
    /// First and last time, in words.
    pub span: String,
    /// Rows.
    pub rows: usize,
    /// Rows without a price.
    pub without_price: usize,
    /// What was left out and why.
    pub notes: Vec<String>,
    /// By signal.
    pub signals: Vec<SignalReport>,
    /// The joined signal by horizon.
    pub combined: Vec<CombinedReport>,
}

/// One signal.
pub struct SignalReport {
    /// Its name.
    pub name: String,
    /// Rows with a value.
    pub values: usize,
    /// By horizon.
    pub horizons: Vec<HorizonReport>,
    /// How its coefficient wears off in steps of the shortest horizon.
    pub decay: Decay,
}

/// One signal at one horizon.
pub struct HorizonReport {
    /// The horizon.
    pub horizon_ns: i64,
    /// Its coefficients; none where there are too few rows or the return does not vary.
    pub coefficient: InformationCoefficient,
    /// Share of rows with the right sign.
    pub hit_rate: Option<f64>,
    /// What trading on it came to.
    pub trading: Trading,
}

/// The joined signal at one horizon.
pub struct CombinedReport {
    /// It, behind the training rows.
    pub report: HorizonReport,
    /// Each signal's coefficient on the same rows.
    pub alone: Vec<(String, InformationCoefficient)>,
    /// The last weights, by signal.
    pub weights: Vec<(String, f64)>,
    /// Rows that the last weights were fitted to.
    pub training_rows: usize,
    /// Folds; 0 of online weights.
    pub folds: usize,
}

/// Reports on the signals of a table.
///
/// # Errors
///
/// Where the table cannot be read, a column is not there, times step back, a price is not above 0, or no signal can be judged.
pub fn run(job: &Job<'_>) -> anyhow::Result<Outcome> {
    let table = Table::open(job.path, job.instrument)?;
    let price = table.asked("--price", job.price)?;
    let prices = of_file(Prices::new(&table.read.times_ns, price, LONGEST_SILENCE_NS), &table)?;
    let returns: Vec<(i64, ForwardReturns)> = job
        .horizons_ns
        .iter()
        .map(|horizon_ns| Ok((*horizon_ns, of_file(forward_returns(&prices, 0, *horizon_ns), &table)?)))
        .collect::<anyhow::Result<_>>()?;
    let signals = table.signals(job.signals, job.price)?;
    let mut outcome = Outcome {
        name: table.name.clone(),
        span: table.span(),
        rows: table.read.times_ns.len(),
        without_price: price.iter().filter(|price| price.is_none()).count(),
        notes: table.left_out().into_iter().collect(),
        signals: Vec::new(),
        combined: Vec::new(),
    };
    let judged: Vec<_> = signals.par_iter().map(|(_, signal)| judge(&prices, signal, &returns, job.cost)).collect();
    let mut usable = Vec::new();
    for ((name, signal), judged) in signals.iter().zip(judged) {
        match judged {
            Ok((horizons, decay, notes)) => {
                outcome.notes.extend(notes.into_iter().map(|note| format!("{name}: {note}")));
                let values = signal.iter().flatten().count();
                outcome.signals.push(SignalReport { name: name.clone(), values, horizons, decay });
                usable.push((name.as_str(), &signal[..]));
            }
            Err(AlphaError::BadParameter { name, value, allowed }) => bail!("{name} = {value}; allowed: {allowed}"),
            Err(error) => outcome.notes.push(format!("{name}: left out: {error}")),
        }
    }
    if usable.is_empty() {
        bail!("{}: no signal can be judged: {}", table.name, outcome.notes.join("; "));
    }
    if let Some(combining) = job.combining {
        for (horizon_ns, returns) in &returns {
            match join(&prices, &usable, (*horizon_ns, returns), combining, job.cost) {
                Ok(report) => outcome.combined.push(report),
                Err(error @ (AlphaError::BadParameter { .. } | AlphaError::BadValue { .. })) => {
                    return Err(table.fault(error));
                }
                Err(error) => {
                    let seconds = *horizon_ns as f64 / 1e9;
                    outcome.notes.push(format!("the combination at {seconds} s: left out: {error}"));
                }
            }
        }
    }
    Ok(outcome)
}

type Judged = (Vec<HorizonReport>, Decay, Vec<String>);

/// One signal at every horizon. A horizon that is too long for the rows is left out with a note, the shortest is not.
fn judge(
    prices: &Prices<'_>,
    signal: &[Option<f64>],
    returns: &[(i64, ForwardReturns)],
    cost: Cost,
) -> Result<Judged, AlphaError> {
    let (mut horizons, mut notes) = (Vec::new(), Vec::new());
    for (at, (horizon_ns, returns)) in returns.iter().enumerate() {
        match judge_at(prices, signal, (*horizon_ns, returns), cost) {
            Ok(report) => horizons.push(report),
            Err(error) if at == 0 => return Err(error),
            Err(error) => notes.push(format!("{} s: left out: {error}", *horizon_ns as f64 / 1e9)),
        }
    }
    let shortest = returns.first().map_or(1, |(horizon_ns, _)| *horizon_ns);
    Ok((horizons, decay(prices, signal, shortest)?, notes))
}

fn judge_at(
    prices: &Prices<'_>,
    signal: &[Option<f64>],
    (horizon_ns, returns): (i64, &ForwardReturns),
    cost: Cost,
) -> Result<HorizonReport, AlphaError> {
    Ok(HorizonReport {
        horizon_ns,
        coefficient: information_coefficient(prices.times_ns(), signal, returns)?,
        hit_rate: hit_rate(signal, returns),
        trading: trading(prices, signal, returns, cost)?,
    })
}

fn join(
    prices: &Prices<'_>,
    signals: &[(&str, &[Option<f64>])],
    (horizon_ns, returns): (i64, &ForwardReturns),
    Combining { by, split }: Combining,
    cost: Cost,
) -> Result<CombinedReport, AlphaError> {
    let times_ns = prices.times_ns();
    let columns: Vec<&[Option<f64>]> = signals.iter().map(|(_, signal)| *signal).collect();
    let combined: Combined = match by {
        CombineBy::Folds(method) => walk_forward(times_ns, &columns, returns, method, split)?,
        CombineBy::Online(gradient) => online(times_ns, &columns, returns, gradient)?,
    };
    let first = (split.train_fraction * times_ns.len() as f64).ceil() as usize;
    let behind: Vec<Option<f64>> =
        combined.values.iter().enumerate().map(|(row, value)| value.filter(|_| row >= first)).collect();
    // The same rows for each signal alone: those that the joined one has.
    let alone = signals.iter().map(|(name, signal)| {
        let same: Vec<Option<f64>> =
            signal.iter().zip(&behind).map(|(value, joined)| value.filter(|_| joined.is_some())).collect();
        Ok(((*name).to_owned(), information_coefficient(times_ns, &same, returns)?))
    });
    let last = combined.folds.last();
    let weights = last.map_or(&[][..], |fold| &fold.weights);
    Ok(CombinedReport {
        report: judge_at(prices, &behind, (horizon_ns, returns), cost)?,
        alone: alone.collect::<Result<_, AlphaError>>()?,
        weights: signals.iter().zip(weights).map(|((name, _), weight)| ((*name).to_owned(), *weight)).collect(),
        training_rows: last.map_or(0, |fold| fold.training_rows),
        folds: if matches!(by, CombineBy::Folds(_)) { combined.folds.len() } else { 0 },
    })
}
