//! Implied volatility of bid, mid and ask of every row, in three batches over the whole chain.
//!
//! Rejected rows are inverted as well where they have an expiry and a price: the row's own status says why it was rejected. An
//! American row is inverted by an American engine (`deamericanize`), so its volatility is the one of the European option on the same
//! surface.

use rayon::prelude::*;
use zomma_base::{ExerciseStyle, Status};
use zomma_market::chain::Quotes;
use zomma_pricing::implied_vol::{self, PriceColumns};

use super::{
    clean::bid_or_zero,
    deamericanize::{EarlyExercise, Quoted},
    expiries::Expiries,
    forwards::Forwards,
};

/// Volatilities of one price column.
#[derive(Clone, Debug, Default)]
pub(super) struct VolatilityColumn {
    /// NaN with a status.
    pub volatility: Vec<f64>,
    /// Why there is none.
    pub status: Vec<Status>,
}

/// Terms of every row's expiry as columns; NaN where the row has none.
#[derive(Clone, Debug, Default)]
pub(super) struct RowTerms {
    /// Forward.
    pub forward: Vec<f64>,
    /// Discount factor.
    pub discount_factor: Vec<f64>,
}

/// Bid, mid and ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Volatilities {
    /// Of the bid.
    pub bid: VolatilityColumn,
    /// Of the mid.
    pub mid: VolatilityColumn,
    /// Of the ask.
    pub ask: VolatilityColumn,
}

/// Spreads the terms of the expiries over the rows.
pub(super) fn row_terms(expiries: &Expiries, forwards: &Forwards) -> RowTerms {
    let rows = expiries.row_expiry.len();
    let mut terms = RowTerms { forward: vec![f64::NAN; rows], discount_factor: vec![f64::NAN; rows] };
    for row in 0..rows {
        if let Some(Some(carry)) = forwards.carries.get(expiries.row_expiry[row] as usize) {
            terms.forward[row] = carry.forward;
            terms.discount_factor[row] = carry.discount_factor;
        }
    }
    terms
}

/// Inverts every row.
pub(super) fn invert(
    quotes: &Quotes,
    row_status: &[Status],
    expiries: &Expiries,
    forwards: &Forwards,
    terms: &RowTerms,
) -> Volatilities {
    let rows = row_status.len();
    let american: Vec<Option<EarlyExercise<'_>>> = expiries
        .alive
        .iter()
        .zip(&forwards.carries)
        .map(|(expiry, carry)| {
            let carry = carry.as_ref().filter(|_| expiry.style == ExerciseStyle::American)?;
            Some(EarlyExercise::new(forwards.spot, carry, expiry.years, forwards.cash.as_ref()))
        })
        .collect();
    let column = |price: &(dyn Fn(usize) -> f64 + Sync)| {
        // A row that is not inverted here gets an absent price, which the batch passes over.
        let mut prices: Vec<f64> = (0..rows).map(price).collect();
        let mut reason: Vec<Option<Status>> = (0..rows)
            .map(|row| no_volatility(row_status[row], prices[row], expiries.row_years[row], terms.forward[row]))
            .collect();
        let quoted = |row: usize| Quoted {
            option_type: quotes.option_type[row],
            strike: quotes.strike[row],
            price: prices[row],
        };
        let early_rows: Vec<(usize, &EarlyExercise<'_>)> = (0..rows)
            .filter(|&row| reason[row].is_none())
            .filter_map(|row| Some((row, american.get(expiries.row_expiry[row] as usize)?.as_ref()?)))
            .filter(|(_, terms)| !terms.has_cash())
            .collect();
        let mut early: Vec<(usize, Result<f64, Status>)> =
            early_rows.par_iter().map(|&(row, terms)| (row, terms.volatility(&quoted(row)))).collect();
        // An expiry behind a cash dividend is one batch of the grid.
        for (expiry, terms) in expiries.alive.iter().zip(&american) {
            let Some(terms) = terms.as_ref().filter(|terms| terms.has_cash()) else { continue };
            let wanted: Vec<usize> =
                expiry.rows.iter().map(|&row| row as usize).filter(|&row| reason[row].is_none()).collect();
            let found = terms.volatilities(&wanted.iter().map(|&row| quoted(row)).collect::<Vec<_>>());
            early.extend(wanted.into_iter().zip(found));
        }
        for &(row, _) in &early {
            reason[row] = Some(Status::Ok);
        }
        for row in 0..rows {
            if reason[row].is_some() {
                prices[row] = f64::NAN;
            }
        }
        let mut out = VolatilityColumn { volatility: vec![f64::NAN; rows], status: vec![Status::Ok; rows] };
        let columns = PriceColumns {
            option_type: &quotes.option_type,
            forward: &terms.forward,
            strike: &quotes.strike,
            expiry_years: &expiries.row_years,
            discount_factor: &terms.discount_factor,
            price: &prices,
        };
        if reason.iter().any(Option::is_none) {
            implied_vol::implied_volatility(&columns, &mut out.volatility, &mut out.status);
        }
        for (row, reason) in reason.iter().enumerate() {
            if let Some(reason) = reason {
                (out.volatility[row], out.status[row]) = (f64::NAN, *reason);
            }
        }
        for (row, result) in early {
            (out.volatility[row], out.status[row]) = match result {
                Ok(volatility) => (volatility, Status::Ok),
                Err(status) => (f64::NAN, status),
            };
        }
        out
    };
    let bid = |row: usize| bid_or_zero(quotes, row);
    Volatilities {
        bid: column(&|row| bid(row)),
        mid: column(&|row| if quotes.ask[row] > 0.0 { 0.5 * (bid(row) + quotes.ask[row]) } else { f64::NAN }),
        ask: column(&|row| if quotes.ask[row] == 0.0 { f64::NAN } else { quotes.ask[row] }),
    }
}

/// Why a price has no volatility before anything is computed.
fn no_volatility(row_status: Status, price: f64, years: f64, forward: f64) -> Option<Status> {
    if years.is_nan() {
        return Some(if row_status.is_ok() { Status::BadExpiry } else { row_status });
    }
    if years <= 0.0 {
        return Some(Status::Expired);
    }
    if price.is_nan() || price == 0.0 {
        return Some(Status::NoQuote);
    }
    if !(price > 0.0 && price.is_finite()) {
        return Some(Status::BadQuote);
    }
    forward.is_nan().then_some(Status::NoForward)
}
