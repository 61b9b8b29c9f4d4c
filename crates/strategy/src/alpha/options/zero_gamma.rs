//! The price of the underlying at which dealers' gamma changes its sign.
//!
//! Method     gamma of every open row at its own volatility (sticky strike) over prices in steps of 0.5 % out to 30 % either way; the change of sign
//!            nearest to the price now, halved until it is exact
//! Cost       121 times the rows at most

use zomma_base::OptionType;
use zomma_pricing::math::{Plain, normal_pdf};

use super::exposure::DealerPosition;

/// One open option.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GammaRow {
    /// Call or put.
    pub option_type: OptionType,
    /// Strike.
    pub strike: f64,
    /// Years to expiry.
    pub years: f64,
    /// Continuously compounded.
    pub rate: f64,
    /// Continuously compounded.
    pub dividend_yield: f64,
    /// Per √year.
    pub volatility: f64,
    /// Open contracts.
    pub open_interest: f64,
}

/// How far from the price now a change of sign is looked for.
pub const ZERO_GAMMA_REACH: f64 = 0.30;
/// Step of the search, in log price.
const STEP: f64 = 0.005;

/// Dealers' gamma as a function of the price of the underlying.
#[derive(Clone, Debug)]
pub struct GammaProfile {
    rows: Vec<Terms>,
    multiplier: f64,
}

/// A row with what does not depend on the price taken out.
#[derive(Clone, Copy, Debug)]
struct Terms {
    /// Signed contracts times e^{−qT}/(σ√T).
    weight: f64,
    /// d₁ = (ln S − shift)/deviation.
    shift: f64,
    deviation: f64,
}

impl GammaProfile {
    /// Takes the rows whose numbers are finite, with years, volatility and open interest above zero.
    pub fn new(rows: &[GammaRow], multiplier: f64, dealers: DealerPosition) -> Self {
        let terms = rows.iter().filter_map(|row| {
            let deviation = row.volatility * row.years.sqrt();
            let drift = (row.rate - row.dividend_yield) * row.years + 0.5 * deviation * deviation;
            let weight = dealers.sign(row.option_type) * row.open_interest * (-row.dividend_yield * row.years).exp();
            let terms = Terms { weight: weight / deviation, shift: row.strike.ln() - drift, deviation };
            let is_usable = row.years > 0.0 && row.volatility > 0.0 && row.open_interest > 0.0;
            (is_usable && terms.weight.is_finite() && terms.shift.is_finite()).then_some(terms)
        });
        Self { rows: terms.collect(), multiplier }
    }

    /// Gamma exposure at a price, currency for 1 % of the underlying.
    pub fn at(&self, spot: f64) -> f64 {
        let log = spot.ln();
        let sum: f64 =
            self.rows.iter().map(|row| row.weight * normal_pdf::<Plain>((log - row.shift) / row.deviation)).sum();
        sum * self.multiplier * spot * 0.01
    }

    /// The price nearest to `spot` at which the exposure changes its sign; `None` where it does not within [`ZERO_GAMMA_REACH`].
    pub fn zero(&self, spot: f64) -> Option<f64> {
        if self.rows.is_empty() || !(spot > 0.0 && spot.is_finite()) {
            return None;
        }
        let steps = ((1.0 + ZERO_GAMMA_REACH).ln() / STEP).ceil() as i32;
        let price = |step: i32| spot * (f64::from(step) * STEP).exp();
        let here = self.at(spot);
        let (mut up, mut down) = (here, here);
        for step in 1..=steps {
            let crossing = |last: f64, next: f64, side: i32| {
                (last * next <= 0.0 && last != next).then(|| self.halve(price(side * (step - 1)), price(side * step)))
            };
            let (above, below) = (self.at(price(step)), self.at(price(-step)));
            let (zero_above, zero_below) = (crossing(up, above, 1), crossing(down, below, -1));
            (up, down) = (above, below);
            let nearest = |a: f64, b: f64| if (a / spot).ln() <= (spot / b).ln() { a } else { b };
            match (zero_above, zero_below) {
                (Some(above), Some(below)) => return Some(nearest(above, below)),
                (Some(zero), None) | (None, Some(zero)) => return Some(zero),
                (None, None) => {}
            }
        }
        None
    }

    fn halve(&self, mut from: f64, mut to: f64) -> f64 {
        let sign = self.at(from) > 0.0;
        for _ in 0..50 {
            let middle = 0.5 * (from + to);
            if (self.at(middle) > 0.0) == sign { from = middle } else { to = middle }
        }
        0.5 * (from + to)
    }
}

#[cfg(test)]
mod tests {
    use zomma_pricing::black::{Model, Row, scalar};

    use super::*;

    fn row(option_type: OptionType, strike: f64, open_interest: f64) -> GammaRow {
        GammaRow { option_type, strike, years: 0.2, rate: 0.03, dividend_yield: 0.01, volatility: 0.2, open_interest }
    }

    #[test]
    fn the_profile_is_the_gamma_of_the_pricing_formulae() {
        let rows = [row(OptionType::Call, 105.0, 700.0), row(OptionType::Put, 95.0, 900.0)];
        let profile = GammaProfile::new(&rows, 100.0, DealerPosition::LongCallsShortPuts);
        for spot in [80.0, 97.0, 100.0, 120.0] {
            let gamma = |row: &GammaRow| {
                let row = Row {
                    option_type: row.option_type,
                    spot,
                    strike: row.strike,
                    expiry_years: row.years,
                    risk_free_rate: row.rate,
                    dividend_yield: row.dividend_yield,
                    volatility: row.volatility,
                };
                scalar::greeks(&row, Model::Bsm).unwrap()[2]
            };
            let expected = (700.0 * gamma(&rows[0]) - 900.0 * gamma(&rows[1])) * 100.0 * spot * spot * 0.01;
            assert!((profile.at(spot) - expected).abs() < 1e-9 * expected.abs());
        }
    }

    #[test]
    fn the_sign_changes_between_the_put_and_the_call_strike() {
        let rows = [row(OptionType::Call, 105.0, 800.0), row(OptionType::Put, 95.0, 800.0)];
        let profile = GammaProfile::new(&rows, 100.0, DealerPosition::LongCallsShortPuts);
        let zero = profile.zero(101.0).unwrap();
        // Equal weights: |d₁| is equal at ln S = the mean of both shifts.
        let drift = (0.03 - 0.01) * 0.2 + 0.5 * 0.04 * 0.2;
        let expected = (0.5 * (105.0_f64.ln() + 95.0_f64.ln()) - drift).exp();
        assert!((zero - expected).abs() < 1e-9, "{zero} {expected}");
        assert!(profile.at(zero * 1.01) > 0.0 && profile.at(zero * 0.99) < 0.0);
        // Too far, one-sided, or nothing there.
        assert_eq!(profile.zero(150.0), None);
        assert_eq!(GammaProfile::new(&rows, 100.0, DealerPosition::LongAll).zero(101.0), None);
        let bad = GammaRow { volatility: f64::NAN, ..rows[0] };
        assert_eq!(GammaProfile::new(&[bad], 100.0, DealerPosition::LongAll).zero(101.0), None);
    }
}
