//! Rows whose contracts are not vanilla, each by the engine that its route named.

use zomma_base::{ExerciseStyle, Status};

use super::{
    BarrierType, ContractEngine, ModelName, Order, PayoffName, Settings, Table, Terms,
    axis::Axis,
    closed_form, dividends,
    engines::{self, Quantities},
    implied_contract::{self, Shape, Value},
    models,
};
use crate::{
    black::{Greek, Row},
    displaced::Underlying,
    finite_difference::{self, Barrier, Contract, Exercise, Knock, Monitoring, Payoff},
    monte_carlo::{self, BarrierKind, Control, MonteCarloError, Plan},
};

/// One row: its quantities and the error that its engine states, NaN under a closed form.
pub(super) fn contract_row(
    (engine, underlying): (ContractEngine, Underlying),
    table: &Table,
    i: usize,
    order: Order,
    settings: &Settings,
) -> Result<(Quantities, f64), Status> {
    let row = engines::row_of(table, i, underlying);
    let found = value(engine, table, i, &row, order, settings);
    let (mut quantities, error) = found.map_err(|fault| engines::as_given(fault, underlying))?;
    engines::as_of_forward(&mut quantities, &row, underlying, false);
    Ok((quantities, error))
}

/// The volatility that the price of a row has, which stands in the place of its volatility.
pub(super) fn contract_volatility(
    (engine, underlying): (ContractEngine, Underlying),
    table: &Table,
    i: usize,
    settings: &Settings,
) -> Result<f64, Status> {
    let plain = Terms::default();
    let terms = table.terms_of(i).unwrap_or(&plain);
    let of_model = matches!(table.model[i], ModelName::Bsm | ModelName::Black76);
    if !of_model || engine == ContractEngine::MonteCarlo {
        let of_payoff = of_model && terms.payoff != PayoffName::Vanilla;
        let of_barrier = of_model && terms.barrier.is_some();
        return Err(match (of_payoff, of_barrier) {
            (true, _) => Status::BadPayoff,
            (false, true) => Status::BadBarrierType,
            (false, false) => Status::BadModel,
        });
    }
    let shape = match (terms.payoff, &terms.barrier, engine) {
        // A convex payoff, and no other end than its holder's choice (El Karoui, Jeanblanc-Picqué and Shreve 1998).
        (PayoffName::Vanilla, None, _) => Shape::Growing,
        (_, _, ContractEngine::ClosedForm) => Shape::Formula,
        _ => Shape::Grid,
    };
    let row = engines::row_of(table, i, underlying);
    let scale = if terms.payoff == PayoffName::CashOrNothing { terms.cash } else { row.spot.max(row.strike) };
    let at = |volatility: f64| {
        let (quantities, error) = value(engine, table, i, &Row { volatility, ..row }, Order::None, settings)?;
        // The stated error is that of the grid; from one volatility to the next it hardly changes.
        let noise = if error.is_nan() { 8.0 * f64::EPSILON * scale } else { SMOOTH * error };
        Ok(Value { price: quantities[Greek::Price as usize], noise })
    };
    implied_contract::volatility(at, row.volatility, row.expiry_years, shape)
        .map_err(|fault| engines::as_given(fault, underlying))
}

/// The part of the grid's stated error by which its values leave a smooth curve in the volatility.
const SMOOTH: f64 = 0.01;

/// One row by its engine: its quantities, those of a forward as if on a spot, and the error that the engine states.
fn value(
    engine: ContractEngine,
    table: &Table,
    i: usize,
    row: &Row,
    order: Order,
    settings: &Settings,
) -> Result<(Quantities, f64), Status> {
    let plain = Terms::default();
    let terms = table.terms_of(i).unwrap_or(&plain);
    match engine {
        ContractEngine::ClosedForm => match closed_form::by_formula(row, terms, table.exercise[i], order) {
            // A rebate at the touch has no real formula where a rate is far below zero.
            Err(Status::BadMethod) if settings.method == super::Method::Auto => {
                on_grid(table, i, row, terms, order, settings)
            }
            found => found.map(|quantities| (quantities, f64::NAN)),
        },
        ContractEngine::FiniteDifference => on_grid(table, i, row, terms, order, settings),
        ContractEngine::MonteCarlo => by_simulation(table, i, row, terms, order, settings),
    }
}

