//! Price and Greeks of every row at the surface's volatility: one batch over the whole chain.
//!
//! Greeks are sticky-strike in spot, rate and yield: q of F = S e^{(r−q)T} is parity's, and the volatility of a strike stays when spot
//! moves. An American row gets the Greeks of its European twin at the surface's volatility.
//!
//! With cash dividends the forward is F = S* e^{(r−q)T}, S* = S − Σ Dᵢ e^{−(r−q)tᵢ}, and the Greeks are those of S*, which moves with S one
//! for one, with the rate by M = Σ tᵢ Dᵢ e^{−(r−q)tᵢ}, with the yield by −M, and with calendar time by −(r−q) (S − S*).

use zomma_base::Status;
use zomma_market::chain::Quotes;
use zomma_pricing::black::{self, Greek, GreekColumns, Model, RowColumns};

use super::{
    expiries::Expiries,
    forwards::{Carry, Forwards},
};

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
    let mut spot = vec![forwards.spot; rows];
    let (mut rate, mut dividend_yield) = (vec![f64::NAN; rows], vec![f64::NAN; rows]);
    let by_expiry: Vec<Option<Terms>> = expiries
        .alive
        .iter()
        .zip(&forwards.carries)
        .map(|(expiry, carry)| carry.as_ref().map(|carry| Terms::new(forwards, carry, expiry.years)))
        .collect();
    let terms = |row: usize| by_expiry.get(expiries.row_expiry[row] as usize).and_then(Option::as_ref);
    for row in 0..rows {
        if let Some(terms) = terms(row) {
            (spot[row], rate[row], dividend_yield[row]) = (terms.spot, terms.rate, terms.dividend_yield);
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
        if let Some(terms) = terms(row).filter(|terms| terms.paid > 0.0) {
            terms.move_with_dividends(forwards.spot, row, &mut out.greeks);
        }
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

/// What the Greeks of one expiry are taken at.
struct Terms {
    /// Less the worth of cash dividends before expiry.
    spot: f64,
    rate: f64,
    dividend_yield: f64,
    /// Worth now of the cash dividends, and its fall with the growth.
    paid: f64,
    slope: f64,
}

impl Terms {
    fn new(forwards: &Forwards, carry: &Carry, years: f64) -> Self {
        let (spot, rate) = (forwards.spot, carry.rate);
        let Some(cash) = forwards.cash.as_ref().filter(|cash| !cash.before(years).is_empty()) else {
            let dividend_yield = carry.dividend_yield(spot, years);
            return Self { spot, rate, dividend_yield, paid: 0.0, slope: 0.0 };
        };
        let growth = cash.growth(spot, carry.forward, years);
        let [paid, slope] = cash.present_value(years, growth);
        Self { spot: spot - paid, rate, dividend_yield: rate - growth, paid, slope }
    }

    /// Turns the derivatives at the lesser spot into those of the share.
    fn move_with_dividends(&self, spot: f64, row: usize, greeks: &mut GreekColumns) {
        let passing = (self.dividend_yield - self.rate) * self.paid;
        let columns = greeks.columns_mut();
        let at = |columns: &[Vec<f64>; 19], greek: Greek| columns[greek as usize][row];
        let moved = [
            (Greek::Theta, passing, Greek::Delta),
            (Greek::Charm, passing, Greek::Gamma),
            (Greek::Color, passing, Greek::Speed),
            (Greek::Veta, passing, Greek::Vanna),
            (Greek::Rho, self.slope, Greek::Delta),
            (Greek::Phi, -self.slope, Greek::Delta),
            (Greek::Vera, self.slope, Greek::Vanna),
        ];
        for (greek, by, along) in moved {
            columns[greek as usize][row] += by * at(columns, along);
        }
        columns[Greek::Lambda as usize][row] *= spot / self.spot;
    }
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
