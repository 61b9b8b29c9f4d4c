//! Price splines at ascending expiries, joined so that neither kind of arbitrage arises between them.

use serde::{Deserialize, Serialize};

use crate::{
    math::{Plain, normal_cdf, normal_pdf},
    surface::{
        clock::Clock,
        from_price::{Implied, LogPrice},
        slices,
        smile::{Smile, Variance, VolatilitySurface},
    },
};

use super::smile::PriceSpline;

/// Price splines at ascending expiries.
///
/// Between two expiries the price at each moneyness passes from one to the other by one share for all strikes, C = (1 − λ)Cᵢ + λCᵢ₊₁: the mean of
/// two densities is a density, and prices that rise from expiry to expiry rise all the way. λ is such that total variance at the money is
/// linear in variance time ([`Clock`]). Before the first expiry total variance falls to zero in proportion to variance time, and after the last
/// every strike gains what the money gains, as in [`Slices`](crate::surface::Slices).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct PriceSplines {
    expiry_years: Vec<f64>,
    smiles: Vec<PriceSpline>,
    /// Total variance at the money of each.
    #[serde(skip)]
    at_the_money: Vec<f64>,
    #[serde(skip_serializing_if = "Clock::is_calendar")]
    clock: Clock,
}

/// A surface as it was saved, before it is known to be one.
#[derive(Deserialize)]
struct Saved {
    expiry_years: Vec<f64>,
    smiles: Vec<PriceSpline>,
    #[serde(default)]
    clock: Clock,
}

impl TryFrom<Saved> for PriceSplines {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let Saved { expiry_years, smiles, clock } = saved;
        let ascending = expiry_years.windows(2).all(|pair| pair[0] < pair[1]);
        let positive = expiry_years.iter().all(|years| *years > 0.0 && years.is_finite());
        if expiry_years.len() == smiles.len() && ascending && positive {
            Ok(Self::new(expiry_years, smiles, clock))
        } else {
            Err("a surface of price splines has one smile an expiry, and its expiries rise from above zero")
        }
    }
}

impl PriceSplines {
    /// The surface of one smile an expiry, by ascending expiry.
    pub(super) fn new(expiry_years: Vec<f64>, smiles: Vec<PriceSpline>, clock: Clock) -> Self {
        let at_the_money = smiles.iter().map(|smile| smile.total_variance(0.0)).collect();
        Self { expiry_years, smiles, at_the_money, clock }
    }

    /// Years to expiry, ascending.
    pub fn expiry_years(&self) -> &[f64] {
        &self.expiry_years
    }

    /// The smile of each expiry.
    pub fn smiles(&self) -> &[PriceSpline] {
        &self.smiles
    }

    /// The share of the later of expiries `i` and i + 1 at `expiry_years` between them, and its first two derivatives by it.
    fn share(&self, i: usize, expiry_years: f64) -> [f64; 3] {
        let [before, after] = [i, i + 1].map(|i| self.clock.at(self.expiry_years[i])[0]);
        let [time, speed] = self.clock.at(expiry_years);
        let (part, rate) = ((time - before) / (after - before), speed / (after - before));
        let (low, high) = (self.at_the_money[i], self.at_the_money[i + 1]);
        // The price at the money is 2N(√v/2) − 1.
        let price = |v: f64| 2.0 * normal_cdf::<Plain>(0.5 * v.sqrt()) - 1.0;
        let rise = price(high) - price(low);
        let relative = (high - low) / high;
        // Where the money gains next to nothing the share of its price is the share of its variance but for rounding.
        if !(relative > 1e-7 && rise > 0.0) {
            return [part, rate, 0.0];
        }
        let v = low + part * (high - low);
        let slope = normal_pdf::<Plain>(0.5 * v.sqrt()) / (2.0 * v.sqrt()) / rise;
        let by_time = rate * (high - low);
        let share = ((price(v) - price(low)) / rise).clamp(0.0, 1.0);
        [share, slope * by_time, -slope * by_time * by_time * (0.125 + 0.5 / v)]
    }
}

impl VolatilitySurface for PriceSplines {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        let after = self.expiry_years.partition_point(|&expiry| expiry < expiry_years);
        if after == 0 || after == self.smiles.len() || !(expiry_years.is_finite() && k.is_finite()) {
            return slices::between(&self.smiles, |i| self.expiry_years[i], &self.clock, k, expiry_years);
        }
        let [share, rate, turn] = self.share(after - 1, expiry_years);
        let (low, high) = (self.smiles[after - 1].logarithmic(k), self.smiles[after].logarithmic(k));
        // All over the later price, which is the greater.
        let ratio = (low.log - high.log).exp();
        let price = share + (1.0 - share) * ratio;
        let mean = |of_low: f64, of_high: f64| (share * of_high + (1.0 - share) * ratio * of_low) / price;
        let mixed = LogPrice {
            log: high.log + price.ln(),
            slope: mean(low.slope, high.slope),
            density: mean(low.density, high.density),
        };
        let by_share = [1.0 - ratio, high.slope - ratio * low.slope].map(|by| by / price);
        Implied::of(k, &mixed).map_or(Variance::NONE, |implied| {
            implied.variance([rate * by_share[0], rate * by_share[1], turn * by_share[0]])
        })
    }
}
