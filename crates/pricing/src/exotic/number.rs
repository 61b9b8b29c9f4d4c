//! What the closed forms are written over: f64, and a number that carries the Greeks along.
//!
//! Method    Every formula is a chain of functions of one or two numbers whose slopes and bends are known, so that its derivatives are made
//!           beside its value by the chain rule: there is no step, and nothing that a step would lose to rounding or to a kink

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::black::{Greek, Row};

/// A field by which there are derivatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Spot,
    Strike,
    Volatility,
    Years,
    Rate,
    Yield,
}

/// A function of two numbers where they are: its value, and its first and second derivatives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub value: f64,
    /// By the one and by the other.
    pub slope: [f64; 2],
    /// Twice by the one, once by each, twice by the other.
    pub bend: [f64; 3],
}

/// f64, or [`Jet`].
pub(crate) trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// A number that no field moves.
    fn constant(value: f64) -> Self;
    /// A field of the row.
    fn field(field: Field, value: f64) -> Self;
    fn value(self) -> f64;
    /// The same derivatives of another value.
    fn with_value(self, value: f64) -> Self;
    /// A function of two numbers.
    fn through(self, other: Self, local: Local) -> Self;

    /// A function of this number by its value, slope and bend.
    fn map(self, value: f64, slope: f64, bend: f64) -> Self {
        self.through(Self::constant(0.0), Local { value, slope: [slope, 0.0], bend: [bend, 0.0, 0.0] })
    }

    fn exp(self) -> Self {
        let value = self.value().exp();
        self.map(value, value, value)
    }

    fn ln(self) -> Self {
        let inverse = 1.0 / self.value();
        self.map(self.value().ln(), inverse, -inverse * inverse)
    }

    fn sqrt(self) -> Self {
        let root = self.value().sqrt();
        self.map(root, 0.5 / root, -0.25 / (root * self.value()))
    }

    /// Not below zero; what it moves by stays.
    fn at_least_zero(self) -> Self {
        self.with_value(self.value().max(0.0))
    }
}

impl Number for f64 {
    fn constant(value: f64) -> Self {
        value
    }

    fn field(_: Field, value: f64) -> Self {
        value
    }

    fn value(self) -> f64 {
        self
    }

    fn with_value(self, value: f64) -> Self {
        value
    }

    fn through(self, _: Self, local: Local) -> Self {
        local.value
    }
}

const FIELDS: usize = 6;

/// Pairs of fields by which there are second derivatives: those of the Greeks up to the second order.
const PAIRS: [(Field, Field); 7] = [
    (Field::Spot, Field::Spot),
    (Field::Spot, Field::Volatility),
    (Field::Spot, Field::Years),
    (Field::Volatility, Field::Volatility),
    (Field::Volatility, Field::Years),
    (Field::Rate, Field::Volatility),
    (Field::Strike, Field::Strike),
];

/// A value with its first derivatives by the fields of a row and its second ones by [`PAIRS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jet {
    value: f64,
    first: [f64; FIELDS],
    second: [f64; PAIRS.len()],
}

/// A product in which zero times what overflowed is zero: what does not move a value does not move it infinitely far.
fn times(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 { 0.0 } else { a * b }
}

impl Number for Jet {
    fn constant(value: f64) -> Self {
        Self { value, first: [0.0; FIELDS], second: [0.0; PAIRS.len()] }
    }

    fn field(field: Field, value: f64) -> Self {
        let mut jet = Self::constant(value);
        jet.first[field as usize] = 1.0;
        jet
    }

    fn value(self) -> f64 {
        self.value
    }

    fn with_value(self, value: f64) -> Self {
        Self { value, ..self }
    }

    fn through(self, other: Self, local: Local) -> Self {
        let Local { value, slope: [by_a, by_b], bend: [aa, ab, bb] } = local;
        let first = std::array::from_fn(|i| times(by_a, self.first[i]) + times(by_b, other.first[i]));
        let second = std::array::from_fn(|pair| {
            let (i, j) = (PAIRS[pair].0 as usize, PAIRS[pair].1 as usize);
            let [a, b] = [&self.first, &other.first];
            let crossed = times(a[i], b[j]) + times(a[j], b[i]);
            times(by_a, self.second[pair])
                + times(by_b, other.second[pair])
                + times(aa, times(a[i], a[j]))
                + times(ab, crossed)
                + times(bb, times(b[i], b[j]))
        });
        Self { value, first, second }
    }
}

impl Add for Jet {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.through(other, Local { value: self.value + other.value, slope: [1.0; 2], bend: [0.0; 3] })
    }
}

impl Sub for Jet {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.through(other, Local { value: self.value - other.value, slope: [1.0, -1.0], bend: [0.0; 3] })
    }
}

impl Mul for Jet {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.value, other.value);
        self.through(other, Local { value: a * b, slope: [b, a], bend: [0.0, 1.0, 0.0] })
    }
}

impl Div for Jet {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let (value, inverse) = (self.value / other.value, 1.0 / other.value);
        let by_b = -value * inverse;
        let bend = [0.0, -inverse * inverse, -2.0 * by_b * inverse];
        self.through(other, Local { value, slope: [inverse, by_b], bend })
    }
}

impl Neg for Jet {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(-self.value, -1.0, 0.0)
    }
}

impl Add<f64> for Jet {
    type Output = Self;
    fn add(self, other: f64) -> Self {
        self.with_value(self.value + other)
    }
}

impl Mul<f64> for Jet {
    type Output = Self;
    fn mul(self, other: f64) -> Self {
        self.map(self.value * other, other, 0.0)
    }
}

impl Jet {
    /// A Greek up to the second order but lambda, in the units of the library (per year, per unit of volatility and of rate).
    pub fn greek(&self, greek: Greek) -> f64 {
        let first = |field: Field| self.first[field as usize];
        match greek {
            Greek::Price => self.value,
            Greek::Delta => first(Field::Spot),
            Greek::DualDelta => first(Field::Strike),
            Greek::Vega => first(Field::Volatility),
            Greek::Theta => -first(Field::Years),
            Greek::Rho => first(Field::Rate),
            Greek::Phi => first(Field::Yield),
            Greek::Gamma => self.second[0],
            Greek::Vanna => self.second[1],
            Greek::Charm => -self.second[2],
            Greek::Vomma => self.second[3],
            Greek::Veta => -self.second[4],
            Greek::Vera => self.second[5],
            Greek::DualGamma => self.second[6],
            _ => f64::NAN,
        }
    }
}

/// The fields of a row as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<N> {
    pub spot: N,
    pub strike: N,
    pub volatility: N,
    pub years: N,
    pub rate: N,
    /// The dividend yield.
    pub income: N,
}

impl<N: Number> Inputs<N> {
    pub fn new(row: &Row) -> Self {
        Self {
            spot: N::field(Field::Spot, row.spot),
            strike: N::field(Field::Strike, row.strike),
            volatility: N::field(Field::Volatility, row.volatility),
            years: N::field(Field::Years, row.expiry_years),
            rate: N::field(Field::Rate, row.risk_free_rate),
            income: N::field(Field::Yield, row.dividend_yield),
        }
    }
}
