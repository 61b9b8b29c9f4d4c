//! `zomma risk scenarios`: reads, revalues, reports.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;
use zomma_base::ExerciseStyle;
use zomma_gpu::recovery::Place;
use zomma_pricing::{portfolio::launch::BYTES_PER_ROW, valuation::ModelName};
use zomma_risk::{
    Axes, Outcome, Portfolio, Scenario, Sensitivities, device::Black, revalue, revalue_rest, row_values, stress,
};

use super::{
    moves::{self, Moves},
    report, table,
};
use crate::{
    batch::{self, Defaults, DividendArgs, Engine, Holdings, LateBar},
    commands,
    failure::BadArguments,
    gpu_config::GpuConfigArgs,
};

/// Worked example of `--help`.
const EXAMPLE: &str = "\
Columns in: as `zomma price` (any model and exercise style; without a column volatility, prices, whose volatilities
are taken first), quantity (contracts, below zero where short), multiplier (shares of one contract; 1 where there is
none), currency (no sum mixes two), and whatever --by names, such as strategy.

Moves: spot in relative terms, volatility and rates by addition, days that pass. Each is a list of numbers, with % or
bp, or a range from:to:step. Every crossing is valued in full, and so is each stress; a volatility is not shifted below
0.01, and an option that expires on the way is worth its exercise at the moved spot.

Out: for each currency the profit over spot and volatility, the worst cases, the stresses, and where the Greeks say
something else (marked *: more than a tenth of the profit, and a hundredth of the largest one). -o writes every
scenario of every group as CSV, --json prints everything for machines.

Example:
  $ cat book.csv
  strategy,option_type,spot,strike,expiry_years,risk_free_rate,volatility,quantity,multiplier
  wheel,put,500,480,0.1,0.04,0.18,-10,100
  wheel,call,500,520,0.1,0.04,0.15,-5,100
  hedge,put,500,430,0.25,0.04,0.24,20,100
  $ zomma risk scenarios book.csv --by strategy --spot -20%:20%:5% --days 0,7 -o grid.csv";

/// Arguments of `zomma risk scenarios`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub struct ScenariosArgs {
    /// The positions: CSV, Parquet or Arrow IPC, told by ending or content; `-` reads standard input.
    #[arg(value_name = "PORTFOLIO")]
    input: PathBuf,
    /// Where every scenario goes to: a CSV file.
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Column whose cells tell groups apart; may be given more than once, or as a list with commas.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    by: Vec<String>,
    /// Relative changes of spot and forward.
    #[arg(long, value_name = "MOVES", default_value = "-20%,-15%,-10%,-5%,-2%,0,2%,5%,10%,15%,20%",
        allow_hyphen_values = true, value_parser = moves::parse_changes)]
    spot: Moves,
    /// Shifts of volatility.
    #[arg(long, value_name = "MOVES", default_value = "-10%,-5%,0,5%,10%,25%",
        allow_hyphen_values = true, value_parser = moves::parse)]
    volatility: Moves,
    /// Shifts of rates.
    #[arg(long, value_name = "MOVES", default_value = "0", allow_hyphen_values = true, value_parser = moves::parse)]
    rate: Moves,
    /// Calendar days that pass.
    #[arg(long, value_name = "DAYS", default_value = "0", allow_hyphen_values = true, value_parser = moves::parse_days)]
    days: Moves,
    /// Named stresses: all, none, or names with commas (an unknown one is answered with the list).
    #[arg(long, value_name = "NAMES", default_value = "all", value_parser = parse_stresses)]
    stress: Stresses,
    /// Worst cases that are shown.
    #[arg(long, value_name = "N", default_value_t = 5)]
    worst: usize,
    /// Model of rows that name none, as in `zomma price`.
    #[arg(long, value_name = "MODEL", value_parser = batch::parse_model)]
    model: Option<ModelName>,
    /// Exercise style of rows that name none: european (the default), american.
    #[arg(long, value_name = "STYLE", value_parser = commands::parse_exercise)]
    exercise: Option<ExerciseStyle>,
    /// Instant of valuation, needed for a column `expiry`: 2019-04-25T15:45 (New York), or with an offset or Z.
    #[arg(long, value_name = "TIME", value_parser = batch::parse_instant)]
    valuation_time: Option<jiff::Timestamp>,
    /// Threads that compute; as many as cores where absent.
    #[arg(long, value_name = "N", value_parser = commands::parse_threads)]
    threads: Option<usize>,
    #[command(flatten)]
    dividends: DividendArgs,
    #[command(flatten)]
    gpu: GpuConfigArgs,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// The stresses that were asked for.
