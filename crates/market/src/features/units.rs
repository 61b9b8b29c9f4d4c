//! What a feed's ticks and lots are worth, so that parameters can be told in the currency and in shares.

use super::{FeatureError, error::bad};
use crate::instruments::Definition;

const NANOS: f64 = 1e9;

/// What one tick and one lot of a feed are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// A tick in billionths of the currency.
    pub tick_nanos: i64,
    /// A lot in billionths of a unit (share, contract, coin).
    pub lot_nanos: i64,
}

impl Units {
    /// A billionth each: the finest that there are, in which every price and size can be told.
    pub const FINEST: Self = Self { tick_nanos: 1, lot_nanos: 1 };
}

impl Default for Units {
    /// Ticks of 10⁻⁴ and whole shares, as ITCH and LOBSTER have them.
    fn default() -> Self {
        Self { tick_nanos: 100_000, lot_nanos: 1_000_000_000 }
    }
}

impl From<&Definition> for Units {
    fn from(definition: &Definition) -> Self {
        let Definition { tick_nanos, lot_nanos, .. } = *definition;
        Self { tick_nanos, lot_nanos }
    }
}

/// A size as a parameter tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lots {
    /// In lots of the feed.
    Lots(f64),
    /// What so much of the currency buys at the price of the first trade, in lots.
    Value(f64),
}

impl Lots {
    /// A size as it is written: `5000` lots, `250units` (shares, contracts, coins), or `1000000value` of the currency.
    pub(super) fn read(text: &str, units: Units) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        if let Some(text) = text.strip_suffix("units") {
            return Some(Self::Lots(number(text)? * NANOS / units.lot_nanos as f64));
        }
        if let Some(text) = text.strip_suffix("value") {
            return Some(Self::Value(number(text)?));
        }
        Some(Self::Lots(number(text)?))
    }

    /// In lots where one costs so much; what has no multiplier is taken to be one unit of it.
    pub(super) fn at(self, price_ticks: i64, units: Units) -> f64 {
        match self {
            Self::Lots(lots) => lots,
            Self::Value(value) => {
                let price = price_ticks.unsigned_abs().max(1) as f64 * (units.tick_nanos as f64 / NANOS);
                value / price * NANOS / units.lot_nanos as f64
            }
        }
    }
}

/// A step of price as it is written: `100` ticks, or `0.01price`, which must be whole ticks; `auto` is `None`.
pub(super) fn read_step(text: &str, units: Units) -> Result<Option<i64>, FeatureError> {
    const ALLOWED: &str = "auto, a whole number of ticks, or a price that is whole ticks, as 0.01price";
    let refuse = || bad("grid", format!("{text:?}"), ALLOWED);
    if text == "auto" {
        return Ok(None);
    }
    let Some(price) = text.strip_suffix("price") else { return text.parse().map(Some).map_err(|_| refuse()) };
    let price: f64 = price.parse().map_err(|_| refuse())?;
    let ticks = price * NANOS / units.tick_nanos as f64;
    let whole = ticks.round();
    // Decimals are not exact in binary: a billionth of a tick is none of the price.
    let is_whole = (1.0..9e15).contains(&whole) && (ticks - whole).abs() <= 1e-9 * whole;
    if is_whole { Ok(Some(whole as i64)) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINANCE: Units = Units { tick_nanos: 10, lot_nanos: 10 };

    #[test]
    fn sizes_are_told_in_lots_units_and_value() {
        let read = |text| Lots::read(text, BINANCE).unwrap().at(60_000 * 100_000_000, BINANCE);
        // A lot is 10⁻⁸ coins.
        assert_eq!([read("5000"), read("0.5units"), read("30000value")], [5_000.0, 5e7, 5e7]);
        let shares = Units::default();
        assert_eq!(Lots::read("300units", shares).unwrap().at(1, shares), 300.0);
        assert_eq!(Lots::read("1000value", shares).unwrap().at(2_000_000, shares), 5.0);
        assert_eq!((Lots::read("nan", shares), Lots::read("5 shares", shares)), (None, None));
    }

    #[test]
    fn steps_of_price_are_told_in_ticks_and_in_the_currency() {
        assert_eq!(read_step("0.01price", Units::default()).unwrap(), Some(100));
        assert_eq!(read_step("0.1price", BINANCE).unwrap(), Some(10_000_000));
        assert_eq!((read_step("25", BINANCE).unwrap(), read_step("auto", BINANCE).unwrap()), (Some(25), None));
        let told = read_step("0.00005price", Units::default()).unwrap_err().to_string();
        assert!(told.starts_with("grid \"0.00005price\"; allowed: auto, a whole number of ticks"), "{told}");
        assert!(read_step("nanprice", BINANCE).is_err() && read_step("", BINANCE).is_err());
    }
}
