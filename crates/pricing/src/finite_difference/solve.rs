//! From a contract to an estimate: units, extent, two nested grids, extrapolation.

use std::cell::RefCell;

use zomma_base::{OptionType, Status};

use super::certain::certain_value;
use super::contract::{Contract, Exercise, Knock, Monitoring, Payoff};
use super::events::{Event, Stretch, plan};
use super::grid::{Extent, Map};
use super::payoff::UnitPayoff;
use super::settings::{Scheme, Settings};
use super::stepper::{Stepper, Unit};
use crate::black::Row;

/// A value from nested grids.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Extrapolated to cells of no size.
    pub value: f64,
    /// How far the extrapolation went from the finest grid: an estimate of that grid's error, and more than that of `value`. With early
    /// exercise, cash dividends, a barrier that is looked at on dates, or a variance of its own (Heston), how far the two finest grids are apart
    /// at most, here and at eight spots around.
    pub error: f64,
    /// ∂V/∂S.
    pub delta: f64,
    /// ∂²V/∂S².
    pub gamma: f64,
    /// ∂V/∂t at fixed spot, per year, from the equation itself; 0 where the option is exercised at once.
    pub theta: f64,
}

/// What one grid says, in units of the strike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    /// At the spot; without an error, except where the spot is certain.
    pub estimate: Estimate,
    /// Values at [`AROUND`] of the coarsest grid's cells below and above the spot.
    pub near: [f64; 2 * AROUND.len()],
}

/// Cells to where two grids are compared, on either side of the spot. Where errors change sign from place to place (a boundary of exercise that
/// jumps with a dividend) two grids are as near to each other as they like at one place, and one or two cells aside; not over ten.
const AROUND: [usize; 4] = [1, 2, 5, 10];

/// The nodes of [`Level::near`] around one of `n` nodes.
pub(super) fn near(at: usize, refinement: usize, n: usize) -> [usize; 2 * AROUND.len()] {
    std::array::from_fn(|i| {
        let away = AROUND[i / 2] * refinement;
        if i % 2 == 0 { at.saturating_sub(away) } else { (at + away).min(n - 1) }
    })
}

/// Below this σ√T the spot is certain.
pub(super) const LEAST_DEVIATION: f64 = 1e-7;
/// Greatest exponent of a spot at an end of the grid.
const MOST_EXPONENT: f64 = 60.0;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What a solution needs, kept from one to the next.
#[derive(Default)]
pub(super) struct Scratch {
    pub stepper: Stepper,
    pub events: Vec<(f64, Event)>,
    pub stretches: Vec<Stretch>,
}

/// Runs with this thread's scratch.
pub(super) fn with_scratch<T>(run: impl FnOnce(&mut Scratch) -> T) -> T {
    // A local volatility that prices an option itself finds the scratch taken.
    SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
        Ok(mut scratch) => run(&mut scratch),
        Err(_) => run(&mut Scratch::default()),
    })
}

/// Values a contract on a grid and on one with half its cells and steps.
///
/// Errors: the first bad field (`BadSpot` … `BadVolatility`, `BadDividend`, `BadPrice` for a cash payoff, `BadExerciseStyle` for an
/// exercise date, `BadBarrier`, `BadRebate`, `BarrierHit`); `Expired`; `BadMethod` for settings out of range, an explicit scheme that is
/// unstable, or an American knock-in; `BadVolatility` where a barrier or a local volatility meets a row's volatility of (almost) zero;
/// `NotConverged` where a penalty iteration does not end; `Overflow` where a number leaves the range.
///
/// σ√T under 1e-7 gives the value on the certain path, its delta by bumping, and gamma 0.
pub fn solve(contract: &Contract<'_>, settings: &Settings) -> Result<Estimate, Status> {
    with_scratch(|scratch| solve_with(contract, settings, scratch))
}

pub(super) fn solve_with(
    contract: &Contract<'_>,
    settings: &Settings,
    scratch: &mut Scratch,
) -> Result<Estimate, Status> {
    settings.check()?;
    contract.check()?;
    solve_checked(contract, settings, &contract.row, scratch)
}

/// [`solve`] for what was checked, on the grid that suits the row `shape`: with one shape the value is smooth in every field.
pub(super) fn solve_checked(
    contract: &Contract<'_>,
    settings: &Settings,
    shape: &Row,
    scratch: &mut Scratch,
) -> Result<Estimate, Status> {
    let [coarse, fine] = levels(contract, settings, shape, scratch, [1, 2])?;
    let is_smooth = is_second_order(contract);
    finish(contract, is_smooth, extrapolate(is_smooth, coarse, fine))
}

