//! A collective over TCP for the ranks of one group: all-reduce, all-gather, broadcast, barrier. It needs no GPU and no library, so it
//! proves everything about a group but NCCL, and carries NCCL's own identifier from rank 0 to the others.
//!
//! Ranks meet at `MASTER_ADDR:MASTER_PORT` (see `rendezvous`) and then form a ring, in which each speaks to its two neighbours alone.
//! An all-reduce is the usual pair of a reduce-scatter and an all-gather: chunk c is summed in the order of ranks c, c+1, …, c−1, so
//! the sum is the same bits on every rank and in every run.

mod error;
mod membership;
mod rendezvous;
mod ring;

use std::ops::Range;
use std::time::Duration;

use bytemuck::Pod;

pub use error::CollectiveError;
pub use membership::Membership;
use ring::{Operation, Ring};

/// What an all-reduce adds up.
pub trait Element: Pod + std::ops::Add<Output = Self> + private::Sealed {}

impl Element for f32 {}
impl Element for f64 {}

mod private {
    /// Only types whose bytes mean the same on every rank.
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// One rank's place in a group whose ranks have all arrived.
///
/// Every rank calls the same operations in the same order; one that does not is named in the error. After an error nothing is known
/// about what is under way in the ring, so every further call fails.
///
/// ```
/// use std::time::Duration;
/// use zomma_gpu::group::collective::{Collective, Membership};
///
/// let alone = |name: &str| match name {
///     "RANK" => Some("0".to_string()),
///     "WORLD_SIZE" => Some("1".to_string()),
///     "MASTER_ADDR" => Some("127.0.0.1".to_string()),
///     "MASTER_PORT" => Some("29500".to_string()),
///     _ => None,
/// };
/// let mut group = Collective::join(&Membership::from_variables(alone, Duration::from_secs(5))?)?;
/// let mut gradient = [1.0_f32, 2.0];
/// group.all_reduce_sum(&mut gradient)?;
/// assert_eq!(gradient, [1.0, 2.0]);
/// # Ok::<(), zomma_gpu::group::collective::CollectiveError>(())
/// ```
#[derive(Debug)]
pub struct Collective {
    rank: usize,
    world_size: usize,
    /// None where the group has one rank.
    ring: Option<Ring>,
    failed: bool,
}

impl Collective {
    /// Meets the other ranks; comes back when all have arrived.
    ///
    /// # Errors
    ///
    /// A rank that did not come within the time limit, a master that cannot be reached or an address that cannot be listened at, a
    /// group that disagrees about its size.
    pub fn join(membership: &Membership) -> Result<Self, CollectiveError> {
        membership.check()?;
        let ring = if membership.world_size == 1 { None } else { Some(rendezvous::meet(membership)?) };
        Ok(Self { rank: membership.rank, world_size: membership.world_size, ring, failed: false })
    }

    /// This rank, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub fn world_size(&self) -> usize {
        self.world_size
    }

    /// Replaces each element by its sum over all ranks, the same bits on every rank.
    ///
    /// # Errors
    ///
    /// A neighbour that left, that sent nothing within the time limit, or that called something else or with another length.
    pub fn all_reduce_sum<T: Element>(&mut self, data: &mut [T]) -> Result<(), CollectiveError> {
        let (rank, size) = (self.rank, self.world_size);
        let chunks: Vec<Range<usize>> = (0..size).map(|c| chunk(data.len(), size, c)).collect();
        let mut received = vec![T::zeroed(); chunks.iter().map(|chunk| chunk.len()).max().unwrap_or(0)];
        let operation = Operation::all_reduce(size_of::<T>(), data.len());
        self.run(operation, |ring| {
            for step in 0..size - 1 {
                let (out, into) = ((rank + size - step) % size, (rank + 2 * size - step - 1) % size);
                let received = &mut received[..chunks[into].len()];
                ring.exchange(bytemuck::cast_slice(&data[chunks[out].clone()]), bytemuck::cast_slice_mut(received))?;
                for (own, partial) in data[chunks[into].clone()].iter_mut().zip(received) {
                    *own = *partial + *own;
                }
            }
            for step in 0..size - 1 {
                let (out, into) = ((rank + 1 + size - step) % size, (rank + size - step) % size);
                let received = &mut received[..chunks[into].len()];
                ring.exchange(bytemuck::cast_slice(&data[chunks[out].clone()]), bytemuck::cast_slice_mut(received))?;
                data[chunks[into].clone()].copy_from_slice(received);
            }
            Ok(())
        })
    }

    /// Every rank's bytes, in the order of ranks. Lengths may differ.
    ///
    /// # Errors
    ///
    /// As for [`Collective::all_reduce_sum`].
    pub fn all_gather(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let (rank, size) = (self.rank, self.world_size);
        let mut blocks = vec![Vec::new(); size];
        blocks[rank] = bytes.to_vec();
        self.run(Operation::all_gather(), |ring| {
            for step in 0..size - 1 {
                let (out, into) = ((rank + size - step) % size, (rank + 2 * size - step - 1) % size);
                let mut length = [0; 8];
                ring.exchange(&(blocks[out].len() as u64).to_le_bytes(), &mut length)?;
                let mut block = vec![0; ring.block_length(u64::from_le_bytes(length))?];
                ring.exchange(&blocks[out], &mut block)?;
                blocks[into] = block;
            }
            Ok(())
        })?;
        Ok(blocks)
    }

    /// The bytes of rank `root`, on every rank; what the others pass is not looked at.
    ///
    /// # Errors
    ///
    /// As for [`Collective::all_reduce_sum`]; and [`CollectiveError::NoSuchRank`].
    pub fn broadcast(&mut self, root: usize, bytes: &[u8]) -> Result<Vec<u8>, CollectiveError> {
        if root >= self.world_size {
            return Err(CollectiveError::NoSuchRank { rank: root, world_size: self.world_size });
        }
        let mut blocks = self.all_gather(if self.rank == root { bytes } else { &[] })?;
        Ok(blocks.swap_remove(root))
    }

    /// Comes back when every rank has called it.
    ///
    /// # Errors
    ///
    /// As for [`Collective::all_reduce_sum`].
    pub fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.all_gather(&[]).map(|_| ())
    }

    /// Tells the neighbours that this rank is alive, though it is busy with something else: whoever calls nothing for long calls this every
    /// [`Self::beat_every`], so that those who wait for it in an operation do not give it up.
    pub fn beat(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.beat();
        }
    }

    /// How often [`Self::beat`] is to be called: four times within the time limit.
    pub fn beat_every(&self) -> Duration {
        self.ring.as_ref().map_or(Duration::MAX, Ring::beat_every)
    }

    /// Agrees with the neighbours on what comes, does it, and remembers a failure.
    fn run(
        &mut self,
        operation: Operation,
        work: impl FnOnce(&mut Ring) -> Result<(), CollectiveError>,
    ) -> Result<(), CollectiveError> {
        if self.failed {
            return Err(CollectiveError::FailedBefore);
        }
        let Some(ring) = &mut self.ring else { return Ok(()) };
        let done = ring.agree(operation).and_then(|()| work(ring));
        if done.is_err() {
            self.failed = true;
            // Closing the connections tells the neighbours at once, rather than after their time limit.
            self.ring = None;
        }
        done
    }
}

/// Elements of chunk `c` of `size`: the chunks differ by one element at most.
fn chunk(length: usize, size: usize, c: usize) -> Range<usize> {
    let (least, longer) = (length / size, length % size);
    let start = c * least + c.min(longer);
    start..start + least + usize::from(c < longer)
}

#[cfg(test)]
mod tests;