/// Times of `dates` equally spaced dates, the last at `expiry_years`.
pub(super) fn times_of(dates: usize, expiry_years: f64) -> Vec<f64> {
    // Rounding may leave the last one beyond the end; an expiry that is none is for the engine to refuse.
    let date = |i: usize| (expiry_years * (i as f64 / dates as f64)).min(expiry_years).max(0.0);
    (1..=dates).map(date).collect()
}

pub(super) fn knock_of(kind: BarrierType) -> Knock {
    if kind.is_out() { Knock::Out } else { Knock::In }
}

fn on_grid(
    table: &Table,
    i: usize,
    row: &Row,
    terms: &Terms,
    order: Order,
    settings: &Settings,
) -> Result<(Quantities, f64), Status> {
    let dates = terms.observation_dates.map(|dates| times_of(dates, row.expiry_years));
    let barrier = terms.barrier.map(|barrier| {
        let single = |wanted: bool| (!barrier.kind.is_double() && wanted).then_some(barrier.level);
        let (lower, upper) = match barrier.kind.is_double() {
            true => (Some(barrier.level), Some(barrier.upper)),
            false => (single(!barrier.kind.is_up()), single(barrier.kind.is_up())),
        };
        let monitoring = dates.as_deref().map_or(Monitoring::Continuous, Monitoring::Dates);
        Barrier { lower, upper, knock: knock_of(barrier.kind), rebate: barrier.rebate, monitoring }
    });
    let contract = Contract {
        payoff: match terms.payoff {
            PayoffName::CashOrNothing => Payoff::CashOrNothing(terms.cash),
            PayoffName::AssetOrNothing => Payoff::AssetOrNothing,
            _ => Payoff::Vanilla,
        },
        exercise: match (&terms.exercise_times, table.exercise[i]) {
            (Some(times), _) => Exercise::Bermudan(times),
            (None, ExerciseStyle::American) => Exercise::American,
            (None, ExerciseStyle::European) => Exercise::European,
        },
        dividends: &terms.dividends,
        barrier,
        ..Contract::european(*row)
    };
    if table.model[i] == ModelName::Heston {
        let (found, vega) = heston(table, i, &contract, order, settings)?;
        let found = finite_difference::Sensitivities { estimate: found, vega, rho: f64::NAN, phi: f64::NAN };
        return Ok((dividends::quantities(&found, row, order), found.estimate.error));
    }
    let found = dividends::one(&contract, order, &settings.accuracy.grid())?;
    Ok((dividends::quantities(&found, row, order), found.estimate.error))
}

/// A contract under Heston's model, and its vega by √v0.
fn heston(
    table: &Table,
    i: usize,
    contract: &Contract<'_>,
    order: Order,
    settings: &Settings,
) -> Result<(finite_difference::Estimate, f64), Status> {
    let model = models::heston(table, i);
    let found = finite_difference::solve_heston(contract, &model, &settings.accuracy.heston_grid())?;
    let vega = if order == Order::None { f64::NAN } else { 2.0 * model.v0.sqrt() * found.variance_delta };
    Ok((found.estimate, vega))
}

/// Half a difference's step of simulated values in spot, strike and the rates, as a share of what they change over.
const STEP: f64 = 0.02;
/// The same in the volatility.
const VOLATILITY_STEP: f64 = 0.005;
/// The least such step, as a share of the spot or what moves it by as much: rounding leaves 1e-8 of a Greek.
const LEAST_STEP: f64 = 1e-8;
/// The greatest in a rate.
const MOST_RATE_STEP: f64 = 1e-3;

