//! Sixteen American options at once: rows of one type and expiry on one share, each on its own grid, in the lanes of vectors.
//!
//! Method    What solve.rs does with TR-BDF2, Brennan–Schwartz and the affine boundary. A tridiagonal solution is a chain of dependent
//!           steps; sixteen chains side by side hide each other's latency. Nodes of puts are stored from the highest down, so that
//!           substitution always starts where the option is exercised, at the end. Factoring, the right side and elimination are one pass.
//! Accuracy  tolerance.rs: finite_difference lanes, against the scalar twin

mod block;
mod pass;

use std::cell::RefCell;

use zomma_base::{OptionType, Status};

use super::contract::{CashDividend, Contract};
use super::events::{Event, Stretch, plan};
use super::grid::Map;
use super::settings::{AmericanMethod, FarBoundary, Scheme, Settings};
use super::solve::{
    Estimate, LEAST_DEVIATION, Level, extent, extrapolate, finish, is_second_order, paid, payoff_of, unit_of,
};
use crate::black::Row;
use crate::math::{Target, dispatch};
use block::Block;
use pass::RollBack;

/// Options side by side.
pub(super) const LANES: usize = 16;

/// One number of each.
type Lane = [f64; LANES];

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    block: Block,
    events: Vec<(f64, Event)>,
    unit_events: Vec<(f64, Event)>,
    stretches: Vec<Stretch>,
}

/// Which rows are valued in lanes, and which alone.
pub(super) struct Work {
    /// Rows for lanes, then the others.
    order: Vec<usize>,
    /// Where a group of one type and expiry ends.
    ends: Vec<usize>,
}

impl Work {
    /// Groups of one type and expiry.
    pub fn together(&self) -> impl Iterator<Item = &[usize]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.order[begin..end])
    }

    /// The rows that lanes cannot value, and those that are no options.
    pub fn alone(&self) -> &[usize] {
        &self.order[self.ends.last().copied().unwrap_or(0)..]
    }
}

/// Divides rows into groups of one type and expiry, neighbouring strikes together.
pub(super) fn divide(n: usize, row: impl Fn(usize) -> Row, dividends: &[CashDividend], settings: &Settings) -> Work {
    let suited = suit(settings) && settings.check().is_ok();
    let key = |i: usize| {
        let row = row(i);
        let laned = suited && suits(&row) && Contract::american(row, dividends).check().is_ok();
        (!laned, row.option_type.sign() > 0.0, row.expiry_years.to_bits(), row.strike.to_bits())
    };
    let mut keyed: Vec<_> = (0..n).map(|i| (key(i), i)).collect();
    keyed.sort_unstable();
    let same =
        |a: &((bool, bool, u64, u64), usize), b: &((bool, bool, u64, u64), usize)| (a.0.1, a.0.2) == (b.0.1, b.0.2);
    let together = keyed.partition_point(|(key, _)| !key.0);
    let mut ends = Vec::new();
    for group in keyed[..together].chunk_by(same) {
        ends.push(ends.last().copied().unwrap_or(0) + group.len());
    }
    Work { order: keyed.into_iter().map(|(_, i)| i).collect(), ends }
}

/// Whether lanes may value with these settings.
fn suit(settings: &Settings) -> bool {
    settings.scheme == Scheme::TrBdf2
        && settings.american == AmericanMethod::BrennanSchwartz
        && settings.far_boundary == FarBoundary::Affine
        && (16..=2_000).contains(&settings.space_steps)
}

/// Whether lanes may value the row.
fn suits(row: &Row) -> bool {
    row.risk_free_rate >= 0.0
        && row.dividend_yield >= 0.0
        && row.volatility * row.expiry_years.sqrt() >= LEAST_DEVIATION
}

/// Values up to [`LANES`] rows that [`suit`] the lanes, of one type and one expiry, on the grids of `shapes`; the result of each.
pub(super) fn solve_lanes(
    rows: &[Row],
    shapes: &[Row],
    dividends: &[CashDividend],
    settings: &Settings,
    target: Target,
) -> [Result<Estimate, Status>; LANES] {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut out = [Err(Status::Overflow); LANES];
        let Some(first) = rows.first() else { return out };
        // In currency: each row divides by its own strike.
        let common = Contract::american(Row { strike: 1.0, ..*first }, dividends);
        plan(&common, settings.time_steps.div_ceil(2), &mut scratch.events, &mut scratch.stretches);
        let mut maps: [Option<(Map, f64)>; LANES] = std::array::from_fn(|_| None);
        for (lane, map) in maps.iter_mut().enumerate().take(rows.len()) {
            match lane_map(&rows[lane], &shapes[lane], settings, &scratch.events, &mut scratch.unit_events) {
                Ok(found) => *map = Some(found),
                Err(status) => out[lane] = Err(status),
            }
        }
        // Lanes without a row of their own repeat one that has.
        let Some(model) = maps.iter().position(Option::is_some) else { return out };
        let held: [usize; LANES] = std::array::from_fn(|lane| if maps[lane].is_some() { lane } else { model });
        let mut levels = [[Level::default(); LANES]; 2];
        scratch.block.terms(&held.map(|lane| rows[lane]));
        for (refinement, level) in [1, 2].into_iter().zip(&mut levels) {
            let fits = scratch.block.nodes(refinement, &held.map(|lane| &maps[lane]));
            if !fits {
                return out;
            }
            dispatch(target, RollBack { block: &mut scratch.block, stretches: &scratch.stretches, refinement });
            *level = scratch.block.read(refinement);
        }
        let [coarse, fine] = levels;
        for lane in 0..rows.len() {
            if maps[lane].is_some() {
                let contract = Contract::american(rows[lane], dividends);
                let is_smooth = is_second_order(&contract);
                out[lane] = finish(&contract, is_smooth, extrapolate(is_smooth, coarse[lane], fine[lane]));
            }
        }
        out
    })
}

/// The map of one row's grid, and its spot in units of the strike.
fn lane_map(
    row: &Row,
    shape: &Row,
    settings: &Settings,
    events: &[(f64, Event)],
    scratch: &mut Vec<(f64, Event)>,
) -> Result<(Map, f64), Status> {
    scratch.clear();
    scratch.extend(events.iter().map(|&(time, event)| match event {
        Event::Dividend(amount) => (time, Event::Dividend(amount / row.strike)),
        other => (time, other),
    }));
    let contract = Contract::american(*row, &[]);
    let unit = unit_of(&contract, payoff_of(&contract));
    let (extent, _) = extent(&contract, settings.deviations, unit, shape, paid(scratch))?;
    Ok((Map::new(&extent, &[1.0], settings.space_steps.div_ceil(2), false), extent.spot))
}

/// The side from which substitution starts is the end of the storage.
fn descending(option_type: OptionType) -> bool {
    option_type == OptionType::Put
}
