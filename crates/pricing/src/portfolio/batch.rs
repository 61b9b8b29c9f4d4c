//! The CPU path: chunks of places through the branch-free loop of `black`, added up in the first-level cache, so that no column of
//! results is ever written to memory.
//!
//! Method    A chunk is 32 blocks of 64 places. The 64 lanes of blocks that lie in one segment are added block by block, then as a
//!           balanced tree of neighbours; rows of a block that is shared by segments one after the other; the chunks' sums with
//!           compensation, in the order of the chunks
//! Bits      depend on the rows and the instruction set, not on the number of threads: chunks are cut at fixed places

use rayon::prelude::*;
use zomma_base::{OptionType, Status};

use super::order::{Order, Segment};
use super::sums::{Compensated, Sums, Totals};
use super::{Given, PositionColumns, QUANTITIES, Shock, scalar};
use crate::black::lanes::{self, BLOCK, BlockRows};
use crate::black::{Greek, Model};
use crate::implied_vol::{BsmPriceColumns, implied_volatility_bsm_on};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch};

/// Places of a chunk: its columns fit the second-level cache.
const CHUNK: usize = 32 * BLOCK;
/// Quantities that the vector loop computes: all but lambda.
const COMPUTED: usize = 18;

/// [`sums`](super::sums) with the instructions of one target (the baseline where this machine has not got it).
pub fn sums_on(target: Target, rows: &PositionColumns<'_>, groups: usize, shock: Shock) -> Totals {
    rows.assert_whole(groups);
    let order = Order::of(rows, groups);
    let work = Work { target, rows, order: &order, shock };
    let parts: Vec<ChunkSums> = chunks(&order.segments)
        .into_par_iter()
        .map_init(Scratch::new, |scratch, (model, start, end)| work.chunk(model, start, end, scratch))
        .collect();
    fold(&order.segments, groups, parts)
}

/// Fixed cuts of each model's places.
fn chunks(segments: &[Segment]) -> Vec<(Model, usize, usize)> {
    let mut chunks = Vec::new();
    for model in [Model::Bsm, Model::Black76] {
        let mut of_model = segments.iter().filter(|segment| segment.model == model);
        let Some(first) = of_model.next() else { continue };
        let end = of_model.next_back().unwrap_or(first).end as usize;
        let starts = (first.start as usize..end).step_by(CHUNK);
        chunks.extend(starts.map(|start| (model, start, end.min(start + CHUNK))));
    }
    chunks
}

/// Adds what the chunks gave, by segment and in their order.
pub(super) fn fold(segments: &[Segment], groups: usize, parts: Vec<ChunkSums>) -> Totals {
    let mut compensated = vec![Compensated::default(); segments.len()];
    let mut failed = vec![0u64; segments.len()];
    let mut by_group = vec![Sums::default(); groups];
    for part in parts {
        for (segment, terms) in &part.pieces {
            compensated[*segment as usize].add(terms);
        }
        for (segment, status) in part.failed {
            failed[segment as usize] += 1;
            by_group[segments[segment as usize].group as usize].count_failed(status);
        }
    }
    for ((segment, sums), failed) in segments.iter().zip(&compensated).zip(failed) {
        let rows = u64::from(segment.end - segment.start) - failed;
        by_group[segment.group as usize].add(&sums.value(), rows, segment.model);
    }
    Totals::of(by_group)
}

/// What a chunk adds to its segments, by their indices.
#[derive(Debug, Default)]
pub(super) struct ChunkSums {
    pub pieces: Vec<(u32, [f64; QUANTITIES])>,
    pub failed: Vec<(u32, Status)>,
}

/// One call's work.
#[derive(Clone, Copy)]
struct Work<'a> {
    target: Target,
    rows: &'a PositionColumns<'a>,
    order: &'a Order,
    shock: Shock,
}

/// The columns of one chunk, as long as whole blocks.
struct Scratch {
    option_type: Vec<OptionType>,
    spot: Vec<f64>,
    strike: Vec<f64>,
    expiry_years: Vec<f64>,
    risk_free_rate: Vec<f64>,
    dividend_yield: Vec<f64>,
    volatility: Vec<f64>,
    price: Vec<f64>,
    shares: Vec<f64>,
    status: Vec<Status>,
}

impl Scratch {
    fn new() -> Self {
        let column = || Vec::with_capacity(CHUNK);
        Self {
            option_type: Vec::with_capacity(CHUNK),
            spot: column(),
            strike: column(),
            expiry_years: column(),
            risk_free_rate: column(),
            dividend_yield: column(),
            volatility: column(),
            price: column(),
            shares: column(),
            status: Vec::with_capacity(CHUNK),
        }
    }

