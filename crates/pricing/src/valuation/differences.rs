//! Greeks of a closed form by differences of it.
//!
//! Method    five points, of the fourth order (one-sided where the value's form changes at the spot or strike); steps of a hundredth of what
//!           the value changes over: σ√T of spot and strike, σ, T, and σ/√T or 1/T of the rates. Where the carry b over the term outweighs
//!           σ√T: T passes a deviation in σ√T/|b|; (level/S)^(2b/σ²), of a barrier or extreme, changes over σ²/|b| of the spot, and is so steep
//!           in σ and the rates as its exponent is large
//! Accuracy  1e-6 of the Greek, or of the price over the step's power where that is more (tests of this folder)

use super::engines::{NOTHING, Quantities};
use crate::black::{Greek, Row};
use zomma_base::Status;

/// A field that is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Spot,
    Strike,
    Volatility,
    Expiry,
    Rate,
    Yield,
}

impl Axis {
    /// The row with the field moved by `by`.
    pub fn moved(self, row: &Row, by: f64) -> Row {
        let mut moved = *row;
        match self {
            Self::Spot => moved.spot += by,
            Self::Strike => moved.strike += by,
            Self::Volatility => moved.volatility += by,
            Self::Expiry => moved.expiry_years += by,
            Self::Rate => moved.risk_free_rate += by,
            Self::Yield => moved.dividend_yield += by,
        }
        moved
    }
}

/// Where the value keeps its form.
pub(super) struct Room {
    /// How far the spot may fall and rise.
    pub spot: [f64; 2],
    /// How far the strike may.
    pub strike: [f64; 2],
    /// |ln(level/S)| of a barrier or extreme, where there is one.
    pub level: Option<f64>,
    /// Dates between now and expiry, equally spaced: time may not pass the first.
    pub dates: f64,
}

/// Weights at places in units of a step: of the first and of the second derivative.
pub(super) struct Stencil {
    pub places: [f64; 5],
    pub first: [f64; 5],
    pub second: [f64; 5],
}

/// Around the middle.
pub(super) const CENTRAL: Stencil = Stencil {
    places: [-2.0, -1.0, 0.0, 1.0, 2.0],
    first: [1.0 / 12.0, -8.0 / 12.0, 0.0, 8.0 / 12.0, -1.0 / 12.0],
    second: [-1.0 / 12.0, 16.0 / 12.0, -30.0 / 12.0, 16.0 / 12.0, -1.0 / 12.0],
};
/// To one side.
const FORWARD: Stencil = Stencil {
    places: [0.0, 1.0, 2.0, 3.0, 4.0],
    first: [-25.0 / 12.0, 48.0 / 12.0, -36.0 / 12.0, 16.0 / 12.0, -3.0 / 12.0],
    second: [35.0 / 12.0, -104.0 / 12.0, 114.0 / 12.0, -56.0 / 12.0, 11.0 / 12.0],
};
/// [`FORWARD`], mirrored.
const BACKWARD: Stencil = Stencil {
    places: [0.0, -1.0, -2.0, -3.0, -4.0],
    first: [25.0 / 12.0, -48.0 / 12.0, 36.0 / 12.0, -16.0 / 12.0, 3.0 / 12.0],
    second: FORWARD.second,
};

/// One field's step and stencil.
struct Move {
    axis: Axis,
    step: f64,
    stencil: &'static Stencil,
}

impl Move {
    /// Away from the nearer end where it is within two steps, between both else.
    fn within(axis: Axis, wanted: f64, [down, up]: [f64; 2]) -> Self {
        if down.min(up) >= 2.0 * wanted {
            Self { axis, step: wanted, stencil: &CENTRAL }
        } else if down < up {
            Self { axis, step: wanted.min(0.25 * up), stencil: &FORWARD }
        } else {
            Self { axis, step: wanted.min(0.25 * down), stencil: &BACKWARD }
        }
    }

    fn first(&self, row: &Row, value: &dyn Fn(&Row) -> f64) -> f64 {
        self.sum(&self.stencil.first, row, value) / self.step
    }

