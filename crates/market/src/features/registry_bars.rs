//! The features over bars of trades that have a name: technical indicators and patterns.

use super::{
    FeatureError, Trade,
    arguments::Arguments,
    indicators::{
        Bar, TradeBars,
        averages::{Bollinger, Ema, Macd, Sma},
        oscillators::{Rsi, Stochastic},
        patterns::PatternReader,
        ranges::{Adx, Atr},
        volumes::{Obv, Vwap},
    },
    registry::{FeatureInfo, Source},
    set::{Book, Feature, Moment},
    shared::Form,
};

const MINUTE_NS: u64 = 60_000_000_000;

/// A feature that takes bars of trades, each once it is over.
struct OnBars<S, P, V> {
    bars: TradeBars,
    state: S,
    push: P,
    value: V,
}

impl<S, P, V> Feature for OnBars<S, P, V>
where
    S: Send,
    P: Fn(&mut S, &Bar) + Send,
    V: Fn(&S) -> Option<f64> + Send,
{
    #[inline]
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64> {
        if let Some(over) = self.bars.advance(book.depth.time_ns) {
            (self.push)(&mut self.state, &over);
        }
        (self.value)(&self.state)
    }

    fn on_time(&mut self, moment: &Moment<'_>, _: Option<f64>) -> Option<f64> {
        if let Some(over) = self.bars.advance(moment.time_ns) {
            (self.push)(&mut self.state, &over);
        }
        (self.value)(&self.state)
    }

    #[inline]
    fn on_trade(&mut self, trade: &Trade) {
        if let Some(over) = self.bars.on_trade(trade) {
            (self.push)(&mut self.state, &over);
        }
    }
}

fn on_bars<S: Send + 'static>(
    bars: TradeBars,
    state: S,
    push: impl Fn(&mut S, &Bar) + Send + 'static,
    value: impl Fn(&S) -> Option<f64> + Send + 'static,
) -> Form {
    Form::Own(Box::new(OnBars { bars, state, push, value }))
}

/// The bars, which every one of these features names first.
fn bars(a: &mut Arguments<'_>) -> Result<TradeBars, FeatureError> {
    TradeBars::new(a.duration("bar", MINUTE_NS)?)
}

fn macd(a: &mut Arguments<'_>) -> Result<Macd, FeatureError> {
    Macd::new(a.count("fast", 12)?, a.count("slow", 26)?, a.count("signal", 9)?)
}

fn bollinger(a: &mut Arguments<'_>) -> Result<Bollinger, FeatureError> {
    Bollinger::new(a.count("bars", 20)?, a.number("deviations", 2.0)?)
}

fn stochastic(a: &mut Arguments<'_>) -> Result<Stochastic, FeatureError> {
    Stochastic::new(a.count("bars", 14)?, a.count("smoothing", 3)?)
}

