//! Cuts pages into blocks and puts them together again: which bytes of which page are whose, how fragmented the rest is.
//!
//! A pool takes pages of one size (larger where a block is), hands out the smallest free block that is large enough (the lowest of
//! equals, so that ends stay free), and joins neighbours as they come back. It knows numbers alone: whoever owns the memory maps page
//! numbers to buffers.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Bytes of a page that are in use until they are given back with [`Pool::free`].
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a block that is lost stays in use"]
pub struct Block {
    /// Which page.
    pub page: u32,
    /// Where it starts there, in bytes.
    pub offset_bytes: u64,
    /// How long it is: what was asked for, rounded up to the alignment.
    pub size_bytes: u64,
}

/// Why a pool has no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The parameters make no pool.
    #[error(
        "page size {page_bytes}, alignment {alignment_bytes}, limit {limit_bytes}: allowed are an alignment that is a power of two, a page \
             that is a multiple of it, and a limit of at least a page"
    )]
    BadShape {
        /// Bytes of a page.
        page_bytes: u64,
        /// Alignment of blocks.
        alignment_bytes: u64,
        /// Most bytes of all pages.
        limit_bytes: u64,
    },
    /// No free block is large enough and no page can be added.
    #[error(
        "{requested} bytes asked for: {free} free in pages, {largest} in one piece, {growth} left to grow{}",
        if *.requested <= *.free { " (fragmented)" } else { "" }
    )]
    Full {
        /// Bytes asked for.
        requested: u64,
        /// Bytes free in the pages.
        free: u64,
        /// The largest free block.
        largest: u64,
        /// Bytes of pages that may still be added.
        growth: u64,
    },
}

/// A pool's figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PoolStats {
    /// Bytes in blocks that are in use.
    pub in_use_bytes: u64,
    /// Bytes of all pages.
    pub reserved_bytes: u64,
    /// Pages.
    pub pages: usize,
    /// Blocks in use.
    pub blocks: usize,
    /// The largest free block in bytes.
    pub largest_free_bytes: u64,
    /// 1 − largest free block ÷ free bytes, from 0 (one piece) towards 1 (crumbs); 0 where nothing is free.
    pub fragmentation_ratio: f64,
    /// Blocks handed out since the start.
    pub allocated_total: u64,
    /// Requests refused since the start.
    pub refused_total: u64,
    /// Bytes of pages given back by [`Pool::trim`] since the start.
    pub trimmed_bytes_total: u64,
}

/// Pages and what of them is free.
#[derive(Clone, Debug)]
pub struct Pool {
    page_bytes: u64,
    alignment_bytes: u64,
    limit_bytes: u64,
    pages: BTreeMap<u32, u64>,
    next_page: u32,
    /// Free blocks by (page, offset), with their size: neighbours are found here.
    free_at: BTreeMap<(u32, u64), u64>,
    /// The same by (size, page, offset): the best fit is found here.
    free_by_size: BTreeSet<(u64, u32, u64)>,
    /// Blocks in use, by (page, offset): a block that is given back twice is found out.
    used: BTreeMap<(u32, u64), u64>,
    stats: PoolStats,
}

impl Pool {
    /// An empty pool of pages of `page_bytes`, at most `limit_bytes` in all, whose blocks start at multiples of `alignment_bytes`.
    ///
    /// # Errors
    ///
    /// [`PoolError::BadShape`].
    pub fn new(page_bytes: u64, alignment_bytes: u64, limit_bytes: u64) -> Result<Self, PoolError> {
        let aligned = alignment_bytes.is_power_of_two() && page_bytes.is_multiple_of(alignment_bytes);
        if !aligned || page_bytes == 0 || limit_bytes < page_bytes {
            return Err(PoolError::BadShape { page_bytes, alignment_bytes, limit_bytes });
        }
        Ok(Self {
            page_bytes,
            alignment_bytes,
            limit_bytes,
            pages: BTreeMap::new(),
            next_page: 0,
            free_at: BTreeMap::new(),
            free_by_size: BTreeSet::new(),
            used: BTreeMap::new(),
            stats: PoolStats::default(),
        })
    }

    /// Adds pages until the limit: a pool that does not grow later.
    pub fn fill(&mut self) {
        while self.growth_bytes() >= self.page_bytes {
            self.add_page(self.page_bytes);
        }
    }