    fn second(&self, row: &Row, value: &dyn Fn(&Row) -> f64) -> f64 {
        self.sum(&self.stencil.second, row, value) / (self.step * self.step)
    }

    fn sum(&self, weights: &[f64; 5], row: &Row, value: &dyn Fn(&Row) -> f64) -> f64 {
        let term = |(&place, &weight): (&f64, &f64)| {
            if weight == 0.0 { 0.0 } else { weight * value(&self.axis.moved(row, place * self.step)) }
        };
        self.stencil.places.iter().zip(weights).map(term).sum()
    }
}

/// A step, as a share of what the value changes over.
pub(super) const SHARE: f64 = 0.01;
/// An exponent, or a distance in deviations, that the usual step is small enough for.
const STEEP: f64 = 4.0;
/// Least share of the usual step: at ten times that exponent the power is nothing beside the rest of a value, and rounding is more.
const LEAST: f64 = 0.1;

/// All quantities up to the second order of `value` at `row`; one that a moved row has no value for is NaN. Second-order Greeks need a
/// spot with room on both sides, or on one.
pub(super) fn greeks(row: &Row, price: f64, value: &dyn Fn(&Row) -> Result<f64, Status>, room: &Room) -> Quantities {
    let value = |row: &Row| value(row).unwrap_or(f64::NAN);
    let years = row.expiry_years;
    let deviation = row.volatility * years.sqrt();
    let carry = (row.risk_free_rate - row.dividend_yield).abs();
    let (mut width, mut by_volatility, mut by_rate) = (deviation.min(1.0), 1.0, 1.0);
    if let Some(distance) = room.level {
        let variance = row.volatility * row.volatility;
        width = width.min(variance / carry);
        let exponent = 2.0 * carry * distance / variance;
        by_volatility = (STEEP / exponent.max(f64::MIN_POSITIVE)).clamp(LEAST, 1.0);
        by_rate = (STEEP * deviation / distance.max(f64::MIN_POSITIVE)).clamp(LEAST, 1.0);
    }
    let spot = Move::within(Axis::Spot, SHARE * width * row.spot, room.spot);
    let strike = Move::within(Axis::Strike, SHARE * width * row.strike, room.strike);
    let central = |axis: Axis, step: f64| Move { axis, step, stencil: &CENTRAL };
    let rates = SHARE * by_rate * (row.volatility / years.sqrt()).min(1.0 / years);
    let volatility = central(Axis::Volatility, SHARE * by_volatility * row.volatility);
    let time = central(Axis::Expiry, SHARE.min(0.4 / room.dates) * years.min(deviation / carry));
    let (rate, income) = (central(Axis::Rate, rates), central(Axis::Yield, rates));
    let mut quantities = NOTHING;
    let mut set = |greek: Greek, x: f64| quantities[greek as usize] = if x.is_finite() { x } else { f64::NAN };
    let delta = spot.first(row, &value);
    set(Greek::Price, price);
    set(Greek::Delta, delta);
    set(Greek::Gamma, spot.second(row, &value));
    set(Greek::Vega, volatility.first(row, &value));
    set(Greek::Vomma, volatility.second(row, &value));
    set(Greek::Theta, -time.first(row, &value));
    set(Greek::Rho, rate.first(row, &value));
    set(Greek::Phi, income.first(row, &value));
    set(Greek::Vanna, spot.first(row, &|row| volatility.first(row, &value)));
    set(Greek::Charm, -spot.first(row, &|row| time.first(row, &value)));
    set(Greek::Veta, -volatility.first(row, &|row| time.first(row, &value)));
    set(Greek::Vera, rate.first(row, &|row| volatility.first(row, &value)));
    set(Greek::DualDelta, strike.first(row, &value));
    set(Greek::DualGamma, strike.second(row, &value));
    if price != 0.0 {
        set(Greek::Lambda, row.spot * delta / price);
    }
    quantities
}
