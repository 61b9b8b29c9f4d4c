//! A slice's usable quotes as prices, and the bounds that later expiries set.

use crate::{
    implied_vol::reduced_vega,
    surface::{
        SliceQuotes,
        calibration::{Objective, Settings},
        from_price::price,
    },
};

/// One usable quote: out-of-the-money prices over the forward.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quote {
    /// ln(strike/forward).
    pub(super) k: f64,
    /// strike/forward.
    pub(super) x: f64,
    /// Bid, −∞ where there is none.
    pub(super) bid: f64,
    /// Mid.
    pub(super) mid: f64,
    /// Ask, ∞ where there is none.
    pub(super) ask: f64,
    /// The miss of the mid that counts as one; ∞ where none does.
    pub(super) unit: f64,
    /// √w of the mid.
    pub(super) deviation: f64,
    /// Half the spread of √w.
    pub(super) noise: f64,
}

impl Quote {
    /// Half of the spread; of a one-sided quote the distance of its side from the mid, and never less than rounding.
    pub(super) fn half_spread(&self) -> f64 {
        let half = match (self.bid.is_finite(), self.ask.is_finite()) {
            (true, true) => 0.5 * (self.ask - self.bid),
            (true, false) => self.mid - self.bid,
            (false, true) => self.ask - self.mid,
            (false, false) => 0.0,
        };
        half.max(1e-4 * self.mid).max(1e-14)
    }
}

/// The usable quotes of a slice by ascending strike. Of those that are crossed, bid and ask change places.
pub(super) fn usable(quotes: &SliceQuotes, settings: &Settings) -> Vec<Quote> {
    let objective = Objective::new(quotes, settings);
    let root = objective.expiry_years.sqrt();
    let sound = |vol: f64| (vol > 0.0 && vol < 10.0).then_some(vol);
    let mut rows: Vec<Quote> = Vec::with_capacity(quotes.len());
    for i in 0..quotes.len() {
        if !quotes.is_usable(i) {
            continue;
        }
        let (k, mid) = (quotes.log_moneyness[i], quotes.mid_volatility[i]);
        let (mut bid, mut ask) = (sound(quotes.bid_volatility[i]), sound(quotes.ask_volatility[i]));
        if let (Some(low), Some(high)) = (bid, ask)
            && low > high
        {
            (bid, ask) = (Some(high), Some(low));
        }
        let of = |vol: f64| price(k, vol * root);
        rows.push(Quote {
            k,
            x: k.exp(),
            bid: bid.map_or(f64::NEG_INFINITY, of),
            mid: of(mid),
            ask: ask.map_or(f64::INFINITY, of),
            unit: f64::INFINITY,
            deviation: mid * root,
            noise: 0.5 * (ask.unwrap_or(2.0 * mid) - bid.unwrap_or(0.0)).abs() * root,
        });
    }
    // The objective keeps the same quotes in the same order.
    rows.sort_by(|a, b| a.k.total_cmp(&b.k));
    for (i, quote) in rows.iter_mut().enumerate().take(objective.points.len()) {
        let [_, slope] = objective.miss(i, quote.deviation * quote.deviation);
        let vega = reduced_vega(quote.k.abs(), quote.deviation) * quote.x.min(1.0);
        let unit = vega / (2.0 * quote.deviation * slope.abs());
        if unit > 0.0 {
            quote.unit = unit.max(1e-14);
        }
    }
    rows.retain(|quote| quote.mid > 0.0);
    rows
}

/// Distinct strikes of quotes by ascending strike.
pub(super) fn strikes(quotes: &[Quote]) -> usize {
    quotes.chunk_by(|one, next| one.k == next.k).count()
}

/// The least of the asks of the slices after one, as a bound on its calls: between two strikes a convex price lies below the chord.
#[derive(Clone, Debug, Default)]
pub(super) struct Ceiling {
    /// Moneyness and the call's ask over the forward, by slice.
    slices: Vec<Vec<[f64; 2]>>,
}

