//! What a solution is worth: against closed form, series and finite differences on options of the whole domain, against Monte Carlo and
//! finite differences on some, and under stress. None of it is seen by training.

use rayon::prelude::*;
use serde::Serialize;
use zomma_base::{OptionType, Status};
use zomma_pricing::black::{self, Greek, GreekColumns, Row, RowColumns};
use zomma_pricing::finite_difference::{self, Contract, HestonSettings, Settings};
use zomma_pricing::fourier::{self, Columns, Heston, Sensitivities};
use zomma_pricing::monte_carlo::{self, LocalVolatility, Market, Payoff, Plan, sobol_uniform};

use super::config::{EquationKind, LocalVolatilityConfig, PinnConfig, Span};
use super::estimate::ErrorEstimate;
use super::problem::Priced;
use super::solution::Solution;

/// Options of a reference by finite differences.
const FINITE_DIFFERENCE_OPTIONS: usize = 256;
/// Deviations s below which gamma and theta stand on the kink.
pub const KINK_DEVIATION: f64 = 0.02;
/// |x| of options that are simulated.
const SEEN: f64 = 2.0;
/// Steps of a Monte Carlo path where the model has to be stepped.
const PATH_STEPS: usize = 64;

/// What the reference's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The closed form of Black and Scholes.
    ClosedForm,
    /// The series of Heston's characteristic function.
    Series,
    /// Finite differences on a fine grid.
    FiniteDifference,
}

impl Reference {
    /// Who can tell what an equation's prices are.
    pub fn of(equation: EquationKind) -> Self {
        match equation {
            EquationKind::BlackScholes => Self::ClosedForm,
            EquationKind::LocalVolatility => Self::FiniteDifference,
            EquationKind::Heston => Self::Series,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosedForm => "closed form",
            Self::Series => "series of the characteristic function",
            Self::FiniteDifference => "finite differences",
        }
    }
}

/// Errors of some rows against their reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Which rows.
    pub name: String,
    /// How many.
    pub rows: usize,
    /// ‖error‖/‖reference‖ over the rows: of prices,
    pub price: f64,
    /// of what they are worth above the intrinsic value of the forward, discounted,
    pub time_value: f64,
    /// of deltas,
    pub delta: f64,
    /// of gammas away from the kink,
    pub gamma: f64,
    /// of thetas away from the kink.
    pub theta: f64,
    /// Rows away from the kink: s of at least [`KINK_DEVIATION`].
    pub away_from_the_kink: usize,
    /// The greatest error of a price, in strikes.
    pub price_max: f64,
}

/// How often the estimate, made of the residual alone, covers the true error, and how much more than that it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Share of rows whose error is within the bound.
    pub bound: f64,
    /// Median of bound over error.
    pub bound_over_error: f64,
    /// The bound's mean, in strikes.
    pub bound_mean: f64,
    /// Share of rows whose error is within twice the typical error.
    pub typical: f64,
    /// The typical error's mean, in strikes.
    pub typical_mean: f64,
    /// The true error's mean, in strikes.
    pub error_mean: f64,
}

/// One option by the network, Monte Carlo and finite differences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Call or put.
    pub option_type: OptionType,
    /// S
    pub spot: f64,
    /// K
    pub strike: f64,
    /// τ
    pub expiry_years: f64,
    /// r
    pub risk_free_rate: f64,
    /// q
    pub dividend_yield: f64,
    /// σ
    pub volatility: f64,
    /// By the network.
    pub pinn: f64,
    /// By the reference.
    pub reference: f64,
    /// By simulation.
    pub monte_carlo: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// By finite differences on their customary grid.
    pub finite_difference: f64,
    /// What they say of their own error.
    pub finite_difference_error: f64,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Validation {
    /// Who tells.
    pub reference: Reference,
    /// Before training.
    pub untrained: Comparison,
    /// After.
    pub trained: Comparison,
    /// The estimate's coverage.
    pub coverage: Coverage,
    /// Parts of the domain that are hard.
    pub stress: Vec<Comparison>,
    /// Against Monte Carlo and finite differences.
    pub compared: Vec<Compared>,
}

