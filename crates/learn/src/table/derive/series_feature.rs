//! One thing that the last rows say of a price: crate `market`'s indicators and realised measures, a row of the table for a bar.
//!
//! Windows are of rows, or of time (`timed_feature`). All are pure numbers, so that a network need not know the price's level: returns and volatilities of logarithms, averages as the price over them less 1.

use std::collections::VecDeque;

use zomma_market::features::{
    FeatureError,
    indicators::{
        averages::{Bollinger, Ema, Macd, Sma},
        oscillators::Rsi,
    },
    realised::Realised,
};

use super::timed_feature::{TimedFeature, seconds_of};

/// What there is, each with its parameters. Some are also of a span of time such as 5min in the place of the rows.
pub(super) const KNOWN: &str = "return:ROWS, realised_volatility:RETURNS, bipower_volatility:RETURNS, jump_share:RETURNS, rsi:ROWS, ema_gap:ROWS, \
                                sma_gap:ROWS, macd:FAST:SLOW:SIGNAL, macd_signal:FAST:SLOW:SIGNAL, percent_b:ROWS:DEVIATIONS";
/// Most rows of a window.
const MOST_ROWS: usize = 10_000;
/// Fewest returns of a realised measure.
pub(super) const FEWEST_RETURNS: usize = 4;

/// What a window of returns is asked.
#[derive(Clone, Copy)]
pub(super) enum Measure {
    Volatility,
    Bipower,
    JumpShare,
}

impl Measure {
    pub(super) fn of(self, found: &Realised) -> f64 {
        match self {
            Self::Volatility => found.variance.sqrt(),
            Self::Bipower => found.bipower.sqrt(),
            // Where nothing moved nothing jumped.
            Self::JumpShare => found.jump_share().unwrap_or(0.0),
        }
    }
}

enum Kind {
    Return { prices: VecDeque<f64>, rows: usize },
    Realised { returns: VecDeque<f64>, count: usize, last: Option<f64>, measure: Measure },
    Rsi(Rsi),
    Ema(Ema),
    Sma(Sma),
    Macd { macd: Macd, signal: bool },
    PercentB(Bollinger),
    Timed(TimedFeature),
}

/// A feature and what it has seen.
pub(super) struct SeriesFeature(Kind);

impl SeriesFeature {
    /// By its name and parameters.
    ///
    /// Errors: what is wrong with it, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let words: Vec<&str> = parts.collect();
        if let Some((span, rest)) = words.split_first().and_then(|(first, rest)| Some((seconds_of(first)?, rest))) {
            return TimedFeature::parse(name, span, rest).map(|feature| Self(Kind::Timed(feature)));
        }
        let parameters: Vec<f64> = words
            .iter()
            .map(|part| part.parse::<f64>().map_err(|_| format!("{part:?} is no number")))
            .collect::<Result<_, _>>()?;
        let expect = |count: usize| match parameters.len() == count {
            true => Ok(()),
            false => Err(format!("has {} parameters; allowed: {KNOWN}", parameters.len())),
        };
        let rows = |at: usize, least: usize| -> Result<usize, String> {
            let value = parameters[at];
            let is_whole = value.fract() == 0.0 && (least as f64..=MOST_ROWS as f64).contains(&value);
            if is_whole {
                Ok(value as usize)
            } else {
                Err(format!("{value} is not a whole number from {least} to {MOST_ROWS}"))
            }
        };
        let said = |error: FeatureError| error.to_string();
        let realised = |measure: Measure| -> Result<Kind, String> {
            expect(1)?;
            let count = rows(0, FEWEST_RETURNS)?;
            Ok(Kind::Realised { returns: VecDeque::with_capacity(count), count, last: None, measure })
        };
        let macd = || -> Result<Macd, String> {
            expect(3)?;
            Macd::new(rows(0, 1)?, rows(1, 1)?, rows(2, 1)?).map_err(said)
        };
        Ok(Self(match name {
            "return" => {
                expect(1)?;
                let rows = rows(0, 1)?;
                Kind::Return { prices: VecDeque::with_capacity(rows), rows }
            }
            "realised_volatility" => realised(Measure::Volatility)?,
            "bipower_volatility" => realised(Measure::Bipower)?,
            "jump_share" => realised(Measure::JumpShare)?,
            "rsi" => {
                expect(1)?;
                Kind::Rsi(Rsi::new(rows(0, 1)?).map_err(said)?)
            }
            "ema_gap" => {
                expect(1)?;
                Kind::Ema(Ema::new(rows(0, 1)?).map_err(said)?)
            }
            "sma_gap" => {
                expect(1)?;
                Kind::Sma(Sma::new(rows(0, 1)?).map_err(said)?)
            }
            "macd" => Kind::Macd { macd: macd()?, signal: false },
            "macd_signal" => Kind::Macd { macd: macd()?, signal: true },
            "percent_b" => {
                expect(2)?;
                Kind::PercentB(Bollinger::new(rows(0, 2)?, parameters[1]).map_err(said)?)
            }
            _ => return Err(format!("is not known; allowed: {KNOWN}")),
        }))
    }

    /// Whether its window is of time.
    pub(super) fn is_timed(&self) -> bool {
        matches!(self.0, Kind::Timed(_))
    }

    /// The most rows that its window of time may have, where it has more now.
    pub(super) fn exceeded(&self) -> Option<usize> {
        match &self.0 {
            Kind::Timed(feature) => feature.exceeded(),
            _ => None,
        }
    }

    /// Takes the next price, which is above 0, at a time in nanoseconds, and gives the value; none where the window is not full yet, and of a window
    /// of time where the row has none.
    pub(super) fn push(&mut self, (time, price): (Option<i64>, f64)) -> Option<f64> {
        match &mut self.0 {
            Kind::Timed(feature) => feature.push((time?, price)),
            Kind::Return { prices, rows } => {
                let before = if prices.len() == *rows { prices.pop_front() } else { None };
                prices.push_back(price);
                before.map(|before| (price / before).ln())
            }
            Kind::Realised { returns, count, last, measure } => {
                if let Some(last) = last.replace(price) {
                    if returns.len() == *count {
                        returns.pop_front();
                    }
                    returns.push_back((price / last).ln());
                }
                if returns.len() < *count {
                    return None;
                }
                Realised::of(returns.make_contiguous()).ok().map(|found| measure.of(&found))
            }
            Kind::Rsi(rsi) => {
                rsi.push(price);
                rsi.value()
            }
            Kind::Ema(ema) => {
                ema.push(price);
                ema.value().map(|mean| price / mean - 1.0)
            }
            Kind::Sma(sma) => {
                sma.push(price);
                sma.value().map(|mean| price / mean - 1.0)
            }
            Kind::Macd { macd, signal } => {
                macd.push(price);
                let line = if *signal { macd.signal() } else { macd.line() };
                line.map(|line| line / price)
            }
            Kind::PercentB(bands) => {
                bands.push(price);
                // Where the bands meet the price is between them.
                bands.value().map(|bands| bands.percent_b.unwrap_or(0.5))
            }
        }
    }
}