impl Ceiling {
    pub(super) fn new<'a>(slices: impl Iterator<Item = &'a [Quote]>) -> Self {
        let of = |quotes: &[Quote]| {
            quotes
                .iter()
                .filter(|quote| quote.ask.is_finite())
                .map(|quote| [quote.x, quote.ask + (1.0 - quote.x).max(0.0)])
                .collect()
        };
        Self { slices: slices.map(of).collect() }
    }

    /// Writes for each of the ascending `points` the least ask of the slices from number `from` on, for the out-of-the-money option.
    pub(super) fn fill(&self, from: usize, points: &[f64], bounds: &mut Vec<f64>) {
        bounds.clear();
        bounds.resize(points.len(), f64::INFINITY);
        for asks in self.slices.iter().skip(from) {
            let (Some(&[first, _]), Some(&[_, last_ask])) = (asks.first(), asks.last()) else { continue };
            let first_put = asks[0][1] - (1.0 - first).max(0.0);
            let mut i = 0;
            for (&x, bound) in points.iter().zip(bounds.iter_mut()) {
                while i < asks.len() && asks[i][0] < x {
                    i += 1;
                }
                // Beyond the strikes a call falls with the strike, and a put falls in proportion to it at least.
                let Some(&[high, ask]) = asks.get(i) else {
                    *bound = bound.min(last_ask - (1.0 - x).max(0.0));
                    continue;
                };
                if i == 0 && high > x {
                    if high < 1.0 {
                        *bound = bound.min(first_put * x / first);
                    }
                    continue;
                }
                let call = if high == x {
                    ask
                } else if let Some([low, ask_low]) = i.checked_sub(1).map(|i| asks[i]) {
                    ask_low + (ask - ask_low) * (x - low) / (high - low)
                } else {
                    continue;
                };
                *bound = bound.min(call - (1.0 - x).max(0.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::calibration::{Residual, Weights};

    fn slice(k: &[f64], mid: f64, half: f64) -> SliceQuotes {
        SliceQuotes {
            expiry_years: 0.25,
            forward: 50.0,
            log_moneyness: k.to_vec(),
            bid_volatility: vec![mid - half; k.len()],
            mid_volatility: vec![mid; k.len()],
            ask_volatility: vec![mid + half; k.len()],
            open_interest: Vec::new(),
        }
    }

    #[test]
    fn asks_bound_prices_between_their_strikes_by_the_chord_and_beyond_by_monotony() {
        let settings = Settings::default();
        let strikes: Vec<f64> = [0.9_f64, 1.0, 1.1].iter().map(|x| x.ln()).collect();
        let later = usable(&slice(&strikes, 0.2, 0.01), &settings);
        let own = usable(&slice(&[0.0], 0.5, 0.01), &settings);
        let ceiling = Ceiling::new([own.as_slice(), later.as_slice()].into_iter());
        let points = [0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2];
        let mut bounds = Vec::new();
        ceiling.fill(1, &points, &mut bounds);
        let asks: Vec<f64> = later.iter().map(|quote| quote.ask).collect();
        let expected = [
            asks[0] * 0.8 / 0.9,
            asks[0],
            // The call's chord less the intrinsic value.
            0.5 * (asks[0] + 0.1 + asks[1]) - 0.05,
            asks[1],
            0.5 * (asks[1] + asks[2]),
            asks[2],
            asks[2],
        ];
        for ((x, ours), theirs) in points.iter().zip(&bounds).zip(expected) {
            assert!((ours - theirs).abs() < 1e-15, "{x}: {ours} {theirs}");
        }
        // The bounds hold for prices inside the asks, wherever those are convex.
        for (x, bound) in points.iter().zip(&bounds) {
            assert!(price(x.ln(), 0.2 * 0.5) <= *bound);
        }
        ceiling.fill(2, &points, &mut bounds);
        assert!(bounds.iter().all(|bound| *bound == f64::INFINITY));
    }

    #[test]
    fn the_unit_of_a_miss_is_that_of_the_objective() {
        let k = [-0.1, 0.0, 0.1];
        // In half-spreads whatever the residual: half of the spread of the price, but for its curvature.
        for residual in [Residual::Volatility, Residual::Price, Residual::TotalVariance] {
            let settings = Settings { residual, ..Settings::default() };
            for quote in usable(&slice(&k, 0.2, 1e-3), &settings) {
                assert!((quote.unit / quote.half_spread() - 1.0).abs() < 1e-2, "{residual:?} {quote:?}");
            }
        }
        // A vol point at the money where all quotes weigh alike.
        let settings = Settings { weights: Weights::Uniform, ..Settings::default() };
        let at_the_money = usable(&slice(&k, 0.2, 1e-3), &settings)[1];
        let point = price(0.0, 0.21 * 0.5) - price(0.0, 0.2 * 0.5);
        assert!((at_the_money.unit / point - 1.0).abs() < 1e-2, "{at_the_money:?}");
    }
}