#[derive(Clone, Debug)]
struct Stresses(Vec<&'static stress::Stress>);

fn parse_stresses(text: &str) -> Result<Stresses, String> {
    match text {
        "all" => Ok(Stresses(stress::ALL.iter().collect())),
        "none" => Ok(Stresses(Vec::new())),
        names => names.split(',').map(|name| named(name.trim())).collect::<Result<_, _>>().map(Stresses),
    }
}

fn named(name: &str) -> Result<&'static stress::Stress, String> {
    let all = || stress::ALL.iter().map(|stress| stress.name).collect::<Vec<_>>().join(", ");
    stress::named(name).ok_or_else(|| format!("{name}: allowed: all, none, or of {}", all()))
}

/// One scenario with the name of its stress, what became of the portfolio, and what the Greeks say.
pub struct Case {
    /// None of the grid's.
    pub stress: Option<&'static stress::Stress>,
    /// The moves.
    pub scenario: Scenario,
    /// Values by group.
    pub outcome: Outcome,
    /// Profit by group: value less the value now.
    pub profit: Vec<f64>,
    /// What the Greeks give for it, by group.
    pub by_greeks: Vec<f64>,
}

/// What was found.
pub struct Findings {
    /// The positions as read.
    pub holdings: Holdings,
    /// The grid.
    pub axes: Axes,
    /// Value now, by group.
    pub value: Vec<f64>,
    /// The Greeks, by group.
    pub sensitivities: Vec<Sensitivities>,
    /// The grid's scenarios, then the stresses.
    pub cases: Vec<Case>,
    /// Rows that are valued.
    pub rows_ok: usize,
    /// Worst cases that are shown.
    pub worst: usize,
    portfolio: Portfolio,
}

impl Findings {
    /// Rows that are valued and rows that cannot be, by group.
    pub fn rows_by_group(&self) -> Vec<[usize; 2]> {
        let mut rows = vec![[0, 0]; self.holdings.groups.len()];
        for (&group, status) in self.holdings.group.iter().zip(&self.holdings.table.status) {
            rows[group as usize][usize::from(!status.is_ok())] += 1;
        }
        rows
    }

    /// The profit of each row in a scenario, NaN where it has none.
    pub fn row_profits(&self, scenario: &Scenario) -> Vec<f64> {
        let now = row_values(&self.portfolio, &Scenario::NONE);
        row_values(&self.portfolio, scenario).iter().zip(now).map(|(then, now)| then - now).collect()
    }
}

/// Runs it.
pub fn run(args: &ScenariosArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    if let Some(output) = &args.output {
        let ending = output.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if !matches!(ending.as_deref(), Some("csv" | "txt")) {
            bail!(BadArguments(format!("-o {}: allowed: a CSV file", output.display())));
        }
        commands::keep_input(&args.input, output)?;
    }
    commands::use_threads(args.threads)?;
    let engine = Engine::choose(&args.gpu.load()?)?;
    let name = if args.input == Path::new("-") { "standard input".into() } else { args.input.display().to_string() };
    let defaults = Defaults {
        model: args.model,
        exercise: args.exercise,
        valuation_time: args.valuation_time,
        dividends: args.dividends.schedule(&args.input, args.valuation_time)?,
    };
    let source = batch::open(&args.input)?;
    let dividends = defaults.dividends.clone();
    let holdings = batch::read_holdings(source, &args.by, defaults, &engine).with_context(|| name.clone())?;
    if let Some(unread) = dividends.and_then(|schedule| schedule.unread()) {
        eprintln!("zomma risk scenarios: {unread}");
    }
    let found = find(args, holdings, &engine);
    for note in engine.notes() {
        eprintln!("zomma risk scenarios: {note}");
    }
    let findings = found?;
    let reasons = |separator: &str| {
        let line = |(status, (rows, example)): (&_, &(u64, String))| format!("{status} {rows} (first: {example})");
        findings.holdings.faults.iter().map(line).collect::<Vec<_>>().join(separator)
    };
    let rows = findings.holdings.table.len();
    if findings.rows_ok == 0 {
        bail!("{name}: no usable row of {rows}: {}", reasons("; "));
    }
    if let Some(output) = &args.output {
        table::write(&findings, output)?;
    }
    if args.json {
        commands::print(&table::json(&findings, started.elapsed()))?;
    } else {
        commands::print(&report::text(&findings))?;
    }
    if findings.rows_ok < rows {
        let failed = rows - findings.rows_ok;
        eprintln!("zomma risk scenarios: {name}: {failed} of {rows} rows are in no figure:\n  {}", reasons("\n  "));
    }
    Ok(())
}

