//! What a slice is fitted to: its usable quotes as intervals of total variance.
//!
//! In total variance the residual is linear in three of the five SVI parameters, and "inside bid-ask" is the same set as in volatility.

use super::{
    lanes::Column,
    wings::{Curve, Wings},
};
use crate::surface::{SliceQuotes, span::positive_years};

/// Fewest quotes that give a slice a shape of its own.
pub(in crate::surface) const FEWEST_QUOTES: usize = 5;

/// What counts as one miss where no quote of a slice has a bid or an ask: this volatility, whatever the strike.
const MID_MISS: f64 = 0.01;

/// Quotes within so many half-spreads are near a fit.
const NEAR: f64 = 6.0;
/// Quotes are widened to so many root mean squares of their misses.
const WIDE: f64 = 2.0;

/// The usable quotes of one expiry: residual r = (w − centre)·inverse_half, inside bid-ask where |r| ≤ 1.
#[derive(Clone, Debug, Default)]
pub(in crate::surface) struct Target {
    pub(in crate::surface) expiry_years: f64,
    pub(in crate::surface) k: Vec<f64>,
    pub(in crate::surface) centre: Vec<f64>,
    pub(in crate::surface) inverse_half: Vec<f64>,
    pub(in crate::surface) anchor: Anchor,
    pub(in crate::surface) pull: Option<Pull>,
    /// Whether the quotes are met in the mean, rather than as many as can be (see [`Target::widen`]).
    pub(in crate::surface) is_wide: bool,
}

/// Tikhonov's pull: Σ((x − to)·inverse_scale)² is added to the cost.
#[derive(Clone, Copy, Debug)]
pub(in crate::surface) struct Pull {
    pub(super) to: Wings,
    pub(super) inverse_scale: Wings,
    /// Whether `to` is a prior's slice, rather than a usual one.
    pub(super) is_prior: bool,
}

impl Pull {
    /// λ Σ((x − to)/scale)²: the scales are what changes a slice by about itself (its level, wing slopes of twice its deviation, a shift by
    /// the deviation, a vertex e times as wide).
    pub(super) fn new(lambda: f64, to: Wings, level: f64, is_prior: bool) -> Self {
        let (root, deviation) = (lambda.max(0.0).sqrt(), level.max(1e-14).sqrt());
        let slope = root / (2.0 * deviation);
        Self { to, inverse_scale: [root / level.max(1e-14), slope, slope, root / deviation, root], is_prior }
    }

    pub(super) fn cost(&self, x: &Wings) -> f64 {
        (0..5).map(|i| ((x[i] - self.to[i]) * self.inverse_scale[i]).powi(2)).sum()
    }
}

/// Where the fit must stay at the money: a miss of more than [`Anchor::FREE`] of the market's own volatility there costs its square,
/// since a slice may meet many quotes of the wings and yet be wrong where most is traded.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::surface) struct Anchor {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Volatility that the fit may miss freely.
    free: f64,
    /// Zero where the quotes have no volatility on both sides of the money.
    pub(in crate::surface) inverse_unit: f64,
}

impl Anchor {
    /// Volatility that may be missed freely, where quotes have bids and asks; mids alone are met closely or not at all.
    pub(super) const FREE: f64 = 3e-3;
    const FREE_OF_MIDS: f64 = 0.0;
    /// A miss of this volatility beyond costs as much as [`Anchor::SHARE`] of the quotes (and one) missed by one half-spread; of mids alone
    /// by one vol point.
    const UNIT: f64 = 1e-3;
    const UNIT_OF_MIDS: f64 = 7e-4;
    const SHARE: f64 = 0.02;

    /// Of mid volatilities by ascending k, interpolated between the nearest on each side of the money.
    fn new(mids: &[(f64, f64)], expiry_years: f64, has_sides: bool) -> Self {
        let after = mids.partition_point(|mid| mid.0 < 0.0);
        let (Some(high), Some(low)) = (mids.get(after), after.checked_sub(1).map(|i| mids[i])) else {
            return Self::default();
        };
        let volatility = low.1 + (high.1 - low.1) * (-low.0 / (high.0 - low.0));
        let variance = |volatility: f64| volatility * volatility * expiry_years;
        let [free, unit] = if has_sides { [Self::FREE, Self::UNIT] } else { [Self::FREE_OF_MIDS, Self::UNIT_OF_MIDS] };
        let weight = 1.0 + Self::SHARE * mids.len() as f64;
        Self {
            low: variance((volatility - free).max(0.5 * volatility)),
            high: variance(volatility + free),
            free,
            inverse_unit: weight.sqrt() / (2.0 * volatility * unit * expiry_years),
        }
    }

    /// The same where the spread of the quotes says nothing, as that of mids alone.
    fn of_mids(&self, expiry_years: f64) -> Self {
        let volatility = |w: f64| (w.max(0.0) / expiry_years).sqrt();
        let middle = 0.5 * (volatility(self.low) + volatility(self.high));
        let w = middle * middle * expiry_years;
        let inverse_unit = self.inverse_unit * (Self::UNIT / Self::UNIT_OF_MIDS);
        Self { low: w, high: w, free: Self::FREE_OF_MIDS, inverse_unit }
    }

    /// The miss of total variance `w` at the money.
    #[inline(always)]
    pub(in crate::surface) fn miss(&self, w: f64) -> f64 {
        // Both bounds are zero where there is no anchor.
        (w - w.max(self.low).min(self.high.max(self.low))) * self.inverse_unit
    }