/// How many times more steps in time a grid with twice the cells has: so many that its error is a quarter in time too.
pub(super) fn time_refinement(scheme: Scheme) -> usize {
    match scheme {
        Scheme::Explicit | Scheme::ImplicitEuler => 4,
        Scheme::CrankNicolson | Scheme::Rannacher | Scheme::TrBdf2 => 2,
    }
}

/// From two grids to cells of no size; `is_smooth` where the second order is sure.
pub(super) fn extrapolate(is_smooth: bool, coarse: Level, fine: Level) -> Estimate {
    let to = |fine: f64, coarse: f64| fine + (fine - coarse) / 3.0;
    // Beside a boundary of exercise two grids may agree by chance, or since both exercise: the error of a place is then that around it.
    let around = if is_smooth {
        0.0
    } else {
        fine.near.iter().zip(&coarse.near).map(|(fine, coarse)| (fine - coarse).abs() / 3.0).fold(0.0, f64::max)
    };
    let (coarse, fine) = (coarse.estimate, fine.estimate);
    let value = to(fine.value, coarse.value);
    Estimate {
        value,
        error: (value - fine.value).abs().max(around) + fine.error,
        delta: to(fine.delta, coarse.delta),
        gamma: to(fine.gamma, coarse.gamma),
        theta: to(fine.theta, coarse.theta),
    }
}

/// Two nested grids are this many times as far apart as extrapolation goes beyond the finer.
pub(super) const BETWEEN_GRIDS: f64 = 3.0;

/// And where the boundary of exercise jumps with a dividend they are nearer to each other than to the value that often.
const AT_JUMPS: f64 = 1.5;

/// Whether nothing breaks the second order: exercise, a jump of the spot, a barrier that comes and goes, or so many deviations or so
/// much growth that the cells are not yet small.
pub(super) fn is_second_order(contract: &Contract<'_>) -> bool {
    let on_dates = contract.barrier.is_some_and(|barrier| matches!(barrier.monitoring, Monitoring::Dates(_)));
    let row = &contract.row;
    let growth = (row.risk_free_rate.abs() + row.dividend_yield.abs()) * row.expiry_years;
    let is_wide = row.volatility * row.expiry_years.sqrt() > 1.0 || growth > 1.0;
    contract.exercise == Exercise::European && contract.dividends.is_empty() && !on_dates && !is_wide
}

/// Keeps what must hold, back in currency; `is_smooth` as in [`extrapolate`].
pub(super) fn finish(contract: &Contract<'_>, is_smooth: bool, unit: Estimate) -> Result<Estimate, Status> {
    let strike = contract.row.strike;
    let mut least = 0.0;
    let mut estimate = Estimate {
        value: unit.value * strike,
        error: unit.error * strike,
        delta: unit.delta,
        gamma: unit.gamma / strike,
        theta: unit.theta * strike,
    };
    // Where the second order is broken, the extrapolated value is off by up to what lies between the grids.
    if !is_smooth {
        let jumps = contract.exercise != Exercise::European && !contract.dividends.is_empty();
        estimate.error *= BETWEEN_GRIDS * if jumps { AT_JUMPS } else { 1.0 };
    }
    let now = match contract.exercise {
        Exercise::American => true,
        Exercise::Bermudan(dates) => dates.contains(&0.0),
        Exercise::European => false,
    };
    if now {
        // In currency: a share of the strike would round.
        let row = &contract.row;
        let inside = row.option_type.sign() * (row.spot - row.strike);
        least = match contract.payoff {
            Payoff::Vanilla => inside.max(0.0),
            Payoff::CashOrNothing(cash) => {
                if inside > 0.0 {
                    cash
                } else {
                    0.0
                }
            }
            Payoff::AssetOrNothing => {
                if inside > 0.0 {
                    row.spot
                } else {
                    0.0
                }
            }
        };
    }
    // Extrapolation from a grid too coarse may leave what no arbitrage allows: the error is then no less than what is cut.
    let within = estimate.value.max(least).min(most(contract).max(least));
    estimate.error = estimate.error.max((estimate.value - within).abs());
    estimate.value = within;
    let numbers = [estimate.value, estimate.error, estimate.delta, estimate.gamma, estimate.theta];
    if numbers.iter().all(|x| x.is_finite()) { Ok(estimate) } else { Err(Status::Overflow) }
}

