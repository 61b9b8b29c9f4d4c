//! One rank's place among those that train together.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Collective, Shard, greeting};
use crate::LearnError;
use crate::config::TrainConfig;
use crate::network::Loss;
use crate::training::{Checkpoint, checksum};

/// Numbers of a bucket: 256 KiB, long enough that a message's own cost does not show, short enough that the first is summed while
/// the layers below are still on their way.
const BUCKET: usize = 65_536;

/// What a rank says with a step's gradient, and then what the group does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Said {
    /// The loss over a rank's own rows; then over all.
    pub loss: Loss,
    /// Seconds of training by a rank's clock; then by the first rank's.
    pub seconds: f64,
    /// Whether a rank was asked to leave; then whether any was.
    pub stop: bool,
}

impl Said {
    /// As numbers to be summed over all ranks: those that the first rank alone decides are 0 at the others, so that they stay what they are.
    fn to_numbers(self, is_first: bool, weight: f32) -> [f32; 5] {
        let seconds = if is_first { self.seconds } else { 0.0 };
        // In two parts, which together have nearly the bits of an f64.
        let high = seconds as f32;
        let low = (seconds - f64::from(high)) as f32;
        let [price, differential] = [self.loss.price, self.loss.differential].map(|part| weight * part as f32);
        [price, differential, high, low, f32::from(u8::from(self.stop))]
    }

    fn from_numbers(sums: &[f32]) -> Self {
        let sum = |i: usize| sums.get(i).copied().map_or(f64::NAN, f64::from);
        let loss = Loss { price: sum(0), differential: sum(1) };
        Self { loss, seconds: sum(2) + sum(3), stop: sum(4) > 0.0 }
    }
}

/// A rank among its group, or alone.
///
/// The gradient is cut into buckets from its end, where the layers lie that the way back finishes first. A bucket goes to the other ranks as
/// soon as all of it is final; the one at the gradient's beginning takes the step's loss with it.
#[derive(Default)]
pub struct Group {
    collective: Option<Box<dyn Collective>>,
    /// What this rank's rows count in the whole batch.
    weight: f32,
    /// What its gradient counts in the sum: that, or 1 where it is of the whole batch's mean already.
    gradient_weight: f32,
    /// Where buckets begin that are not sent yet, from the end of the gradient on.
    unsent: Option<usize>,
    /// Buckets on their way, oldest first.
    begun: VecDeque<Range<usize>>,
}

impl Group {
    /// A rank that trains by itself.
    pub fn alone() -> Self {
        Self::default()
    }

    /// A rank of several. All are of one program and one config when this comes back.
    ///
    /// Errors: [`LearnError::RanksDiffer`] with the rank and what differs; [`LearnError::BadValue`] for a batch with fewer rows than ranks;
    /// [`LearnError::RankLost`].
    pub fn meet(mut collective: Box<dyn Collective>, config: &TrainConfig) -> Result<Self, LearnError> {
        greeting::check(&collective.gather(greeting::greeting(config)?)?)?;
        let (rank, world_size) = (collective.rank(), collective.world_size());
        if world_size == 1 {
            return Ok(Self::alone());
        }
        let fewest = if config.network.norm == crate::config::Normalisation::Batch { 2 } else { 1 };
        let batch = config.training.batch;
        if batch < fewest * world_size {
            let allowed = format!("{} or more with {world_size} ranks", fewest * world_size);
            return Err(LearnError::bad("training.batch", batch, allowed));
        }
        let weight = Shard::of(batch, rank, world_size).weight as f32;
        Ok(Self { collective: Some(collective), weight, gradient_weight: weight, unsent: None, begun: VecDeque::new() })
    }

    /// This rank, from 0.
    pub fn rank(&self) -> usize {
        self.collective.as_ref().map_or(0, |collective| collective.rank())
    }

    /// How many ranks there are.
    pub fn world_size(&self) -> usize {
        self.collective.as_ref().map_or(1, |collective| collective.world_size())
    }

    /// Whether this rank is the one that looks, writes and decides.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// What this rank's rows count in the whole batch, and whether the gradients to come have that in them already.
    pub fn weigh(&mut self, is_within: bool) -> f64 {
        if self.collective.is_none() {
            return 1.0;
        }
        self.gradient_weight = if is_within { 1.0 } else { self.weight };
        f64::from(self.weight)
    }

    /// This rank's part of a batch of so many rows.
    pub fn shard(&self, batch: usize) -> Shard {
        Shard::of(batch, self.rank(), self.world_size())
    }

    /// Takes note that the gradient is final from `from` to its end, and sends what buckets that makes whole.
    pub fn ready(&mut self, gradient: &[f32], from: usize) {
        let Some(collective) = &mut self.collective else { return };
        let unsent = self.unsent.get_or_insert(gradient.len());
        while *unsent > BUCKET && *unsent - BUCKET >= from {
            let bucket = *unsent - BUCKET..*unsent;
            collective.begin_sum(gradient[bucket.clone()].iter().map(|g| self.gradient_weight * g).collect());
            *unsent = bucket.start;
            self.begun.push_back(bucket);
        }
    }

