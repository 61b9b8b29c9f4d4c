//! Price splines at ascending expiries, joined so that neither kind of arbitrage arises between them.

use serde::{Deserialize, Serialize};

use crate::{
    implied_vol::total_volatility_of_log_price,
    math::{Plain, normal_cdf, normal_pdf},
    surface::{
        clock::Clock,
        slices,
        smile::{Smile, Variance, VolatilitySurface},
    },
};

use super::smile::{PriceSpline, smile_of};

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
        let [low_log, low_elasticity, low_bend] = self.smiles[after - 1].logarithmic(k);
        let [high_log, high_elasticity, high_bend] = self.smiles[after].logarithmic(k);
        // All over the later price, which is the greater.
        let low = (low_log - high_log).exp();
        let price = share + (1.0 - share) * low;
        let mean = |low_part: f64, high_part: f64| (share * high_part + (1.0 - share) * low * low_part) / price;
        let elasticity = mean(low_elasticity, high_elasticity);
        let bend = mean(low_bend, high_bend);
        let Some(parts) = total_volatility_of_log_price(k.abs(), high_log + price.ln()) else { return Variance::NONE };
        let [total, by_k, by_kk] = smile_of(k, parts, elasticity, bend);
        // B(k, w) is the price: B_w = n(d₁)/2√w, whose logarithm has the slopes d₁/√w by k and −1/8 − 1/2w + k²/2w² by w.
        let [deviation, over_density, ..] = parts;
        let over_vega = 2.0 * deviation * over_density;
        let d1 = -k / deviation + 0.5 * deviation;
        let log_vega = -0.125 - 0.5 / total + 0.5 * (k / total) * (k / total);
        let by_share = over_vega * (1.0 - low) / price;
        let by_t = rate * by_share;
        let by_k_share = over_vega * (high_elasticity - low * low_elasticity) / price;
        Variance {
            total,
            by_k,
            by_kk,
            by_t,
            by_kt: rate * by_k_share - (d1 / deviation + log_vega * by_k) * by_t,
            by_tt: turn * by_share - log_vega * by_t * by_t,
        }
    }
}
