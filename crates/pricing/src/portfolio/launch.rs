//! Sums on a device: the only place here that knows blocks, tiles and buffers.
//!
//! Columns go up once, sums come down. Rows that the kernel leaves to the scalar twin (broken, without volatility, extreme) are told
//! by a bit each, which is fetched only where the sums say that there is one, and added on the CPU. So statuses are the CPU path's.

use std::ops::Range;

use cubecl::prelude::*;
use cubecl::server::Handle;
use zomma_base::OptionType;
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::batch::{ChunkSums, fold};
use super::kernel::{ROWS_PER_LANE, SUMS, combine, sum_tiles};
use super::order::{Order, Segment};
use super::{Given, PositionColumns, QUANTITIES, Shock, Totals, scalar};
use crate::black::Model;
use crate::math::grid::{BLOCK_THREADS, blocks_in_rounds, lanes_for};
use crate::math::reduction::Reduction;

/// Bytes of a row on the device: seven columns of f64, the option type, its share of the tiles.
pub const BYTES_PER_ROW: usize = 7 * size_of::<f64>() + 3 * size_of::<u32>();

/// Sums by group and in total on a device, in one pass: as [`sums`](super::sums), rounding apart. The device's bits are the same at
/// every run.
///
/// # Errors
///
/// [`GpuError`] where the device fails.
///
/// # Panics
///
/// As [`sums`](super::sums).
pub fn sums(compute: &Compute, rows: &PositionColumns<'_>, groups: usize, shock: Shock) -> Result<Totals, GpuError> {
    rows.assert_whole(groups);
    let order = Order::of(rows, groups);
    let parts = compute.run(OnePass { rows, order: &order, shock, reduction: Reduction::Best })?;
    Ok(fold(&order.segments, groups, parts))
}

/// Loads, sums and forgets chunk after chunk.
pub(super) struct OnePass<'a> {
    pub rows: &'a PositionColumns<'a>,
    pub order: &'a Order,
    pub shock: Shock,
    pub reduction: Reduction,
}

impl Job for OnePass<'_> {
    type Output = Vec<ChunkSums>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        chunks(session, self.rows.len())
            .into_iter()
            .map(|places| {
                let loaded = Loaded::new(session, self.rows, self.order, places)?;
                loaded.sums(session, self.rows, self.order, self.shock, self.reduction)
            })
            .collect()
    }
}

/// Places that go up together.
pub(super) fn chunks<R: Runtime>(session: &Session<'_, R>, rows: usize) -> Vec<Range<usize>> {
    let step = session.rows_per_chunk(BYTES_PER_ROW);
    (0..rows).step_by(step).map(|start| start..rows.min(start + step)).collect()
}

/// Some places, cut into tiles, on the device.
pub(super) struct Loaded {
    places: Range<usize>,
    plan: Plan,
    spot: Handle,
    given: Handle,
    fixed: Handle,
    option_type: Handle,
    tiles: Handle,
    ranges: Handle,
}

impl Loaded {
    /// Uploads the rows of some places.
    pub fn new<R: Runtime>(
        session: &Session<'_, R>,
        rows: &PositionColumns<'_>,
        order: &Order,
        places: Range<usize>,
    ) -> Result<Self, GpuError> {
        let plan = Plan::of(&order.segments, &places);
        let mut fixed = Vec::with_capacity(5 * places.len());
        for column in [rows.strike, rows.expiry_years, rows.risk_free_rate, rows.dividend_yield] {
            order.gather(column, places.clone(), &mut fixed);
        }
        // What has no shares has a fault, which the twin names.
        fixed.extend(places.clone().map(|place| rows.shares(order.row(place)).unwrap_or(f64::NAN)));
        let is_put = |place: usize| u32::from(rows.option_type[order.row(place)] == OptionType::Put);
        let types: Vec<u32> = places.clone().map(is_put).collect();
        let spot = upload_by_place(session, order, rows.spot, &places)?;
        let given = upload_by_place(session, order, rows.given.column(), &places)?;
        let (tiles, ranges) = (session.upload(&plan.tiles)?, session.upload(&plan.ranges)?);
        Ok(Self {
            plan,
            spot,
            given,
            fixed: session.upload(&fixed)?,
            option_type: session.upload(&types)?,
            tiles,
            ranges,
            places,
        })
    }