    /// Makes the gradient that of all ranks' rows, the mean over the whole batch; what is said with it becomes what the group says.
    ///
    /// Errors: [`LearnError::RankLost`].
    pub fn sum_gradient(&mut self, gradient: &mut [f32], said: &mut Said) -> Result<(), LearnError> {
        self.ready(gradient, 0);
        let (is_first, weight, of_gradient) = (self.is_first(), self.weight, self.gradient_weight);
        let Some(collective) = &mut self.collective else { return Ok(()) };
        let first = 0..self.unsent.take().unwrap_or(gradient.len());
        let numbers = gradient[first.clone()].iter().map(|g| of_gradient * g);
        collective.begin_sum(numbers.chain(said.to_numbers(is_first, weight)).collect());
        while let Some(bucket) = self.begun.pop_front() {
            gradient[bucket].copy_from_slice(&collective.end_sum()?);
        }
        let sum = collective.end_sum()?;
        let (numbers, words) = sum.split_at(first.len());
        gradient[first].copy_from_slice(numbers);
        *said = Said::from_numbers(words);
        Ok(())
    }

    /// Makes running statistics the mean over all ranks, each counted by its rows.
    ///
    /// Errors: [`LearnError::RankLost`].
    pub fn mean(&mut self, statistics: &mut [f32]) -> Result<(), LearnError> {
        let Some(collective) = self.collective.as_mut().filter(|_| !statistics.is_empty()) else { return Ok(()) };
        collective.begin_sum(statistics.iter().map(|x| self.weight * x).collect());
        statistics.copy_from_slice(&collective.end_sum()?);
        Ok(())
    }

    /// What the first rank says of a number, and whether any rank says yes.
    ///
    /// Errors: [`LearnError::RankLost`].
    pub fn agree(&mut self, (number, yes): (f64, bool)) -> Result<(f64, bool), LearnError> {
        let first = self.is_first();
        let Some(collective) = &mut self.collective else { return Ok((number, yes)) };
        // The others add zeros, so that the first rank's number stays what it is, to the last bit.
        let mut numbers = [if first { number } else { 0.0 }, f64::from(u8::from(yes))];
        collective.sum(&mut numbers)?;
        Ok((numbers[0], numbers[1] > 0.0))
    }

    /// Comes back when every rank has come here.
    ///
    /// Errors: [`LearnError::RankLost`].
    pub fn wait(&mut self) -> Result<(), LearnError> {
        self.agree((0.0, false)).map(|_| ())
    }

    /// The first rank's state, on every rank. The first gives it, or why it has none; the others give nothing.
    ///
    /// Errors: the first rank's; [`LearnError::RankLost`].
    pub fn hand_on(&mut self, own: Option<Result<Checkpoint, LearnError>>) -> Result<Checkpoint, LearnError> {
        let Some(collective) = &mut self.collective else {
            return own.unwrap_or_else(|| Err(LearnError::RankLost { reason: "no rank has a state".into() }));
        };
        let said = match &own {
            Some(Ok(checkpoint)) => [vec![1], checkpoint.to_bytes()?].concat(),
            Some(Err(error)) => [vec![0], error.to_string().into_bytes()].concat(),
            None => Vec::new(),
        };
        let said = collective.gather(said)?.swap_remove(0);
        match (own, said.split_first()) {
            (Some(own), _) => own,
            (None, Some((1, bytes))) => Checkpoint::from_bytes(bytes)
                .map_err(|reason| LearnError::RanksDiffer { reason: format!("the state of rank 0 {reason}") }),
            (None, Some((_, words))) => {
                Err(LearnError::RankLost { reason: format!("rank 0: {}", String::from_utf8_lossy(words)) })
            }
            (None, None) => Err(LearnError::RankLost { reason: "rank 0 said nothing".into() }),
        }
    }

    /// Whether every rank has the same parameters.
    ///
    /// Errors: [`LearnError::RanksDiffer`] with the first rank that has others than rank 0; [`LearnError::RankLost`].
    pub fn compare(&mut self, parameters: &[f32]) -> Result<(), LearnError> {
        let Some(collective) = &mut self.collective else { return Ok(()) };
        let sums = collective.gather(checksum(parameters).to_le_bytes().to_vec())?;
        match sums.iter().position(|sum| *sum != sums[0]) {
            None => Ok(()),
            Some(rank) => {
                let reason =
                    format!("rank {rank} no longer holds the parameters of rank 0: its machine computes other bits");
                Err(LearnError::RanksDiffer { reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ranks_say_sums_to_what_the_group_says() {
        let said =
            |price: f64, seconds: f64, stop: bool| Said { loss: Loss { price, differential: 8.0 }, seconds, stop };
        let first = said(1.0, 12_345.678_901, false).to_numbers(true, 0.75);
        let other = said(2.0, 99.0, true).to_numbers(false, 0.25);
        let sums: Vec<f32> = first.iter().zip(other).map(|(a, b)| a + b).collect();
        let group = Said::from_numbers(&sums);
        assert_eq!((group.loss, group.stop), (Loss { price: 1.25, differential: 8.0 }, true));
        assert!((group.seconds - 12_345.678_901).abs() < 1e-9, "{}", group.seconds);
        let bad = said(f64::NAN, 0.0, false).to_numbers(false, 1.0);
        assert!(Said::from_numbers(&bad).loss.price.is_nan());
    }
}
