//! Indicators: published worked examples, by hand, and streaming against their definitions.

use proptest::prelude::*;

use super::{
    averages::{Bollinger, Ema, Macd, Sma},
    oscillators::{Rsi, Stochastic},
    patterns::{PatternReader, engulfing, is_doji, is_hammer, is_inside},
    ranges::{Adx, Atr, RollingExtremes},
    volumes::{Obv, Vwap},
    *,
};

fn bar(open: f64, high: f64, low: f64, close: f64) -> Bar {
    Bar { open, high, low, close, volume: 1.0 }
}

#[test]
fn rsi_of_the_published_example() {
    // StockCharts, ChartSchool, "Relative Strength Index", worked example of 14 bars (QQQQ closes).
    let closes = [
        44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931, 46.0328,
        45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122,
    ];
    let published = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97, 62.93];
    let mut rsi = Rsi::new(14).unwrap();
    let mut found = Vec::new();
    for close in closes {
        rsi.push(close);
        found.extend(rsi.value());
    }
    assert_eq!(found.len(), published.len());
    assert!(found.iter().zip(published).all(|(found, published)| (found - published).abs() < 0.005), "{found:?}");
}

#[test]
fn sma_and_ema_of_the_published_example() {
    // StockCharts, ChartSchool, "Moving averages", worked example of 10 bars (INTC closes).
    let closes = [
        22.27, 22.19, 22.08, 22.17, 22.18, 22.13, 22.23, 22.43, 22.24, 22.29, 22.15, 22.39, 22.38, 22.61, 23.36, 24.05,
        23.75,
    ];
    let (simple, exponential) = (
        [22.22, 22.21, 22.23, 22.26, 22.30, 22.42, 22.61, 22.77],
        [22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97],
    );
    let (mut sma, mut ema) = (Sma::new(10).unwrap(), Ema::new(10).unwrap());
    let mut found = Vec::new();
    for close in closes {
        sma.push(close);
        ema.push(close);
        found.extend(sma.value().zip(ema.value()));
    }
    for ((sma, ema), (simple, exponential)) in found.iter().zip(simple.iter().zip(exponential)) {
        // Closes and averages are published to the cent.
        assert!((sma - simple).abs() < 0.0101 && (ema - exponential).abs() < 0.0101, "{found:?}");
    }
}

#[test]
fn atr_of_the_published_example() {
    // StockCharts, ChartSchool, "Average True Range", worked example of 14 bars (QQQQ).
    let highs = [
        48.70, 48.72, 48.90, 48.87, 48.82, 49.05, 49.20, 49.35, 49.92, 50.19, 50.12, 49.66, 49.88, 50.19, 50.36, 50.57,
        50.65, 50.43, 49.63, 50.33, 50.29, 50.17, 49.32, 48.50, 48.32, 46.80, 47.80, 48.39, 48.66, 48.79,
    ];
    let lows = [
        47.79, 48.14, 48.39, 48.37, 48.24, 48.64, 48.94, 48.86, 49.50, 49.87, 49.20, 48.90, 49.43, 49.73, 49.26, 50.09,
        50.30, 49.21, 48.98, 49.61, 49.20, 49.43, 48.08, 47.64, 41.55, 44.28, 47.31, 47.20, 47.90, 47.73,
    ];
    let closes = [
        48.16, 48.61, 48.75, 48.63, 48.74, 49.03, 49.07, 49.32, 49.91, 50.13, 49.53, 49.50, 49.75, 50.03, 50.31, 50.52,
        50.41, 49.34, 49.37, 50.23, 49.24, 49.93, 48.43, 48.18, 46.57, 45.41, 47.77, 47.72, 48.62, 47.85,
    ];
    let published =
        [0.56, 0.59, 0.59, 0.57, 0.62, 0.62, 0.64, 0.67, 0.69, 0.78, 0.78, 1.21, 1.30, 1.38, 1.37, 1.34, 1.32];
    let mut atr = Atr::new(14).unwrap();
    let mut found = Vec::new();
    for ((high, low), close) in highs.into_iter().zip(lows).zip(closes) {
        atr.push(&bar(close, high, low, close));
        found.extend(atr.value());
    }
    assert_eq!(found.len(), published.len());
    // Prices are published to the cent, which leaves a true range uncertain by 0.01, and averages too, by 0.005.
    assert!(found.iter().zip(published).all(|(found, published)| (found - published).abs() <= 0.015), "{found:?}");
}