    /// Puts another spot, or another volatility or price, in the place of each.
    pub fn replace<R: Runtime>(
        &mut self,
        session: &Session<'_, R>,
        order: &Order,
        rows: &PositionColumns<'_>,
        is_spot: bool,
    ) -> Result<(), GpuError> {
        let column = if is_spot { rows.spot } else { rows.given.column() };
        let buffer = upload_by_place(session, order, column, &self.places)?;
        *(if is_spot { &mut self.spot } else { &mut self.given }) = buffer;
        Ok(())
    }

    /// Sums by segment: two launches, or three where both models are there.
    pub fn sums<R: Runtime>(
        &self,
        session: &Session<'_, R>,
        rows: &PositionColumns<'_>,
        order: &Order,
        shock: Shock,
        reduction: Reduction,
    ) -> Result<ChunkSums, GpuError> {
        let Plan { lanes, segments, tile_count, .. } = &self.plan;
        let (lanes, segments, tile_count) = (*lanes, segments.len(), *tile_count as usize);
        let partial = session.allocate::<f64>(SUMS * tile_count)?;
        let flagged = session.allocate::<u32>(lanes as usize * tile_count)?;
        for (model, tiles) in &self.plan.of_model {
            self.launch_tiles(session, rows, *model, tiles, (&partial, &flagged), shock, reduction);
        }
        let pairs = (SUMS * segments) as u32;
        let lanes_of_segment = lanes_for(tile_count.div_ceil(segments.max(1)));
        let output = session.allocate::<f64>(SUMS * segments)?;
        // SAFETY: `ranges` holds the first tile and the number of tiles of each segment, all below `tile_count`, so that the kernel
        // reads inside `partial` (20 × tiles) and `ranges` (2 × segments); it writes the 20 × segments of `output`.
        unsafe {
            combine::launch_unchecked::<R>(
                session.client(),
                blocks_in_rounds(session, pairs.div_ceil(BLOCK_THREADS / lanes_of_segment)),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(partial, SUMS * tile_count),
                ArrayArg::from_raw_parts(self.ranges.clone(), 2 * segments),
                ArrayArg::from_raw_parts(output.clone(), SUMS * segments),
                segments as u32,
                tile_count as u32,
                lanes_of_segment,
                reduction.plane_size(session, lanes_of_segment),
            );
        }
        let output = session.download::<f64>(output)?;
        let mut sums = ChunkSums::default();
        for (i, segment) in segments_of(&self.plan).enumerate() {
            sums.pieces.push((segment, std::array::from_fn(|quantity| output[quantity * segments + i])));
        }
        if output[QUANTITIES * segments..].iter().any(|&rows| rows != 0.0) {
            self.twins(&session.download::<u32>(flagged)?, rows, order, shock, &mut sums);
        }
        Ok(sums)
    }

    #[expect(clippy::too_many_arguments, reason = "what one launch of the kernel takes")]
    fn launch_tiles<R: Runtime>(
        &self,
        session: &Session<'_, R>,
        rows: &PositionColumns<'_>,
        model: Model,
        tiles: &Range<u32>,
        (partial, flagged): (&Handle, &Handle),
        shock: Shock,
        reduction: Reduction,
    ) {
        let Plan { lanes, tile_count, .. } = self.plan;
        let (n, count) = (self.places.len(), tile_count as usize);
        // SAFETY: each tile lies in 0..n, so that the kernel reads inside n elements of `spot`, `given` and `option_type`, 5 n of `fixed`
        // and 2 tiles of `tiles`; it writes the words of its lanes in `flagged` (lanes × tiles) and 20 numbers a tile in `partial`. The
        // loops end: places and rounds are finite. Bits of a word are enough, since a tile has at most 32 rows a lane.
        unsafe {
            sum_tiles::launch_unchecked::<R>(
                session.client(),
                blocks_in_rounds(session, (tiles.end - tiles.start).div_ceil(BLOCK_THREADS / lanes)),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(self.spot.clone(), n),
                ArrayArg::from_raw_parts(self.given.clone(), n),
                ArrayArg::from_raw_parts(self.fixed.clone(), 5 * n),
                ArrayArg::from_raw_parts(self.option_type.clone(), n),
                ArrayArg::from_raw_parts(self.tiles.clone(), 2 * count),
                ArrayArg::from_raw_parts(partial.clone(), SUMS * count),
                ArrayArg::from_raw_parts(flagged.clone(), lanes as usize * count),
                n as u32,
                tiles.start,
                tiles.end,
                tile_count,
                shock.spot_factor,
                shock.volatility_shift,
                shock.volatility_floor,
                shock.rate_shift,
                shock.years,
                0,
                model == Model::Black76,
                matches!(rows.given, Given::Price(_)),
                lanes,
                reduction.plane_size(session, lanes),
            );
        }
    }

