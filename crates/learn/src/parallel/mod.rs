//! Several ranks that train one network: each learns its own part of every batch, and the gradients are summed over all.
//!
//! A [`Collective`] is what joins the ranks: [`Ring`], over TCP between CPUs or by NCCL between GPUs. A [`Group`] is one rank's place: which rows are its own, which parts of
//! the gradient are on their way, and what the first rank says to the others. A group of one rank does nothing at all.
//!
//! The state is the same bits on every rank after every step: the first rank hands its own to all before the first step, sums come to the
//! same bits everywhere, and what a clock, a signal or a look at the held-out rows decides is the first rank's word. See docs/data-parallel.md.

mod greeting;
mod group;
mod ring;
mod shard;

pub use group::{Group, Said};
pub use ring::Ring;
pub use shard::Shard;

use crate::LearnError;

/// What joins the ranks of a group. Every rank makes the same calls in the same order. After an error the collective is of no use.
pub trait Collective: Send {
    /// This rank, from 0.
    fn rank(&self) -> usize;

    /// How many ranks there are.
    fn world_size(&self) -> usize;

    /// Begins to sum a piece over all ranks, and comes back at once: the sum is made while the caller computes. Pieces have the same length on
    /// every rank.
    fn begin_sum(&mut self, piece: Vec<f32>);

    /// The sum of the oldest piece that was begun: the same bits on every rank, in every run of as many ranks.
    ///
    /// Errors: [`LearnError::RankLost`].
    fn end_sum(&mut self) -> Result<Vec<f32>, LearnError>;

    /// Replaces numbers by their sums over all ranks. No piece is on its way.
    ///
    /// Errors: [`LearnError::RankLost`].
    fn sum(&mut self, numbers: &mut [f64]) -> Result<(), LearnError>;

    /// Every rank's bytes, in the order of ranks. No piece is on its way.
    ///
    /// Errors: [`LearnError::RankLost`].
    fn gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, LearnError>;
}

#[cfg(test)]
mod tests;