/// Options spread over the domain of a config, half of them puts; `narrow` may take part of a span.
pub fn test_rows(config: &PinnConfig, count: usize, narrow: impl Fn(Spans) -> Spans) -> Vec<Row> {
    let domain = &config.problem.domain;
    let spans = narrow(Spans {
        spot_over_strike: domain.spot_over_strike,
        expiry_years: domain.expiry_years,
        volatility: domain.volatility,
    });
    let local = config.problem.local_volatility;
    let at = |[from, to]: Span, share: f64| from + (to - from) * share;
    (0..count as u32)
        .map(|i| {
            let u: [f64; 6] = std::array::from_fn(|j| sobol_uniform(config.sampling.seed ^ 0x7465_7374, 7, i, j));
            let strike = local.map_or(100.0, |local| local.reference * at(local.strike_over_reference, u[4]));
            Row {
                // Not by turns: the parity of i tells which half of its span a coordinate is in.
                option_type: if u[5] < 0.5 { OptionType::Call } else { OptionType::Put },
                spot: strike * at(spans.spot_over_strike, u[0]),
                strike,
                expiry_years: at(spans.expiry_years, u[1]),
                risk_free_rate: at(domain.risk_free_rate, u[3]),
                dividend_yield: 0.0,
                volatility: at(spans.volatility, u[2]),
            }
        })
        .collect()
}

/// Part of a domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spans {
    /// S/K
    pub spot_over_strike: Span,
    /// τ
    pub expiry_years: Span,
    /// σ
    pub volatility: Span,
}

fn columns<T>(rows: &[Row], of: impl Fn(&Row) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}

/// Price and Greeks of rows by who can tell; None where he cannot.
pub fn references(config: &PinnConfig, rows: &[Row]) -> Vec<Option<Priced>> {
    let problem = &config.problem;
    match (problem.equation, &problem.local_volatility, &problem.heston) {
        (EquationKind::LocalVolatility, Some(local), _) => {
            let settings = Settings { space_steps: 400, time_steps: 160, ..Settings::default() };
            let one = |row: &Row| {
                let found = local_volatility_solution(local, row, &settings).ok()?;
                Some(Priced {
                    price: found.value,
                    delta: found.delta,
                    gamma: found.gamma,
                    theta: found.theta,
                    vega: f64::NAN,
                })
            };
            rows.par_iter().map(one).collect()
        }
        (EquationKind::Heston, _, Some(heston)) => {
            let models = columns(rows, |row| fourier::Model::Heston(heston.with(row.volatility * row.volatility)));
            let columns = Columns {
                model: &models,
                option_type: &columns(rows, |row| row.option_type),
                spot: &columns(rows, |row| row.spot),
                strike: &columns(rows, |row| row.strike),
                expiry_years: &columns(rows, |row| row.expiry_years),
                risk_free_rate: &columns(rows, |row| row.risk_free_rate),
                dividend_yield: &columns(rows, |row| row.dividend_yield),
            };
            let mut out = vec![Sensitivities::NAN; rows.len()];
            let mut status = vec![Status::Ok; rows.len()];
            fourier::gradient_batch(&columns, &mut out, &mut status);
            let one = |((found, status), row): ((&Sensitivities, &Status), &Row)| {
                let Sensitivities { price, delta, gamma, theta, parameters, .. } = *found;
                let vega = 2.0 * row.volatility * parameters[0];
                (*status == Status::Ok).then_some(Priced { price, delta, gamma, theta, vega })
            };
            out.iter().zip(&status).zip(rows).map(one).collect()
        }
        _ => {
            let rows = RowColumns {
                option_type: &columns(rows, |row| row.option_type),
                spot: &columns(rows, |row| row.spot),
                strike: &columns(rows, |row| row.strike),
                expiry_years: &columns(rows, |row| row.expiry_years),
                risk_free_rate: &columns(rows, |row| row.risk_free_rate),
                dividend_yield: &columns(rows, |row| row.dividend_yield),
                volatility: &columns(rows, |row| row.volatility),
            };
            let count = rows.spot.len();
            let mut out = GreekColumns::zeros(count);
            let mut status = vec![Status::Ok; count];
            black::greeks(&rows, black::Model::Bsm, &mut out, &mut status);
            let one = |i: usize| {
                let of = |greek| out.column(greek)[i];
                (status[i] == Status::Ok).then(|| Priced {
                    price: of(Greek::Price),
                    delta: of(Greek::Delta),
                    gamma: of(Greek::Gamma),
                    theta: of(Greek::Theta),
                    vega: of(Greek::Vega),
                })
            };
            (0..count).map(one).collect()
        }
    }
}

impl super::HestonConfig {
    /// With a variance now.
    pub fn with(&self, v0: f64) -> Heston {
        let Self { kappa, theta_v, sigma_v, rho_v } = *self;
        Heston { v0, kappa, theta_v, sigma_v, rho_v }
    }
}

fn local_volatility_solution(
    local: &LocalVolatilityConfig,
    row: &Row,
    settings: &Settings,
) -> Result<finite_difference::Estimate, Status> {
    let carry = row.risk_free_rate - row.dividend_yield;
    let surface = |spot: f64, years: f64| row.volatility * local.volatility(spot, years, (row.expiry_years, carry));
    // The width of the grid: the mean volatility at the strike.
    let level =
        local.level((row.strike / local.reference).ln()) * (local.clock(row.expiry_years) / row.expiry_years).sqrt();
    let typical = Row { volatility: row.volatility * level, ..*row };
    let contract = Contract { local_volatility: Some(&surface), ..Contract::european(typical) };
    finite_difference::solve(&contract, settings)
}

