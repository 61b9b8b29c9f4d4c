//! Where a model of the whole plane (k, t) has quotes, in which coordinates it works there, and how it goes on beyond.

use serde::{Deserialize, Serialize};

use super::knots::{Knots, are_positive, is_ascending};
use crate::surface::{
    Clock,
    extrapolation::{continued_surface, variance},
    jet::Jet,
    smile::Variance,
};

/// A slice of at least this many strikes knows where its quotes end; the ends of others are those of their neighbours at least.
const FEWEST_STRIKES: usize = 5;
/// Expiries closer than this share count as one time.
const SAME_TIME: f64 = 1e-9;

/// The quoted part of the plane.
///
/// Inside, a model works in y = asinh(k/(σ̄√t)) and τ = ln t, t in variance time: near the money y counts deviations, far from it their
/// logarithm, so that one length suits a smile of any expiry. Beyond the quoted strikes total variance is continued within Lee's bound,
/// before the first expiry and after the last as [`Slices`](crate::surface::Slices) does. Edges are linear between expiries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "DomainForm")]
pub struct Domain {
    /// Variance time of the expiries that have quotes, ascending.
    pub times: Vec<f64>,
    /// Lowest and highest log-moneyness at each.
    pub edges: Vec<[f64; 2]>,
    /// σ̄, a typical volatility.
    pub typical_volatility: f64,
    /// How variance passes between expiries.
    #[serde(default, skip_serializing_if = "Clock::is_calendar")]
    pub clock: Clock,
}

/// A domain as it is read.
#[derive(Deserialize)]
struct DomainForm {
    times: Vec<f64>,
    edges: Vec<[f64; 2]>,
    typical_volatility: f64,
    #[serde(default)]
    clock: Clock,
}

impl TryFrom<DomainForm> for Domain {
    type Error = &'static str;

    fn try_from(DomainForm { times, edges, typical_volatility, clock }: DomainForm) -> Result<Self, Self::Error> {
        if times.is_empty() || !is_ascending(&times) || !are_positive([times[0], typical_volatility].iter()) {
            return Err("domain: times must ascend from above 0, and typical_volatility be above 0");
        }
        let is_edge = |[low, high]: &[f64; 2]| low <= high && low.is_finite() && high.is_finite();
        if edges.len() == times.len() && edges.iter().all(is_edge) {
            Ok(Self { times, edges, typical_volatility, clock })
        } else {
            Err("domain: at each time a lowest and a highest log-moneyness must stand in edges")
        }
    }
}

/// A quote as a model of the plane sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) k: f64,
    pub(super) time: f64,
    /// y and τ.
    pub(super) at: [f64; 2],
    pub(super) w: f64,
    /// Standard deviation of ln σ.
    pub(super) noise: f64,
}

impl Domain {
    /// That of slices with these knots; at least one has some.
    pub(super) fn new(expiry_years: &[f64], knots: &[Knots], clock: &Clock) -> Self {
        let mut times: Vec<f64> = Vec::new();
        let mut edges: Vec<[f64; 2]> = Vec::new();
        let mut levels = Vec::new();
        let mut is_known = Vec::new();
        for (&expiry, knots) in expiry_years.iter().zip(knots) {
            let Some([low, high]) = knots.range() else { continue };
            let time = clock.at(expiry)[0];
            let nearest = (0..knots.len()).min_by(|&x, &y| knots.k[x].abs().total_cmp(&knots.k[y].abs())).unwrap_or(0);
            levels.push((knots.w[nearest] / time).sqrt());
            if let (Some(&last), Some(edge)) = (times.last(), edges.last_mut())
                && time <= last * (1.0 + SAME_TIME)
            {
                *edge = [edge[0].min(low), edge[1].max(high)];
                continue;
            }
            times.push(time);
            edges.push([low, high]);
            is_known.push(knots.len() >= FEWEST_STRIKES);
        }
        levels.sort_by(f64::total_cmp);
        let typical_volatility = levels.get(levels.len() / 2).copied().unwrap_or(0.2);
        let all = edges.clone();
        let scaled = |i: usize, side: usize| all[i][side] / times[i].sqrt();
        for i in (0..times.len()).filter(|&i| !is_known[i]) {
            let low = (0..i).rev().find(|&j| is_known[j]);
            let high = (i + 1..times.len()).find(|&j| is_known[j]);
            for (side, edge) in edges[i].iter_mut().enumerate() {
                let neighbour = match (low, high) {
                    (Some(low), Some(high)) => {
                        let share = (times[i] / times[low]).ln() / (times[high] / times[low]).ln();
                        let [a, b] = [scaled(low, side), scaled(high, side)];
                        a + share * (b - a)
                    }
                    (Some(only), None) | (None, Some(only)) => scaled(only, side),
                    (None, None) => continue,
                } * times[i].sqrt();
                *edge = if side == 0 { edge.min(neighbour) } else { edge.max(neighbour) };
            }
        }
        Self { times, edges, typical_volatility, clock: clock.clone() }
    }

