//! The pricing equations in coordinates in which their residual is of order one everywhere, and the features that the network is shown.
//!
//! Formulae  k = ln(F/K), s the deviation of ln S to expiry, x = k/s, D the ansatz (see [`super::ansatz`]).
//!           Black–Scholes, s = σ√τ:                 R = D_s − s(D_kk − D/4)
//!           Local volatility, s = σ g(κ) √∫h²:      R = D_s − s (g(k + κ)/g(κ))² (D_kk − D/4), κ = ln(K/reference) held
//!           Heston, s² the expected variance to τ:  R = (2τ/s)(D_τ − ½v(D_kk − D/4) − ρσv(D_kv + D_v/2) − ½σ²v D_vv − κ(θ − v)D_v)
//! Inputs    S, K, τ, r, q, σ of a row; k, s, x are made of them here, and Greeks in raw units by the chain rule. Homogeneity in spot and
//!           strike and discounting are exact.

use zomma_base::OptionType;
use zomma_pricing::black::Row;

use super::ansatz::{Fixed, Jet, envelope};
use super::config::{EquationKind, HestonConfig, LocalVolatilityConfig, PinnConfig, ProblemConfig};
use super::jets::{MOST_PARTS, Order};

/// Most features of a network.
pub const MOST_SHOWN: usize = 4;
/// Where the standardised moneyness bends.
pub(crate) const BEND: f64 = 5.0;
/// Share of the bent moneyness that points are drawn from.
const REACH: f64 = 0.9998;
/// Greatest |k| of a collocation point: beyond, sinh(k/2) leaves too few digits for what is added to it.
pub(crate) const MOST_LOG_MONEYNESS: f64 = 12.0;
/// Variances that Heston's network learns, over the greatest of the domain.
const VARIANCE_REACH: f64 = 2.5;

const PLAIN: Order = Order { first: 2, second: &[[0, 0]] };
const STOCHASTIC: Order = Order { first: 3, second: &[[0, 0], [0, 2], [2, 2]] };

/// A point: x, then the time coordinate (s, under Heston τ), then what else there is (κ, v; 0 where nothing).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    /// x
    pub x: f64,
    /// s or τ
    pub time: f64,
    /// κ or v
    pub extra: f64,
}

/// Where a point counts in the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// |x| ≤ 3
    Body,
    /// |x| > 3
    Wings,
    /// The first twentieth of the time coordinate's span.
    NearExpiry,
}

impl Region {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Body, Self::Wings, Self::NearExpiry];
}

/// Features with their jets, and the rest of what a point gives.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Jets of the features.
    pub shown: [Jet; MOST_SHOWN],
    /// For ansatz and equation.
    pub fixed: Fixed,
}

/// What a row comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Priced {
    /// V
    pub price: f64,
    /// ∂V/∂S
    pub delta: f64,
    /// ∂²V/∂S²
    pub gamma: f64,
    /// ∂V/∂t, per year
    pub theta: f64,
    /// ∂V/∂σ; under Heston by the root of the variance now.
    pub vega: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Equation {
    BlackScholes,
    LocalVolatility(LocalVolatilityConfig),
    Heston(HestonConfig),
}

/// An equation on its domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    equation: Equation,
    decay: f64,
    /// From and to, of the time coordinate.
    time: [f64; 2],
    /// Of κ or v.
    extra: [f64; 2],
    most_deviation: f64,
}

impl Problem {
    /// Of a checked config.
    pub fn new(config: &PinnConfig) -> Self {
        let ProblemConfig { equation, domain, local_volatility, heston } = &config.problem;
        let decay = config.network.envelope_decay;
        let [shortest, longest] = domain.expiry_years;
        let [least, most] = domain.volatility;
        // A little more than is asked for, so that nothing to be priced lies at the edge.
        let span = |from: f64, to: f64| [0.3 * from, 1.05 * to];
        match (equation, local_volatility, heston) {
            (EquationKind::LocalVolatility, Some(local), _) => {
                let [low, high] = local.strike_over_reference.map(f64::ln);
                let g = (0..=100).map(|i| local.level(low + (high - low) * f64::from(i) / 100.0));
                let (smallest, greatest) = g.fold((f64::INFINITY, 0.0_f64), |(a, b), g| (a.min(g), b.max(g)));
                let [from, to] = [(least * smallest, shortest), (most * greatest, longest)]
                    .map(|(volatility, years)| volatility * local.clock(years).sqrt());
                let time = span(from, to);
                let extra = [low - 0.02, high + 0.02];
                Self { equation: Equation::LocalVolatility(*local), decay, time, extra, most_deviation: time[1] }
            }
            (EquationKind::Heston, _, Some(heston)) => {
                let time = [0.3 * shortest, 1.05 * longest];
                let extra = [0.0, VARIANCE_REACH * most * most];
                let equation = Equation::Heston(*heston);
                let most_deviation = heston.variance(extra[1], time[1])[0].sqrt();
                Self { equation, decay, time, extra, most_deviation }
            }
            _ => {
                let time = span(least * shortest.sqrt(), most * longest.sqrt());
                Self { equation: Equation::BlackScholes, decay, time, extra: [0.0; 2], most_deviation: time[1] }
            }
        }
    }

