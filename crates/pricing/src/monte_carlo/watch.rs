//! What a payoff keeps of the paths of a block while they run, and what it pays in the end.

use zomma_base::OptionType;

use super::control::Controlled;
use super::lanes::{LANES, Lanes};
use super::stepper::State;
use super::{Average, BarrierKind, Market, Monitoring, MonteCarloError, Payoff};
use crate::math::{MultiplyAdd, exp};

/// One payoff of one block.
pub(super) struct Watch<'a> {
    terms: &'a Terms,
    /// Sum of spots, 1 while the barrier is untouched (or how likely that is), or the extreme of x.
    kept: Lanes,
    /// Sum of x.
    logs: Lanes,
}

/// A checked payoff and its control.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub payoff: Payoff,
    pub control: Controlled,
    spot: f64,
    discount: f64,
    /// Steps between two looks.
    every: usize,
    /// Looks.
    dates: f64,
}

impl Terms {
    pub(super) fn new(
        payoff: Payoff,
        control: Controlled,
        market: &Market,
        steps: usize,
    ) -> Result<Self, MonteCarloError> {
        payoff.check(market)?;
        let every = payoff.every(steps)?;
        let dates = (steps / every) as f64;
        Ok(Self { payoff, control, spot: market.spot, discount: market.discount_factor(), every, dates })
    }

    /// ln(barrier/S₀).
    fn level(barrier: f64, spot: f64) -> f64 {
        (barrier / spot).ln()
    }
}

/// What all payoffs of a block share at its end.
pub(super) struct Ends {
    /// Spots.
    pub spots: Lanes,
    /// Spots of the control's path.
    pub control_spots: Lanes,
}

impl<'a> Watch<'a> {
    pub(super) fn new(terms: &'a Terms) -> Self {
        Self { terms, kept: [0.0; LANES], logs: [0.0; LANES] }
    }

    /// Whether it looks at the spot (and not at its logarithm) after a step.
    #[inline(always)]
    pub(super) fn wants_spot(&self, step: usize) -> bool {
        matches!(self.terms.payoff, Payoff::Asian { average: Average::Arithmetic, .. }) && self.looks(step)
    }

    #[inline(always)]
    fn looks(&self, step: usize) -> bool {
        (step + 1).is_multiple_of(self.terms.every)
    }

    /// Before the first step.
    #[inline(always)]
    pub(super) fn begin(&mut self) {
        self.kept = [if matches!(self.terms.payoff, Payoff::Barrier { .. }) { 1.0 } else { 0.0 }; LANES];
        self.logs = [0.0; LANES];
    }

