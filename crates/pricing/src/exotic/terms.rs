//! What the closed forms share: checked terms, and products of a power and a normal probability.

use zomma_base::Status;

use super::number::{Inputs, Local, Number};
use crate::black::{Model, Row, scalar};
use crate::math::{FRAC_1_SQRT_2PI, Plain, mills, normal_cdf, normal_pdf};

/// A row in the quantities of the formulae.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<N> {
    pub spot: N,
    pub strike: N,
    pub years: N,
    pub rate: N,
    /// Cost of carry b = r − q.
    pub carry: N,
    /// σ²
    pub variance: N,
    /// σ√T
    pub deviation: N,
    /// e^(−rT)
    pub discount: N,
    /// e^(bT)
    pub growth: N,
}

impl<N: Number> Terms<N> {
    /// Errors: the first bad field; `BadVolatility` where there is none.
    pub fn new(row: &Row) -> Result<Self, Status> {
        match scalar::check(row, Model::Bsm) {
            Status::Ok => {}
            status => return Err(status),
        }
        if row.volatility == 0.0 {
            return Err(Status::BadVolatility);
        }
        let Inputs { spot, strike, volatility, years, rate, income } = Inputs::<N>::new(row);
        let carry = rate - income;
        Ok(Self {
            spot,
            strike,
            years,
            rate,
            carry,
            variance: volatility * volatility,
            deviation: volatility * years.sqrt(),
            discount: (-rate * years).exp(),
            growth: (carry * years).exp(),
        })
    }

    /// (ln(a/b) + (b + σ²/2) T)/(σ√T): d1 of a spot a and a strike b.
    pub fn d1(&self, a: N, b: N) -> N {
        ((a / b).ln() + self.carry * self.years) / self.deviation + self.deviation * 0.5
    }
}

/// e^power N(x), also where the power overflows and the probability vanishes.
pub(super) fn weighted<N: Number>(power: N, x: N) -> N {
    let (p, at) = (power.value(), x.value());
    let scale = p - 0.5 * at * at;
    let (value, density) = if at > -5.0 {
        // Far inside the probability is 1, and the density nothing beside it.
        let density = if at < 5.0 { p.exp() * normal_pdf::<Plain>(at) } else { scale.exp() * FRAC_1_SQRT_2PI };
        (p.exp() * normal_cdf::<Plain>(at), density)
    } else {
        let density = scale.exp() * FRAC_1_SQRT_2PI;
        (density * if at > -1e14 { mills::<Plain>(-at) } else { 0.0 }, density)
    };
    let bent = if density == 0.0 { 0.0 } else { -at * density };
    power.through(x, Local { value, slope: [value, density], bend: [value, density, bent] })
}

/// N(x).
pub(super) fn probability<N: Number>(x: N) -> N {
    let (value, density) = (normal_cdf::<Plain>(x.value()), normal_pdf::<Plain>(x.value()));
    x.map(value, density, if density == 0.0 { 0.0 } else { -x.value() * density })
}

/// n(x).
pub(super) fn density<N: Number>(x: N) -> N {
    let (at, value) = (x.value(), normal_pdf::<Plain>(x.value()));
    if value == 0.0 { N::constant(0.0) } else { x.map(value, -at * value, (at * at - 1.0) * value) }
}

/// A value, or `Overflow` where it is no number.
pub(super) fn finite<N: Number>(value: N) -> Result<N, Status> {
    if value.value().is_finite() { Ok(value) } else { Err(Status::Overflow) }
}
