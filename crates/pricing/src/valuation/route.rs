//! Which engine values a row whose contract has terms of its own, and what is refused by name.

use zomma_base::{ExerciseStyle, Status};

use super::{Kind, Method, ModelName, PayoffName, Settings, Table, Terms};
use crate::{displaced::Underlying, monte_carlo::MOST_STEPS};

/// An engine for contracts that are not vanilla.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractEngine {
    /// `pricing/src/exotic`.
    ClosedForm,
    /// `pricing/src/finite_difference`, in one dimension or, under Heston, in two.
    FiniteDifference,
    /// `pricing/src/monte_carlo`.
    MonteCarlo,
}

/// The engine of a row with terms.
///
/// Errors: the status of the field that no engine can value together with the others; `BadMethod` where another method could.
pub(super) fn kind_of(table: &Table, row: usize, terms: &Terms, settings: &Settings) -> Result<Kind, Status> {
    let underlying = if table.on_forward[row] { Underlying::Forward } else { Underlying::Spot };
    let (model, exercise) = (table.model[row], table.exercise[row]);
    let early = exercise == ExerciseStyle::American || terms.exercise_times.is_some();
    check(table, row, terms, early)?;
    let lognormal = matches!(model, ModelName::Bsm | ModelName::Black76);
    let of_spot = terms.payoff.is_of_spot();
    if lognormal && terms.is_vanilla() {
        return match settings.method {
            Method::Auto | Method::FiniteDifference => Ok(Kind::CashDividends(exercise)),
            _ => Err(Status::BadMethod),
        };
    }
    let formula = lognormal
        && terms.dividends.is_empty()
        && if early { has_early_formula(table, row, terms) } else { has_formula(terms) };
    let grid = (lognormal || model == ModelName::Heston) && of_spot;
    let simulated = if early { Err(Status::BadExerciseStyle) } else { is_simulated(terms, model) };
    let order = [
        (formula, ContractEngine::ClosedForm, Method::ClosedForm),
        (grid, ContractEngine::FiniteDifference, Method::FiniteDifference),
        (simulated.is_ok(), ContractEngine::MonteCarlo, Method::MonteCarlo),
    ];
    let mut able = order.into_iter().filter(|(fits, ..)| *fits).peekable();
    if able.peek().is_none() {
        return Err(simulated.err().unwrap_or(Status::BadExerciseStyle));
    }
    let found = able.find(|(_, _, method)| settings.method == Method::Auto || settings.method == *method);
    found.map(|(_, engine, _)| Kind::Contract(engine, underlying)).ok_or(Status::BadMethod)
}

/// What no engine values.
fn check(table: &Table, row: usize, terms: &Terms, early: bool) -> Result<(), Status> {
    let model = table.model[row];
    let known = match model {
        ModelName::Bsm | ModelName::Black76 | ModelName::Heston => true,
        ModelName::Bates | ModelName::Merton => terms.dividends.is_empty(),
        ModelName::Bachelier | ModelName::Displaced | ModelName::Kou | ModelName::VarianceGamma => false,
    };
    let of_spot = terms.payoff.is_of_spot();
    if !(terms.dividends.is_empty() || known && of_spot && !table.on_forward[row]) {
        return Err(Status::BadDividend);
    }
    if terms.dividends.iter().any(|d| !(d.amount.is_finite() && d.amount >= 0.0 && d.time_years >= 0.0)) {
        return Err(Status::BadDividend);
    }
    if early && (!of_spot || !matches!(model, ModelName::Bsm | ModelName::Black76 | ModelName::Heston)) {
        return Err(Status::BadExerciseStyle);
    }
    if !known {
        return Err(if terms.barrier.is_some() { Status::BadBarrierType } else { Status::BadPayoff });
    }
    if let Some(barrier) = &terms.barrier {
        if !of_spot {
            return Err(Status::BadBarrierType);
        }
        if early && !barrier.kind.is_out() {
            return Err(Status::BadExerciseStyle);
        }
    }
    if !(terms.cash.is_finite() && terms.cash >= 0.0) {
        return Err(Status::BadCash);
    }
    if terms.observation_dates.is_some_and(|dates| !(1..=MOST_STEPS).contains(&dates)) {
        return Err(Status::BadObservationDates);
    }
    if terms.payoff == PayoffName::ArithmeticAsian && terms.observation_dates.is_none() {
        return Err(Status::BadObservationDates);
    }
    let extreme_used = terms.payoff.is_lookback() && terms.observation_dates.is_none();
    if terms.extreme.is_some_and(|extreme| !(extreme_used && extreme.is_finite() && extreme > 0.0)) {
        return Err(Status::BadExtreme);
    }
    // An option without any forward left is none that this model values.
    let (rate, years) = (table.risk_free_rate[row], table.expiry_years[row]);
    if !terms.dividends.is_empty() && terms.dividends_worth(rate, years) >= table.spot[row] && table.spot[row] > 0.0 {
        return Err(Status::DividendAboveSpot);
    }
    Ok(())
}