    /// Fills the columns with the rows of a chunk.
    fn fill(&mut self, work: &Work<'_>, model: Model, start: usize, end: usize) {
        let Work { rows, order, .. } = work;
        self.option_type.clear();
        order.gather(rows.option_type, start..end, &mut self.option_type);
        let yields = if model == Model::Black76 { rows.risk_free_rate } else { rows.dividend_yield };
        let columns = [
            (rows.spot, &mut self.spot),
            (rows.strike, &mut self.strike),
            (rows.expiry_years, &mut self.expiry_years),
            (rows.risk_free_rate, &mut self.risk_free_rate),
            (yields, &mut self.dividend_yield),
            (rows.quantity, &mut self.shares),
        ];
        for (from, to) in columns {
            to.clear();
            order.gather(from, start..end, to);
        }
        self.volatility.clear();
        self.status.clear();
        self.status.resize(end - start, Status::Ok);
        match rows.given {
            Given::Volatility(column) => order.gather(column, start..end, &mut self.volatility),
            Given::Price(column) => {
                self.price.clear();
                order.gather(column, start..end, &mut self.price);
                self.volatility.resize(end - start, 0.0);
                let prices = BsmPriceColumns {
                    option_type: &self.option_type,
                    spot: &self.spot,
                    strike: &self.strike,
                    expiry_years: &self.expiry_years,
                    risk_free_rate: &self.risk_free_rate,
                    dividend_yield: &self.dividend_yield,
                    price: &self.price,
                };
                implied_volatility_bsm_on(work.target, &prices, &mut self.volatility, &mut self.status);
            }
        }
        for (place, shares) in (start..end).zip(&mut self.shares) {
            *shares = rows.shares(order.row(place)).unwrap_or(f64::NAN);
        }
        let shock = work.shock;
        self.spot.iter_mut().for_each(|spot| *spot *= shock.spot_factor);
        self.volatility.iter_mut().for_each(|volatility| *volatility = shock.volatility(*volatility));
        self.expiry_years.iter_mut().for_each(|expiry| *expiry -= shock.years);
        self.risk_free_rate.iter_mut().for_each(|rate| *rate += shock.rate_shift);
        if model == Model::Black76 {
            self.dividend_yield.copy_from_slice(&self.risk_free_rate);
        }
    }

    /// Whether the vector loop has the row.
    fn is_usual(&self, i: usize, model: Model) -> bool {
        let dividend = if model == Model::Black76 { 0.0 } else { self.dividend_yield[i] };
        let (rate, expiry) = (self.risk_free_rate[i], self.expiry_years[i]);
        lanes::is_usual(self.spot[i], self.strike[i], expiry, rate, dividend, self.volatility[i])
            && self.status[i].is_ok()
            && self.shares[i].is_finite()
    }

    /// Makes a row one that is as usual as can be, and of which there are no shares.
    fn blank(&mut self, i: usize) {
        (self.spot[i], self.strike[i], self.expiry_years[i]) = (1.0, 1.0, 1.0);
        (self.risk_free_rate[i], self.dividend_yield[i], self.volatility[i], self.shares[i]) = (0.0, 0.0, 0.2, 0.0);
    }

    /// Fills the last block up.
    fn pad(&mut self) {
        let (rows, whole) = (self.spot.len(), self.spot.len().next_multiple_of(BLOCK));
        self.option_type.resize(whole, OptionType::Call);
        let columns = [
            &mut self.spot,
            &mut self.strike,
            &mut self.expiry_years,
            &mut self.risk_free_rate,
            &mut self.dividend_yield,
            &mut self.volatility,
            &mut self.shares,
        ];
        columns.into_iter().for_each(|column| column.resize(whole, 0.0));
        (rows..whole).for_each(|i| self.blank(i));
    }

    #[inline(always)]
    fn block(&self, start: usize) -> Option<(BlockRows<'_>, &[f64; BLOCK])> {
        let block = BlockRows {
            option_type: self.option_type[start..].first_chunk()?,
            spot: self.spot[start..].first_chunk()?,
            strike: self.strike[start..].first_chunk()?,
            expiry_years: self.expiry_years[start..].first_chunk()?,
            risk_free_rate: self.risk_free_rate[start..].first_chunk()?,
            dividend_yield: self.dividend_yield[start..].first_chunk()?,
            volatility: self.volatility[start..].first_chunk()?,
        };
        Some((block, self.shares[start..].first_chunk()?))
    }
}

