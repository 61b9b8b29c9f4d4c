//! Chains from the CBOE's delayed quotes: one JSON object with the options of one underlying.
//!
//! Shape      `{"timestamp": "2024-06-07 20:30:03", "symbol": "_SPX", "data": {"symbol": "^SPX", "current_price": 5346.99,
//!            "last_trade_time": "2024-06-07T16:15:00", "options": [{"option": "SPXW240607C05300000", "bid": …, "ask": …,
//!            "iv": …, "open_interest": …, "volume": …, "last_trade_price": …}, …]}}`
//! Time       `data.last_trade_time` is New York; `timestamp`, used where that is absent, is UTC.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use zomma_base::{root, time};

use super::build::{Builder, FileFacts, Row};
use super::cell::{Cell, Moment};
use super::columns::Column;
use super::{Chain, ChainError, Layout, Member, ReadOptions, recognise};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, default)]
    timestamp: Loose<'a>,
    #[serde(borrow, default)]
    symbol: Loose<'a>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    symbol: Loose<'a>,
    #[serde(borrow, default)]
    current_price: Loose<'a>,
    #[serde(borrow, default)]
    last_trade_time: Loose<'a>,
    #[serde(borrow)]
    options: Vec<Quote<'a>>,
}

#[derive(Deserialize)]
struct Quote<'a> {
    #[serde(borrow, default)]
    option: Loose<'a>,
    #[serde(borrow, default)]
    bid: Loose<'a>,
    #[serde(borrow, default)]
    ask: Loose<'a>,
    #[serde(borrow, default)]
    bid_size: Loose<'a>,
    #[serde(borrow, default)]
    ask_size: Loose<'a>,
    #[serde(borrow, default)]
    iv: Loose<'a>,
    #[serde(borrow, default)]
    open_interest: Loose<'a>,
    #[serde(borrow, default)]
    volume: Loose<'a>,
    #[serde(borrow, default)]
    last_trade_price: Loose<'a>,
}

/// A number, a text, or nothing: vendors mix them.
#[derive(Default)]
enum Loose<'a> {
    #[default]
    Absent,
    Number(f64),
    Text(Cow<'a, str>),
}

impl Loose<'_> {
    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Absent => Cell::Absent,
            Self::Number(value) => Cell::Number(*value),
            Self::Text(text) => Cell::Text(text.as_bytes()),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text.trim(),
            _ => "",
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LooseVisitor;
        impl<'de> Visitor<'de> for LooseVisitor {
            type Value = Loose<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text or null")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Loose<'de>, E> {
                Ok(Loose::Absent)
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Loose<'de>, E> {
                Ok(Loose::Absent)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Loose<'de>, E> {
                Ok(Loose::Number(value))
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Loose<'de>, E> {
                Ok(Loose::Number(value as f64))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Loose<'de>, E> {
                Ok(Loose::Number(value as f64))
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Loose<'de>, E> {
                Ok(Loose::Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_any(LooseVisitor)
    }
}

/// A field of a quote.
type Field = for<'q, 'a> fn(&'q Quote<'a>) -> &'q Loose<'a>;

struct JsonRow<'a> {
    quote: &'a Quote<'a>,
    underlying: &'a str,
    moment: Moment,
    spot: Cell<'a>,
}

impl Row for JsonRow<'_> {
    fn cell(&self, column: Column) -> Cell<'_> {
        match column {
            Column::Underlying => Cell::Text(self.underlying.as_bytes()),
            Column::QuoteDate => Cell::Local(self.moment.datetime()),
            Column::Symbol => self.quote.option.cell(),
            Column::Bid => self.quote.bid.cell(),
            Column::Ask => self.quote.ask.cell(),
            Column::BidSize => self.quote.bid_size.cell(),
            Column::AskSize => self.quote.ask_size.cell(),
            Column::Last => self.quote.last_trade_price.cell(),
            Column::Volume => self.quote.volume.cell(),
            Column::OpenInterest => self.quote.open_interest.cell(),
            Column::ImpliedVolatility => self.quote.iv.cell(),
            Column::Spot => self.spot,
            _ => Cell::Absent,
        }
    }
}

pub(super) fn parse(member: &Member, options: &ReadOptions) -> Result<Vec<Chain>, ChainError> {
    let path = member.name.as_str();
    let document: Document<'_> =
        serde_json::from_slice(&member.bytes).map_err(|error| why_not(path, &member.bytes, &error))?;
    let data = &document.data;
    let symbol = [data.symbol.text(), document.symbol.text()].into_iter().find(|name| !name.is_empty());
    let moment = moment_of(&document).ok_or_else(|| ChainError::BadField {
        path: path.to_owned(),
        row: 1,
        field: "timestamp",
        value: document.timestamp.cell().shown(),
        allowed: "2024-06-07 20:30:03 (UTC), or data.last_trade_time (New York)",
    })?;
    let columns: [(&'static str, Field); 8] = [
        ("bid", |quote| &quote.bid),
        ("ask", |quote| &quote.ask),
        ("bid_size", |quote| &quote.bid_size),
        ("ask_size", |quote| &quote.ask_size),
        ("last", |quote| &quote.last_trade_price),
        ("volume", |quote| &quote.volume),
        ("open_interest", |quote| &quote.open_interest),
        ("implied_volatility", |quote| &quote.iv),
    ];
    let is_present = |field: Field| data.options.iter().any(|quote| !matches!(field(quote), Loose::Absent));
    let mut present = vec!["quote_date", "symbol"];
    present.extend(columns.into_iter().filter(|(_, field)| is_present(*field)).map(|(name, _)| name));
    if symbol.is_some() {
        present.push("underlying");
    }
    if !matches!(data.current_price, Loose::Absent) {
        present.push("spot");
    }
    let facts = FileFacts { path: path.to_owned(), layout: Layout::CboeDelayedQuotes, present, quote_time: None };
    let mut builder = Builder::new(facts, options)?;
    let underlying = symbol.map_or("", root::ticker);
    for quote in &data.options {
        builder.push(&JsonRow { quote, underlying, moment, spot: data.current_price.cell() })?;
    }
    builder.finish("data.options".to_owned())
}

fn moment_of(document: &Document<'_>) -> Option<Moment> {
    if let Some(moment) = document.data.last_trade_time.cell().moment() {
        return Some(moment);
    }
    let utc = document.timestamp.cell().moment()?;
    let Some(_) = utc.time else { return Some(utc) };
    let instant = jiff::tz::Offset::UTC.to_timestamp(utc.datetime()).ok()?;
    let local = time::new_york_local(instant);
    Some(Moment { date: local.date(), time: Some(local.time()) })
}

/// Another shape of JSON is not a chain; text that is not JSON at all is damaged.
fn why_not(path: &str, bytes: &[u8], error: &serde_json::Error) -> ChainError {
    if let Ok(keys) = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(bytes) {
        let keys: Vec<String> = keys.into_keys().collect();
        return ChainError::Unrecognised {
            path: path.to_owned(),
            found: recognise::listed(&keys),
            needed: format!("data.options[] with option, bid, ask ({error})"),
        };
    }
    if serde_json::from_slice::<IgnoredAny>(bytes).is_ok() {
        return ChainError::Unrecognised {
            path: path.to_owned(),
            found: "a JSON array".to_owned(),
            needed: "an object with data.options[] of option, bid, ask".to_owned(),
        };
    }
    ChainError::Corrupt { path: path.to_owned(), format: "JSON", reason: error.to_string() }
}