    /// A block of at least `bytes`. Where no free one is large enough a page is added; where none may be, empty pages too small for it
    /// are given up first.
    ///
    /// # Errors
    ///
    /// [`PoolError::Full`].
    pub fn allocate(&mut self, bytes: u64) -> Result<Block, PoolError> {
        let size = bytes.max(1).checked_next_multiple_of(self.alignment_bytes).unwrap_or(u64::MAX);
        let found = match self.best_fit(size) {
            Some(found) => Some(found),
            None => self.grow(size),
        };
        let Some((free, page, offset)) = found else {
            self.stats.refused_total += 1;
            let stats = self.stats();
            return Err(PoolError::Full {
                requested: bytes,
                free: stats.reserved_bytes - stats.in_use_bytes,
                largest: stats.largest_free_bytes,
                growth: self.growth_bytes(),
            });
        };
        self.take_free(page, offset, free);
        if free > size {
            self.put_free(page, offset + size, free - size);
        }
        self.used.insert((page, offset), size);
        self.stats.in_use_bytes += size;
        self.stats.allocated_total += 1;
        Ok(Block { page, offset_bytes: offset, size_bytes: size })
    }

    /// Takes a block back and joins it with free neighbours.
    ///
    /// # Panics
    ///
    /// Where the block is not this pool's: blocks cannot be copied, so it came from another pool.
    pub fn free(&mut self, block: Block) {
        let Block { page, offset_bytes: mut start, size_bytes: mut size } = block;
        assert_eq!(self.used.remove(&(page, start)), Some(size), "a block of another pool");
        self.stats.in_use_bytes -= size;
        if let Some((&(_, before), &length)) = self.free_at.range((page, 0)..(page, start)).next_back()
            && before + length == start
        {
            self.take_free(page, before, length);
            (start, size) = (before, size + length);
        }
        if let Some(&length) = self.free_at.get(&(page, start + size)) {
            self.take_free(page, start + size, length);
            size += length;
        }
        self.put_free(page, start, size);
    }

    /// Gives up pages of which nothing is in use; their numbers, for whoever owns the memory.
    pub fn trim(&mut self) -> Vec<u32> {
        let empty: Vec<(u32, u64)> = self
            .pages
            .iter()
            .map(|(&page, &size)| (page, size))
            .filter(|&(page, size)| self.is_empty(page, size))
            .collect();
        for &(page, size) in &empty {
            self.drop_page(page, size);
        }
        empty.into_iter().map(|(page, _)| page).collect()
    }

    /// Bytes of a page.
    pub fn page_size_bytes(&self, page: u32) -> Option<u64> {
        self.pages.get(&page).copied()
    }

    /// The pool's figures.
    pub fn stats(&self) -> PoolStats {
        let reserved = self.reserved_bytes();
        let free = reserved - self.stats.in_use_bytes;
        let largest = self.free_by_size.last().map_or(0, |&(size, ..)| size);
        PoolStats {
            reserved_bytes: reserved,
            pages: self.pages.len(),
            blocks: self.used.len(),
            largest_free_bytes: largest,
            fragmentation_ratio: if free == 0 { 0.0 } else { 1.0 - largest as f64 / free as f64 },
            ..self.stats
        }
    }

    fn reserved_bytes(&self) -> u64 {
        self.stats.reserved_bytes
    }

    fn growth_bytes(&self) -> u64 {
        self.limit_bytes - self.reserved_bytes()
    }

    fn best_fit(&self, size: u64) -> Option<(u64, u32, u64)> {
        self.free_by_size.range((size, 0, 0)..).next().copied()
    }

    /// A page with room for `size`, where the limit allows one.
    fn grow(&mut self, size: u64) -> Option<(u64, u32, u64)> {
        let wanted = size.max(self.page_bytes);
        if wanted > self.limit_bytes {
            return None;
        }
        if wanted > self.growth_bytes() {
            // Fragmented over pages: those that are empty, and all too small, make room.
            let empty: u64 =
                self.pages.iter().filter(|&(&page, &size)| self.is_empty(page, size)).map(|(_, size)| size).sum();
            if wanted > self.growth_bytes() + empty {
                return None;
            }
            let _ = self.trim();
        }
        self.add_page(wanted);
        self.best_fit(size)
    }

    fn is_empty(&self, page: u32, size: u64) -> bool {
        self.free_at.get(&(page, 0)) == Some(&size)
    }

    fn add_page(&mut self, size: u64) {
        let page = self.next_page;
        self.next_page += 1;
        self.pages.insert(page, size);
        self.stats.reserved_bytes += size;
        self.put_free(page, 0, size);
    }

    fn drop_page(&mut self, page: u32, size: u64) {
        self.take_free(page, 0, size);
        self.pages.remove(&page);
        self.stats.reserved_bytes -= size;
        self.stats.trimmed_bytes_total += size;
    }

    fn put_free(&mut self, page: u32, offset: u64, size: u64) {
        self.free_at.insert((page, offset), size);
        self.free_by_size.insert((size, page, offset));
    }

    fn take_free(&mut self, page: u32, offset: u64, size: u64) {
        self.free_at.remove(&(page, offset));
        self.free_by_size.remove(&(size, page, offset));
    }
}