    /// Greatest s, greatest time coordinate, least and greatest κ or v: what features are scaled by.
    pub(crate) fn scales(&self) -> ([f64; 2], [f64; 2]) {
        ([self.most_deviation, self.time[1]], self.extra)
    }

    /// Which jets it needs.
    pub fn order(&self) -> Order {
        if matches!(self.equation, Equation::Heston(_)) { STOCHASTIC } else { PLAIN }
    }

    /// Features of its network.
    pub fn features(&self) -> usize {
        match self.equation {
            Equation::BlackScholes => 2,
            Equation::LocalVolatility(_) => 3,
            Equation::Heston(_) => 4,
        }
    }

    /// Numbers that [`Self::place`] is given.
    pub fn dimensions(&self) -> usize {
        if self.equation == Equation::BlackScholes { 2 } else { 3 }
    }

    /// A point from numbers between 0 and 1: even in the bent moneyness, denser near expiry.
    pub fn place(&self, unit: &[f64]) -> Coordinates {
        let bent = BEND * REACH * (2.0 * unit[0] - 1.0);
        self.within(Coordinates {
            x: bent / (1.0 - (bent / BEND).powi(2)).sqrt(),
            time: self.time_at(unit[1]),
            extra: unit.get(2).map_or(0.0, |share| self.extra_at(*share)),
        })
    }

    /// The time coordinate at a share of its span, 0 to 1.
    pub fn time_at(&self, share: f64) -> f64 {
        let [from, to] = self.time;
        match self.equation {
            Equation::Heston(_) => (from.sqrt() + (to.sqrt() - from.sqrt()) * share.powf(1.5)).powi(2),
            _ => from + (to - from) * share.powf(1.5),
        }
    }

    fn extra_at(&self, share: f64) -> f64 {
        let [from, to] = self.extra;
        match self.equation {
            Equation::Heston(_) => to * share * share,
            _ => from + (to - from) * share,
        }
    }

    /// The point with |k| cut to where arithmetic is good.
    fn within(&self, mut at: Coordinates) -> Coordinates {
        let most = MOST_LOG_MONEYNESS / self.deviation(at);
        at.x = at.x.clamp(-most, most);
        at
    }

    /// s
    pub fn deviation(&self, at: Coordinates) -> f64 {
        match self.equation {
            Equation::Heston(heston) => heston.variance(at.extra, at.time)[0].sqrt(),
            _ => at.time,
        }
    }

    /// Where a point counts.
    pub fn region(&self, at: Coordinates) -> Region {
        let [from, to] = self.time;
        if at.time < from + 0.05 * (to - from) {
            Region::NearExpiry
        } else if at.x.abs() > 3.0 {
            Region::Wings
        } else {
            Region::Body
        }
    }

    /// What the residual is multiplied by for the rate at which the error of D grows in the clock of [`Self::clock`].
    pub fn rate(&self, at: Coordinates) -> f64 {
        match self.equation {
            Equation::Heston(_) => self.deviation(at) / at.time.sqrt(),
            _ => 1.0,
        }
    }

    /// The clock of the error estimate: s, under Heston √τ.
    pub fn clock(&self, time: f64) -> f64 {
        if matches!(self.equation, Equation::Heston(_)) { time.sqrt() } else { time }
    }

    /// Features, ansatz and equation at a point.
    pub fn at(&self, at: Coordinates) -> Point {
        match &self.equation {
            Equation::BlackScholes => self.plain(at, 1.0),
            Equation::LocalVolatility(local) => {
                let ratio = local.level(at.x * at.time + at.extra) / local.level(at.extra);
                let mut point = self.plain(at, ratio * ratio);
                let [from, to] = self.extra;
                point.shown[2][0] = 3.0 * (at.extra - from) / (to - from) - 1.5;
                point
            }
            Equation::Heston(heston) => self.stochastic(at, heston),
        }
    }

