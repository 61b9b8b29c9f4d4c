//! All strikes of one expiry under one model: the series where it converges, else the twin strike by strike.

use std::cell::RefCell;

use super::contour::WIDEST;
use super::exponent::Exponent;
use super::heston::HestonExponent;
use super::jumps::{BatesExponent, KouExponent, MertonExponent};
use super::model::Model;
use super::period::{self, Period};
use super::quantities::{Covered, Slice};
use super::series::{AtStrikes, Depth, MOST_NODES, Nodes, Sums, Table, place};
use super::turned::{OneSide, Side};
use super::twin;
use super::variance_gamma::VarianceGammaExponent;
use crate::math::{Target, dispatch};
use zomma_base::Status;

/// ln of what is allowed of each error of a price in discounted forwards: 1e-10.
const PRICE_BOUND: f64 = 23.03;
/// The same of prices from whose sums derivatives are taken: 1e-11.
const DERIVATIVES_BOUND: f64 = 25.33;

/// Log-strikes above which √k would magnify rounding errors beyond the bounds.
const FARTHEST: f64 = 25.0;

/// What is kept between slices, so that no slice allocates.
#[derive(Default)]
struct Scratch {
    table: Table,
    side: Side,
    x: Vec<f64>,
    rows: Vec<usize>,
    sums: Vec<Option<Sums>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// One slice to be valued.
pub(super) struct Task<'a> {
    pub target: Target,
    pub model: &'a Model,
    pub slice: &'a Slice,
    pub strikes: &'a [f64],
    pub depth: Depth,
}

impl Task<'_> {
    /// Gives each strike's covered call, or what is wrong, to `sink`. A model or slice that is bad is so for every strike.
    pub fn run(&self, sink: &mut impl FnMut(usize, Result<Covered<'_>, Status>)) {
        if let Err(status) = self.model.check().and_then(|()| self.slice.check()) {
            (0..self.strikes.len()).for_each(|i| sink(i, Err(status)));
            return;
        }
        let expiry = self.slice.expiry_years;
        match *self.model {
            Model::Heston(model) => self.with(HestonExponent { model, expiry }, sink),
            Model::Bates(model) => self.with(BatesExponent::new(&model, expiry), sink),
            Model::Merton(model) => self.with(MertonExponent::new(&model, expiry), sink),
            Model::Kou(model) => self.with(KouExponent { model, expiry }, sink),
            Model::VarianceGamma(model) => self.with(VarianceGammaExponent { model, expiry }, sink),
        }
    }

    fn with<X: Exponent<P>, const P: usize>(
        &self,
        exponent: X,
        sink: &mut impl FnMut(usize, Result<Covered<'_>, Status>),
    ) {
        SCRATCH.with_borrow_mut(|scratch| {
            let Scratch { table, side, x, rows, sums } = scratch;
            x.clear();
            rows.clear();
            for (i, &strike) in self.strikes.iter().enumerate() {
                if strike > 0.0 && strike.is_finite() {
                    rows.push(i);
                    x.push(self.slice.log_strike(strike));
                } else {
                    sink(i, Err(Status::BadStrike));
                }
            }
            let period = self.period(&exponent, x);
            sums.clear();
            sums.resize(x.len(), None);
            let derivatives = self.depth != Depth::Price;
            let mut alias = 0.0;
            if !derivatives || exponent.has_gradient() {
                if let Some(period) = period.filter(|period| self.has_nodes(exponent, period, x, table)) {
                    alias = 1.0 / (0.5 * period.length).exp_m1();
                    dispatch(self.target, AtStrikes { table, x, depth: self.depth, parameters: P, sums });
                } else {
                    for above in [false, true] {
                        let depth = self.depth;
                        dispatch(self.target, OneSide { exponent, depth, above, x, side, sums });
                    }
                }
            }
            for ((&row, &x), sums) in rows.iter().zip(x.iter()).zip(sums.iter()) {
                let (slice, strike) = (self.slice, self.strikes[row]);
                let worthless = period.and_then(|period| worthless(x, period.lowest, period.highest));
                let covered = if let Some(sums) = worthless {
                    Some(Covered { slice, strike, x, sums, alias: 0.0 })
                } else if x > FARTHEST {
                    None
                } else {
                    let root = (0.5 * x).exp();
                    let found = sums.or_else(|| twin::sums(&exponent, x, derivatives));
                    found.map(|sums| Covered { slice, strike, x, sums: sums.map(|sum| root * sum), alias })
                };
                sink(row, covered.ok_or(Status::NotConverged));
            }
        });
    }

    /// ln of what is allowed of each error.
    fn bound(&self) -> f64 {
        if self.depth == Depth::Price { PRICE_BOUND } else { DERIVATIVES_BOUND }
    }

    /// A period for the strikes.
    fn period<X: Exponent<P>, const P: usize>(&self, exponent: &X, x: &[f64]) -> Option<Period> {
        let least = x.iter().copied().fold(f64::INFINITY, f64::min);
        let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let excess = |s| if self.depth == Depth::Price { 0.0 } else { exponent.excess(s) };
        period::find(|s| exponent.moment(s), excess, self.bound(), [least, most])
    }

    /// Fills the table of the series; whether that took no more nodes than are worth it.
    fn has_nodes<X: Exponent<P>, const P: usize>(
        &self,
        exponent: X,
        period: &Period,
        x: &[f64],
        table: &mut Table,
    ) -> bool {
        let farthest = x.iter().copied().fold(0.0, f64::max).min(period.highest);
        let error = (-self.bound() - 0.5 * farthest).exp();
        // Where a contour may turn it is the faster one beyond so many nodes.
        let turns = exponent.may_turn(WIDEST.0) && exponent.may_turn(-WIDEST.0);
        let most = if turns { (300 + 40 * x.len()).min(MOST_NODES) } else { MOST_NODES };
        let mut met = false;
        let (period, depth) = (period.length, self.depth);
        dispatch(self.target, Nodes { exponent, period, error, depth, most, table, met: &mut met });
        met
    }
}

/// The sums, with their factor √k, of a strike so far that its out-of-the-money option is worth nothing.
fn worthless(x: f64, lowest: f64, highest: f64) -> Option<Sums> {
    let mut sums = [0.0; place::ALL];
    if x > highest {
        // m = 1
        (sums[place::VALUE], sums[place::SLOPE]) = (1.0, -0.5);
    } else if x < lowest {
        // m = k
        (sums[place::VALUE], sums[place::SLOPE]) = (x.exp(), 0.5 * x.exp());
    } else {
        return None;
    }
    Some(sums)
}