/// Whether a European option of these terms has a closed form under Black–Scholes.
fn has_formula(terms: &Terms) -> bool {
    let always = terms.observation_dates.is_none();
    match (terms.payoff, &terms.barrier) {
        (PayoffName::Vanilla, Some(barrier)) => !barrier.kind.is_double() && always,
        (PayoffName::CashOrNothing | PayoffName::AssetOrNothing, None) | (PayoffName::GeometricAsian, None) => true,
        (PayoffName::FixedLookback | PayoffName::FloatingLookback, None) => always,
        _ => false,
    }
}

/// Whether an option of these terms that may be exercised early has: a digital at any time, where waiting pays nothing.
fn has_early_formula(table: &Table, row: usize, terms: &Terms) -> bool {
    let rate = table.risk_free_rate[row];
    let income = if table.on_forward[row] { rate } else { table.dividend_yield[row] };
    let is_patience_worthless = match terms.payoff {
        PayoffName::CashOrNothing => rate >= 0.0,
        PayoffName::AssetOrNothing => income >= 0.0,
        _ => return false,
    };
    // Where the spot is all but certain the grid has its value on the certain path.
    let is_certain = table.volatility[row] * table.expiry_years[row].sqrt() < LEAST_DEVIATION;
    let at_any_time = table.exercise[row] == ExerciseStyle::American && terms.exercise_times.is_none();
    at_any_time && terms.barrier.is_none() && is_patience_worthless && !is_certain
}

/// Below this σ√T finite differences take the spot for certain.
const LEAST_DEVIATION: f64 = 1e-7;

/// Ok where a simulation values a European option of these terms; else the field that it cannot take.
fn is_simulated(terms: &Terms, model: ModelName) -> Result<(), Status> {
    if !terms.dividends.is_empty() {
        return Err(Status::BadDividend);
    }
    if let Some(barrier) = &terms.barrier {
        if barrier.kind.is_double() {
            return Err(Status::BadBarrierType);
        }
        if terms.payoff != PayoffName::Vanilla {
            return Err(Status::BadPayoff);
        }
        // Between its steps a path with jumps may have been anywhere.
        let jumps = matches!(model, ModelName::Merton | ModelName::Bates);
        if jumps && terms.observation_dates.is_none() {
            return Err(Status::BadObservationDates);
        }
        // A simulation pays it at expiry.
        if barrier.kind.is_out() && barrier.rebate != 0.0 {
            return Err(Status::BadRebate);
        }
    }
    match terms.payoff {
        PayoffName::AssetOrNothing => Err(Status::BadPayoff),
        PayoffName::GeometricAsian | PayoffName::FixedLookback | PayoffName::FloatingLookback
            if terms.observation_dates.is_none() =>
        {
            Err(Status::BadObservationDates)
        }
        _ => Ok(()),
    }
}