    /// Directions: s ∂/∂k with s held, s ∂/∂s with k held; the first twice.
    fn plain(&self, Coordinates { x, time: s, .. }: Coordinates, ratio: f64) -> Point {
        let x_jet = jet([x, 1.0, -x, 0.0]);
        let mut point = self.common(PLAIN, &x_jet, s);
        // 2 ln s
        point.fixed.envelope[0] += 2.0 * s.ln();
        point.fixed.envelope[2] += 2.0;
        let scale = 3.0 / self.most_deviation;
        point.shown[1] = jet([scale * s - 1.2, 0.0, scale * s, 0.0]);
        point.fixed.equation = jet([0.25 * ratio * s, 0.0, 1.0 / s, -ratio / s]);
        point
    }

    /// Directions: s ∂/∂k, τ ∂/∂τ, u ∂/∂v with u the greatest variance; kk, kv, vv.
    fn stochastic(&self, Coordinates { x, time: tau, extra: v }: Coordinates, heston: &HestonConfig) -> Point {
        let HestonConfig { kappa, theta_v, sigma_v, rho_v } = *heston;
        let unit = self.extra[1];
        let [variance, by_tau, by_v] = heston.variance(v, tau);
        let s = variance.sqrt();
        // ln s by τ and v.
        let (ln_tau, ln_v) = (0.5 * tau * by_tau / variance, 0.5 * unit * by_v / variance);
        let ln_vv = -2.0 * ln_v * ln_v;
        let x_jet = [x, 1.0, -x * ln_tau, -x * ln_v, 0.0, -ln_v, x * (ln_v * ln_v - ln_vv)];
        let mut point = self.common(STOCHASTIC, &x_jet, s);
        let ln_s = [s.ln(), 0.0, ln_tau, ln_v, 0.0, 0.0, ln_vv];
        point.fixed.envelope.iter_mut().zip(ln_s).for_each(|(sum, ln_s)| *sum += 2.0 * ln_s);
        let scale = 3.0 / self.most_deviation;
        point.shown[1] = through(STOCHASTIC, [scale * s - 1.2, scale * s, scale * s], &ln_s);
        let root = 3.0 * (tau / self.time[1]).sqrt();
        point.shown[2] = jet([root - 1.2, 0.0, 0.5 * root, 0.0]);
        let from = 0.25 * theta_v;
        let level = 3.0 * ((v + from) / (unit + from)).sqrt();
        let slope = 0.5 * level * unit / (v + from);
        let curve = -0.5 * slope * unit / (v + from);
        point.shown[3] = [level - 1.5, 0.0, 0.0, slope, 0.0, 0.0, curve];
        let factor = 2.0 * tau / s;
        point.fixed.equation = [
            factor * v / 8.0,
            0.0,
            2.0 / s,
            -factor * (0.5 * rho_v * sigma_v * v + kappa * (theta_v - v)) / unit,
            -0.5 * factor * v / variance,
            -factor * rho_v * sigma_v * v / (s * unit),
            -0.5 * factor * sigma_v * sigma_v * v / (unit * unit),
        ];
        point
    }

    /// The bent moneyness, the envelope without ln s, and sinh(k/2).
    fn common(&self, order: Order, x_jet: &Jet, s: f64) -> Point {
        let x = x_jet[0];
        let bent = 1.0 + (x / BEND).powi(2);
        let slope = 1.0 / (bent * bent.sqrt());
        let second = -3.0 * x / (BEND * BEND) * slope / bent;
        const SCALE: f64 = 0.4;
        let mut shown = [[0.0; MOST_PARTS]; MOST_SHOWN];
        shown[0] = through(order, [SCALE * x / bent.sqrt(), SCALE * slope, SCALE * second], x_jet);
        let half = 0.5 * x * s;
        let mut h = [0.0; MOST_PARTS];
        (h[0], h[1], h[1 + order.first]) = (half.sinh(), 0.5 * s * half.cosh(), 0.25 * s * s * half.sinh());
        let envelope = through(order, envelope(x, self.decay), x_jet);
        Point { shown, fixed: Fixed { envelope, h, equation: [0.0; MOST_PARTS] } }
    }

