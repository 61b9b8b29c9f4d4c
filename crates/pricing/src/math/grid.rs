//! How rows are cut into blocks of threads.

use cubecl::prelude::*;
use zomma_gpu::Session;

/// Threads of a block: a multiple of every vendor's warp.
pub(crate) const BLOCK_THREADS: u32 = 64;
/// Blocks for each multiprocessor: enough to fill it at any use of registers, few enough that a block takes many tiles.
const BLOCKS_PER_MULTIPROCESSOR: u32 = 32;
/// Multiprocessors of a device that does not say how many it has.
const MULTIPROCESSORS_ASSUMED: u32 = 128;

/// Rows of one launch with a thread a row: what memory allows, and what one row of the grid holds.
pub(crate) fn rows_per_launch<R: Runtime>(session: &Session<'_, R>, bytes_per_row: usize) -> usize {
    let blocks_max = session.client().properties().hardware.max_cube_count.0 as usize;
    session.rows_per_chunk(bytes_per_row).min(blocks_max.saturating_mul(BLOCK_THREADS as usize))
}

/// The blocks of a launch with a thread a row, of [`rows_per_launch`] rows at most.
pub(crate) fn blocks_of_rows(rows: usize) -> CubeCount {
    CubeCount::Static((rows as u32).div_ceil(BLOCK_THREADS), 1, 1)
}

/// A grid of as many blocks as are of use; each then takes what is left in rounds.
pub(crate) fn blocks_in_rounds<R: Runtime>(session: &Session<'_, R>, wanted: u32) -> CubeCount {
    let hardware = &session.client().properties().hardware;
    let multiprocessors = hardware.num_streaming_multiprocessors.unwrap_or(MULTIPROCESSORS_ASSUMED);
    let most = multiprocessors.saturating_mul(BLOCKS_PER_MULTIPROCESSOR).min(hardware.max_cube_count.0);
    CubeCount::Static(wanted.min(most).max(1), 1, 1)
}

/// Threads that share this many rows: a power of two, not beyond the block.
pub(crate) fn lanes_for(rows: usize) -> u32 {
    rows.clamp(1, BLOCK_THREADS as usize).next_power_of_two() as u32
}
