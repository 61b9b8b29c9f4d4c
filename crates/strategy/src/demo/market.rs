//! What the generated market is worth: spot, rates, dividends, and an SSVI surface.

use jiff::{Timestamp, civil::Date};
use zomma_base::{ExerciseStyle, OptionType, Settlement, calendar, time};
use zomma_pricing::{american, black::Row, surface::Ssvi};

/// SSVI with η(1 + |ρ|) below 2, so free of butterfly arbitrage (Gatheral and Jacquier 2014, theorem 4.2 and its power law).
const SSVI: Ssvi = Ssvi { rho: -0.68, eta: 1.05, gamma: 0.42 };
/// Volatility at the money now, and far off; and how fast one becomes the other, a year.
const VOLATILITY_NOW: f64 = 0.145;
const VOLATILITY_FAR: f64 = 0.205;
const VOLATILITY_SPEED: f64 = 1.8;
/// Rate now and far off.
const RATE_NOW: f64 = 0.0435;
const RATE_FAR: f64 = 0.0385;
/// One quarterly dividend as a share of spot, paid on the 20th of March, June, September and December.
const DIVIDEND_SHARE: f64 = 0.0035;

/// The market at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Market {
    /// Date of the quotes.
    pub quote_date: Date,
    /// Instant of the quotes.
    pub instant: Timestamp,
    /// Price of the index.
    pub spot: f64,
    /// Level of volatility: 1 as the constants say.
    pub volatility_level: f64,
}

/// One expiry of the market.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    /// ACT/365F years.
    pub years: f64,
    /// Forward.
    pub forward: f64,
    /// Continuously compounded.
    pub rate: f64,
    /// Variance at the money times years.
    pub theta: f64,
}

impl Market {
    /// The terms of an expiry.
    pub fn term(&self, expiry: Date, settlement: Settlement) -> Term {
        let years = time::year_fraction(self.instant, time::expiry_instant(expiry, settlement));
        let rate = RATE_FAR + (RATE_NOW - RATE_FAR) * (-years).exp();
        let dividends: f64 = self
            .dividend_dates(expiry)
            .map(|paid| {
                let years = time::year_fraction(self.instant, time::expiry_instant(paid, Settlement::Am));
                DIVIDEND_SHARE * self.spot * (-rate * years).exp()
            })
            .sum();
        let speed = VOLATILITY_SPEED * years;
        let settled = if speed > 1e-9 { 1.0 - (-(-speed).exp_m1() / speed) } else { 0.0 };
        let [now, far] = [VOLATILITY_NOW, VOLATILITY_FAR].map(|v| (v * self.volatility_level).powi(2));
        Term {
            years,
            forward: (self.spot - dividends) * (rate * years).exp(),
            rate,
            theta: (now + (far - now) * settled) * years,
        }
    }

    fn dividend_dates(&self, until: Date) -> impl Iterator<Item = Date> {
        let first = self.quote_date;
        (first.year()..=until.year())
            .flat_map(move |year| [3, 6, 9, 12].map(move |month| Date::new(year, month, 20).unwrap_or(first)))
            .filter(move |paid| *paid > first && *paid <= until)
            .map(calendar::session_on_or_before)
    }

    /// Volatility of a strike.
    pub fn volatility(&self, term: &Term, strike: f64) -> f64 {
        let variance = SSVI.slice(term.theta).total_variance((strike / term.forward).ln());
        (variance / term.years).sqrt()
    }

    /// Value of one option.
    pub fn value(&self, term: &Term, style: ExerciseStyle, option_type: OptionType, strike: f64) -> f64 {
        let volatility = self.volatility(term, strike);
        let dividend_yield = term.rate - (term.forward / self.spot).ln() / term.years;
        let row = Row {
            option_type,
            spot: self.spot,
            strike,
            expiry_years: term.years,
            risk_free_rate: term.rate,
            dividend_yield,
            volatility,
        };
        let value = match style {
            ExerciseStyle::European => american::european_price(&row),
            ExerciseStyle::American => american::price(&row),
        };
        // The generated terms are all in the domain; a seed cannot take them out of it.
        value.unwrap_or(f64::NAN)
    }
}