#[test]
fn macd_by_hand() {
    // Fast 1 is the close; slow 3 starts at the mean of three and moves half way; signal 2 starts at the mean of two and moves two thirds.
    let mut macd = Macd::new(1, 3, 2).unwrap();
    let mut found = Vec::new();
    for close in [1.0, 2.0, 3.0, 6.0, 5.0] {
        macd.push(close);
        found.push((macd.line(), macd.signal()));
    }
    // Slow: 2, then 4, then 4.5. Lines: 1, 2, 0.5. Signals: 1.5, then 1.5 + ⅔·(0.5 − 1.5).
    assert_eq!(found[1], (None, None));
    assert_eq!(found[2..4], [(Some(1.0), None), (Some(2.0), Some(1.5))]);
    assert!((macd.histogram().unwrap() - (0.5 - (1.5 - 2.0 / 3.0))).abs() < 1e-12, "{macd:?}");
    assert_eq!(Macd::new(26, 12, 9).unwrap_err().to_string(), "fast 26; allowed: less than slow");
}

#[test]
fn bollinger_by_hand() {
    // 2, 4, 4, 4, 5, 5, 7, 9 have mean 5 and standard deviation 2.
    let mut bands = Bollinger::new(8, 2.0).unwrap();
    [100.0, 2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0].into_iter().for_each(|value| bands.push(value));
    bands.push(9.0);
    let found = bands.value().unwrap();
    for (found, by_hand) in
        [(found.middle, 5.0), (found.upper, 9.0), (found.lower, 1.0), (found.percent_b.unwrap(), 1.0)]
    {
        assert!((found - by_hand).abs() < 1e-9, "{found} {by_hand}");
    }
    (0..8).for_each(|_| bands.push(3.3));
    assert_eq!(bands.value().unwrap().percent_b, None);
}

#[test]
fn stochastic_by_hand() {
    let mut stochastic = Stochastic::new(3, 2).unwrap();
    for (high, low, close) in [(10.0, 5.0, 7.0), (12.0, 6.0, 11.0), (11.0, 7.0, 8.0), (14.0, 8.0, 13.0)] {
        stochastic.push(&bar(close, high, low, close));
    }
    // Last three: low 6, high 14, close 13: 87.5; before: low 5, high 12, close 8: 42.857.
    assert!((stochastic.k().unwrap() - 87.5).abs() < 1e-12);
    assert!((stochastic.d().unwrap() - (87.5 + 300.0 / 7.0) / 2.0).abs() < 1e-12);
}

