//! Rows whose contracts are not vanilla, each by the engine that its route named.

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{
    BarrierType, ContractEngine, ModelName, Order, PayoffName, Settings, Table, Terms,
    differences::{self, Axis, Room},
    dividends, early,
    engines::{self, Quantities},
    implied_contract::{self, Shape, Value},
    models,
};
use crate::{
    black::{Greek, Row},
    displaced::Underlying,
    exotic::{self, Direction, SingleBarrier},
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
        ContractEngine::ClosedForm if table.exercise[i] == ExerciseStyle::American => {
            early::by_formula(row, terms, order).map(|quantities| (quantities, f64::NAN))
        }
        ContractEngine::ClosedForm => match by_formula(row, terms, order) {
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

/// Times of `dates` equally spaced dates, the last at `expiry_years`, `passed` years later.
fn times_of(dates: usize, expiry_years: f64, passed: f64) -> Vec<f64> {
    // Rounding may leave the last one beyond the end; an expiry that is none is for the engine to refuse.
    let date = |i: usize| (expiry_years * (i as f64 / dates as f64) - passed).min(expiry_years - passed).max(0.0);
    (1..=dates).map(date).collect()
}

fn by_formula(row: &Row, terms: &Terms, order: Order) -> Result<Quantities, Status> {
    let years = row.expiry_years;
    let extreme = terms.extreme.unwrap_or(row.spot);
    let value = |moved: &Row| match (terms.payoff, &terms.barrier) {
        (PayoffName::Vanilla, Some(barrier)) => exotic::barrier(
            moved,
            &SingleBarrier {
                level: barrier.level,
                direction: if barrier.kind.is_up() { Direction::Up } else { Direction::Down },
                knock: knock_of(barrier.kind),
                rebate: barrier.rebate,
            },
        ),
        (PayoffName::CashOrNothing, _) => exotic::cash_or_nothing(moved, terms.cash),
        (PayoffName::AssetOrNothing, _) => exotic::asset_or_nothing(moved),
        (PayoffName::GeometricAsian, _) => match terms.observation_dates {
            None => exotic::geometric_asian(moved),
            // The dates stand while calendar time passes.
            Some(dates) => exotic::geometric_asian_at(moved, &times_of(dates, years, years - moved.expiry_years)),
        },
        (PayoffName::FloatingLookback, _) => exotic::floating_lookback(moved, extreme),
        (PayoffName::FixedLookback, _) => exotic::fixed_lookback(moved, extreme),
        (PayoffName::Vanilla | PayoffName::ArithmeticAsian, _) => Err(Status::BadMethod),
    };
    let price = value(row)?;
    if order == Order::None {
        return Ok(engines::price_alone(price));
    }
    let dates = terms.observation_dates.unwrap_or(1) as f64;
    let mut quantities = differences::greeks(row, price, &value, &room(row, terms, extreme, dates));
    if terms.payoff == PayoffName::FloatingLookback {
        quantities[Greek::DualDelta as usize] = 0.0;
        quantities[Greek::DualGamma as usize] = 0.0;
    }
    Ok(quantities)
}

/// How far spot and strike may move down and up before the value's form changes, and how far the level is where it does.
fn room(row: &Row, terms: &Terms, extreme: f64, dates: f64) -> Room {
    const FREE: [f64; 2] = [f64::INFINITY; 2];
    let (spot, strike, call) = (row.spot, row.strike, row.option_type == OptionType::Call);
    let below = |level: f64| [spot - level, f64::INFINITY];
    let above = |level: f64| [f64::INFINITY, level - spot];
    let distance = |level: f64| Some((level / spot).ln().abs());
    // A strike at the level goes further out of the money.
    let strike_beside = |level: f64| {
        if strike > level || (call && strike == level) {
            [strike - level, f64::INFINITY]
        } else {
            [f64::INFINITY, level - strike]
        }
    };
    let (spot, strike, level) = match (terms.payoff, &terms.barrier) {
        (_, Some(barrier)) => {
            let level = barrier.level;
            let spot = if barrier.kind.is_up() { above(level) } else { below(level) };
            (spot, strike_beside(level), distance(level))
        }
        (PayoffName::FloatingLookback, _) => {
            let extreme = if call { extreme.min(spot) } else { extreme.max(spot) };
            (if call { below(extreme) } else { above(extreme) }, FREE, distance(extreme))
        }
        (PayoffName::FixedLookback, _) => {
            // Where the extreme is beyond the strike it is what counts; the spot may stand there, and not pass.
            let extreme = if call { extreme.max(spot) } else { extreme.min(spot) };
            let level = if call { extreme.max(strike) } else { extreme.min(strike) };
            (if call { above(level) } else { below(level) }, strike_beside(extreme), distance(level))
        }
        _ => (FREE, FREE, None),
    };
    Room { spot, strike, level, dates }
}

fn knock_of(kind: BarrierType) -> Knock {
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
    let dates = terms.observation_dates.map(|dates| times_of(dates, row.expiry_years, 0.0));
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
        let slope = |axis: Axis, h: f64| {
            let at = |sign: f64| estimate(&axis.moved(row, sign * h)).map_or(f64::NAN, |found| found.price);
            (at(1.0) - at(-1.0)) / (2.0 * h)
        };
        // Wider than a formula's step: only the paths that end within it tell the kink's side.
        let relative = 2.0 * differences::SHARE * (row.volatility * row.expiry_years.sqrt()).min(1.0);
        let relative = if relative > 0.0 { relative } else { differences::SHARE };
        let mut set = |greek: Greek, x: f64| quantities[greek as usize] = x;
        let delta = slope(Axis::Spot, relative * row.spot);
        set(Greek::Delta, delta);
        set(Greek::Rho, slope(Axis::Rate, 1e-3));
        set(Greek::Phi, slope(Axis::Yield, 1e-3));
        if lognormal {
            set(Greek::Vega, slope(Axis::Volatility, relative * row.volatility));
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
