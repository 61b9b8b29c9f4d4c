//! Rows of one kind, valued by its engine.

use std::convert::Infallible;

use rayon::prelude::*;
use zomma_base::{ExerciseStyle, Status};

use super::{
    Accuracy, Kind, Method, Order, Parameter, Results, Settings, Table, by_volatility, contracts, dividends, models,
};
use crate::{
    american,
    black::{self, Greek, GreekColumns, Row, RowColumns},
    displaced::{self, Underlying},
    finite_difference::{self, Contract},
    fourier,
    monte_carlo::{self, GreekEstimates, GreekMethod, Market, MonteCarloError, Payoff, Plan},
};

/// All quantities of a row, in the order of [`Greek::ALL`]; what its engine does not make is NaN.
pub(super) type Quantities = [f64; Greek::ALL.len()];
pub(super) const NOTHING: Quantities = [f64::NAN; Greek::ALL.len()];

/// Values rows that are all of one kind, on the CPU.
pub fn evaluate_kind(kind: Kind, table: &Table, order: Order, settings: &Settings) -> Results {
    let rows = table.columns();
    let mut results = Results::empty(order, table.len());
    match kind {
        Kind::Black(model) if order == Order::None => {
            black::price(&rows, model, &mut results.columns[0], &mut results.status);
        }
        Kind::Black(model) => {
            with_all(order, &mut results, |out, status| black::greeks_into(&rows, model, out, status));
        }
        Kind::Displaced(model) => displaced_rows(model, table, order, &mut results),
        Kind::Fourier(underlying) if settings.method == Method::Integral => {
            by_row(order, &mut results, |i| integral(table, i, underlying, order));
        }
        Kind::Fourier(underlying) => fourier_rows(underlying, table, order, &mut results),
        Kind::American(underlying) if settings.method == Method::Tree => {
            let steps = settings.accuracy.tree_steps();
            by_row(order, &mut results, |i| {
                let price = american::tree::price(&row_of(table, i, underlying), steps);
                price.map(price_alone).map_err(|fault| as_given(fault, underlying))
            });
        }
        Kind::American(underlying) => {
            let engine = |rows: &RowColumns<'_>, accuracy: &_, wanted: American<'_>, status: &mut [Status]| {
                match wanted {
                    American::Price(out) => american::price_batch(rows, accuracy, out, status),
                    American::Greeks(out) => american::greeks_batch(rows, accuracy, out, status),
                }
                Ok(())
            };
            let never: Result<Results, Infallible> = evaluate_american(underlying, table, order, settings, engine);
            match never {
                Ok(all) => results = all,
            }
        }
        Kind::FiniteDifference(exercise, underlying) => {
            let grid = settings.accuracy.grid();
            let row = |i| finite_difference_row(&row_of(table, i, underlying), (exercise, underlying), order, &grid);
            with_errors(order, &mut results, row);
        }
        Kind::CashDividends(exercise) => dividends::dividend_rows(exercise, table, order, settings, &mut results),
        Kind::Contract(engine, underlying) => {
            let row = |i| contracts::contract_row((engine, underlying), table, i, order, settings);
            with_errors(order, &mut results, row);
        }
        Kind::MonteCarlo(underlying) => {
            simulated_rows(table, underlying, (order, settings), &mut results);
        }
    }
    results
}

/// A row on its spot; that of a forward is one whose yield is the rate.
pub(super) fn row_of(table: &Table, i: usize, underlying: Underlying) -> Row {
    let row = table.columns().row(i);
    match underlying {
        Underlying::Spot => row,
        Underlying::Forward => Row { dividend_yield: row.risk_free_rate, ..row },
    }
}

/// The fault of the field that the user gave.
pub(super) fn as_given(fault: Status, underlying: Underlying) -> Status {
    if underlying == Underlying::Forward && fault == Status::BadSpot { Status::BadForward } else { fault }
}

/// Greeks of a forward: rate and yield move together, and there is no phi.
pub(super) fn as_of_forward(quantities: &mut Quantities, row: &Row, underlying: Underlying, european: bool) {
    if underlying == Underlying::Spot {
        return;
    }
    let [rho, phi] = [Greek::Rho, Greek::Phi].map(|greek| quantities[greek as usize]);
    quantities[Greek::Rho as usize] =
        if european { -row.expiry_years * quantities[Greek::Price as usize] } else { rho + phi };
    quantities[Greek::Phi as usize] = f64::NAN;
    quantities[Greek::Vera as usize] =
        if european { -row.expiry_years * quantities[Greek::Vega as usize] } else { f64::NAN };
}

