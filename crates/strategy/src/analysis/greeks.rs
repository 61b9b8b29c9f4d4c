//! Price and Greeks of every row at the surface's volatility: one batch over the whole chain.
//!
//! Greeks are sticky-strike in spot, rate and yield: q of F = S e^{(r−q)T} is parity's, and the volatility of a strike stays when spot
//! moves. An American row gets the Greeks of its European twin at the surface's volatility.

use zomma_base::Status;
use zomma_market::chain::Quotes;
use zomma_pricing::black::{self, GreekColumns, Model, RowColumns};

use super::{expiries::Expiries, forwards::Forwards};

/// Greeks with their statuses.
pub(super) struct RowGreeks {
    /// Columns of NaN where a row has none.
    pub greeks: GreekColumns,
    /// Why.
    pub status: Vec<Status>,
}

/// Values every row that has a forward and a volatility.
pub(super) fn value(
    quotes: &Quotes,
    row_status: &[Status],
    expiries: &Expiries,
    forwards: &Forwards,
    volatility: &[f64],
) -> RowGreeks {
    let rows = row_status.len();
    let spot = vec![forwards.spot; rows];
    let (mut rate, mut dividend_yield) = (vec![f64::NAN; rows], vec![f64::NAN; rows]);
    let yields: Vec<[f64; 2]> = expiries
        .alive
        .iter()
        .zip(&forwards.carries)
        .map(|(expiry, carry)| {
            carry.as_ref().map_or([f64::NAN; 2], |c| [c.rate, c.dividend_yield(forwards.spot, expiry.years)])
        })
        .collect();
    for row in 0..rows {
        if let Some(terms) = yields.get(expiries.row_expiry[row] as usize) {
            [rate[row], dividend_yield[row]] = *terms;
        }
    }
    let columns = RowColumns {
        option_type: &quotes.option_type,
        spot: &spot,
        strike: &quotes.strike,
        expiry_years: &expiries.row_years,
        risk_free_rate: &rate,
        dividend_yield: &dividend_yield,
        volatility,
    };
    let mut out = RowGreeks { greeks: GreekColumns::zeros(rows), status: vec![Status::Ok; rows] };
    black::greeks(&columns, Model::Bsm, &mut out.greeks, &mut out.status);
    for row in 0..rows {
        let Some(reason) = no_greeks(row_status[row], expiries.row_years[row], rate[row], volatility[row]) else {
            continue;
        };
        out.status[row] = reason;
        for column in out.greeks.columns_mut() {
            column[row] = f64::NAN;
        }
    }
    out
}

/// Why a row has no Greeks whatever the formulae say.
fn no_greeks(row_status: Status, years: f64, rate: f64, volatility: f64) -> Option<Status> {
    if years.is_nan() {
        Some(if row_status.is_ok() { Status::BadExpiry } else { row_status })
    } else if years <= 0.0 {
        Some(Status::Expired)
    } else if rate.is_nan() {
        Some(Status::NoForward)
    } else {
        volatility.is_nan().then_some(Status::NoSurface)
    }
}
