//! The usable quotes of a slice, and what a model's total variance at each of them costs.

use crate::math::{Kernel, MultiplyAdd, Plain, Target, dispatch, normal_pdf};

use super::{
    settings::{Residual, Settings, Weights},
    stability::Row,
};
use crate::surface::{SliceQuotes, from_price::price, span::positive_years};

/// A spread below two parts in ten thousand of the volatility is finer than any smile model.
const LEAST_HALF_SPREAD: f64 = 2e-4;
/// Price of one tick, in the currency of the forward.
const TICK: f64 = 0.05;

/// One usable quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// ln(strike/forward).
    pub k: f64,
    /// Total variance of bid, mid and ask. A side without a volatility is as far from the mid as the other side.
    pub total_variance: [f64; 3],
    /// The mid in the unit of the residual.
    pub centre: f64,
    /// One over the miss that counts as one.
    pub inverse_scale: f64,
}

/// The usable quotes of one expiry, by ascending log-moneyness, under one rule of what a miss costs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objective {
    /// Years to expiry.
    pub expiry_years: f64,
    /// What a miss is measured in.
    pub residual: Residual,
    /// One tick of a price, over the forward; none where the forward is not known.
    pub tick: Option<f64>,
    /// The quotes.
    pub points: Vec<Point>,
}

impl Objective {
    /// Those quotes of a slice that have a finite moneyness and a mid volatility above zero and below 1000 %.
    pub fn new(quotes: &SliceQuotes, settings: &Settings) -> Self {
        let t = positive_years(quotes.expiry_years);
        let tick = (quotes.forward > 0.0 && quotes.forward.is_finite()).then(|| TICK / quotes.forward);
        let mut objective =
            Self { expiry_years: t, residual: settings.residual, tick, points: Vec::with_capacity(quotes.len()) };
        let mut weights: Vec<f64> = Vec::with_capacity(quotes.len());
        for i in 0..quotes.len() {
            if !quotes.is_usable(i) {
                continue;
            }
            let (k, mid) = (quotes.log_moneyness[i], quotes.mid_volatility[i]);
            let (bid, ask) = (quotes.bid_volatility[i], quotes.ask_volatility[i]);
            let (bid, ask) = match (bid > 0.0 && bid <= mid, ask >= mid && ask < 10.0) {
                (true, true) => (bid, ask),
                (true, false) => (bid, 2.0 * mid - bid),
                (false, true) => ((2.0 * mid - ask).max(0.0), ask),
                (false, false) => (mid, mid),
            };
            let total_variance = [bid, mid, ask].map(|vol| vol * vol * t);
            let [centre, by_volatility] = match settings.residual {
                Residual::Volatility => [mid, 1.0],
                Residual::TotalVariance => [total_variance[1], 2.0 * mid * t],
                Residual::Price => {
                    let [centre, slope] = measure(settings.residual, k, total_variance[1], t);
                    [centre, slope * 2.0 * mid * t]
                }
            };
            let half_spread = (0.5 * (ask - bid)).max(LEAST_HALF_SPREAD * mid);
            weights.push(match (settings.weights, settings.residual) {
                (Weights::BidAsk, _) => (by_volatility * half_spread).powi(-2),
                (Weights::Vega, Residual::Price) => by_volatility.powi(-2),
                (Weights::Vega, _) => (vega(k, total_variance[1]) * t.sqrt()).powi(2),
                (Weights::OpenInterest, _) => {
                    1.0 + quotes.open_interest.get(i).copied().filter(|interest| *interest > 0.0).unwrap_or(0.0)
                }
                (Weights::Uniform, _) => 1.0,
            });
            objective.points.push(Point { k, total_variance, centre, inverse_scale: by_volatility });
        }
        // Half-spreads are a unit of their own. In every other weighting a quote of average weight counts one per vol point at the money.
        let normal = match settings.weights {
            Weights::BidAsk => 1.0,
            _ => {
                let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
                let nearest = objective.points.iter().min_by(|x, y| x.k.abs().total_cmp(&y.k.abs()));
                let point_at_the_money = 0.01 * nearest.map_or(1.0, |point| point.inverse_scale);
                1.0 / (mean * point_at_the_money * point_at_the_money)
            }
        };
        for (point, weight) in objective.points.iter_mut().zip(weights) {
            let inverse_scale = (normal * weight).sqrt();
            point.inverse_scale = if inverse_scale.is_finite() { inverse_scale } else { 0.0 };
        }
        objective.points.sort_by(|x, y| x.k.total_cmp(&y.k));
        objective
    }