/// What a vanilla option is worth at most: the share, or the strike, at the better of now and expiry.
fn most(contract: &Contract<'_>) -> f64 {
    let row = &contract.row;
    if contract.payoff != Payoff::Vanilla || contract.barrier.is_some() {
        return f64::INFINITY;
    }
    let (paid, rate) = match row.option_type {
        OptionType::Call => (row.spot, row.dividend_yield),
        OptionType::Put => (row.strike, row.risk_free_rate),
    };
    paid * (-rate * row.expiry_years).exp().max(1.0)
}

/// The payoff with the strike at 1.
pub(super) fn payoff_of(contract: &Contract<'_>) -> UnitPayoff {
    let kind = match contract.payoff {
        Payoff::CashOrNothing(cash) => Payoff::CashOrNothing(cash / contract.row.strike),
        other => other,
    };
    UnitPayoff { kind, option_type: contract.row.option_type, constant: 0.0, factor: 1.0 }
}

/// Nested grids, each with the coarsest one's cells times a power of two, in units of the strike.
pub(super) fn levels<const N: usize>(
    contract: &Contract<'_>,
    settings: &Settings,
    shape: &Row,
    scratch: &mut Scratch,
    refinements: [usize; N],
) -> Result<[Level; N], Status> {
    let base = contract.barrier.filter(|b| b.knock == Knock::In);
    let Some(barrier) = base else {
        return on_grids(contract, settings, shape, scratch, payoff_of(contract), refinements);
    };
    // In = the option itself + an out of (rebate − payoff) that pays nothing when it is touched.
    let plain = Contract { barrier: None, ..*contract };
    let whole = on_grids(&plain, settings, shape, scratch, payoff_of(contract), refinements)?;
    let out = Contract { barrier: Some(super::Barrier { rebate: 0.0, knock: Knock::Out, ..barrier }), ..*contract };
    let payoff = UnitPayoff { constant: barrier.rebate / contract.row.strike, factor: -1.0, ..payoff_of(contract) };
    let part = on_grids(&out, settings, shape, scratch, payoff, refinements)?;
    Ok(std::array::from_fn(|i| sum(whole[i], part[i])))
}

pub(super) fn sum(a: Level, b: Level) -> Level {
    let near = std::array::from_fn(|i| a.near[i] + b.near[i]);
    let (a, b) = (a.estimate, b.estimate);
    let estimate = Estimate {
        value: a.value + b.value,
        error: a.error + b.error,
        delta: a.delta + b.delta,
        gamma: a.gamma + b.gamma,
        theta: a.theta + b.theta,
    };
    Level { estimate, near }
}

/// One solution for each refinement (a power of two) of the coarsest grid, which has half the settings' cells.
fn on_grids<const N: usize>(
    contract: &Contract<'_>,
    settings: &Settings,
    shape: &Row,
    scratch: &mut Scratch,
    payoff: UnitPayoff,
    refinements: [usize; N],
) -> Result<[Level; N], Status> {
    let row = &contract.row;
    let spot = row.spot / row.strike;
    let width = row.volatility * row.expiry_years.sqrt();
    let unit = unit_of(contract, payoff);
    let finer = time_refinement(settings.scheme);
    plan(contract, settings.time_steps.div_ceil(finer), &mut scratch.events, &mut scratch.stretches);
    let certain = width < LEAST_DEVIATION;
    if certain && (contract.barrier.is_some() || contract.local_volatility.is_some()) {
        return Err(Status::BadVolatility);
    }
    if certain {
        let estimate = certain_estimate(&unit, contract.exercise, &scratch.stretches, spot, width);
        return Ok([Level { estimate, near: [estimate.value; 2 * AROUND.len()] }; N]);
    }
    let (extent, unit) = extent(contract, settings.deviations, unit, shape, paid(&scratch.events))?;
    let mut anchors = [1.0; 3];
    let mut count = 1;
    for level in unit.watched.iter().flatten() {
        anchors[count] = *level;
        count += 1;
    }
    let cells = settings.space_steps.div_ceil(2);
    let mut map = Map::new(&extent, &anchors[..count], cells, ends_at_the_strike(contract));
    // Where both cannot be nodes the strike is, at which the holder is paid, and the spot is read between it and the next ones.
    let beside = ends_at_the_strike(contract) && !map.has(1.0) && unit.payoff.at(spot) == 0.0;
    let node = if beside { 1.0 } else { spot };
    if beside {
        map = Map::new(&Extent { spot: node, ..extent }, &anchors[..count], cells, false);
    }
    let mut out = [Level::default(); N];
    for (out, refinement) in out.iter_mut().zip(refinements) {
        let stepper = &mut scratch.stepper;
        let at = map.nodes(refinement, node, &mut stepper.nodes);
        let finer = finer.pow(refinement.ilog2());
        stepper.roll_back(&unit, &scratch.stretches, finer, settings)?;
        *out = stepper.read(&unit, at, refinement);
        if beside {
            out.estimate = stepper.read_outside(&unit, at, spot);
        }
    }
    Ok(out)
}

