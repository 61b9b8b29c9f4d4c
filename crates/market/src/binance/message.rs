//! One line of a capture: its fields, read with nothing allocated but the room for price levels, which is used again.
//!
//! The fields' names are those of the venue: "WebSocket Streams" of the Spot and of the USDⓈ-M Futures API documentation.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{decimal, event::Side};

/// How many decimals of prices and quantities are kept; the venue gives at most eight.
pub(super) const DECIMALS: usize = 8;

/// A level of a depth message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    pub side: Side,
    pub price_ticks: i64,
    pub size: u64,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// The field is not there.
    #[default]
    Absent,
    Text(&'a str),
    Number(u64),
    Truth(bool),
    /// Price levels, which have been put with those of the message; or the object of a combined stream.
    Nested,
    /// Anything else.
    Other,
}

impl<'a> Value<'a> {
    pub fn is_there(self) -> bool {
        self != Value::Absent
    }

    pub fn text(self) -> Option<&'a str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub fn number(self) -> Option<u64> {
        if let Value::Number(number) = self { Some(number) } else { None }
    }

    pub fn truth(self) -> Option<bool> {
        if let Value::Truth(truth) = self { Some(truth) } else { None }
    }
}

/// The fields of a message, those of a combined stream's `data` among them.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub stream: Value<'a>,
    /// `e`: the type of the event.
    pub event: Value<'a>,
    /// `s`.
    pub symbol: Value<'a>,
    /// `E`.
    pub event_time: Value<'a>,
    /// `T`.
    pub transaction_time: Value<'a>,
    /// `U`: the first update of the message.
    pub first_update: Value<'a>,
    /// `u`: the last one.
    pub last_update: Value<'a>,
    /// `pu`: the last one of the message before; futures only.
    pub previous_update: Value<'a>,
    /// `lastUpdateId` of a snapshot.
    pub snapshot_update: Value<'a>,
    /// `t`: number of a trade.
    pub trade_id: Value<'a>,
    /// `p`.
    pub price: Value<'a>,
    /// `q`.
    pub quantity: Value<'a>,
    /// `m`: whether the buyer's order was the resting one.
    pub buyer_is_maker: Value<'a>,
    /// `b`, `bids`: levels, or the price of the best bid.
    pub bid: Value<'a>,
    /// `B`: the quantity of the best bid.
    pub bid_quantity: Value<'a>,
    /// `a`, `asks`: levels, the price of the best ask, or the number of an aggregate trade.
    pub ask: Value<'a>,
    /// `A`.
    pub ask_quantity: Value<'a>,
    /// `M`: in trades of spot alone.
    pub best_match: Value<'a>,
    /// `X`: how it was executed, in trades of futures alone.
    pub execution: Value<'a>,
    /// `result` or `error`: the answer to a request on the connection.
    pub answer: Value<'a>,
}

/// Reads a message; its levels, if any, replace `levels`.
pub(super) fn read<'a>(json: &'a [u8], levels: &mut Vec<Level>) -> Result<Fields<'a>, serde_json::Error> {
    levels.clear();
    let mut fields = Fields::default();
    // Checked for UTF-8 once, not text by text.
    let json = std::str::from_utf8(json).map_err(serde_json::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = ValueSeed { levels, nested: Nested::Object(&mut fields) }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value {
        Value::Nested => Ok(fields),
        _ => Err(serde_json::Error::custom("allowed: an object")),
    }
}

/// What may be nested in a value.
enum Nested<'s, 'a> {
    Nothing,
    Levels(Side),
    Object(&'s mut Fields<'a>),
}

struct ValueSeed<'s, 'a> {
    levels: &'s mut Vec<Level>,
    nested: Nested<'s, 'a>,
}