/// One of these features, which all are made of bars of trades.
const fn of_bars(
    [name, parameters, unit, window, about]: [&'static str; 5],
    build: fn(&mut Arguments<'_>) -> Result<Form, FeatureError>,
) -> FeatureInfo {
    FeatureInfo { name, parameters, unit, window, source: Source::BooksAndTrades, about, build }
}

pub(super) static FEATURES: [FeatureInfo; 21] = [
    of_bars(["sma", "bar=1m:bars=20", "ticks", "the last bars", "simple moving average of closes"], |a| {
        Ok(on_bars(bars(a)?, Sma::new(a.count("bars", 20)?)?, |state, bar| state.push(bar.close), Sma::value))
    }),
    of_bars(
        ["ema", "bar=1m:bars=20", "ticks", "from the start, dying away", "exponential moving average of closes"],
        |a| Ok(on_bars(bars(a)?, Ema::new(a.count("bars", 20)?)?, |state, bar| state.push(bar.close), Ema::value)),
    ),
    of_bars(
        [
            "macd",
            "bar=1m:fast=12:slow=26:signal=9",
            "ticks",
            "from the start, dying away",
            "fast exponential average of closes less a slow one",
        ],
        |a| Ok(on_bars(bars(a)?, macd(a)?, |state, bar| state.push(bar.close), Macd::line)),
    ),
    of_bars(
        [
            "macd_signal",
            "bar=1m:fast=12:slow=26:signal=9",
            "ticks",
            "from the start, dying away",
            "exponential average of MACD",
        ],
        |a| Ok(on_bars(bars(a)?, macd(a)?, |state, bar| state.push(bar.close), Macd::signal)),
    ),
    of_bars(
        ["bollinger_upper", "bar=1m:bars=20:deviations=2", "ticks", "the last bars", "upper Bollinger band"],
        |a| {
            Ok(on_bars(
                bars(a)?,
                bollinger(a)?,
                |state, bar| state.push(bar.close),
                |state| state.value().map(|bands| bands.upper),
            ))
        },
    ),
    of_bars(
        ["bollinger_lower", "bar=1m:bars=20:deviations=2", "ticks", "the last bars", "lower Bollinger band"],
        |a| {
            Ok(on_bars(
                bars(a)?,
                bollinger(a)?,
                |state, bar| state.push(bar.close),
                |state| state.value().map(|bands| bands.lower),
            ))
        },
    ),
    of_bars(
        [
            "percent_b",
            "bar=1m:bars=20:deviations=2",
            "1",
            "the last bars",
            "where the close stands between the Bollinger bands: 0 lower, 1 upper",
        ],
        |a| {
            Ok(on_bars(
                bars(a)?,
                bollinger(a)?,
                |state, bar| state.push(bar.close),
                |state| state.value().and_then(|bands| bands.percent_b),
            ))
        },
    ),
    of_bars(
        [
            "rsi",
            "bar=1m:bars=14",
            "0 to 100",
            "from the start, dying away",
            "Wilder's relative strength index of closes",
        ],
        |a| Ok(on_bars(bars(a)?, Rsi::new(a.count("bars", 14)?)?, |state, bar| state.push(bar.close), Rsi::value)),
    ),
    of_bars(
        [
            "stochastic_k",
            "bar=1m:bars=14",
            "0 to 100",
            "the last bars",
            "where the close stands between the lowest low and the highest high",
        ],
        |a| Ok(on_bars(bars(a)?, Stochastic::new(a.count("bars", 14)?, 1)?, Stochastic::push, Stochastic::k)),
    ),
    of_bars(
        ["stochastic_d", "bar=1m:bars=14:smoothing=3", "0 to 100", "the last bars", "simple average of stochastic_k"],
        |a| Ok(on_bars(bars(a)?, stochastic(a)?, Stochastic::push, Stochastic::d)),
    ),
    of_bars(["atr", "bar=1m:bars=14", "ticks", "from the start, dying away", "Wilder's average true range"], |a| {
        Ok(on_bars(bars(a)?, Atr::new(a.count("bars", 14)?)?, Atr::push, Atr::value))
    }),
    of_bars(
        [
            "adx",
            "bar=1m:bars=14",
            "0 to 100",
            "from the start, dying away",
            "Wilder's average directional movement index",
        ],
        |a| Ok(on_bars(bars(a)?, Adx::new(a.count("bars", 14)?)?, Adx::push, Adx::value)),
    ),
    of_bars(
        [
            "plus_di",
            "bar=1m:bars=14",
            "0 to 100",
            "from the start, dying away",
            "Wilder's upward directional indicator",
        ],
        |a| Ok(on_bars(bars(a)?, Adx::new(a.count("bars", 14)?)?, Adx::push, Adx::plus)),
    ),
    of_bars(
        [
            "minus_di",
            "bar=1m:bars=14",
            "0 to 100",
            "from the start, dying away",
            "Wilder's downward directional indicator",
        ],
        |a| Ok(on_bars(bars(a)?, Adx::new(a.count("bars", 14)?)?, Adx::push, Adx::minus)),
    ),
    of_bars(["obv", "bar=1m", "lots", "from the start", "on-balance volume"], |a| {
        Ok(on_bars(bars(a)?, Obv::new(), Obv::push, Obv::value))
    }),
    of_bars(
        [
            "vwap",
            "bar=1m",
            "ticks",
            "from the start, to the end of the last bar",
            "average of typical prices weighted by volume",
        ],
        |a| Ok(on_bars(bars(a)?, Vwap::new(), Vwap::push_bar, Vwap::value)),
    ),
    of_bars(["doji", "bar=1m", "0 or 1", "the last bar", "a bar with next to no body"], |a| {
        Ok(on_bars(bars(a)?, PatternReader::new(1)?, PatternReader::push, |state| {
            state.value().map(|patterns| f64::from(u8::from(patterns.doji)))
        }))
    }),
    of_bars(["hammer", "bar=1m", "0 or 1", "the last bar", "a bar with a small body over a long lower shadow"], |a| {
        Ok(on_bars(bars(a)?, PatternReader::new(1)?, PatternReader::push, |state| {
            state.value().map(|patterns| f64::from(u8::from(patterns.hammer)))
        }))
    }),
    of_bars(
        [
            "engulfing",
            "bar=1m",
            "−1, 0 or 1",
            "the last two bars",
            "a bar whose body holds that of the one before, which went the other way",
        ],
        |a| {
            Ok(on_bars(bars(a)?, PatternReader::new(1)?, PatternReader::push, |state| {
                state.value()?.engulfing.map(f64::from)
            }))
        },
    ),
    of_bars(["inside_bar", "bar=1m", "0 or 1", "the last two bars", "a bar that lies inside the one before"], |a| {
        Ok(on_bars(bars(a)?, PatternReader::new(1)?, PatternReader::push, |state| {
            state.value()?.inside.map(|inside| f64::from(u8::from(inside)))
        }))
    }),
    of_bars(
        [
            "breakout",
            "bar=1m:bars=20",
            "−1, 0 or 1",
            "the last bar and those before it",
            "a close beyond the Donchian channel of the bars before",
        ],
        |a| {
            Ok(on_bars(bars(a)?, PatternReader::new(a.count("bars", 20)?)?, PatternReader::push, |state| {
                state.value()?.breakout.map(f64::from)
            }))
        },
    ),
];