/// Lets an engine that makes all quantities write those that are wanted where they belong.
fn with_all(order: Order, results: &mut Results, engine: impl FnOnce([&mut [f64]; Greek::ALL.len()], &mut [Status])) {
    let rows = results.status.len();
    let mut unwanted: Vec<Vec<f64>> =
        Greek::ALL.into_iter().filter(|&greek| Order::of(greek) > order).map(|_| vec![0.0; rows]).collect();
    let (mut wanted, mut rest) = (results.columns.iter_mut(), unwanted.iter_mut());
    let out = Greek::ALL.map(|greek| {
        let column = if Order::of(greek) <= order { wanted.next() } else { rest.next() };
        column.map(Vec::as_mut_slice).unwrap_or_default()
    });
    engine(out, &mut results.status);
}

/// Values row by row over the threads of the pool.
fn by_row(order: Order, results: &mut Results, value: impl Fn(usize) -> Result<Quantities, Status> + Sync) {
    let found: Vec<_> = (0..results.status.len()).into_par_iter().map(&value).collect();
    for (i, found) in found.into_iter().enumerate() {
        results.put(order, i, found);
    }
}

/// The same of an engine that states its error.
fn with_errors(order: Order, results: &mut Results, value: impl Fn(usize) -> Result<(Quantities, f64), Status> + Sync) {
    let found: Vec<_> = (0..results.status.len()).into_par_iter().map(&value).collect();
    results.error = found.iter().map(|found| found.map_or(f64::NAN, |(_, error)| error)).collect();
    for (i, found) in found.into_iter().enumerate() {
        results.put(order, i, found.map(|(quantities, _)| quantities));
    }
}

fn displaced_rows(model: displaced::Model, table: &Table, order: Order, results: &mut Results) {
    let given = &table.parameters[Parameter::Displacement as usize];
    let absent = if given.is_empty() { vec![f64::NAN; table.len()] } else { Vec::new() };
    let displacement = if given.is_empty() { &absent } else { given };
    let rows = table.columns();
    if order == Order::None {
        displaced::price(&rows, displacement, model, &mut results.columns[0], &mut results.status);
    } else {
        with_all(order, results, |out, status| displaced::greeks_into(&rows, displacement, model, out, status));
    }
}

fn fourier_rows(underlying: Underlying, table: &Table, order: Order, results: &mut Results) {
    if order == Order::None {
        let model = fourier_models(table);
        let columns = fourier_columns(underlying, table, &model);
        fourier::price_batch(&columns, &mut results.columns[0], &mut results.status);
    } else {
        let greeks = |table: &Table| fourier_greeks(underlying, table);
        let (mut all, status) = greeks(table);
        results.status = status;
        if order >= Order::Second {
            by_volatility::add(table, &mut all, greeks);
        }
        let row = |(i, &status): (usize, &Status)| {
            let mut quantities: Quantities = std::array::from_fn(|greek| all[greek][i]);
            as_of_forward(&mut quantities, &row_of(table, i, underlying), underlying, true);
            if status.is_ok() { Ok(quantities) } else { Err(status) }
        };
        let found: Vec<_> = results.status.iter().enumerate().map(row).collect();
        for (i, found) in found.into_iter().enumerate() {
            results.put(order, i, found);
        }
    }
    results.status.iter_mut().for_each(|status| *status = as_given(*status, underlying));
}

fn fourier_models(table: &Table) -> Vec<fourier::Model> {
    (0..table.len()).map(|row| models::by_characteristic_function(table, row)).collect()
}

fn fourier_columns<'a>(underlying: Underlying, table: &'a Table, model: &'a [fourier::Model]) -> fourier::Columns<'a> {
    fourier::Columns {
        model,
        option_type: &table.option_type,
        spot: &table.spot,
        strike: &table.strike,
        expiry_years: &table.expiry_years,
        risk_free_rate: &table.risk_free_rate,
        dividend_yield: match underlying {
            Underlying::Spot => &table.dividend_yield,
            Underlying::Forward => &table.risk_free_rate,
        },
    }
}

/// What the series makes, by quantity and row, and statuses.
fn fourier_greeks(underlying: Underlying, table: &Table) -> (Vec<Vec<f64>>, Vec<Status>) {
    let model = fourier_models(table);
    let mut all: Vec<Vec<f64>> = vec![vec![f64::NAN; table.len()]; Greek::ALL.len()];
    let mut status = vec![Status::Ok; table.len()];
    let mut out = all.iter_mut();
    let out = [(); Greek::ALL.len()].map(|()| out.next().map(Vec::as_mut_slice).unwrap_or_default());
    fourier::greeks_batch(&fourier_columns(underlying, table, &model), out, &mut status);
    (all, status)
}