#[test]
fn adx_by_hand() {
    let mut adx = Adx::new(2).unwrap();
    let bars = [(10.0, 8.0, 9.0), (12.0, 9.0, 11.0), (11.0, 7.0, 8.0), (13.0, 8.0, 12.0)];
    let mut found = Vec::new();
    for (high, low, close) in bars {
        adx.push(&bar(close, high, low, close));
        found.push((adx.plus(), adx.minus(), adx.value()));
    }
    // Up 2, down 0, range 3; up 0, down 2, range 4: means 1, 1, 3.5. Then up 2, range 5: (1 + 2)/2 = 1.5, ½, 4.25.
    assert_eq!(found[1], (None, None, None));
    let (plus, minus, none) = found[2];
    assert!(
        (plus.unwrap() - 100.0 / 3.5).abs() < 1e-9 && (minus.unwrap() - 100.0 / 3.5).abs() < 1e-9 && none.is_none(),
        "{found:?}"
    );
    let (plus, minus, value) = found[3];
    assert!((plus.unwrap() - 150.0 / 4.25).abs() < 1e-9 && (minus.unwrap() - 50.0 / 4.25).abs() < 1e-9, "{found:?}");
    // DX 0, then 100·1/2: mean 25.
    assert!((value.unwrap() - 25.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn obv_and_vwap_by_hand() {
    let (mut obv, mut vwap) = (Obv::new(), Vwap::new());
    for (close, volume) in [(10.0, 5.0), (11.0, 7.0), (11.0, 100.0), (9.0, 4.0)] {
        obv.push(&Bar { volume, ..bar(close, close, close, close) });
        vwap.push_trade(close, volume);
    }
    assert_eq!(obv.value(), Some(3.0));
    assert_eq!(vwap.value(), Some((50.0 + 77.0 + 1_100.0 + 36.0) / 116.0));
    vwap.clear();
    assert_eq!(vwap.value(), None);
    vwap.push_bar(&Bar { volume: 2.0, ..bar(1.0, 6.0, 0.0, 3.0) });
    assert_eq!(vwap.value(), Some(3.0));
}

#[test]
fn patterns_by_hand() {
    assert!(
        is_doji(&bar(10.0, 12.0, 8.0, 10.3))
            && !is_doji(&bar(10.0, 12.0, 8.0, 10.5))
            && !is_doji(&bar(1.0, 1.0, 1.0, 1.0))
    );
    assert!(is_hammer(&bar(10.0, 11.05, 7.0, 11.0)), "body 1, below it 3, above it 0.05");
    assert!(!is_hammer(&bar(10.0, 12.0, 7.0, 11.0)), "a long upper shadow");
    assert!(!is_hammer(&bar(10.0, 11.0, 9.0, 11.0)), "a short lower shadow");
    let (fell, rose) = (bar(10.0, 10.0, 9.0, 9.0), bar(8.5, 11.0, 8.5, 10.5));
    assert_eq!((engulfing(&fell, &rose), engulfing(&rose, &fell)), (1, 0));
    assert_eq!(engulfing(&bar(9.0, 10.0, 9.0, 10.0), &bar(10.5, 10.5, 8.5, 8.5)), -1);
    assert_eq!(engulfing(&fell, &bar(9.0, 10.0, 9.0, 10.0)), 0, "the same body");
    assert!(is_inside(&bar(9.0, 12.0, 8.0, 9.0), &bar(9.0, 11.0, 8.5, 9.0)) && !is_inside(&fell, &fell));
    let mut reader = PatternReader::new(2).unwrap();
    let mut breakouts = Vec::new();
    for close in [10.0, 11.0, 12.0, 11.5, 9.0] {
        reader.push(&bar(close, close, close, close));
        breakouts.push(reader.value().unwrap().breakout);
    }
    assert_eq!(breakouts, [None, None, Some(1), Some(0), Some(-1)]);
}

#[test]
fn bars_of_trades_by_hand() {
    let mut bars = TradeBars::new(10).unwrap();
    let trade = |time_ns, price_ticks, size| super::super::Trade { time_ns, price_ticks, size, resting_side: None };
    assert_eq!(bars.on_trade(&trade(1, 5, 2)), None);
    assert_eq!(bars.on_trade(&trade(5, 9, 1)), None);
    assert_eq!(bars.on_trade(&trade(9, 4, 1)), None);
    assert_eq!(bars.advance(9), None);
    let over = Bar { open: 5.0, high: 9.0, low: 4.0, close: 4.0, volume: 4.0 };
    assert_eq!(bars.on_trade(&trade(35, 6, 3)), Some(over));
    assert_eq!(bars.advance(40), Some(Bar { open: 6.0, high: 6.0, low: 6.0, close: 6.0, volume: 3.0 }));
    assert_eq!(bars.advance(50), None);
}

#[test]
fn what_is_no_bar_is_told_and_left_out() {
    let message = |bar: Bar| bar.checked().unwrap_err().to_string();
    assert_eq!(message(bar(1.0, 2.0, 3.0, 2.0)), "high 2; allowed: low or above");
    assert_eq!(message(bar(1.0, 3.0, 2.0, 2.0)), "open 1; allowed: from low to high");
    assert_eq!(message(bar(f64::NAN, 3.0, 2.0, 2.0)), "open NaN; allowed: finite numbers");
    let mut extremes = RollingExtremes::new(1).unwrap();
    extremes.push(&bar(1.0, 2.0, 3.0, 2.0));
    assert_eq!(extremes.value(), None);
    assert_eq!(Sma::new(0).unwrap_err().to_string(), "bars 0; allowed: 1 to 10,000");
}

/// Bars of a random walk.
fn bars() -> impl Strategy<Value = Vec<Bar>> {
    let row = (-1.0f64..1.0, 0.0f64..1.0, 0.0f64..1.0, -1.0f64..1.0, 0.0f64..100.0);
    prop::collection::vec(row, 1..80).prop_map(|rows| {
        let mut price = 100.0;
        let made = rows.into_iter().map(|(gap, above, below, change, volume)| {
            let open = price + gap;
            let close = open + change;
            price = close;
            Bar { open, high: open.max(close) + above, low: open.min(close) - below, close, volume }
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn streaming_is_each_definition_over_the_last_bars(bars in bars(), n in 2usize..9) {
        let (mut sma, mut bands, mut extremes, mut stochastic) =
            (Sma::new(n).unwrap(), Bollinger::new(n, 2.0).unwrap(), RollingExtremes::new(n).unwrap(), Stochastic::new(n, 1).unwrap());
        let (mut atr, mut rsi) = (Atr::new(n).unwrap(), Rsi::new(n).unwrap());
        for row in 0..bars.len() {
            let now = &bars[row];
            sma.push(now.close);
            bands.push(now.close);
            extremes.push(now);
            stochastic.push(now);
            atr.push(now);
            rsi.push(now.close);
            let Some(first) = (row + 1).checked_sub(n) else {
                prop_assert!(sma.value().is_none() && bands.value().is_none() && extremes.value().is_none() && atr.value().is_none());
                continue;
            };
            let window = &bars[first..=row];
            let mean = window.iter().map(|bar| bar.close).sum::<f64>() / n as f64;
            let variance = window.iter().map(|bar| (bar.close - mean).powi(2)).sum::<f64>() / n as f64;
            let low = window.iter().map(|bar| bar.low).fold(f64::INFINITY, f64::min);
            let high = window.iter().map(|bar| bar.high).fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((sma.value().unwrap() - mean).abs() < 1e-9);
            prop_assert!((bands.value().unwrap().upper - mean - 2.0 * variance.sqrt()).abs() < 1e-6);
            prop_assert_eq!(extremes.value(), Some((low, high)));
            prop_assert!((stochastic.k().unwrap() - 100.0 * (now.close - low) / (high - low)).abs() < 1e-9);
            // Wilder's sums, run from the first bar.
            let range = |i: usize| if i == 0 { bars[0].high - bars[0].low } else {
                (bars[i].high.max(bars[i - 1].close)) - (bars[i].low.min(bars[i - 1].close))
            };
            let mut wilder = (0..n).map(range).sum::<f64>() / n as f64;
            (n..=row).for_each(|i| wilder = (wilder * (n as f64 - 1.0) + range(i)) / n as f64);
            prop_assert!((atr.value().unwrap() - wilder).abs() < 1e-9);
            prop_assert!(rsi.value().is_none_or(|rsi| (0.0..=100.0).contains(&rsi)));
        }
    }
}