/// A row by finite differences (Crank–Nicolson behind damped first steps; ADI under Heston) on a grid of so many cells and steps, and one
/// of half as many.
///
/// Errors: the solver's status.
pub fn finite_difference_value(
    config: &PinnConfig,
    row: &Row,
    (space_steps, time_steps): (usize, usize),
) -> Result<finite_difference::Estimate, Status> {
    let settings =
        Settings { space_steps, time_steps, scheme: finite_difference::Scheme::Rannacher, ..Settings::default() };
    match (&config.problem.local_volatility, &config.problem.heston) {
        (Some(local), _) => local_volatility_solution(local, row, &settings),
        (_, Some(heston)) => {
            let settings = HestonSettings {
                space_steps,
                variance_steps: (space_steps / 2).max(8),
                time_steps,
                ..HestonSettings::default()
            };
            let parameters = heston.with(row.volatility * row.volatility);
            finite_difference::solve_heston(&Contract::european(*row), &parameters, &settings)
                .map(|found| found.estimate)
        }
        _ => finite_difference::solve(&Contract::european(*row), &settings),
    }
}

fn simulated(config: &PinnConfig, row: &Row, seed: u64) -> Option<monte_carlo::Estimate> {
    let Row { option_type, spot, strike, expiry_years, risk_free_rate, dividend_yield, volatility } = *row;
    let market = Market { spot, expiry_years, risk_free_rate, dividend_yield };
    let payoff = Payoff::European { option_type, strike };
    let run = |model: &monte_carlo::Model<'_>, steps: usize| {
        monte_carlo::price(&market, model, &payoff, &Plan::new(seed, config.validation.paths, steps)).ok()
    };
    match (&config.problem.local_volatility, &config.problem.heston) {
        (Some(local), _) => {
            let carry = risk_free_rate - dividend_yield;
            let surface = |spot: f64, years: f64| volatility * local.volatility(spot, years, (expiry_years, carry));
            run(&monte_carlo::Model::LocalVolatility(&LocalVolatility::Function(&surface)), PATH_STEPS)
        }
        (_, Some(heston)) => run(&monte_carlo::Model::Heston(heston.with(volatility * volatility)), PATH_STEPS),
        _ => run(&monte_carlo::Model::BlackScholes { volatility }, 1),
    }
}

/// The errors of a solution on rows whose reference is known.
pub fn compare(name: &str, solution: &Solution, rows: &[Row], references: &[Option<Priced>]) -> Comparison {
    let problem = solution.problem();
    let mut sums = [[0.0_f64; 2]; 5];
    let mut comparison = Comparison { name: name.into(), ..Comparison::default() };
    for ((row, found), reference) in rows.iter().zip(solution.price(rows)).zip(references) {
        let (Some(found), Some(reference), Some(place)) = (found, reference, problem.of_row(row)) else { continue };
        let away = problem.deviation(place) >= KINK_DEVIATION;
        let discount = (-row.risk_free_rate * row.expiry_years).exp();
        let intrinsic = discount * (row.option_type.sign() * (super::problem::forward(row) - row.strike)).max(0.0);
        let scale = 1.0 / row.strike;
        let pairs = [
            (scale * found.price, scale * reference.price, true),
            (scale * (found.price - intrinsic), scale * (reference.price - intrinsic), true),
            (found.delta, reference.delta, true),
            (row.strike * found.gamma, row.strike * reference.gamma, away),
            (scale * found.theta, scale * reference.theta, away),
        ];
        for (sum, (found, reference, counts)) in sums.iter_mut().zip(pairs) {
            if counts {
                sum[0] += (found - reference) * (found - reference);
                sum[1] += reference * reference;
            }
        }
        comparison.rows += 1;
        comparison.away_from_the_kink += usize::from(away);
        comparison.price_max = comparison.price_max.max(scale * (found.price - reference.price).abs());
    }
    let [price, time_value, delta, gamma, theta] =
        sums.map(|[error, size]| if size > 0.0 { (error / size).sqrt() } else { 0.0 });
    Comparison { price, time_value, delta, gamma, theta, ..comparison }
}

