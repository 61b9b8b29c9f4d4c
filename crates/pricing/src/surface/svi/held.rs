//! Over which log-moneyness slices are held free of arbitrage: wherever a check of the surface looks.

use super::half_way::HalfWay;
use crate::surface::{Clock, SliceQuotes, span, violations};

/// Beyond what [`crate::surface::violations`] looks at, against rounding of a slice's level.
pub(super) const MARGIN: f64 = 1.04;

/// What the quotes of all expiries span.
pub(super) struct Held {
    quoted: Vec<Option<[f64; 2]>>,
    /// The money, and all that is quoted at any expiry.
    all: [f64; 2],
    /// Where a check looks between the expiries.
    pub(super) half_way: HalfWay,
}

impl Held {
    pub(super) fn new(slices: &[SliceQuotes], clock: &Clock) -> Self {
        let quoted: Vec<Option<[f64; 2]>> = slices.iter().map(span::log_moneyness_range).collect();
        let all = quoted.iter().flatten().fold([0.0; 2], |all, range| union(all, *range));
        Self { quoted, all, half_way: HalfWay::new(slices, clock) }
    }

    /// The range of each slice, and of its rise to the next, where `levels` are the total variances at the money. It covers what a check of
    /// the report sees, which is all that is quoted at any expiry; and what [`crate::surface::violations`] sees: at each quoted expiry, and half way
    /// between one and the next, some of the quoted span (there, of both) beyond the quotes, and some deviations about the money.
    ///
    /// A slice is held where its neighbours' stretches are looked at too: half way to them the surface is a mean of the two. Where expiries
    /// without quotes lie between two quoted ones, half way may be in any of the stretches between, so that these are held over what the
    /// quotes of both, and the level of the later one, ask for.
    pub(super) fn ranges(&self, levels: &[f64]) -> Vec<[f64; 2]> {
        let n = self.quoted.len().min(levels.len());
        // Of the next quoted expiry.
        let mut ahead = levels[..n].to_vec();
        for i in (0..n.saturating_sub(1)).rev().filter(|i| self.quoted[*i].is_none()) {
            ahead[i] = ahead[i].max(ahead[i + 1]);
        }
        let seen = |i: usize, j: usize| {
            let [low, high] = union(self.quoted[i].unwrap_or(self.all), self.quoted[j].unwrap_or(self.all));
            let beyond = MARGIN * violations::BEYOND * (high - low);
            let reach = MARGIN * violations::DEVIATIONS * ahead[i].max(ahead[j]).max(0.0).sqrt();
            let reach = if reach.is_finite() { reach } else { 0.0 };
            union(self.all, [(low - beyond).min(-reach), (high + beyond).max(reach)])
        };
        let beside = |i: usize| union(seen(i.saturating_sub(1), i), seen(i, (i + 1).min(n - 1)));
        (0..n).map(beside).collect()
    }
}

fn union([low, high]: [f64; 2], [other_low, other_high]: [f64; 2]) -> [f64; 2] {
    [low.min(other_low), high.max(other_high)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::surface::{
        Clock, Slices, Svi, coverage,
        smile::{Variance, VolatilitySurface},
    };
    use std::sync::Mutex;

    /// A surface that notes where it is asked.
    struct Watched {
        slices: Slices<Svi>,
        asked: Mutex<Vec<(f64, f64)>>,
    }

    impl VolatilitySurface for Watched {
        fn variance(&self, k: f64, expiry_years: f64) -> Variance {
            self.asked.lock().expect("no panic holds it").push((k, expiry_years));
            self.slices.variance(k, expiry_years)
        }
    }

    proptest! {
        /// Wherever the check looks, the slices about that expiry, and the rise from one to the other, are held.
        #[test]
        fn nothing_is_looked_at_that_is_not_held(
            quoted in prop::collection::vec(prop::option::weighted(0.7, (-1.5_f64..1.0, 0.0_f64..1.2)), 1..6),
            rises in prop::collection::vec(1e-4_f64..0.3, 6)
        ) {
            let mut level = 0.0;
            let levels: Vec<f64> = rises[..quoted.len()].iter().map(|rise| { level += rise; level }).collect();
            let slice = |(i, range): (usize, &Option<(f64, f64)>)| {
                let log_moneyness = range.map_or(vec![], |(low, span)| vec![low, low + span]);
                let volatility = vec![0.2; log_moneyness.len()];
                SliceQuotes {
                    expiry_years: 1.0 + i as f64,
                    log_moneyness,
                    bid_volatility: volatility.clone(),
                    mid_volatility: volatility.clone(),
                    ask_volatility: volatility,
                    ..SliceQuotes::default()
                }
            };
            let quotes: Vec<SliceQuotes> = quoted.iter().enumerate().map(slice).collect();
            let ranges = Held::new(&quotes, &Clock::default()).ranges(&levels);
            let slices = Slices {
                expiry_years: quotes.iter().map(|it| it.expiry_years).collect(),
                smiles: levels.iter().map(|level| Svi::flat(*level)).collect(),
                clock: Clock::default(),
            };
            let surface = Watched { slices, asked: Mutex::new(vec![]) };
            violations::violations(&surface, &coverage(&quotes));
            for (k, t) in surface.asked.into_inner().expect("no panic held it") {
                let before = (t - 1.0).floor() as usize;
                let after = (t - 1.0).ceil() as usize;
                for i in [before, after] {
                    let [low, high] = ranges[i];
                    prop_assert!(low <= k && k <= high, "{k} at {t}, held from {low} to {high}");
                }
            }
        }
    }
}
