//! From quotes to sums over the threads of a device: volatility, value, Greeks and their sums in one pass, sums alone written.
//!
//! Method    A tile is some places of one segment. `lanes` threads share it, each adding up to 32 of its rows in registers; the lanes'
//!           sums are then added by planes and through shared memory, or by a balanced tree in shared memory alone. `combine` adds the
//!           tiles of each segment. A block takes one round of tiles after another, so that a launch of any size fits one grid
//! Shapes    spot, given [n]; fixed [5][n] strike, expiry, rate, yield, shares; option types [n] (0 call, 1 put); tiles [2][t] first place
//!           and places; partial [20][t]; flagged [t][lanes], bit k where the lane's k-th row is the twin's; ranges [2][s] first tile and
//!           tiles of each segment; sums [20][s]. Quantities are in the order of `Greek::ALL`, spot × delta in the place of lambda, and
//!           last the number of flagged rows. Neighbouring threads read neighbouring rows
//! Bits      the order of summation is fixed by the rows, so a device gives the same bits at every run; planes of another width add in
//!           another order
//! Accuracy  tolerance.rs: device/portfolio

use cubecl::prelude::*;

use super::QUANTITIES;
use crate::black::kernel::{is_usual, quantities};
use crate::implied_vol::kernel::volatility_of;
use crate::math::grid::BLOCK_THREADS;
use crate::math::kernel::is_within;
use crate::math::reduction::{add_lanes, shared_elements};

/// Rows that one lane adds: one bit each of its word of flags.
pub(super) const ROWS_PER_LANE: u32 = 32;
/// What a tile sums: the quantities, and the rows that it leaves to the twin.
pub(super) const SUMS: usize = QUANTITIES + 1;

/// Sums the tiles `from..to`, all of one model.
#[cube(launch_unchecked)]
pub(super) fn sum_tiles(
    spot: &Array<f64>,
    given: &Array<f64>,
    fixed: &Array<f64>,
    option_type: &Array<u32>,
    tiles: &Array<u32>,
    partial: &mut Array<f64>,
    flagged: &mut Array<u32>,
    rows: u32,
    from: u32,
    to: u32,
    tile_count: u32,
    spot_factor: f64,
    volatility_shift: f64,
    volatility_floor: f64,
    rate_shift: f64,
    years: f64,
    zero: u64,
    #[comptime] black_76: bool,
    #[comptime] from_price: bool,
    #[comptime] lanes: u32,
    #[comptime] plane_size: u32,
) {
    let n = rows as usize;
    let all_tiles = tile_count as usize;
    let count = (to - from) as usize;
    let lane = UNIT_POS % lanes;
    let per_block = comptime!((BLOCK_THREADS / lanes) as usize);
    let stride = CUBE_COUNT * per_block;
    let rounds = count.div_ceil(stride);
    let mut shared = SharedMemory::<f64>::new(comptime!(shared_elements(SUMS, lanes, plane_size)));
    let mut row = Array::<f64>::new(comptime!(QUANTITIES));
    let mut sums = Array::<f64>::new(comptime!(SUMS));
    for round in 0..rounds {
        let index = round * stride + CUBE_POS * per_block + (UNIT_POS / lanes) as usize;
        let tile = from as usize + index;
        #[unroll]
        for quantity in 0..comptime!(SUMS) {
            sums[quantity] = 0.0f64;
        }
        if index < count {
            let first = tiles[tile];
            let places = tiles[all_tiles + tile];
            let mut word = 0u32;
            let mut bit = 1u32;
            let mut at = lane;
            while at < places {
                let i = (first + at) as usize;
                let strike = fixed[i];
                let mut expiry = fixed[n + i];
                let mut rate = fixed[2 * n + i];
                let mut dividend = fixed[3 * n + i];
                let shares = fixed[4 * n + i];
                if comptime!(black_76) {
                    dividend = rate;
                }
                let call = option_type[i] == 0u32;
                let mut volatility = given[i];
                let mut usual = is_within(shares.abs(), 0.0f64, 1e300f64);
                if comptime!(from_price) {
                    let (implied, good) =
                        volatility_of(spot[i], strike, expiry, rate, dividend, volatility, call, zero, true);
                    volatility = implied;
                    usual = usual && good;
                }
                // A floor would make a number of what is none.
                usual = usual && is_within(volatility.abs(), 0.0f64, 1e300f64);
                volatility = max(volatility + volatility_shift, min(volatility, volatility_floor));
                let moved = spot[i] * spot_factor;
                expiry -= years;
                rate += rate_shift;
                if comptime!(black_76) {
                    dividend = rate;
                }
                usual = usual && is_usual(moved, strike, expiry, rate, dividend, volatility);
                if usual {
                    let sign = select(call, 1.0f64, -1.0f64);
                    quantities(
                        moved, strike, expiry, rate, dividend, volatility, sign, zero, &mut row, black_76, false,
                    );
                    row[18] = moved * row[1];
                    #[unroll]
                    for quantity in 0..comptime!(QUANTITIES) {
                        if comptime!(!(black_76 && quantity == 6)) {
                            sums[quantity] += shares * row[quantity];
                        }
                    }
                } else {
                    word |= bit;
                    sums[19] += 1.0f64;
                }
                bit <<= 1u32;
                at += lanes;
            }
            flagged[tile * comptime!(lanes as usize) + lane as usize] = word;
        }
        add_lanes(&mut sums, &mut shared, comptime!(SUMS), lanes, plane_size);
        if index < count && lane == 0 {
            #[unroll]
            for quantity in 0..comptime!(SUMS) {
                partial[quantity * all_tiles + tile] = sums[quantity];
            }
        }
    }
}