fn integral(table: &Table, i: usize, underlying: Underlying, order: Order) -> Result<Quantities, Status> {
    let model = models::by_characteristic_function(table, i);
    let row = row_of(table, i, underlying);
    let slice = fourier::Slice {
        spot: row.spot,
        expiry_years: row.expiry_years,
        risk_free_rate: row.risk_free_rate,
        dividend_yield: row.dividend_yield,
    };
    let mut quantities = NOTHING;
    if order == Order::None {
        let price = fourier::twin::price(&model, &slice, row.option_type, row.strike);
        quantities[Greek::Price as usize] = price.map_err(|fault| as_given(fault, underlying))?;
    } else {
        let greeks = fourier::twin::greeks(&model, &slice, row.option_type, row.strike);
        quantities = greeks.map_err(|fault| as_given(fault, underlying))?;
        as_of_forward(&mut quantities, &row, underlying, true);
    }
    Ok(quantities)
}

/// A row of which only the price is made.
pub(super) fn price_alone(price: f64) -> Quantities {
    let mut quantities = NOTHING;
    quantities[Greek::Price as usize] = price;
    quantities
}

/// What is wanted of a batch of American options.
#[derive(Debug)]
pub enum American<'a> {
    /// As [`american::price_batch`].
    Price(&'a mut [f64]),
    /// As [`american::greeks_batch`].
    Greeks(&'a mut GreekColumns),
}

/// Values American rows; `engine` values a batch of them by the boundary, on the CPU or on a device. Under [`Method::Auto`] finite differences give
/// prices where the boundary's method does not go.
///
/// # Errors
/// The engine's.
pub fn evaluate_american<E>(
    underlying: Underlying,
    table: &Table,
    order: Order,
    settings: &Settings,
    engine: impl FnOnce(&RowColumns<'_>, &american::Accuracy, American<'_>, &mut [Status]) -> Result<(), E>,
) -> Result<Results, E> {
    let mut results = Results::empty(order, table.len());
    let mut rows = table.columns();
    if underlying == Underlying::Forward {
        rows.dividend_yield = rows.risk_free_rate;
    }
    let accuracy = settings.accuracy.scheme();
    if order == Order::None {
        engine(&rows, accuracy, American::Price(&mut results.columns[0]), &mut results.status)?;
    } else {
        let mut all = GreekColumns::zeros(table.len());
        engine(&rows, accuracy, American::Greeks(&mut all), &mut results.status)?;
        let quantities = |i: usize| {
            let mut quantities: Quantities = Greek::ALL.map(|greek| all.column(greek)[i]);
            as_of_forward(&mut quantities, &rows.row(i), underlying, false);
            quantities
        };
        let found: Vec<_> = results.status.iter().enumerate().map(|(i, &status)| (quantities(i), status)).collect();
        for (i, (quantities, status)) in found.into_iter().enumerate() {
            results.put(order, i, if status.is_ok() { Ok(quantities) } else { Err(status) });
        }
    }
    for (i, status) in results.status.iter_mut().enumerate() {
        // Whoever names neither method nor accuracy gets a price where the boundary's method does not go, by a grid, and no Greeks: a grid
        // is not as exact as the other accuracies say.
        let beyond = matches!(*status, Status::TwoBoundaries | Status::NotConverged);
        if beyond && settings.method == Method::Auto && matches!(settings.accuracy, Accuracy::Quick | Accuracy::Fast) {
            let price = american::price(&rows.row(i));
            let alone = if order == Order::None { Status::Ok } else { Status::PriceAlone };
            *status = price.err().unwrap_or(alone);
            results.columns[0][i] = price.unwrap_or(f64::NAN);
        }
        *status = as_given(*status, underlying);
    }
    Ok(results)
}

fn finite_difference_row(
    row: &Row,
    (exercise, underlying): (ExerciseStyle, Underlying),
    order: Order,
    grid: &finite_difference::Settings,
) -> Result<(Quantities, f64), Status> {
    let contract = match exercise {
        ExerciseStyle::European => Contract::european(*row),
        ExerciseStyle::American => Contract::american(*row, &[]),
    };
    let found = dividends::one(&contract, order, grid).map_err(|fault| as_given(fault, underlying))?;
    let mut quantities = dividends::quantities(&found, row, order);
    as_of_forward(&mut quantities, row, underlying, false);
    Ok((quantities, found.estimate.error))
}

/// The market of a row, as a simulation takes it.
pub(super) fn market_of(row: &Row) -> Market {
    Market {
        spot: row.spot,
        expiry_years: row.expiry_years,
        risk_free_rate: row.risk_free_rate,
        dividend_yield: row.dividend_yield,
    }
}

/// Until an expiry nearer than this a simulation has the steps of this: with the default a week has 32 steps, not two, which left 1.7 % of the
/// price (docs/monte-carlo.md).
const SHORTEST_YEARS: f64 = 0.32;

/// Steps that a model needs to expiry.
pub(super) fn steps_of(model: &monte_carlo::Model<'_>, expiry_years: f64, settings: &Settings) -> usize {
    let in_steps = matches!(model, monte_carlo::Model::Heston(_) | monte_carlo::Model::Bates { .. });
    let most = monte_carlo::MOST_STEPS as f64;
    let years = expiry_years.max(SHORTEST_YEARS);
    let steps = if in_steps { (settings.steps_per_year * years).ceil().clamp(1.0, most) } else { 1.0 };
    // An expiry that is none has some steps: the market's own fault is then the one that is named.
    (steps as usize).max(1)
}

/// A simulated row: all quantities, and the standard errors of them.
type Simulated = (Quantities, Quantities);

fn simulated_rows(table: &Table, underlying: Underlying, (order, settings): (Order, &Settings), results: &mut Results) {
    let rows = results.status.len();
    let value = |i: usize| simulated_row(table, i, underlying, (order, settings));
    let found: Vec<Result<Simulated, Status>> = (0..rows).into_par_iter().map(value).collect();
    let column = |greek: Greek| {
        found
            .iter()
            .map(move |found| found.map_or(f64::NAN, |(_, errors)| errors[greek as usize]))
            .collect::<Vec<f64>>()
    };
    results.error = column(Greek::Price);
    results.greek_errors = order.simulated().map(|(greek, _)| column(greek)).collect();
    for (i, found) in found.into_iter().enumerate() {
        results.put(order, i, found.map(|(quantities, _)| quantities));
    }
}

fn simulated_row(
    table: &Table,
    i: usize,
    underlying: Underlying,
    (order, settings): (Order, &Settings),
) -> Result<Simulated, Status> {
    let row = row_of(table, i, underlying);
    let model = models::simulated(table, i)?;
    let market = market_of(&row);
    let plan = Plan::new(settings.seed, settings.paths, steps_of(&model, row.expiry_years, settings))
        .sampled(settings.sampling);
    let payoff = Payoff::European { option_type: row.option_type, strike: row.strike };
    let refused = |error: MonteCarloError| match error {
        MonteCarloError::Field(fault) => as_given(fault, underlying),
        _ => Status::BadMethod,
    };
    // Without volatility to speak of there is no density to differentiate, and a price all the same.
    if let (monte_carlo::Model::BlackScholes { volatility }, true) = (&model, order > Order::None)
        && (volatility * row.expiry_years.sqrt()).powi(2).is_normal()
    {
        let greeks =
            monte_carlo::greeks(&market, *volatility, &payoff, GreekMethod::Pathwise, &plan).map_err(refused)?;
        return Ok(greeks_of_simulation(&greeks, &row, underlying));
    }
    let estimate = monte_carlo::price(&market, &model, &payoff, &plan).map_err(refused)?;
    Ok((price_alone(estimate.price), price_alone(estimate.standard_error)))
}

fn greeks_of_simulation(greeks: &GreekEstimates, row: &Row, underlying: Underlying) -> Simulated {
    let estimates = [
        (Greek::Price, greeks.price),
        (Greek::Delta, greeks.delta),
        (Greek::Gamma, greeks.gamma),
        (Greek::Vega, greeks.vega),
        (Greek::Theta, greeks.theta),
        (Greek::Rho, greeks.rho),
        (Greek::Phi, greeks.phi),
        (Greek::DualDelta, greeks.dual_delta),
    ];
    let (mut quantities, mut errors) = (NOTHING, NOTHING);
    for (greek, estimate) in estimates {
        quantities[greek as usize] = estimate.price;
        errors[greek as usize] = estimate.standard_error;
    }
    as_of_forward(&mut quantities, row, underlying, true);
    if underlying == Underlying::Forward {
        errors[Greek::Rho as usize] = row.expiry_years * greeks.price.standard_error;
        errors[Greek::Phi as usize] = f64::NAN;
        // What a method does not make is not what follows from it either.
        quantities[Greek::Vera as usize] = f64::NAN;
    }
    (quantities, errors)
}
