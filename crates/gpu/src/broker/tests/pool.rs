//! Blocks of a pool: apart, aligned, within their pages, and whole again once they are back.

use proptest::prelude::*;

use super::super::*;

const PAGE: u64 = 1024;
const ALIGNMENT: u64 = 32;

fn check(pool: &Pool, blocks: &[Block]) {
    let mut sorted: Vec<&Block> = blocks.iter().collect();
    sorted.sort_by_key(|block| (block.page, block.offset_bytes));
    for pair in sorted.windows(2) {
        let apart = pair[0].page != pair[1].page || pair[0].offset_bytes + pair[0].size_bytes <= pair[1].offset_bytes;
        assert!(apart, "{pair:?} overlap");
    }
    for block in blocks {
        assert_eq!(block.offset_bytes % ALIGNMENT, 0);
        assert!(block.offset_bytes + block.size_bytes <= pool.page_size_bytes(block.page).unwrap());
    }
    let stats = pool.stats();
    assert_eq!(stats.in_use_bytes, blocks.iter().map(|block| block.size_bytes).sum::<u64>());
    assert_eq!(stats.blocks, blocks.len());
    assert!((0.0..1.0).contains(&stats.fragmentation_ratio), "{stats:?}");
    assert!(stats.in_use_bytes + stats.largest_free_bytes <= stats.reserved_bytes);
}

proptest! {
    #[test]
    fn blocks_never_overlap_and_coalesce_when_all_are_back(
        steps in prop::collection::vec((any::<bool>(), 0..1500_u64, any::<usize>()), 1..200),
        limit in PAGE..8 * PAGE,
    ) {
        let mut pool = Pool::new(PAGE, ALIGNMENT, limit).unwrap();
        let mut blocks = Vec::new();
        for (allocate, bytes, at) in steps {
            if allocate {
                let before = pool.stats();
                match pool.allocate(bytes) {
                    Ok(block) => {
                        prop_assert!(block.size_bytes >= bytes && block.size_bytes < bytes + ALIGNMENT + 1);
                        blocks.push(block);
                    }
                    // Refused only where no free piece would do.
                    Err(_) => prop_assert!(before.largest_free_bytes < bytes),
                }
            } else if !blocks.is_empty() {
                pool.free(blocks.swap_remove(at % blocks.len()));
            }
            check(&pool, &blocks);
            prop_assert!(pool.stats().reserved_bytes <= limit);
        }
        for block in blocks.drain(..) {
            pool.free(block);
        }
        let stats = pool.stats();
        let largest_page = pool.clone().trim().into_iter().filter_map(|page| pool.page_size_bytes(page)).max();
        prop_assert_eq!(stats.largest_free_bytes, largest_page.unwrap_or(0), "a page in pieces");
        prop_assert_eq!(pool.trim().len(), stats.pages);
        prop_assert_eq!(pool.stats().reserved_bytes, 0);
    }
}

#[test]
fn fragmentation_is_told_from_want_and_trimming_mends_it() {
    let mut pool = Pool::new(PAGE, ALIGNMENT, 2 * PAGE).unwrap();
    pool.fill();
    assert_eq!((pool.stats().pages, pool.stats().fragmentation_ratio), (2, 0.5), "two pages are two pieces");
    let mut blocks: Vec<Block> = (0..16).map(|_| pool.allocate(128).unwrap()).collect();
    assert_eq!(pool.stats().fragmentation_ratio, 0.0, "nothing is free");
    for at in (0..8).rev() {
        pool.free(blocks.swap_remove(2 * at));
    }
    let stats = pool.stats();
    assert_eq!((stats.in_use_bytes, stats.largest_free_bytes, stats.fragmentation_ratio), (1024, 128, 0.875));
    let error = pool.allocate(256).unwrap_err();
    assert_eq!(
        error.to_string(),
        "256 bytes asked for: 1024 free in pages, 128 in one piece, 0 left to grow (fragmented)"
    );
    blocks.drain(..).for_each(|block| pool.free(block));
    // A block of two pages' size: the empty pages make room for one of that size.
    let large = pool.allocate(2 * PAGE).unwrap();
    assert_eq!((large.size_bytes, pool.stats().pages, pool.stats().trimmed_bytes_total), (2048, 1, 2048));
    pool.free(large);
}

#[test]
fn a_pool_of_no_shape_is_refused() {
    for (page, alignment, limit) in
        [(0, 32, 1024), (1000, 32, 2000), (1024, 3, 2000), (1024, 32, 1023), (1024, 0, 2048)]
    {
        assert!(matches!(Pool::new(page, alignment, limit), Err(PoolError::BadShape { .. })));
    }
    let mut pool = Pool::new(1024, 32, 1024).unwrap();
    assert!(matches!(pool.allocate(u64::MAX), Err(PoolError::Full { requested: u64::MAX, .. })));
    let block = pool.allocate(0).unwrap();
    assert_eq!(block.size_bytes, 32);
    pool.free(block);
}