    /// After a step. `spots` are the spots where the watch wants them.
    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&mut self, step: usize, state: &State, spots: &Lanes) {
        if !self.looks(step) {
            return;
        }
        match self.terms.payoff {
            Payoff::European { .. } | Payoff::Digital { .. } => {}
            Payoff::Asian { average, .. } => {
                if average == Average::Arithmetic {
                    add(&mut self.kept, spots);
                }
                add(&mut self.logs, &state.x);
            }
            Payoff::Barrier { barrier, kind, monitoring, .. } => {
                let level = Terms::level(barrier, self.terms.spot);
                match monitoring {
                    Monitoring::Dates(_) => self.stay(level, kind, &state.x),
                    Monitoring::Continuous => self.stay_between::<M>(level, kind, state),
                }
            }
            Payoff::Lookback { option_type, strike, .. } => {
                let largest = (option_type == OptionType::Call) == strike.is_some();
                for (kept, x) in self.kept.iter_mut().zip(&state.x) {
                    *kept = if largest { kept.max(*x) } else { kept.min(*x) };
                }
            }
        }
    }

    /// Dead where x is at or beyond the level.
    #[inline(always)]
    fn stay(&mut self, level: f64, kind: BarrierKind, x: &Lanes) {
        let sign = if kind.is_up() { 1.0 } else { -1.0 };
        for (kept, x) in self.kept.iter_mut().zip(x) {
            *kept *= if sign * (level - x) > 0.0 { 1.0 } else { 0.0 };
        }
    }

    /// Times the probability that a Brownian bridge between the ends of the step stays on this side:
    /// 1 − e^(−2(l − x₀)(l − x₁)/∫σ²).
    #[inline(always)]
    fn stay_between<M: MultiplyAdd>(&mut self, level: f64, kind: BarrierKind, state: &State) {
        let sign = if kind.is_up() { 1.0 } else { -1.0 };
        for i in 0..LANES {
            let (from, to) = (sign * (level - state.before[i]), sign * (level - state.x[i]));
            let crossing = exp::<M>(-2.0 * from * to / state.step_variance[i].max(f64::MIN_POSITIVE));
            self.kept[i] *= if from > 0.0 && to > 0.0 { 1.0 - crossing } else { 0.0 };
        }
    }

    /// Discounted payoffs, and the control's, of the paths that the slices have room for.
    #[inline(always)]
    pub(super) fn finish<M: MultiplyAdd>(&self, ends: &Ends, payoffs: &mut [f64], controls: Option<&mut [f64]>) {
        let Terms { discount, spot, dates, .. } = *self.terms;
        let sign = self.terms.payoff.option_type().sign();
        let over = |x: f64, strike: f64| discount * (sign * (x - strike)).max(0.0);
        let beyond = |x: f64, strike: f64| if sign * (x - strike) > 0.0 { discount } else { 0.0 };
        match self.terms.payoff {
            Payoff::European { strike, .. } => fill(payoffs, &ends.spots, |end| over(end, strike)),
            Payoff::Digital { strike, .. } => fill(payoffs, &ends.spots, |end| beyond(end, strike)),
            Payoff::Asian { strike, average: Average::Arithmetic, .. } => {
                fill(payoffs, &self.kept, |sum| over(sum / dates, strike));
            }
            Payoff::Asian { strike, average: Average::Geometric, .. } => self.geometric::<M>(strike, payoffs),
            Payoff::Barrier { strike, kind, rebate, .. } => {
                for ((payoff, kept), end) in payoffs.iter_mut().zip(&self.kept).zip(&ends.spots) {
                    let alive = if kind.is_out() { *kept } else { 1.0 - kept };
                    *payoff = alive * over(*end, strike) + (1.0 - alive) * (discount * rebate);
                }
            }
            Payoff::Lookback { strike: Some(strike), .. } => {
                fill(payoffs, &self.kept, |x| over(spot * exp::<M>(x), strike));
            }
            Payoff::Lookback { strike: None, .. } => {
                for ((payoff, kept), end) in payoffs.iter_mut().zip(&self.kept).zip(&ends.spots) {
                    *payoff = discount * (sign * (end - spot * exp::<M>(*kept)));
                }
            }
        }
        let Some(controls) = controls else { return };
        match (self.terms.control, self.terms.payoff.strike()) {
            (Controlled::Spot { .. }, _) => fill(controls, &ends.spots, |end| discount * end),
            (Controlled::Option { .. }, Some(strike)) => {
                if matches!(self.terms.payoff, Payoff::Digital { .. }) {
                    fill(controls, &ends.control_spots, |end| beyond(end, strike));
                } else {
                    fill(controls, &ends.control_spots, |end| over(end, strike));
                }
            }
            (Controlled::GeometricAsian { .. }, Some(strike)) => self.geometric::<M>(strike, controls),
            (Controlled::No | Controlled::Option { .. } | Controlled::GeometricAsian { .. }, _) => {}
        }
    }

    #[inline(always)]
    fn geometric<M: MultiplyAdd>(&self, strike: f64, out: &mut [f64]) {
        let Terms { discount, spot, dates, .. } = *self.terms;
        let sign = self.terms.payoff.option_type().sign();
        fill(out, &self.logs, |sum| discount * (sign * (spot * exp::<M>(sum / dates) - strike)).max(0.0));
    }
}

/// Each path's number from its lane.
#[inline(always)]
fn fill(out: &mut [f64], lanes: &Lanes, of: impl Fn(f64) -> f64) {
    for (out, lane) in out.iter_mut().zip(lanes) {
        *out = of(*lane);
    }
}

#[inline(always)]
fn add(sums: &mut Lanes, terms: &Lanes) {
    for (sum, term) in sums.iter_mut().zip(terms) {
        *sum += term;
    }
}