    /// Values the flagged rows on the CPU.
    fn twins(&self, flagged: &[u32], rows: &PositionColumns<'_>, order: &Order, shock: Shock, sums: &mut ChunkSums) {
        let Plan { lanes, tiles, tile_count, .. } = &self.plan;
        for (index, segment) in segments_of(&self.plan).enumerate() {
            let first = self.plan.ranges[index];
            let of_segment = self.plan.ranges[self.plan.segments.len() + index];
            for tile in first..first + of_segment {
                let start = tiles[tile as usize];
                debug_assert!(tile < *tile_count);
                let words = &flagged[(tile * lanes) as usize..((tile + 1) * lanes) as usize];
                for (lane, &word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
                    for bit in (0..ROWS_PER_LANE).filter(|bit| word >> bit & 1 == 1) {
                        let place = self.places.start + (start + lane as u32 + bit * lanes) as usize;
                        match scalar::terms(rows, order.row(place), shock) {
                            Ok(terms) => sums.pieces.push((segment, terms)),
                            Err(status) => sums.failed.push((segment, status)),
                        }
                    }
                }
            }
        }
    }
}

/// Copies a column to the device, by place.
fn upload_by_place<R: Runtime>(
    session: &Session<'_, R>,
    order: &Order,
    column: &[f64],
    places: &Range<usize>,
) -> Result<Handle, GpuError> {
    let mut by_place = Vec::with_capacity(places.len());
    order.gather(column, places.clone(), &mut by_place);
    session.upload(&by_place)
}

/// How some places are cut: it depends on the segments alone, so that the order of summation does.
#[derive(Debug)]
struct Plan {
    /// Threads that share a tile: a power of two up to the block.
    lanes: u32,
    /// First place of each tile in the chunk, then places of each.
    tiles: Vec<u32>,
    tile_count: u32,
    /// Indices of the segments that lie in the places.
    segments: Range<u32>,
    /// First tile of each segment, then tiles of each.
    ranges: Vec<u32>,
    /// Tiles of each model.
    of_model: Vec<(Model, Range<u32>)>,
}

impl Plan {
    fn of(segments: &[Segment], places: &Range<usize>) -> Self {
        let first = segments.partition_point(|segment| segment.end as usize <= places.start);
        let last = segments.partition_point(|segment| (segment.start as usize) < places.end);
        let here = &segments[first..last];
        let lanes = lanes_for(places.len() / here.len().max(1));
        let (mut starts, mut counts) = (Vec::new(), Vec::new());
        let (mut range_starts, mut range_counts) = (Vec::new(), Vec::new());
        let mut of_model: Vec<(Model, Range<u32>)> = Vec::new();
        for segment in here {
            let start = (segment.start as usize).max(places.start) - places.start;
            let end = (segment.end as usize).min(places.end) - places.start;
            let from = starts.len() as u32;
            for at in (start..end).step_by((lanes * ROWS_PER_LANE) as usize) {
                starts.push(at as u32);
                counts.push((lanes * ROWS_PER_LANE).min((end - at) as u32));
            }
            let to = starts.len() as u32;
            range_starts.push(from);
            range_counts.push(to - from);
            match of_model.last_mut() {
                Some((model, tiles)) if *model == segment.model => tiles.end = to,
                _ => of_model.push((segment.model, from..to)),
            }
        }
        let tile_count = starts.len() as u32;
        starts.append(&mut counts);
        range_starts.append(&mut range_counts);
        Self { lanes, tiles: starts, tile_count, segments: first as u32..last as u32, ranges: range_starts, of_model }
    }
}

/// The segments of a plan, in the order of its ranges.
fn segments_of(plan: &Plan) -> impl Iterator<Item = u32> + use<> {
    plan.segments.clone()
}
