//! Data processing over generated quotes: parse CSV, sort, group, rolling statistics.

use rayon::prelude::*;
use zomma_gpu::probe::rolling::{rolling_into, rolling_on};

use super::Section;
use super::quotes::{Quotes, SYMBOLS};
use super::task::{Bench, Cores, TaskName};

/// Quotes in a rolling window.
const WINDOW: usize = 20;
/// Rows that one core takes at a time.
const CHUNK: usize = 1 << 14;

/// Measures each step on the same quotes.
pub fn run(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let count = bench.size(1_000_000, 20_000);
    let quotes = Quotes::generated(count);
    let size = format!("{count} quotes");
    let named = |task, unit| TaskName { section: Section::Data, task, size: &size, unit };
    let rows = count as f64 / 1e6;
    parse(bench, named("parse CSV", "MB/s"), &quotes)?;
    sort(bench, named("sort by symbol, time", "Mrow/s"), &quotes, rows)?;
    group(bench, named("group by symbol", "Mrow/s"), &quotes, rows)?;
    rolling(bench, named("rolling mean, deviation", "Mrow/s"), &quotes, rows)
}

fn parse(bench: &mut Bench<'_>, name: TaskName<'_>, quotes: &Quotes) -> anyhow::Result<()> {
    let text = quotes.to_csv();
    bench.task(name, text.len() as f64 / 1e6, 3 * text.len(), |task| {
        let mut agrees = true;
        task.on_host(|cores| {
            let read = if cores == Cores::One { Quotes::parse(&text) } else { Quotes::parse_on_all_cores(&text) };
            // Cheap beside the parsing, and keeps it from being left out.
            agrees &= read.is_some_and(|read| read.len() == quotes.len());
        })?;
        let whole = [Quotes::parse(&text), Quotes::parse_on_all_cores(&text)];
        task.check("cpu", agrees && whole.iter().all(|read| read.as_ref() == Some(quotes)));
        Ok(())
    })
}

fn sort(bench: &mut Bench<'_>, name: TaskName<'_>, quotes: &Quotes, rows: f64) -> anyhow::Result<()> {
    let key = |i: &u32| (quotes.symbol[*i as usize], quotes.time_ns[*i as usize], *i);
    bench.task(name, rows, 2 * quotes.len() * size_of::<u32>(), |task| {
        let unsorted: Vec<u32> = (0..quotes.len() as u32).collect();
        let mut order = unsorted.clone();
        let mut agrees = true;
        for cores in [Cores::One, Cores::All] {
            order.copy_from_slice(&unsorted);
            sort_on(cores, &mut order, key);
            // Keys end with the row's number, so ascending keys are each row once.
            agrees &= order.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
        }
        task.on_host(|cores| {
            order.copy_from_slice(&unsorted);
            sort_on(cores, &mut order, key);
        })?;
        task.check("cpu", agrees);
        Ok(())
    })
}

fn sort_on<K: Ord + Send>(cores: Cores, order: &mut [u32], key: impl Fn(&u32) -> K + Sync) {
    match cores {
        Cores::One => order.sort_unstable_by_key(key),
        Cores::All => order.par_sort_unstable_by_key(key),
    }
}

/// What is gathered of each symbol.
#[derive(Clone, Debug, Default, PartialEq)]
struct Group {
    quotes: u64,
    contracts: u64,
    /// Σ mid·size.
    notional: f64,
    widest_spread: f64,
}

fn group(bench: &mut Bench<'_>, name: TaskName<'_>, quotes: &Quotes, rows: f64) -> anyhow::Result<()> {
    bench.task(name, rows, quotes.len(), |task| {
        let one = group_on(Cores::One, quotes);
        let all = group_on(Cores::All, quotes);
        let contracts: u64 = quotes.size.iter().map(|size| u64::from(*size)).sum();
        let agrees = one.iter().map(|group| group.quotes).sum::<u64>() == quotes.len() as u64
            && one.iter().map(|group| group.contracts).sum::<u64>() == contracts
            && one.iter().zip(&all).all(|(one, all)| same_group(one, all));
        let mut seen = 0;
        task.on_host(|cores| seen += group_on(cores, quotes).len())?;
        task.check("cpu", agrees && seen % SYMBOLS == 0);
        Ok(())
    })
}

