//! How CubeCL's memory pools cut a device's memory: pages of at most the size that the operator allows.

use cubecl_runtime::memory_management::{MemoryConfiguration, MemoryPoolOptions, PoolType};

/// Smaller pages are not worth a call of the driver.
const PAGE_BYTES_MIN: u64 = 1 << 20;

/// Pages and buffers are multiples of this, which every device's alignment divides.
const ALIGNMENT_BYTES: u64 = 256;

/// Pools for small buffers up to the largest. Pages of `pool_size_bytes` (or of the largest buffer, where that is smaller), a quarter of
/// it, and so on take several buffers each; a buffer that is larger than such a page has one to itself.
pub(crate) fn configuration(pool_size_bytes: u64, buffer_bytes_max: u64) -> MemoryConfiguration {
    let aligned = |bytes: u64| bytes / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
    let largest = aligned(buffer_bytes_max).max(ALIGNMENT_BYTES);
    let page = aligned(pool_size_bytes).clamp(PAGE_BYTES_MIN.min(largest), largest);
    let kept = |pool_type| MemoryPoolOptions { pool_type, dealloc_period: None };
    let mut pages = vec![page];
    while pages[pages.len() - 1] / 4 >= PAGE_BYTES_MIN {
        pages.push(aligned(pages[pages.len() - 1] / 4));
    }
    // Buffers below the alignment cannot share a page.
    let mut pools = vec![kept(PoolType::ExclusivePages { max_alloc_size: 0 })];
    pools.extend(pages.iter().rev().map(|&page_size| {
        // Two buffers at least share a page of the smaller sizes; the largest size takes what is left.
        let max_slice_size = if page_size == page { page } else { aligned(page_size / 2) };
        kept(PoolType::SlicedPages { page_size, max_slice_size })
    }));
    // CubeCL makes the first page of such a pool half as large as the pool allows: four times as much a pool wastes at most half.
    let mut size = page;
    while size < largest {
        size = size.saturating_mul(4).min(largest);
        pools.push(kept(PoolType::ExclusivePages { max_alloc_size: size }));
    }
    MemoryConfiguration::Custom { pool_options: pools }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of pages, and of the largest buffer in one, from the first pool to the last.
    fn pools(pool_size_bytes: u64, buffer_bytes_max: u64) -> Vec<(Option<u64>, u64)> {
        let MemoryConfiguration::Custom { pool_options } = configuration(pool_size_bytes, buffer_bytes_max) else {
            panic!("pools of our own")
        };
        let size = |options: &MemoryPoolOptions| match options.pool_type {
            PoolType::SlicedPages { page_size, max_slice_size } => (Some(page_size), max_slice_size),
            PoolType::ExclusivePages { max_alloc_size } => (None, max_alloc_size),
        };
        pool_options.iter().map(size).collect()
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn pages_are_of_the_size_asked_for_and_every_buffer_has_a_pool() {
        assert_eq!(
            pools(64 * MIB, 1024 * MIB),
            [
                (None, 0),
                (Some(MIB), MIB / 2),
                (Some(4 * MIB), 2 * MIB),
                (Some(16 * MIB), 8 * MIB),
                (Some(64 * MIB), 64 * MIB),
                (None, 256 * MIB),
                (None, 1024 * MIB),
            ]
        );
        assert_eq!(pools(MIB, 2 * MIB), [(None, 0), (Some(MIB), MIB), (None, 2 * MIB)]);
    }

    #[test]
    fn no_page_is_larger_than_the_largest_buffer() {
        for (asked, largest) in [(1 << 40, 2_147_483_647_u64), (MIB, 4096), (MIB, 1), (u64::MAX, u64::MAX)] {
            let pools = pools(asked, largest);
            let most = (largest / 256 * 256).max(256);
            assert_eq!(pools.last().map(|&(_, buffer)| buffer), Some(most), "{asked} {largest}");
            assert!(pools.iter().all(|&(page, buffer)| page.unwrap_or(0) <= most && buffer % 256 == 0), "{pools:?}");
            assert!(pools.is_sorted_by_key(|&(_, buffer)| buffer), "the first that fits is the smallest: {pools:?}");
        }
    }
}