    /// Whether total variance `w` at the money is further than `most` from the market's own volatility; never where that is not known.
    pub(super) fn is_off(&self, w: f64, expiry_years: f64, most: f64) -> bool {
        let volatility = |w: f64| (w.max(0.0) / expiry_years).sqrt();
        let (more, found) = (most - self.free, volatility(w));
        self.inverse_unit > 0.0 && !(volatility(self.low) - more..=volatility(self.high) + more).contains(&found)
    }
}

impl Target {
    pub(in crate::surface) fn new(quotes: &SliceQuotes) -> Self {
        let t = positive_years(quotes.expiry_years);
        let mut target = Self { expiry_years: t, ..Self::default() };
        let n = quotes.len();
        let mut rows: Vec<(f64, f64, f64)> = Vec::with_capacity(n);
        let mut mids: Vec<(f64, f64)> = Vec::with_capacity(n);
        let has_sides = quotes.has_sides();
        for i in 0..n {
            if !quotes.is_usable(i) {
                continue;
            }
            let (k, mid) = (quotes.log_moneyness[i], quotes.mid_volatility[i]);
            let (bid, ask) = (quotes.bid_volatility[i], quotes.ask_volatility[i]);
            let square = |v: f64| v * v * t;
            let middle = square(mid);
            // A side without a volatility bounds nothing: the other side's distance from the mid stands in for its own.
            let (low, high) = match (bid > 0.0 && bid <= mid, ask >= mid && ask < 10.0) {
                (true, true) => (square(bid), square(ask)),
                (true, false) => (square(bid), 2.0 * middle - square(bid)),
                (false, true) => (2.0 * middle - square(ask), square(ask)),
                (false, false) => (middle, middle),
            };
            // A spread below two parts in ten thousand of the volatility is finer than any smile model. Without bids and asks all quotes
            // count alike.
            let half = if has_sides { (0.5 * (high - low)).max(4e-4 * middle) } else { 2.0 * mid * t * MID_MISS };
            rows.push((k, 0.5 * (low + high), 1.0 / half));
            mids.push((k, mid));
        }
        rows.sort_by(|x, y| x.0.total_cmp(&y.0));
        mids.sort_by(|x, y| x.0.total_cmp(&y.0));
        target.anchor = Anchor::new(&mids, t, has_sides);
        for (k, centre, inverse_half) in rows {
            target.k.push(k);
            target.centre.push(centre);
            target.inverse_half.push(inverse_half);
        }
        target
    }

    /// The share of the quotes that `x` misses by no more than [`NEAR`] half-spreads.
    pub(super) fn near_share(&self, x: &Wings) -> f64 {
        let curve = Curve::new(x);
        let near = (0..self.len()).filter(|&i| self.miss(&curve, i).abs() <= NEAR).count();
        near as f64 / self.len().max(1) as f64
    }

    /// Widens the quotes until they lie about inside round `x`, their least-squares fit: so they are met in the mean, as mids alone are.
    pub(super) fn widen(&mut self, x: &Wings) {
        let curve = Curve::new(x);
        let square: f64 = (0..self.len()).map(|i| self.miss(&curve, i).powi(2)).sum();
        let by = (square / self.len().max(1) as f64).sqrt() * WIDE;
        if by.is_finite() && by > 1.0 {
            self.inverse_half.iter_mut().for_each(|inverse_half| *inverse_half /= by);
            self.anchor = self.anchor.of_mids(self.expiry_years);
            self.is_wide = true;
        }
    }

    /// The miss of quote `i`, in half-spreads.
    fn miss(&self, curve: &Curve, i: usize) -> f64 {
        (curve.total_variance(self.k[i]) - self.centre[i]) * self.inverse_half[i]
    }

    pub(in crate::surface) fn len(&self) -> usize {
        self.k.len()
    }

    /// Strike, centre and inverse half-width, for sums; the last eight are filled up with quotes without weight.
    #[inline(always)]
    pub(super) fn columns(&self) -> [Column<'_>; 3] {
        let last = self.k.last().copied().unwrap_or(0.0);
        let column = Column::in_any_order;
        [column(&self.k, last), column(&self.centre, 0.0), column(&self.inverse_half, 0.0)]
    }

    /// Whether the quotes give the slice a shape of its own: enough of them, at different strikes.
    pub(super) fn has_shape(&self) -> bool {
        self.strikes() >= FEWEST_QUOTES
    }

    /// Distinct strikes.
    pub(super) fn strikes(&self) -> usize {
        usize::from(self.len() > 0) + self.k.windows(2).filter(|pair| pair[1] > pair[0]).count()
    }

    /// Every n-th quote, so that about `most` are left; weights are kept.
    pub(super) fn thinned(&self, most: usize) -> Self {
        let step = self.len().div_ceil(most.max(1)).max(1);
        let pick = |v: &[f64]| v.iter().skip((self.len() - 1) % step / 2).step_by(step).copied().collect();
        if self.len() == 0 {
            return self.clone();
        }
        Self {
            expiry_years: self.expiry_years,
            k: pick(&self.k),
            centre: pick(&self.centre),
            inverse_half: pick(&self.inverse_half),
            anchor: self.anchor,
            pull: self.pull,
            is_wide: self.is_wide,
        }
    }

    /// A rough total variance at the money: the quotes nearest to k = 0, weighted by closeness.
    pub(in crate::surface) fn level(&self) -> Option<f64> {
        let nearest = (0..self.len()).min_by(|&x, &y| self.k[x].abs().total_cmp(&self.k[y].abs()))?;
        Some(self.centre[nearest])
    }
}