fn by_simulation(
    table: &Table,
    i: usize,
    row: &Row,
    terms: &Terms,
    order: Order,
    settings: &Settings,
) -> Result<(Quantities, f64), Status> {
    let model = models::simulated(table, i)?;
    let lognormal = matches!(model, monte_carlo::Model::BlackScholes { .. });
    let steps = steps_of(&model, row, terms, settings);
    let control = match terms.payoff {
        PayoffName::ArithmeticAsian if lognormal => Control::GeometricAsian,
        _ => Control::None,
    };
    let plan = Plan::new(settings.seed, settings.paths, steps).sampled(settings.sampling).controlled(control);
    let scale = if terms.payoff == PayoffName::CashOrNothing { terms.cash } else { 1.0 };
    let estimate = |moved: &Row| {
        let moved_model = match model {
            monte_carlo::Model::BlackScholes { .. } => {
                monte_carlo::Model::BlackScholes { volatility: moved.volatility }
            }
            other => other,
        };
        let market = engines::market_of(moved);
        monte_carlo::price(&market, &moved_model, &simulated_payoff(moved, terms), &plan).map_err(|error| match error {
            MonteCarloError::Field(fault) => fault,
            // Steps and dates are this module's own: what is left are counts that no run can have.
            _ => Status::BadMethod,
        })
    };
    let found = estimate(row)?;
    let (price, error) = (found.price * scale, found.standard_error * scale);
    let mut quantities = engines::price_alone(price);
    // The same draws make smooth differences of payoffs that do not jump.
    let smooth = matches!(
        terms.payoff,
        PayoffName::ArithmeticAsian
            | PayoffName::GeometricAsian
            | PayoffName::FixedLookback
            | PayoffName::FloatingLookback
    );
    if order != Order::None && smooth {
        let at = |axis: Axis, by: f64| estimate(&axis.moved(row, by)).map_or(f64::NAN, |found| found.price);
        let slope = |axis: Axis, h: f64| (at(axis, h) - at(axis, -h)) / (2.0 * h);
        // Wide: only the paths that end within the step tell the kink's side; and no narrower than what rounding leaves.
        let deviation = row.volatility * row.expiry_years.sqrt();
        let relative = (STEP * deviation.min(1.0)).max(LEAST_STEP);
        // What the forward moves by is what the rate does, over the term.
        let rates = (relative / row.expiry_years).min(MOST_RATE_STEP);
        let mut set = |greek: Greek, x: f64| quantities[greek as usize] = x;
        let delta = slope(Axis::Spot, relative * row.spot);
        set(Greek::Delta, delta);
        set(Greek::Rho, slope(Axis::Rate, rates));
        set(Greek::Phi, slope(Axis::Yield, rates));
        if lognormal {
            let h = (VOLATILITY_STEP * row.volatility).max(LEAST_STEP / row.expiry_years.sqrt());
            // No volatility is below 0.
            let vega = if h > row.volatility {
                (at(Axis::Volatility, h) - found.price) / h
            } else {
                slope(Axis::Volatility, h)
            };
            set(Greek::Vega, vega);
        }
        if terms.payoff != PayoffName::FloatingLookback {
            set(Greek::DualDelta, slope(Axis::Strike, relative * row.strike));
        } else {
            set(Greek::DualDelta, 0.0);
        }
        if price != 0.0 {
            set(Greek::Lambda, row.spot * delta / price);
        }
    }
    Ok((quantities, error))
}

/// Steps of a path: as many as the model needs, and a multiple of the dates.
fn steps_of(model: &monte_carlo::Model<'_>, row: &Row, terms: &Terms, settings: &Settings) -> usize {
    let least = engines::steps_of(model, row.expiry_years, settings);
    let dates = terms.observation_dates.unwrap_or(1);
    (dates * least.div_ceil(dates)).min(monte_carlo::MOST_STEPS / dates * dates)
}

fn simulated_payoff(row: &Row, terms: &Terms) -> monte_carlo::Payoff {
    use monte_carlo::{Average, Payoff};
    let (option_type, strike) = (row.option_type, row.strike);
    let dates = terms.observation_dates.unwrap_or(1);
    match (terms.payoff, &terms.barrier) {
        (_, Some(barrier)) => Payoff::Barrier {
            option_type,
            strike,
            barrier: barrier.level,
            kind: match (barrier.kind.is_up(), barrier.kind.is_out()) {
                (true, true) => BarrierKind::UpAndOut,
                (true, false) => BarrierKind::UpAndIn,
                (false, true) => BarrierKind::DownAndOut,
                (false, false) => BarrierKind::DownAndIn,
            },
            rebate: barrier.rebate,
            monitoring: match terms.observation_dates {
                Some(dates) => monte_carlo::Monitoring::Dates(dates),
                None => monte_carlo::Monitoring::Continuous,
            },
        },
        (PayoffName::CashOrNothing, _) => Payoff::Digital { option_type, strike },
        (PayoffName::ArithmeticAsian, _) => Payoff::Asian { option_type, strike, average: Average::Arithmetic, dates },
        (PayoffName::GeometricAsian, _) => Payoff::Asian { option_type, strike, average: Average::Geometric, dates },
        (PayoffName::FixedLookback, _) => Payoff::Lookback { option_type, strike: Some(strike), dates },
        (PayoffName::FloatingLookback, _) => Payoff::Lookback { option_type, strike: None, dates },
        (PayoffName::Vanilla | PayoffName::AssetOrNothing, _) => Payoff::European { option_type, strike },
    }
}