    /// A row's point; None where the row is not of the model's world (a price, a time or a volatility not above 0).
    pub fn of_row(&self, row: &Row) -> Option<Coordinates> {
        let Row { strike, expiry_years: tau, volatility, .. } = *row;
        let k = (forward(row) / strike).ln();
        let positive = [row.spot, strike, tau, volatility].iter().all(|x| *x > 0.0 && x.is_finite());
        let mut at = match &self.equation {
            Equation::BlackScholes => Coordinates { x: k, time: volatility * tau.sqrt(), extra: 0.0 },
            Equation::LocalVolatility(local) => {
                let kappa = (strike / local.reference).ln();
                Coordinates { x: k, time: volatility * local.level(kappa) * local.clock(tau).sqrt(), extra: kappa }
            }
            Equation::Heston(_) => Coordinates { x: k, time: tau, extra: volatility * volatility },
        };
        at.x = k / self.deviation(at);
        (positive && at.x.is_finite() && at.time > 0.0).then(|| self.within(at))
    }

    /// Price and Greeks of a row from the jet of D at its point.
    pub fn priced(&self, row: &Row, at: Coordinates, d: &Jet) -> Priced {
        let Row { option_type, spot, strike, expiry_years: tau, risk_free_rate, dividend_yield, volatility } = *row;
        let s = self.deviation(at);
        let forward = forward(row);
        let m = forward / strike;
        let root = m.sqrt();
        // Derivatives of D by k, and of the undiscounted call over the strike c = (m − 1)/2 + √m D.
        let (by_k, by_kk) = (d[1] / s, d[self.order().first + 1] / (s * s));
        let call = if option_type == OptionType::Call { 0.5 } else { -0.5 };
        let price = call * (m - 1.0) + root * d[0];
        let by_m = call + (by_k + 0.5 * d[0]) / root;
        let by_mm = (by_kk - 0.25 * d[0]) / (m * root);
        let (by_time, by_volatility) = match &self.equation {
            Equation::BlackScholes => {
                let by_s = root * d[2] / s;
                (by_s * 0.5 * volatility * volatility / s, by_s * s / volatility)
            }
            Equation::LocalVolatility(local) => {
                let by_s = root * d[2] / s;
                let now = volatility * local.level(at.extra) * local.short_over_long;
                (by_s * 0.5 * now * now / s, by_s * s / volatility)
            }
            Equation::Heston(_) => (root * d[2] / tau, 2.0 * volatility * root * d[3] / self.extra[1]),
        };
        let discount = (-risk_free_rate * tau).exp();
        let growth = forward / spot;
        let carry = risk_free_rate - dividend_yield;
        let value = discount * strike * price.max(0.0);
        Priced {
            price: value,
            delta: discount * growth * by_m,
            gamma: discount * growth * growth * by_mm / strike,
            theta: risk_free_rate * value - discount * strike * (carry * m * by_m + by_time),
            vega: discount * strike * by_volatility,
        }
    }
}

impl LocalVolatilityConfig {
    /// g(y)
    pub fn level(&self, y: f64) -> f64 {
        let t = (y / self.width).tanh();
        1.0 + t * (self.skew + self.smile * t)
    }

    /// ∫h² over the first `years`.
    pub fn clock(&self, years: f64) -> f64 {
        let more = self.short_over_long * self.short_over_long - 1.0;
        years - more * self.decay_years * (-years / self.decay_years).exp_m1()
    }

    /// σ(S, t) over σ, `years` from now, of an option that expires in `expiry_years`.
    pub fn volatility(&self, spot: f64, years: f64, (expiry_years, carry): (f64, f64)) -> f64 {
        let more = self.short_over_long * self.short_over_long - 1.0;
        let h = (1.0 + more * (-years / self.decay_years).exp()).sqrt();
        self.level((spot / self.reference).ln() + carry * (expiry_years - years)) * h
    }
}

impl HestonConfig {
    /// The expected total variance θτ + (v − θ)(1 − e^(−κτ))/κ, and its derivatives by τ and v.
    fn variance(&self, v: f64, tau: f64) -> [f64; 3] {
        let gone = -(-self.kappa * tau).exp_m1() / self.kappa;
        let excess = v - self.theta_v;
        [self.theta_v * tau + excess * gone, self.theta_v + excess * (1.0 - self.kappa * gone), gone]
    }
}

/// F = S e^((r − q)τ)
pub fn forward(row: &Row) -> f64 {
    row.spot * ((row.risk_free_rate - row.dividend_yield) * row.expiry_years).exp()
}

fn jet(parts: [f64; 4]) -> Jet {
    let mut jet = [0.0; MOST_PARTS];
    jet[..4].copy_from_slice(&parts);
    jet
}

/// A function of one number, by value and two derivatives, of a jet.
fn through(order: Order, [value, first, second]: [f64; 3], of: &Jet) -> Jet {
    let mut jet: Jet = of.map(|part| first * part);
    jet[0] = value;
    for (place, [i, j]) in order.pairs() {
        jet[place] += second * of[i] * of[j];
    }
    jet
}
