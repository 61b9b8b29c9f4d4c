//! Which rows of a batch are a rank's own.

/// A rank's part of every batch. The parts of all ranks are the batch, in the order of ranks; they differ by one row at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shard {
    /// Its first row within the batch.
    pub first: usize,
    /// How many rows.
    pub rows: usize,
    /// Its share of the batch: what its mean over its own rows counts in the mean over all.
    pub weight: f64,
}

impl Shard {
    /// The part of `rank` among `world_size` ranks of a batch of so many rows.
    pub fn of(batch: usize, rank: usize, world_size: usize) -> Self {
        let (least, longer) = (batch / world_size, batch % world_size);
        let rows = least + usize::from(rank < longer);
        Self { first: rank * least + rank.min(longer), rows, weight: rows as f64 / batch as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_batch_and_their_weights_one() {
        for (batch, world_size) in [(1, 1), (7, 2), (2048, 3), (64, 64), (65, 64)] {
            let shards: Vec<Shard> = (0..world_size).map(|rank| Shard::of(batch, rank, world_size)).collect();
            let rows: Vec<usize> = shards.iter().flat_map(|shard| shard.first..shard.first + shard.rows).collect();
            assert!(rows.into_iter().eq(0..batch), "{batch} {world_size}");
            assert!((shards.iter().map(|shard| shard.weight).sum::<f64>() - 1.0).abs() < 1e-12);
            assert!(shards.iter().all(|shard| shard.rows.abs_diff(batch / world_size) <= 1));
        }
    }
}
