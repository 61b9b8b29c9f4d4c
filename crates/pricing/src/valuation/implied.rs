//! Implied volatilities of rows of any style, each by the inversion of its kind. The prices stand in the table's `volatility`.

use rayon::prelude::*;
use zomma_base::{ExerciseStyle, Status};

use super::{
    Kind, Order, Results, Settings, Table, contracts::contract_volatility, dividends::by_dividends, evaluate_with,
};
use crate::{
    american,
    black::{Model, RowColumns},
    displaced::Underlying,
    finite_difference,
    implied_vol::{self, BsmPriceColumns, PriceColumns},
};

/// The volatility that each row's price has, on the CPU: European and American options under bsm and black76, on spot with cash dividends
/// too, and contracts that a closed form or a grid values, where one volatility alone has the price (`SeveralVolatilities` else). One
/// column; a row whose status is not `Ok` has NaN.
pub fn implied_volatility(table: &Table) -> Results {
    let settings = Settings::default();
    let never: Result<Results, std::convert::Infallible> =
        evaluate_with(table, Order::None, &settings, |kind, part| Ok(implied_volatility_kind(kind, part)));
    match never {
        Ok(results) => results,
    }
}

/// The same of rows that are all of one kind.
pub fn implied_volatility_kind(kind: Kind, table: &Table) -> Results {
    let rows = table.columns();
    let mut status = vec![Status::Ok; table.len()];
    let mut column = vec![f64::NAN; table.len()];
    match kind {
        Kind::Black(Model::Bsm) => on_spot(&rows, &mut column, &mut status),
        Kind::Black(Model::Black76) => on_forward(&rows, &mut column, &mut status),
        Kind::American(underlying) => american_rows(&rows, underlying, &mut column, &mut status),
        Kind::CashDividends(exercise) => with_dividends(exercise, table, &mut column, &mut status),
        Kind::Contract(engine, underlying) => {
            let settings = Settings::default();
            column.par_iter_mut().zip(&mut status).enumerate().for_each(
                |(row, (out, status))| match contract_volatility((engine, underlying), table, row, &settings) {
                    Ok(volatility) => *out = volatility,
                    Err(fault) => *status = fault,
                },
            );
        }
        _ => status.fill(Status::BadModel),
    }
    Results { columns: vec![column], status, ..Results::default() }
}

fn on_spot(rows: &RowColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let columns = BsmPriceColumns {
        option_type: rows.option_type,
        spot: rows.spot,
        strike: rows.strike,
        expiry_years: rows.expiry_years,
        risk_free_rate: rows.risk_free_rate,
        dividend_yield: rows.dividend_yield,
        price: rows.volatility,
    };
    implied_vol::implied_volatility_bsm(&columns, out, status);
}

fn on_forward(rows: &RowColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let discount_factor: Vec<f64> =
        rows.risk_free_rate.iter().zip(rows.expiry_years).map(|(rate, years)| (-rate * years).exp()).collect();
    let columns = PriceColumns {
        option_type: rows.option_type,
        forward: rows.spot,
        strike: rows.strike,
        expiry_years: rows.expiry_years,
        discount_factor: &discount_factor,
        price: rows.volatility,
    };
    implied_vol::implied_volatility(&columns, out, status);
    // The discount factor is made of the rate that the user gave: the fault is named by the field, or a finite rate overflows.
    for (status, rate) in status.iter_mut().zip(rows.risk_free_rate) {
        if !rate.is_finite() {
            *status = Status::BadRate;
        } else if *status == Status::BadRate {
            *status = Status::Overflow;
        }
    }
}

fn american_rows(rows: &RowColumns<'_>, underlying: Underlying, out: &mut [f64], status: &mut [Status]) {
    let rows = match underlying {
        Underlying::Spot => *rows,
        Underlying::Forward => RowColumns { dividend_yield: rows.risk_free_rate, ..*rows },
    };
    american::implied_volatility_batch(&rows, rows.volatility, out, status);
    if underlying == Underlying::Forward {
        // The spot was made of the forward that the user gave.
        status.iter_mut().filter(|status| **status == Status::BadSpot).for_each(|status| *status = Status::BadForward);
    }
}

fn with_dividends(exercise: ExerciseStyle, table: &Table, out: &mut [f64], status: &mut [Status]) {
    let grid = finite_difference::Settings::default();
    for (dividends, picked) in by_dividends(table) {
        let part = table.gather(&picked);
        let rows = part.columns();
        let mut found = vec![f64::NAN; part.len()];
        let mut faults = vec![Status::Ok; part.len()];
        match exercise {
            ExerciseStyle::American => finite_difference::implied_volatility_batch(
                &rows,
                rows.volatility,
                &dividends,
                &grid,
                &mut found,
                &mut faults,
            ),
            ExerciseStyle::European => {
                found.par_iter_mut().zip(faults.par_iter_mut()).enumerate().for_each(|(i, (out, status))| {
                    let row = rows.row(i);
                    let given = finite_difference::european_implied_volatility_with_dividends(
                        &row,
                        &dividends,
                        row.volatility,
                        &grid,
                    );
                    match given {
                        Ok(volatility) => *out = volatility,
                        Err(fault) => *status = fault,
                    }
                });
            }
        }
        for ((&row, found), fault) in picked.iter().zip(found).zip(faults) {
            (out[row], status[row]) = (found, fault);
        }
    }
}