    /// y and τ as series in k and variance time.
    pub(super) fn coordinates(&self, k: f64, time: f64) -> [Jet; 2] {
        let t = Jet::affine(time, 0.0, 1.0);
        [(Jet::affine(k, 1.0, 0.0) * t.powf(-0.5) * (1.0 / self.typical_volatility)).asinh(), t.ln()]
    }

    /// y and τ.
    pub(super) fn place(&self, k: f64, time: f64) -> [f64; 2] {
        [(k / (time.sqrt() * self.typical_volatility)).asinh(), time.ln()]
    }

    /// Total variance where `inner` gives its series in k and variance time at a point inside.
    pub(super) fn variance(&self, k: f64, expiry_years: f64, inner: impl Fn(f64, f64) -> Jet) -> Variance {
        let (Some(&first), Some(&last)) = (self.times.first(), self.times.last()) else { return Variance::NONE };
        if !(expiry_years > 0.0 && expiry_years.is_finite() && k.is_finite()) {
            return Variance::NONE;
        }
        let [time, speed] = self.clock.at(expiry_years);
        if time < first {
            let Variance { total, by_k, by_kk, .. } = self.within(k, first, &inner);
            let (share, rate) = (time / first, speed / first);
            return Variance {
                total: share * total,
                by_k: share * by_k,
                by_kk: share * by_kk,
                by_t: rate * total,
                by_kt: rate * by_k,
                by_tt: 0.0,
            };
        }
        if time > last {
            let Variance { total, by_k, by_kk, .. } = self.within(k, last, &inner);
            let rate = self.within(0.0, last, &inner).total / last;
            let total = total + rate * (time - last);
            return Variance { total, by_k, by_kk, by_t: rate * speed, by_kt: 0.0, by_tt: 0.0 };
        }
        let at = self.within(k, time, &inner);
        Variance { by_t: at.by_t * speed, by_kt: at.by_kt * speed, by_tt: at.by_tt * speed * speed, ..at }
    }

    /// Log-moneyness of the two edges, their speeds, and their signs, between the first expiry and the last.
    pub(super) fn edges_at(&self, time: f64) -> [[f64; 3]; 2] {
        let after = self.times.partition_point(|&it| it < time).clamp(1, self.times.len().max(2) - 1);
        let (t_low, low) = (self.times[after - 1], self.edges[after - 1]);
        let (t_high, high) = self.times.get(after).map_or((2.0 * t_low, low), |&t| (t, self.edges[after]));
        [(0, -1.0), (1, 1.0)].map(|(side, sign)| {
            let speed = (high[side] - low[side]) / (t_high - t_low);
            [low[side] + speed * (time - t_low), speed, sign]
        })
    }

    /// The same between the first expiry and the last, by variance time.
    fn within(&self, k: f64, time: f64, inner: impl Fn(f64, f64) -> Jet) -> Variance {
        for [edge, speed, sign] in self.edges_at(time) {
            if sign * (k - edge) > 0.0 {
                return continued_surface(&inner(edge, time), [edge, speed], sign, k);
            }
        }
        variance(&inner(k, time))
    }
}

/// At most about `most` of the knots: of each slice the outermost, and evenly by rank between; of slices with few, all.
pub(super) fn thinned(domain: &Domain, expiry_years: &[f64], knots: &[Knots], most: usize) -> Vec<Sample> {
    let total = |share: usize| knots.iter().map(|knots| knots.len().min(share)).sum::<usize>();
    let mut share = 1;
    while total(share + 1) <= most && total(share + 1) > total(share) {
        share += 1;
    }
    let mut samples: Vec<Sample> = Vec::new();
    for (&expiry, knots) in expiry_years.iter().zip(knots) {
        let n = knots.len();
        let take = n.min(share);
        let middle = (0..n).min_by(|&x, &y| knots.k[x].abs().total_cmp(&knots.k[y].abs())).unwrap_or(0);
        let time = domain.clock.at(expiry)[0];
        for j in 0..take {
            let i = if take == 1 { middle } else { (2 * j * (n - 1) + take - 1) / (2 * (take - 1)) };
            let (k, w) = (knots.k[i], knots.w[i]);
            samples.push(Sample { k, time, at: domain.place(k, time), w, noise: knots.noise[i] });
        }
    }
    // Two expiries at one time would be two values at one point.
    samples.sort_by(|x, y| x.at[1].total_cmp(&y.at[1]).then(x.at[0].total_cmp(&y.at[0])));
    samples.dedup_by(|x, y| (x.at[1] - y.at[1]).abs() < SAME_TIME && (x.at[0] - y.at[0]).abs() < 1e-9);
    samples
}