/// Whether the holder exercises where the payoff jumps, so that the strike is as good as a barrier: a digital at any time.
pub(super) fn ends_at_the_strike(contract: &Contract<'_>) -> bool {
    contract.exercise == Exercise::American && contract.payoff != Payoff::Vanilla
}

/// What a grid in spot and variance may miss whose spot is so near to such a strike that this is no node: the holder touches it a cell too late, and has no more than
/// is paid there.
pub(super) fn unseen(contract: &Contract<'_>, map: &Map, unit: &Unit<'_>, value: f64) -> f64 {
    if ends_at_the_strike(contract) && !map.has(1.0) { (unit.payoff.at_best(1.0) - value).abs() } else { 0.0 }
}

pub(super) fn unit_of<'a>(contract: &Contract<'a>, payoff: UnitPayoff) -> Unit<'a> {
    let row = &contract.row;
    Unit {
        payoff,
        rate: row.risk_free_rate,
        dividend_yield: row.dividend_yield,
        volatility: row.volatility,
        local: contract.local_volatility.map(|function| (function, row.strike)),
        american: contract.exercise == Exercise::American,
        knocked: [None; 2],
        watched: [None; 2],
        rebate: contract.barrier.map_or(0.0, |b| b.rebate / row.strike),
        watched_at_expiry: false,
    }
}

fn certain_estimate(unit: &Unit<'_>, exercise: Exercise<'_>, stretches: &[Stretch], spot: f64, width: f64) -> Estimate {
    let at = |s: f64| certain_value(unit, exercise, stretches, s);
    let bump = 1e-6 * spot;
    let delta = (at(spot + bump) - at(spot - bump)) / (2.0 * bump);
    let value = at(spot);
    let exercised = unit.american && value <= unit.payoff.at(spot);
    let carry = unit.rate - unit.dividend_yield;
    let theta = if exercised { 0.0 } else { unit.rate * value - carry * spot * delta };
    // The time value at the money is 0.4 S σ√T.
    Estimate { value, error: 0.4 * spot * width, delta, gamma: 0.0, theta }
}

/// All dividends together.
pub(super) fn paid(events: &[(f64, Event)]) -> f64 {
    events.iter().map(|e| if let Event::Dividend(amount) = e.1 { amount } else { 0.0 }).sum()
}

/// The ends of the grid, and the unit with what stands there.
pub(super) fn extent<'a>(
    contract: &Contract<'_>,
    deviations: f64,
    mut unit: Unit<'a>,
    shape: &Row,
    paid: f64,
) -> Result<(Extent, Unit<'a>), Status> {
    let row = &contract.row;
    let spot = row.spot / row.strike;
    let width = shape.volatility * shape.expiry_years.sqrt();
    let drift =
        ((shape.risk_free_rate - shape.dividend_yield) * shape.expiry_years).clamp(-MOST_EXPONENT, MOST_EXPONENT);
    let spread = (deviations * width).min(MOST_EXPONENT);
    let mut high = (spot * drift.max(0.0).exp()).max(1.0) * spread.exp() + paid;
    let bottom = (spot * drift.min(0.0).exp()).min(1.0) * (-spread).exp();
    // Where the grid reaches down so far it may as well end at zero, which absorbs.
    let mut low = bottom - paid;
    if low < 0.1 * spot.min(1.0) || low < paid {
        low = 0.0;
    }
    if !(high.is_finite() && high < 1e150) {
        return Err(if paid.is_finite() { Status::Overflow } else { Status::BadDividend });
    }
    if let Some(barrier) = &contract.barrier {
        let levels = [barrier.lower, barrier.upper].map(|b| b.map(|b| b / row.strike));
        match barrier.monitoring {
            Monitoring::Continuous => {
                if let Some(level) = levels[0].filter(|&b| b > low) {
                    (low, unit.knocked[0]) = (level, Some(unit.rebate));
                }
                if let Some(level) = levels[1].filter(|&b| b < high) {
                    (high, unit.knocked[1]) = (level, Some(unit.rebate));
                }
                // Rounding of the division may put the spot on the barrier.
                if !(low < spot && spot < high) {
                    return Err(Status::BarrierHit);
                }
            }
            Monitoring::Dates(dates) => {
                unit.watched = levels;
                unit.watched_at_expiry = dates.contains(&row.expiry_years);
            }
        }
    }
    let moved = 0.5 * (drift.clamp(-1.0, 1.0).exp_m1().abs() + paid.min(spot));
    Ok((Extent { low, high, spot, width: width.hypot(moved) }, unit))
}

