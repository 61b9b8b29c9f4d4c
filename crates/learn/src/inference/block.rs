//! A block of rows from its inputs to its prices: features and output transform as columns, in f32.
//!
//! Prices  with the output `bounds` the network's number becomes the product Y = C·P/m of call and put, and that the one of the two that is
//!         out of the money, 2mY/(|m − 1| + √((m − 1)² + 4mY)), to f32's relative precision; the intrinsic value is added in f64

use super::dense::{Column, ROWS};
use super::lanes::{MultiplyAdd, exp, exp_m1, ln, ln_of_excess, softplus};
use super::moments::Moments;
use crate::config::PricingModel;
use crate::network::{FeatureKind, Features, HELD, MOST_INPUTS, OutputTransform};

/// Where the standardised moneyness bends.
const BEND: f32 = 5.0;

/// Inputs of a block by column, and what is made of them for features and prices.
pub(super) struct Shown {
    /// Inputs; the first is m.
    pub inputs: [Column; MOST_INPUTS],
    /// m − 1, whole: f32 of it would break bounds.
    pub excess: [f64; ROWS],
    /// s
    deviation: Column,
    /// ln m
    log_moneyness: Column,
    /// Of implied volatilities √(2π)β, and D.
    price: Column,
    price_scale: Column,
    moments: Moments,
}

impl Shown {
    pub(super) const fn zeros() -> Self {
        Self {
            inputs: [[0.0; ROWS]; MOST_INPUTS],
            excess: [0.0; ROWS],
            deviation: [0.0; ROWS],
            log_moneyness: [0.0; ROWS],
            price: [0.0; ROWS],
            price_scale: [0.0; ROWS],
            moments: Moments::zeros(),
        }
    }

    /// The scaled features of the inputs, a column each.
    #[inline(always)]
    pub(super) fn features<M: MultiplyAdd>(&mut self, features: &Features, out: &mut [Column]) {
        if features.model.is_implied_volatility() {
            self.price_scales::<M>();
        } else {
            self.deviations::<M>(features.model);
            for (log, m) in self.log_moneyness.iter_mut().zip(&self.inputs[0]) {
                *log = ln::<M>(*m);
            }
        }
        if features.wants_moments() {
            self.moments.fill::<M>(&self.inputs);
        }
        let scaling = features.mean.iter().zip(&features.deviation);
        for ((kind, column), (mean, deviation)) in features.kinds.iter().zip(out).zip(scaling) {
            match kind {
                FeatureKind::LogMoneyness => *column = self.log_moneyness,
                FeatureKind::StandardisedMoneyness => {
                    for ((out, k), s) in column.iter_mut().zip(&self.log_moneyness).zip(&self.deviation) {
                        let x = k / s;
                        let bend = x * (1.0 / BEND);
                        *out = x / M::of(bend, bend, 1.0).sqrt();
                    }
                }
                FeatureKind::TotalVolatility => *column = self.deviation,
                FeatureKind::ExpiryYears => *column = self.inputs[1],
                FeatureKind::SqrtExpiryYears => {
                    column.iter_mut().zip(&self.inputs[1]).for_each(|(out, t)| *out = t.sqrt());
                }
                FeatureKind::Volatility | FeatureKind::V0 => *column = self.inputs[2],
                FeatureKind::Kappa | FeatureKind::ThetaV | FeatureKind::SigmaV | FeatureKind::RhoV => {
                    *column = self.inputs[*kind as usize - FeatureKind::V0 as usize + 2];
                }
                FeatureKind::MeanReversion => {
                    for ((out, t), kappa) in column.iter_mut().zip(&self.inputs[1]).zip(&self.inputs[3]) {
                        *out = kappa * t / (1.0 + kappa * t);
                    }
                }
                FeatureKind::VarianceShare => *column = self.moments.share,
                FeatureKind::VarianceDeviation => {
                    for (out, nu) in column.iter_mut().zip(&self.moments.deviation) {
                        *out = ln::<M>(nu + M::of(*nu, *nu, 1.0).sqrt());
                    }
                }
                FeatureKind::VarianceSkewness => {
                    let moments = self.moments.skewness.iter().zip(&self.moments.deviation);
                    for (out, (lambda, nu)) in column.iter_mut().zip(moments) {
                        *out = lambda / M::of(*nu, *nu, 1.0).sqrt();
                    }
                }
                FeatureKind::RiskFreeRate => *column = self.inputs[3],
                FeatureKind::DividendYield => *column = self.inputs[4],
                FeatureKind::TotalRate | FeatureKind::TotalYield => {
                    let carried = &self.inputs[if *kind == FeatureKind::TotalRate { 3 } else { 4 }];
                    column.iter_mut().zip(carried).zip(&self.inputs[1]).for_each(|((out, rate), t)| *out = rate * t);
                }
                FeatureKind::RateShare | FeatureKind::YieldShare => {
                    let carried = &self.inputs[if *kind == FeatureKind::RateShare { 3 } else { 4 }];
                    for ((out, rate), volatility) in column.iter_mut().zip(carried).zip(&self.inputs[2]) {
                        *out = rate / M::of(*volatility, *volatility, *rate);
                    }
                }
                FeatureKind::StandardisedForward => {
                    let [_, expiry, _, rate, dividend, ..] = &self.inputs;
                    let carried = expiry.iter().zip(rate).zip(dividend);
                    let given = self.log_moneyness.iter().zip(&self.deviation).zip(carried);
                    for (out, ((k, s), ((t, rate), dividend))) in column.iter_mut().zip(given) {
                        let x = M::of(rate - dividend, *t, *k) / s;
                        let bend = x * (1.0 / BEND);
                        *out = x / M::of(bend, bend, 1.0).sqrt();
                    }
                }
                FeatureKind::MoneynessOverPrice => {
                    let given = self.log_moneyness.iter().zip(&self.price).zip(&self.price_scale);
                    for (out, ((k, p), d)) in column.iter_mut().zip(given) {
                        *out = ln::<M>((k.abs() + d) / p);
                    }
                }
                FeatureKind::LogPriceScale => {
                    column.iter_mut().zip(&self.price_scale).for_each(|(out, d)| *out = ln::<M>(*d));
                }
            }
            let (mean, scale) = (*mean as f32, (1.0 / deviation) as f32);
            column.iter_mut().for_each(|x| *x = (*x - mean) * scale);
        }
    }