impl Work<'_> {
    fn chunk(&self, model: Model, start: usize, end: usize, scratch: &mut Scratch) -> ChunkSums {
        let segments = &self.order.segments;
        let first = segments.partition_point(|segment| segment.end as usize <= start);
        scratch.fill(self, model, start, end);
        let mut sums = ChunkSums::default();
        let mut of_twin = Vec::new();
        let mut segment = first;
        for place in start..end {
            while segments[segment].end as usize <= place {
                segment += 1;
            }
            if !scratch.is_usual(place - start, model) {
                match scalar::terms(self.rows, self.order.row(place), self.shock) {
                    Ok(terms) => of_twin.push((segment as u32, terms)),
                    Err(status) => sums.failed.push((segment as u32, status)),
                }
                scratch.blank(place - start);
            }
        }
        scratch.pad();
        // What a block of the chunk's end lies in: the segment of its last row, padding included.
        let ends = segments[first..=segment].iter().map(|s| (s.end as usize).min(end) - start).collect();
        let blocks = Blocks { scratch, first: first as u32, ends, pieces: &mut sums.pieces };
        match model {
            Model::Bsm => dispatch(self.target, OfModel::<false>(blocks)),
            Model::Black76 => dispatch(self.target, OfModel::<true>(blocks)),
        }
        sums.pieces.append(&mut of_twin);
        sums
    }
}

/// The vector loop over a chunk.
struct Blocks<'a> {
    scratch: &'a Scratch,
    /// Index of the first segment.
    first: u32,
    /// Where each segment ends in the chunk.
    ends: Vec<usize>,
    pieces: &'a mut Vec<(u32, [f64; QUANTITIES])>,
}

struct OfModel<'a, const BLACK76: bool>(Blocks<'a>);

impl<const BLACK76: bool> Kernel for OfModel<'_, BLACK76> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Blocks { scratch, first, ends, pieces } = self.0;
        let mut results = [[0.0; BLOCK]; COMPUTED];
        let mut sums = [[0.0; BLOCK]; QUANTITIES];
        let mut open = false;
        let mut at = 0;
        let rows = ends.last().copied().unwrap_or(0);
        for start in (0..rows).step_by(BLOCK) {
            let Some((block, shares)) = scratch.block(start) else { break };
            lanes::evaluate::<M, BLACK76, COMPUTED>(&block, &mut results);
            let end = rows.min(start + BLOCK);
            if start >= ends[at] {
                flush(&mut open, &mut sums, first + at as u32, pieces);
                at += 1;
            }
            if end <= ends[at] {
                add_lanes::<BLACK76>(&results, block.spot, shares, &mut sums);
                open = true;
                continue;
            }
            flush(&mut open, &mut sums, first + at as u32, pieces);
            let mut from = start;
            while from < end {
                if from >= ends[at] {
                    at += 1;
                }
                let to = end.min(ends[at]);
                let terms = add_run::<BLACK76>(&results, block.spot, shares, from - start..to - start);
                pieces.push((first + at as u32, terms));
                from = to;
            }
        }
        flush(&mut open, &mut sums, first + at as u32, pieces);
    }
}

/// Adds the rows of a block to the sums of their lanes.
#[inline(always)]
fn add_lanes<const BLACK76: bool>(
    results: &[[f64; BLOCK]; COMPUTED],
    spot: &[f64; BLOCK],
    shares: &[f64; BLOCK],
    sums: &mut [[f64; BLOCK]; QUANTITIES],
) {
    for (quantity, (sum, result)) in sums.iter_mut().zip(results).enumerate() {
        if BLACK76 && quantity == Greek::Phi as usize {
            continue;
        }
        for i in 0..BLOCK {
            sum[i] += shares[i] * result[i];
        }
    }
    let delta = &results[Greek::Delta as usize];
    for i in 0..BLOCK {
        sums[Greek::Lambda as usize][i] += shares[i] * (spot[i] * delta[i]);
    }
}

/// The sums over some rows of a block, one after the other.
#[inline(always)]
fn add_run<const BLACK76: bool>(
    results: &[[f64; BLOCK]; COMPUTED],
    spot: &[f64; BLOCK],
    shares: &[f64; BLOCK],
    rows: std::ops::Range<usize>,
) -> [f64; QUANTITIES] {
    let mut sums = [0.0; QUANTITIES];
    for i in rows {
        for (quantity, result) in results.iter().enumerate() {
            if !(BLACK76 && quantity == Greek::Phi as usize) {
                sums[quantity] += shares[i] * result[i];
            }
        }
        sums[Greek::Lambda as usize] += shares[i] * (spot[i] * results[Greek::Delta as usize][i]);
    }
    sums
}

/// Ends a segment's lanes: neighbours are added until one is left.
#[inline(always)]
fn flush(
    open: &mut bool,
    sums: &mut [[f64; BLOCK]; QUANTITIES],
    segment: u32,
    pieces: &mut Vec<(u32, [f64; QUANTITIES])>,
) {
    if !std::mem::take(open) {
        return;
    }
    let mut terms = [0.0; QUANTITIES];
    for (term, lanes) in terms.iter_mut().zip(sums.iter_mut()) {
        let mut width = BLOCK;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] = lanes[2 * i] + lanes[2 * i + 1];
            }
        }
        *term = lanes[0];
        lanes.fill(0.0);
    }
    pieces.push((segment, terms));
}