/// Whether two orders of adding up gave the same group.
fn same_group(one: &Group, all: &Group) -> bool {
    let notional = (one.notional - all.notional).abs() <= 1e-12 * one.notional;
    notional && Group { notional: 0.0, ..one.clone() } == Group { notional: 0.0, ..all.clone() }
}

fn group_on(cores: Cores, quotes: &Quotes) -> Vec<Group> {
    let gather = |mut groups: Vec<Group>, chunk: usize| {
        for i in chunk * CHUNK..((chunk + 1) * CHUNK).min(quotes.len()) {
            let group = &mut groups[quotes.symbol[i] as usize];
            let mid = 0.5 * (quotes.bid[i] + quotes.ask[i]);
            group.quotes += 1;
            group.contracts += u64::from(quotes.size[i]);
            group.notional += mid * f64::from(quotes.size[i]);
            group.widest_spread = group.widest_spread.max(quotes.ask[i] - quotes.bid[i]);
        }
        groups
    };
    let none = || vec![Group::default(); SYMBOLS];
    let chunks = quotes.len().div_ceil(CHUNK);
    match cores {
        Cores::One => (0..chunks).fold(none(), gather),
        Cores::All => (0..chunks).into_par_iter().fold(none, gather).reduce(none, |mut left, right| {
            for (left, right) in left.iter_mut().zip(right) {
                left.quotes += right.quotes;
                left.contracts += right.contracts;
                left.notional += right.notional;
                left.widest_spread = left.widest_spread.max(right.widest_spread);
            }
            left
        }),
    }
}

fn rolling(bench: &mut Bench<'_>, name: TaskName<'_>, quotes: &Quotes, rows: f64) -> anyhow::Result<()> {
    bench.task(name, rows, 6 * quotes.len() * size_of::<f64>(), |task| {
        let mid: Vec<f64> = quotes.bid.iter().zip(&quotes.ask).map(|(bid, ask)| 0.5 * (bid + ask)).collect();
        let (mut mean, mut deviation) = (vec![0.0; mid.len()], vec![0.0; mid.len()]);
        task.on_host(|cores| match cores {
            Cores::One => rolling_into(&mid, WINDOW, 0..mid.len(), &mut mean, &mut deviation),
            Cores::All => {
                let outputs = mean.par_chunks_mut(CHUNK).zip(deviation.par_chunks_mut(CHUNK)).enumerate();
                outputs.for_each(|(chunk, (mean, deviation))| {
                    let places = chunk * CHUNK..chunk * CHUNK + mean.len();
                    rolling_into(&mid, WINDOW, places, mean, deviation);
                });
            }
        })?;
        // The other way to a variance, from sums of squares about one far point; it loses digits, hence the wide bound.
        let agrees = (WINDOW - 1..mid.len()).step_by(97).all(|at| {
            let within = &mid[at + 1 - WINDOW..=at];
            let n = WINDOW as f64;
            let (sum, squares) = within.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
            let variance = squares / n - (sum / n) * (sum / n);
            (mean[at] - sum / n).abs() <= 1e-12 * sum && (deviation[at] - variance.max(0.0).sqrt()).abs() <= 1e-5
        });
        task.check("cpu", agrees);
        task.on_device(|compute, timer| {
            let speed = timer.measure(|| {
                drop(rolling_on(compute, &mid, WINDOW)?);
                Ok(())
            })?;
            let there = rolling_on(compute, &mid, WINDOW)?;
            let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
            Ok((speed, near(&there.mean, &mean) && near(&there.deviation, &deviation)))
        })?;
        Ok(())
    })
}