fn find(args: &ScenariosArgs, holdings: Holdings, engine: &Engine) -> anyhow::Result<Findings> {
    let axes = Axes {
        spot_change: args.spot.0.clone(),
        volatility_shift: args.volatility.0.clone(),
        rate_shift: args.rate.0.clone(),
        days: args.days.0.clone(),
    };
    let groups = holdings.groups.len();
    let portfolio =
        Portfolio::new(holdings.table.clone(), &holdings.quantity, &holdings.multiplier, &holdings.group, groups);
    let mut scenarios = axes.scenarios();
    scenarios.extend(args.stress.0.iter().map(|stress| stress.scenario));
    let names = std::iter::repeat_n(None, axes.len()).chain(args.stress.0.iter().map(|&stress| Some(stress)));
    let bar = Mutex::new(LateBar::new(!args.json, Some(scenarios.len() as u64)));
    let count = AtomicU64::new(0);
    let done = || {
        let done = count.fetch_add(1, Ordering::Relaxed) + 1;
        // Whoever finds the bar held leaves it to its holder.
        if let Ok(mut bar) = bar.try_lock() {
            bar.at(done);
        }
    };
    let outcomes = if engine.is_cpu() {
        revalue(&portfolio, &scenarios, done)
    } else {
        on_device(&portfolio, &scenarios, engine, done)?
    };
    if let Ok(bar) = bar.lock() {
        bar.end();
    }
    let value = revalue(&portfolio, &[Scenario::NONE], || {}).swap_remove(0).value;
    let sensitivities = Sensitivities::of(&portfolio);
    let cases = names
        .zip(scenarios)
        .zip(outcomes)
        .map(|((stress, scenario), outcome)| Case {
            profit: match outcome.all_failed() {
                0 => outcome.value.iter().zip(&value).map(|(then, now)| then - now).collect(),
                _ => profit_of_the_rest(&portfolio, &scenario, &holdings.group),
            },
            by_greeks: sensitivities.iter().map(|sensitivities| sensitivities.profit(&scenario)).collect(),
            stress,
            scenario,
            outcome,
        })
        .collect();
    let rows_ok = portfolio.rows_ok();
    Ok(Findings { holdings, axes, value, sensitivities, cases, rows_ok, worst: args.worst, portfolio })
}

/// The profit by group of the rows that have a value in a scenario: one that has none is no gain or loss of what it was worth.
fn profit_of_the_rest(portfolio: &Portfolio, scenario: &Scenario, group: &[u32]) -> Vec<f64> {
    let mut profit = vec![0.0; portfolio.groups()];
    let [now, then] = [&Scenario::NONE, scenario].map(|scenario| row_values(portfolio, scenario));
    for ((now, then), &group) in now.iter().zip(&then).zip(group) {
        if !now.is_nan() && !then.is_nan() {
            profit[group as usize] += then - now;
        }
    }
    profit
}

/// European positions under Black's formulae on the device, the rest on the processor.
fn on_device(
    portfolio: &Portfolio,
    scenarios: &[Scenario],
    engine: &Engine,
    done: impl Fn() + Sync,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = revalue_rest(portfolio, scenarios, done);
    let black = Black::of(portfolio);
    engine.compute(black.len(), BYTES_PER_ROW, |place, at| match place {
        Place::Cpu => {
            black.add_on_cpu(at, scenarios, &mut outcomes);
            Ok(())
        }
        Place::Device(compute) => black.add(compute, at, scenarios, &mut outcomes),
    })?;
    Ok(outcomes)
}