fn coverage(solution: &Solution, rows: &[Row], references: &[Option<Priced>]) -> Coverage {
    let estimate = ErrorEstimate::new(solution);
    let mut ratios = Vec::new();
    let mut coverage = Coverage::default();
    for ((row, found), reference) in rows.iter().zip(solution.price(rows)).zip(references) {
        let estimated = estimate.of_row(solution, row);
        let (Some(found), Some(reference), Some([bound, typical])) = (found, reference, estimated) else { continue };
        let error = (found.price - reference.price).abs();
        coverage.bound += f64::from(error <= bound);
        coverage.typical += f64::from(error <= 2.0 * typical);
        coverage.bound_mean += bound / row.strike;
        coverage.typical_mean += typical / row.strike;
        coverage.error_mean += error / row.strike;
        ratios.push(if error > 0.0 { bound / error } else { f64::INFINITY });
    }
    let count = ratios.len().max(1) as f64;
    ratios.sort_by(f64::total_cmp);
    Coverage {
        bound: coverage.bound / count,
        bound_over_error: ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN),
        bound_mean: coverage.bound_mean / count,
        typical: coverage.typical / count,
        typical_mean: coverage.typical_mean / count,
        error_mean: coverage.error_mean / count,
    }
}

/// The hard parts of the domain.
fn scenarios(config: &PinnConfig) -> Vec<(&'static str, Spans)> {
    let domain = &config.problem.domain;
    let [low, high] = domain.volatility;
    let [near, far] = domain.expiry_years;
    let [below, above] = domain.spot_over_strike;
    let whole = Spans { spot_over_strike: [below, above], expiry_years: [near, far], volatility: [low, high] };
    let part = |[from, to]: Span, first: f64, last: f64| [from + first * (to - from), from + last * (to - from)];
    // Names say the share of the span, since the domain is the config's.
    vec![
        ("expiry: the first 1 %", Spans { expiry_years: part(whole.expiry_years, 0.0, 0.01), ..whole }),
        ("volatility: the lowest 5 %", Spans { volatility: part(whole.volatility, 0.0, 0.05), ..whole }),
        ("volatility: the highest 20 %", Spans { volatility: part(whole.volatility, 0.8, 1.0), ..whole }),
        ("wings: the lowest 10 % of spot", Spans { spot_over_strike: part(whole.spot_over_strike, 0.0, 0.1), ..whole }),
        (
            "wings: the highest 20 % of spot",
            Spans { spot_over_strike: part(whole.spot_over_strike, 0.8, 1.0), ..whole },
        ),
        (
            "wings of low volatility",
            Spans {
                spot_over_strike: part(whole.spot_over_strike, 0.0, 0.1),
                volatility: part(whole.volatility, 0.0, 0.1),
                ..whole
            },
        ),
    ]
}

/// Compares a solution with everything that can tell.
pub fn validate(solution: &Solution) -> Validation {
    let config = &solution.config;
    let reference = Reference::of(config.problem.equation);
    let most = match reference {
        Reference::FiniteDifference => FINITE_DIFFERENCE_OPTIONS,
        Reference::ClosedForm | Reference::Series => usize::MAX,
    };
    let rows = test_rows(config, config.validation.options.min(most), |spans| spans);
    let known = references(config, &rows);
    let stressed = (rows.len() / 8).max(16);
    let stress = scenarios(config)
        .into_iter()
        .map(|(name, spans)| {
            let rows = test_rows(config, stressed, |_| spans);
            compare(name, solution, &rows, &references(config, &rows))
        })
        .collect();
    // Where simulated paths end on both sides of the strike.
    let problem = solution.problem();
    let seen = |(row, _): &(&Row, &Option<Priced>)| problem.of_row(row).is_some_and(|place| place.x.abs() <= SEEN);
    let (some, known_of_some): (Vec<Row>, Vec<Option<Priced>>) =
        rows.iter().zip(&known).filter(seen).take(config.validation.compared).unzip();
    let compared = some
        .iter()
        .zip(solution.price(&some))
        .zip(&known_of_some)
        .enumerate()
        .filter_map(|(i, ((row, pinn), reference))| {
            // A seed of its own, so that the misses have nothing in common.
            let simulated = simulated(config, row, config.sampling.seed.wrapping_add(i as u64))?;
            let found = finite_difference_value(config, row, (160, 40)).ok()?;
            Some(Compared {
                option_type: row.option_type,
                spot: row.spot,
                strike: row.strike,
                expiry_years: row.expiry_years,
                risk_free_rate: row.risk_free_rate,
                dividend_yield: row.dividend_yield,
                volatility: row.volatility,
                pinn: pinn?.price,
                reference: reference.as_ref()?.price,
                monte_carlo: simulated.price,
                standard_error: simulated.standard_error,
                finite_difference: found.value,
                finite_difference_error: found.error,
            })
        })
        .collect();
    Validation {
        reference,
        untrained: compare("untrained", &Solution::untrained(config.clone()), &rows, &known),
        trained: compare("trained", solution, &rows, &known),
        coverage: coverage(solution, &rows, &known),
        stress,
        compared,
    }
}