impl Stepper {
    /// Value and Greeks at a node of a grid with so many times the coarsest one's cells.
    fn read(&self, unit: &Unit<'_>, at: usize, refinement: usize) -> Level {
        let at = at.clamp(1, self.nodes.len() - 2);
        let [below, above] = [self.nodes[at] - self.nodes[at - 1], self.nodes[at + 1] - self.nodes[at]];
        let value = self.values[at];
        let [fall, rise] = [(value - self.values[at - 1]) / below, (self.values[at + 1] - value) / above];
        let delta = (fall * above + rise * below) / (below + above);
        let gamma = 2.0 * (rise - fall) / (below + above);
        let spot = self.nodes[at];
        let exercised = unit.american && value <= unit.payoff.at_best(spot);
        let theta = match self.beside_the_strike(unit, at) {
            _ if exercised => 0.0,
            // Nothing changes where the holder is paid.
            Some((strike, outer)) => {
                -self.change(outer) * (spot - self.nodes[strike]) / (self.nodes[outer] - self.nodes[strike])
            }
            None => -self.change(at),
        };
        let mut estimate = Estimate { value, error: 0.0, delta, gamma, theta };
        if exercised && let Some(slope) = unit.payoff.paid_slope(spot) {
            (estimate.delta, estimate.gamma) = (slope, 0.0);
        }
        Level { estimate, near: near(at, refinement, self.nodes.len()).map(|i| self.values[i]) }
    }

    /// Of a node that the strike of an American digital has squeezed to less than half a cell: the strike's, and the one on the other side. There the
    /// curvature that the equation sees is that of the kink.
    fn beside_the_strike(&self, unit: &Unit<'_>, at: usize) -> Option<(usize, usize)> {
        let (strike, outer) =
            if unit.payoff.option_type == OptionType::Call { (at + 1, at - 1) } else { (at - 1, at + 1) };
        let is_inner = (1..self.nodes.len() - 1).contains(&outer);
        let jumps = unit.american && unit.payoff.paid_slope(1.0).is_some() && is_inner;
        let is_squeezed =
            (self.nodes[strike] - self.nodes[at]).abs() < 0.5 * (self.nodes[outer] - self.nodes[at]).abs();
        (jumps && self.nodes[strike] == 1.0 && is_squeezed).then_some((strike, outer))
    }

    /// What the equation makes of the values around a node.
    fn change(&self, at: usize) -> f64 {
        let operator = &self.operator;
        operator.lower[at] * self.values[at - 1]
            + operator.diagonal[at] * self.values[at]
            + operator.upper[at] * self.values[at + 1]
    }

    /// Value and Greeks at a spot within a cell of the node at the strike, out of the money: of the parabola through it and the next two.
    fn read_outside(&self, unit: &Unit<'_>, at: usize, spot: f64) -> Estimate {
        let at = at.clamp(2, self.nodes.len() - 3);
        let next = |i: usize| if unit.payoff.option_type == OptionType::Call { at - i } else { at + i };
        let [x, v] = [&self.nodes, &self.values].map(|of| [of[at], of[next(1)], of[next(2)]]);
        let [first, second] = [0, 1].map(|i| (v[i + 1] - v[i]) / (x[i + 1] - x[i]));
        let bend = (second - first) / (x[2] - x[0]);
        let [from_strike, from_next] = [spot - x[0], spot - x[1]];
        Estimate {
            value: v[0] + from_strike * (first + bend * from_next),
            error: 0.0,
            delta: first + bend * (from_strike + from_next),
            gamma: 2.0 * bend,
            // Nothing changes where the holder is paid.
            theta: -self.change(next(1)) * from_strike / (x[1] - x[0]),
        }
    }
}
