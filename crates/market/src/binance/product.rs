//! Which of the venue's markets a message is of: spot and futures call different instruments by the same symbol.
//!
//! No message names its market, but each says what the other's does not: a depth update of futures has `pu`, a snapshot of futures its times, a
//! bookTicker of futures its type (`e`), a trade of spot `M` and one of futures `X`.

use super::message::{Fields, Value};

/// What stands behind the symbol in an instrument's name.
const OF_SPOT: &str = "@spot";
const OF_FUTURES: &str = "@futures";

/// A market of the venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Spot = 0,
    Futures = 1,
}

impl Product {
    /// The market that a message is of, where it tells it.
    pub fn of(fields: &Fields<'_>) -> Option<Self> {
        let futures_if = |is_futures: bool| Some(if is_futures { Self::Futures } else { Self::Spot });
        match fields.event {
            Value::Text("depthUpdate") => futures_if(fields.previous_update.is_there()),
            Value::Text("bookTicker") => Some(Self::Futures),
            Value::Text("aggTrade") => futures_if(!fields.best_match.is_there()),
            Value::Text(_) if fields.best_match.is_there() => Some(Self::Spot),
            Value::Text(_) if fields.execution.is_there() => Some(Self::Futures),
            Value::Text(_) => None,
            _ if fields.snapshot_update.is_there() => {
                futures_if(fields.event_time.is_there() || fields.transaction_time.is_there())
            }
            _ => Some(Self::Spot),
        }
    }

    /// What the instrument of a symbol is called.
    pub fn name(self, symbol: &str) -> String {
        let market = if self == Self::Spot { OF_SPOT } else { OF_FUTURES };
        format!("{symbol}{market}")
    }

    /// The market and the symbol of an instrument that is called so; spot where the name does not tell.
    pub fn parts(name: &str) -> (Self, &str) {
        match name.strip_suffix(OF_FUTURES) {
            Some(symbol) => (Self::Futures, symbol),
            None => (Self::Spot, name.strip_suffix(OF_SPOT).unwrap_or(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::read, *};

    #[test]
    fn each_kind_of_message_tells_its_market() {
        let (spot, futures) = (Some(Product::Spot), Some(Product::Futures));
        for (json, product) in [
            (r#"{"e":"depthUpdate","E":1,"s":"A","U":3,"u":4,"b":[],"a":[]}"#, spot),
            (r#"{"e":"depthUpdate","E":1,"T":1,"s":"A","U":3,"u":4,"pu":2,"b":[],"a":[]}"#, futures),
            (r#"{"u":1,"s":"A","b":"1","B":"1","a":"2","A":"1"}"#, spot),
            (r#"{"e":"bookTicker","u":1,"s":"A","b":"1","B":"1","a":"2","A":"1","T":1,"E":1}"#, futures),
            (r#"{"e":"trade","E":1,"s":"A","t":1,"p":"1","q":"1","T":1,"m":true,"M":true}"#, spot),
            (r#"{"e":"trade","E":1,"T":1,"s":"A","t":1,"p":"1","q":"1","X":"MARKET","m":true}"#, futures),
            (r#"{"e":"trade","E":1,"s":"A","t":1,"p":"1","q":"1","m":true}"#, None),
            (r#"{"e":"aggTrade","E":1,"s":"A","a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true,"M":true}"#, spot),
            (r#"{"e":"aggTrade","E":1,"s":"A","a":1,"p":"1","q":"1","f":1,"l":1,"T":1,"m":true}"#, futures),
            (r#"{"lastUpdateId":1,"bids":[],"asks":[]}"#, spot),
            (r#"{"lastUpdateId":1,"E":1,"T":1,"bids":[],"asks":[]}"#, futures),
        ] {
            assert_eq!(Product::of(&read(json.as_bytes(), &mut Vec::new()).unwrap()), product, "{json}");
        }
    }

    #[test]
    fn names_say_the_market_and_read_back() {
        for (product, name) in [(Product::Spot, "BTCUSDT@spot"), (Product::Futures, "BTCUSDT@futures")] {
            assert_eq!(product.name("BTCUSDT"), name);
            assert_eq!(Product::parts(name), (product, "BTCUSDT"));
        }
        assert_eq!(Product::parts("BTCUSDT"), (Product::Spot, "BTCUSDT"));
    }
}