/// Adds the tiles of each segment.
#[cube(launch_unchecked)]
pub(super) fn combine(
    partial: &Array<f64>,
    ranges: &Array<u32>,
    output: &mut Array<f64>,
    segments: u32,
    tile_count: u32,
    #[comptime] lanes: u32,
    #[comptime] plane_size: u32,
) {
    let all = segments as usize;
    let pairs = all * comptime!(SUMS);
    let lane = UNIT_POS % lanes;
    let per_block = comptime!((BLOCK_THREADS / lanes) as usize);
    let stride = CUBE_COUNT * per_block;
    let rounds = pairs.div_ceil(stride);
    let mut shared = SharedMemory::<f64>::new(comptime!(shared_elements(1, lanes, plane_size)));
    let mut sums = Array::<f64>::new(1usize);
    for round in 0..rounds {
        let pair = round * stride + CUBE_POS * per_block + (UNIT_POS / lanes) as usize;
        sums[0] = 0.0f64;
        if pair < pairs {
            let segment = pair % all;
            let first = (pair / all) * tile_count as usize + ranges[segment] as usize;
            let tiles = ranges[all + segment];
            let mut at = lane;
            while at < tiles {
                sums[0] += partial[first + at as usize];
                at += lanes;
            }
        }
        add_lanes(&mut sums, &mut shared, 1usize, lanes, plane_size);
        if pair < pairs && lane == 0 {
            output[pair] = sums[0];
        }
    }
}

/// The CUDA sources of this file, by planes of 32 and through shared memory.
#[cfg(test)]
pub(crate) fn sources<R: Runtime>(session: &zomma_gpu::Session<'_, R>, out: &mut Vec<(String, String)>) {
    use crate::cuda_source::{array, settings, source};
    let variants = [
        ("portfolio_vol_planes", false, 64, 32),
        ("portfolio_price_planes", true, 64, 32),
        ("portfolio_vol_shared", false, 64, 0),
        ("portfolio_vol_8_lanes", false, 8, 0),
        ("portfolio_vol_1_lane", false, 1, 0),
    ];
    for (name, from_price, lanes, plane_size) in variants {
        let client = session.client().clone();
        let kernel = sum_tiles::SumTiles::<R>::new(
            settings(),
            client,
            array(),
            array(),
            array(),
            array(),
            array(),
            array(),
            array(),
            (),
            (),
            (),
            (),
            (),
            (),
            (),
            (),
            (),
            (),
            false,
            from_price,
            lanes,
            plane_size,
        );
        out.push((name.into(), source(kernel)));
    }
    let client = session.client().clone();
    let kernel = combine::Combine::<R>::new(settings(), client, array(), array(), array(), (), (), 64, 32);
    out.push(("portfolio_combine".into(), source(kernel)));
}