impl<'a> DeserializeSeed<'a> for ValueSeed<'_, 'a> {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ValueSeed<'_, 'a> {
    type Value = Value<'a>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(text))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Value<'a>, E> {
        // Text with escapes: none of the fields that are read has any.
        Ok(Value::Other)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value<'a>, E> {
        Ok(Value::Truth(truth))
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'a>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<Value<'a>, A::Error> {
        let Nested::Levels(side) = self.nested else {
            while sequence.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Other);
        };
        while let Some(level) = sequence.next_element_seed(LevelSeed(side))? {
            self.levels.push(level);
        }
        Ok(Value::Nested)
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
        let Nested::Object(fields) = self.nested else {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Other);
        };
        while let Some(key) = map.next_key_seed(KeySeed)? {
            let mut nested = Nested::Nothing;
            let place = match key {
                "data" => {
                    map.next_value_seed(ValueSeed { levels: self.levels, nested: Nested::Object(fields) })?;
                    continue;
                }
                "b" | "bids" => {
                    nested = Nested::Levels(Side::Bid);
                    &mut fields.bid
                }
                "a" | "asks" => {
                    nested = Nested::Levels(Side::Ask);
                    &mut fields.ask
                }
                "B" => &mut fields.bid_quantity,
                "A" => &mut fields.ask_quantity,
                "u" => &mut fields.last_update,
                "U" => &mut fields.first_update,
                "pu" => &mut fields.previous_update,
                "e" => &mut fields.event,
                "E" => &mut fields.event_time,
                "T" => &mut fields.transaction_time,
                "s" => &mut fields.symbol,
                "stream" => &mut fields.stream,
                "p" => &mut fields.price,
                "q" => &mut fields.quantity,
                "t" => &mut fields.trade_id,
                "m" => &mut fields.buyer_is_maker,
                "M" => &mut fields.best_match,
                "X" => &mut fields.execution,
                "lastUpdateId" => &mut fields.snapshot_update,
                "result" | "error" => &mut fields.answer,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = map.next_value_seed(ValueSeed { levels: self.levels, nested })?;
        }
        Ok(Value::Nested)
    }
}

/// A key; one with escapes is none that is known.
struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = &'a str;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<&'a str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for KeySeed {
    type Value = &'a str;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'a str) -> Result<&'a str, E> {
        Ok(key)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<&'a str, E> {
        Ok("")
    }
}

/// A level: `["price","quantity"]`, behind which older snapshots have an empty array.
struct LevelSeed(Side);

impl<'a> DeserializeSeed<'a> for LevelSeed {
    type Value = Level;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Level, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for LevelSeed {
    type Value = Level;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a level: [\"price\",\"quantity\"]")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut sequence: A) -> Result<Level, A::Error> {
        let too_short = || A::Error::custom("allowed: a level of a price and a quantity");
        let price: &str = sequence.next_element()?.ok_or_else(too_short)?;
        let quantity: &str = sequence.next_element()?.ok_or_else(too_short)?;
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        let price_ticks = price_of(price).map_err(A::Error::custom)?;
        let size = quantity_of(quantity).map_err(A::Error::custom)?;
        Ok(Level { side: self.0, price_ticks, size })
    }
}

/// Reads a price.
pub(super) fn price_of(text: &str) -> Result<i64, String> {
    decimal::fixed(text.as_bytes(), DECIMALS).map_err(|problem| format!("price {text:?}: {problem}"))
}

/// Reads a quantity.
pub(super) fn quantity_of(text: &str) -> Result<u64, String> {
    decimal::unsigned(text.as_bytes(), DECIMALS).map_err(|problem| format!("quantity {text:?}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_a_combined_stream_and_without_one() {
        let inner = r#"{"e":"depthUpdate","E":1,"T":2,"s":"BTCUSDT","U":3,"u":4,"pu":2,"b":[["1.5","0.5"]],"a":[["2","0",[]]],"x":{"b":[7]}}"#;
        let combined = format!(r#"{{"stream":"btcusdt@depth","data":{inner}}}"#);
        let mut levels = Vec::new();
        for json in [inner, &combined] {
            let fields = read(json.as_bytes(), &mut levels).unwrap();
            assert_eq!(fields.event.text(), Some("depthUpdate"));
            assert_eq!((fields.first_update.number(), fields.last_update.number()), (Some(3), Some(4)));
            assert_eq!((fields.bid, fields.ask), (Value::Nested, Value::Nested));
            let bid = Level { side: Side::Bid, price_ticks: 150_000_000, size: 50_000_000 };
            assert_eq!(levels, [bid, Level { side: Side::Ask, price_ticks: 200_000_000, size: 0 }]);
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_place() {
        let mut levels = Vec::new();
        for (json, problem) in [
            (r#"{"b":[["1.123456789","1"]]}"#, "more decimals"),
            (r#"{"b":[["1"]]}"#, "a price and a quantity"),
            (r#"{"b":[["1","-1"]]}"#, "quantity \"-1\""),
            ("[]", "an object"),
            (r#"{"b":"1"} x"#, "trailing"),
            (r#"{"b":"#, "EOF"),
        ] {
            let error = read(json.as_bytes(), &mut levels).unwrap_err().to_string();
            assert!(error.contains(problem), "{json}: {error}");
        }
    }
}
