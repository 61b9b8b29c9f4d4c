//! Sums over the threads of a block: by planes and through shared memory, or as a balanced tree in shared memory alone.
//!
//! Each thread brings some sums of its own; a group of `lanes` neighbours adds them up, and its first thread has the result. The order
//! of the additions is fixed, so the bits are the same at every run; planes of another width add in another order.

use cubecl::features::Plane;
use cubecl::prelude::*;
use zomma_gpu::Session;

use super::grid::BLOCK_THREADS;

/// How lanes are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// By plane operations where the device says that it has them, else through shared memory alone.
    Best,
    /// Through shared memory alone.
    #[cfg(test)]
    Shared,
    /// By plane operations, whatever CubeCL says of the device: it leaves them out of software devices, which do have them.
    #[cfg(test)]
    Planes,
}

impl Reduction {
    /// The width of a plane where lanes are added by planes, else 0: plane operations must be there, of one known width, and the lanes
    /// must be a whole block, since nothing says which threads form a plane.
    pub fn plane_size<R: Runtime>(self, session: &Session<'_, R>, lanes: u32) -> u32 {
        let properties = session.client().properties();
        let hardware = &properties.hardware;
        let size = hardware.plane_size_min;
        let fits = lanes == BLOCK_THREADS
            && size == hardware.plane_size_max
            && size.is_power_of_two()
            && (2..=BLOCK_THREADS).contains(&size);
        let wanted = match self {
            Self::Best => properties.features.plane.contains(Plane::Ops),
            #[cfg(test)]
            Self::Shared => false,
            #[cfg(test)]
            Self::Planes => true,
        };
        if wanted && fits { size } else { 0 }
    }
}

/// Elements of shared memory that [`add_lanes`] needs, at least 1.
pub(crate) fn shared_elements(count: usize, lanes: u32, plane_size: u32) -> usize {
    match (BLOCK_THREADS.checked_div(plane_size), lanes) {
        (Some(planes), _) => count * planes as usize,
        (None, 1) => 1,
        (None, _) => count * BLOCK_THREADS as usize,
    }
}

/// Adds `count` sums over each group of lanes; the first lane has the result. Every thread of the block must call it.
#[cube]
pub(crate) fn add_lanes(
    sums: &mut Array<f64>,
    shared: &mut SharedMemory<f64>,
    #[comptime] count: usize,
    #[comptime] lanes: u32,
    #[comptime] plane_size: u32,
) {
    if comptime!(plane_size > 0) {
        // The lanes are a whole block here: whichever threads form a plane, the planes' sums add up to it.
        let planes = comptime!((BLOCK_THREADS / plane_size) as usize);
        #[unroll]
        for quantity in 0..count {
            let of_plane = plane_sum(sums[quantity]);
            if UNIT_POS_PLANE == 0 {
                shared[quantity * planes + PLANE_POS as usize] = of_plane;
            }
        }
        sync_cube();
        if UNIT_POS == 0 {
            #[unroll]
            for quantity in 0..count {
                let mut sum = shared[quantity * planes];
                #[unroll]
                for plane in 1..planes {
                    sum += shared[quantity * planes + plane];
                }
                sums[quantity] = sum;
            }
        }
        sync_cube();
    } else if comptime!(lanes > 1) {
        let threads = comptime!(BLOCK_THREADS as usize);
        let unit = UNIT_POS as usize;
        #[unroll]
        for quantity in 0..count {
            shared[quantity * threads + unit] = sums[quantity];
        }
        sync_cube();
        #[unroll]
        for level in 0..comptime!(lanes.trailing_zeros()) {
            let step = comptime!(1u32 << level);
            if UNIT_POS & comptime!(2 * step - 1) == 0 {
                #[unroll]
                for quantity in 0..count {
                    let right = shared[quantity * threads + unit + comptime!(step as usize)];
                    shared[quantity * threads + unit] += right;
                }
            }
            sync_cube();
        }
        #[unroll]
        for quantity in 0..count {
            sums[quantity] = shared[quantity * threads + unit];
        }
        sync_cube();
    }
}
