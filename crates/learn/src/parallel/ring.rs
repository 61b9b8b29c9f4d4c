//! Ranks joined by the ring of `zomma_gpu::group` over TCP, or by NCCL beside it, worked by a thread of its own, so that sums are made while a rank
//! computes.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
};

use zomma_gpu::group::{
    collective::{Collective as TcpRing, Membership},
    nccl::NcclSums,
    preflight::Transport,
};

use super::Collective;
use crate::LearnError;

/// What the thread is given to do, and what it gives back.
enum Work {
    /// A piece of the gradient, and then its sum.
    Piece(Vec<f32>),
    /// Numbers, and then their sums.
    Numbers(Vec<f64>),
    /// This rank's bytes, and then every rank's.
    Bytes(Vec<Vec<u8>>),
}

/// One rank's connections to its neighbours in the ring.
///
/// Over TCP an all-reduce is a reduce-scatter and an all-gather: chunk c of a piece is summed in the order of ranks c, c + 1, …, so that every rank
/// has the same bits. Each operation is announced with its number, kind and length, and one that differs at a neighbour is named. NCCL sums the pieces of the gradient on the ranks'
/// GPUs; all else goes over TCP.
#[derive(Debug)]
pub struct Ring {
    rank: usize,
    world_size: usize,
    work: Sender<Work>,
    done: Receiver<Result<Work, LearnError>>,
}

impl Ring {
    /// Meets the other ranks at the master's address; comes back when all have come. All must name the same `transport`.
    ///
    /// Errors: [`LearnError::RankLost`] with who did not come, or why this rank is not taken, or what NCCL lacks.
    pub fn join(membership: &Membership, transport: Transport) -> Result<Self, LearnError> {
        let mut ring = TcpRing::join(membership).map_err(lost)?;
        let (rank, world_size) = (ring.rank(), ring.world_size());
        let (work, wanted) = channel();
        let (answer, done) = channel();
        let (say_joined, joined) = channel();
        let limit = membership.time_limit;
        thread::spawn(move || {
            // A CUDA context belongs to the thread that made it.
            let nccl = match transport {
                Transport::Tcp => Ok(None),
                Transport::Nccl => NcclSums::join(&mut ring, limit).map(Some).map_err(lost),
            };
            let mut nccl = match nccl {
                Ok(nccl) => nccl,
                Err(error) => {
                    let _ = say_joined.send(Err(error));
                    return;
                }
            };
            let _ = say_joined.send(Ok(()));
            // Ends when the rank lets go of the ring, which closes the connections.
            loop {
                let work = match wanted.recv_timeout(ring.beat_every()) {
                    Ok(work) => work,
                    // Labels or a look at the held-out rows may take this rank longer than the others' limit.
                    Err(RecvTimeoutError::Timeout) => {
                        ring.beat();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if answer.send(carry_out(&mut ring, nccl.as_mut(), work)).is_err() {
                    return;
                }
            }
        });
        joined.recv().map_err(|_| gone())??;
        Ok(Self { rank, world_size, work, done })
    }

    fn begin(&self, work: Work) {
        // A thread that is gone says so where its answer is waited for.
        let _ = self.work.send(work);
    }

    fn answer(&self) -> Result<Work, LearnError> {
        self.done.recv().map_err(|_| gone())?
    }
}

fn carry_out(ring: &mut TcpRing, nccl: Option<&mut NcclSums>, work: Work) -> Result<Work, LearnError> {
    match (work, nccl) {
        (Work::Piece(mut piece), Some(nccl)) => nccl.sum(ring, &mut piece).map(|()| Work::Piece(piece)).map_err(lost),
        (Work::Piece(mut piece), None) => ring.all_reduce_sum(&mut piece).map(|()| Work::Piece(piece)).map_err(lost),
        (Work::Numbers(mut numbers), _) => {
            ring.all_reduce_sum(&mut numbers).map(|()| Work::Numbers(numbers)).map_err(lost)
        }
        (Work::Bytes(bytes), _) => {
            ring.all_gather(bytes.first().map_or(&[], Vec::as_slice)).map(Work::Bytes).map_err(lost)
        }
    }
}

fn lost(error: impl std::error::Error) -> LearnError {
    LearnError::RankLost { reason: error.to_string() }
}

fn gone() -> LearnError {
    LearnError::RankLost { reason: "the thread that speaks to the other ranks is gone".into() }
}

/// Answers come in the order of the work: another kind than was asked for cannot be.
fn out_of_order() -> LearnError {
    LearnError::RankLost { reason: "an answer of another kind than was asked for".into() }
}

impl Collective for Ring {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world_size(&self) -> usize {
        self.world_size
    }

    fn begin_sum(&mut self, piece: Vec<f32>) {
        self.begin(Work::Piece(piece));
    }

    fn end_sum(&mut self) -> Result<Vec<f32>, LearnError> {
        let Work::Piece(sum) = self.answer()? else { return Err(out_of_order()) };
        Ok(sum)
    }

    fn sum(&mut self, numbers: &mut [f64]) -> Result<(), LearnError> {
        self.begin(Work::Numbers(numbers.to_vec()));
        let Work::Numbers(sums) = self.answer()? else { return Err(out_of_order()) };
        numbers.copy_from_slice(&sums);
        Ok(())
    }

    fn gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, LearnError> {
        self.begin(Work::Bytes(vec![bytes]));
        let Work::Bytes(gathered) = self.answer()? else { return Err(out_of_order()) };
        Ok(gathered)
    }
}