    #[inline(always)]
    fn deviations<M: MultiplyAdd>(&mut self, model: PricingModel) {
        let [_, expiry, first, second, third, ..] = &self.inputs;
        match model {
            PricingModel::BlackScholes | PricingModel::American => {
                for ((s, t), volatility) in self.deviation.iter_mut().zip(expiry).zip(first) {
                    *s = volatility * t.sqrt();
                }
            }
            PricingModel::Heston => {
                let parameters = first.iter().zip(second).zip(third);
                for ((s, t), ((v0, kappa), theta)) in self.deviation.iter_mut().zip(expiry).zip(parameters) {
                    let share = -exp_m1::<M>(-kappa * t) / kappa;
                    *s = M::of(*theta, *t, (v0 - theta) * share).sqrt();
                }
            }
            // Implied volatilities have scales of their own, and a table is refused by `Pricer::new`.
            PricingModel::BlackScholesImpliedVolatility | PricingModel::Table => self.deviation.fill(f32::NAN),
        }
    }

    /// k, √(2π)β and D of implied volatilities, and D/√T. k is small where a price is: it has f32's relative precision, and so has D, whose squares
    /// f32 does not hold where both are small.
    #[inline(always)]
    fn price_scales<M: MultiplyAdd>(&mut self) {
        const ROOT_TWO_PI: f32 = 2.506_628_3;
        let [m, expiry, price, ..] = &self.inputs;
        for ((log, m), excess) in self.log_moneyness.iter_mut().zip(m).zip(&self.excess) {
            *log = ln_of_excess::<M>(*m, *excess as f32);
        }
        self.price.iter_mut().zip(price).for_each(|(out, price)| *out = ROOT_TWO_PI * price);
        for ((d, k), p) in self.price_scale.iter_mut().zip(&self.log_moneyness).zip(&self.price) {
            let size = k.abs();
            let (most, least) = if size > *p { (size, *p) } else { (*p, size) };
            let ratio = least / most;
            *d = most * M::of(ratio, ratio, 1.0).sqrt();
        }
        for ((s, t), d) in self.deviation.iter_mut().zip(expiry).zip(&self.price_scale) {
            *s = d / t.sqrt();
        }
    }

    /// Undiscounted calls over the strike, of the network's last numbers.
    #[inline(always)]
    pub(super) fn prices<M: MultiplyAdd>(&self, output: OutputTransform, last: &Column, prices: &mut [f64; ROWS]) {
        match output {
            OutputTransform::None => {
                prices.iter_mut().zip(last).for_each(|(price, r)| *price = f64::from(*r));
            }
            OutputTransform::Positive => {
                prices.iter_mut().zip(last).for_each(|(price, r)| *price = f64::from(softplus::<M>(*r)));
            }
            OutputTransform::Scaled => {
                for ((price, r), s) in prices.iter_mut().zip(last).zip(&self.deviation) {
                    *price = f64::from(2.0 * s / (1.0 + exp::<M>(-r)));
                }
            }
            OutputTransform::Bounds | OutputTransform::Exercise => {
                let mut products = [0.0; ROWS];
                for ((y, r), s) in products.iter_mut().zip(last).zip(&self.deviation) {
                    let square = s * s;
                    *y = if output == OutputTransform::Bounds {
                        square / (square + exp::<M>(-r))
                    } else {
                        let held = r + HELD as f32;
                        // NaN stays NaN. Beyond 1e18 a square is not representable, and Y is 1.
                        let held = if held <= 0.0 { 0.0 } else { held };
                        let held = if held > 1e15 { 1e15 } else { held };
                        let square = square * held * held;
                        square / (1.0 + square)
                    };
                }
                let mut out_of_the_money = [0.0; ROWS];
                let given = self.inputs[0].iter().zip(&products).zip(&self.excess);
                for (out, ((m, y), excess)) in out_of_the_money.iter_mut().zip(given) {
                    let away = (*excess as f32).abs();
                    let product = m * y;
                    let below = away + M::of(away, away, 4.0 * product).sqrt();
                    // A price of 0 at the money: 0/0.
                    *out = if below > 0.0 { 2.0 * product / below } else { product };
                }
                for ((price, out), excess) in prices.iter_mut().zip(&out_of_the_money).zip(&self.excess) {
                    let intrinsic = if *excess > 0.0 { *excess } else { 0.0 };
                    let call = intrinsic + f64::from(*out);
                    let most = excess + 1.0;
                    // Rounding does not leave the bounds either; NaN stays NaN.
                    *price = if call > most { most } else { call };
                }
            }
        }
    }
}