    /// What total variance `w` misses quote `i` by, in units that count as one, and its slope by w.
    #[inline]
    pub fn miss(&self, i: usize, w: f64) -> [f64; 2] {
        let point = &self.points[i];
        let [value, slope] = measure(self.residual, point.k, w, self.expiry_years);
        [(value - point.centre) * point.inverse_scale, slope * point.inverse_scale]
    }

    /// Quote `i` as a fit sees it whose total variance there is `w`, with its gradient by the parameters.
    pub fn row<const N: usize>(&self, i: usize, w: f64, by: &[f64; N]) -> Row<N> {
        let [miss, slope] = self.miss(i, w);
        Row { miss, by: by.map(|by| slope * by), tick: self.tick(i) }
    }

    /// Every quote as a fit sees it, whose total variance and its gradient at each are `values`.
    pub fn rows<const N: usize>(&self, values: impl IntoIterator<Item = (f64, [f64; N])>) -> Vec<Row<N>> {
        let ticks = self.ticks();
        let row = |(i, (w, by)): (usize, (f64, [f64; N]))| {
            let [miss, slope] = self.miss(i, w);
            Row { miss, by: by.map(|by| slope * by), tick: ticks.as_ref().map(|ticks| ticks[i]) }
        };
        values.into_iter().enumerate().map(row).collect()
    }

    /// [`Self::tick`] of every quote.
    fn ticks(&self) -> Option<Vec<f64>> {
        let tick = self.tick?;
        let column = |part: fn(&Point) -> f64| self.points.iter().map(part).collect::<Vec<f64>>();
        let (k, w) = (column(|point| point.k), column(|point| point.total_variance[1]));
        let inverse_scale = column(|point| point.inverse_scale);
        let mut out = vec![0.0; k.len()];
        let (residual, expiry_years) = (self.residual, self.expiry_years);
        let columns = [&k[..], &w, &inverse_scale];
        dispatch(Target::best(), Ticks { columns, residual, expiry_years, tick, out: &mut out });
        Some(out)
    }

    /// Change of the miss of quote `i` when its mid moves by one tick; none where the forward is not known.
    pub fn tick(&self, i: usize) -> Option<f64> {
        let point = &self.points[i];
        let mid = point.total_variance[1];
        // ∂w/∂(price over forward) = 2√w/n(d₁).
        self.tick.map(|tick| self.miss(i, mid)[1] * tick * 2.0 * mid.sqrt() / vega(point.k, mid))
    }

    /// Distinct strikes.
    pub fn strikes(&self) -> usize {
        usize::from(!self.points.is_empty()) + self.points.windows(2).filter(|pair| pair[1].k > pair[0].k).count()
    }
}

/// ∂(miss)/∂w ∂w/∂(price) · tick at k, w and one over the scale of each quote.
struct Ticks<'a> {
    columns: [&'a [f64]; 3],
    residual: Residual,
    expiry_years: f64,
    tick: f64,
    out: &'a mut [f64],
}

impl Kernel for Ticks<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { columns: [k, w, inverse_scale], residual, expiry_years, tick, out } = self;
        let inverse_root = 1.0 / expiry_years.sqrt();
        for (((out, k), w), inverse_scale) in out.iter_mut().zip(k).zip(w).zip(inverse_scale) {
            let deviation = w.sqrt();
            let vega = normal_pdf::<M>(-k / deviation + 0.5 * deviation);
            // What the residual's quantity changes by the deviation.
            let slope = match residual {
                Residual::TotalVariance => 2.0 * deviation,
                Residual::Volatility => inverse_root,
                Residual::Price => vega,
            };
            *out = inverse_scale * tick * slope / vega;
        }
    }
}

/// What total variance `w` is in the unit of the residual, and its slope by w.
#[inline]
fn measure(residual: Residual, k: f64, w: f64, expiry_years: f64) -> [f64; 2] {
    match residual {
        Residual::TotalVariance => [w, 1.0],
        Residual::Volatility => {
            let volatility = (w / expiry_years).sqrt();
            [volatility, 0.5 / (volatility * expiry_years)]
        }
        Residual::Price => {
            let deviation = w.sqrt();
            [price(k, deviation), vega(k, w) / (2.0 * deviation)]
        }
    }
}

/// ∂(price over forward)/∂√w: the normal density at d₁.
fn vega(k: f64, w: f64) -> f64 {
    let deviation = w.sqrt();
    normal_pdf::<Plain>(-k / deviation + 0.5 * deviation)
}
