//! NVIDIA's collective library, loaded at run time, one rank a process: rank 0 makes the identifier and the TCP collective carries it.
//!
//! Tested against a mock of both libraries (`crates/testkit/mock/nccl.c`); no GPU has run it yet.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, CudaSlice, CudaStream, DriverError};
use cudarc::nccl::{Comm, Id, ReduceOp, result};

use super::collective::{Collective, CollectiveError};

/// The bytes of NCCL's identifier of a group.
const ID_BYTES: usize = 128;

/// Why NCCL cannot be used, or failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NcclFault {
    /// A library is not there.
    #[error("NCCL: {library} not found{hint}")]
    NoLibrary {
        /// Which.
        library: &'static str,
        /// What often helps.
        hint: &'static str,
    },
    /// A call into NCCL failed.
    #[error("NCCL: {call}: {code}")]
    Nccl {
        /// Which call.
        call: &'static str,
        /// NCCL's code by its name.
        code: String,
    },
    /// A call into the CUDA driver failed.
    #[error("NCCL: CUDA driver: {call}: {code}")]
    Driver {
        /// Which call.
        call: &'static str,
        /// The driver's code by its name.
        code: String,
    },
    /// A sum that did not come.
    #[error("NCCL: a sum of {length} numbers did not come within {seconds} s")]
    Silent {
        /// How many numbers.
        length: usize,
        /// How long it was waited for.
        seconds: f64,
    },
    /// Ranks that sum pieces of different lengths.
    #[error("NCCL: rank {rank} sums {theirs} numbers and this rank {own}")]
    Lengths {
        /// The other rank.
        rank: usize,
        /// Its piece.
        theirs: u64,
        /// This rank's.
        own: usize,
    },
    /// A sum failed before.
    #[error("NCCL: a sum failed before")]
    FailedBefore,
    /// Rank 0 has no identifier to give.
    #[error("NCCL: rank 0 has none to join")]
    NoIdentifier,
    /// The ranks did not meet.
    #[error(transparent)]
    Collective(#[from] CollectiveError),
}

/// Whether both libraries that NCCL needs can be loaded; no device is looked at.
///
/// # Errors
///
/// [`NcclFault::NoLibrary`] names the one that is absent.
pub fn available() -> Result<(), NcclFault> {
    // SAFETY: loads a vendor's shared library by its well-known name and drops it; no symbol of it is used.
    if !unsafe { cudarc::driver::sys::is_culib_present() } {
        return Err(NcclFault::NoLibrary { library: "libcuda.so.1", hint: "" });
    }
    // SAFETY: as above, for NCCL.
    if !unsafe { cudarc::nccl::sys::is_culib_present() } {
        let hint = "; where there is libnccl.so.2 alone, put a link of that name to it on LD_LIBRARY_PATH";
        return Err(NcclFault::NoLibrary { library: "libnccl.so", hint });
    }
    Ok(())
}

/// One rank of an NCCL group, on the first CUDA device that this process sees.
pub(super) struct NcclRank {
    communicator: Comm,
    stream: Arc<CudaStream>,
}

impl NcclRank {
    /// Joins with all ranks of the collective. Every rank must call it, whether or not it has NCCL itself.
    pub(super) fn join(collective: &mut Collective) -> Result<Self, NcclFault> {
        let own = available();
        let made = match (&own, collective.rank()) {
            (Ok(()), 0) => Some(Id::new().map_err(failed("ncclGetUniqueId"))),
            _ => None,
        };
        // Rank 0 answers the others even where it has nothing for them, so that they need not wait for their time limit.
        let bytes: Vec<u8> = match &made {
            Some(Ok(id)) => id.internal().iter().map(|&byte| byte as u8).collect(),
            _ => Vec::new(),
        };
        let bytes = collective.broadcast(0, &bytes)?;
        own?;
        if let Some(Err(fault)) = made {
            return Err(fault);
        }
        let bytes: [u8; ID_BYTES] = bytes.try_into().map_err(|_| NcclFault::NoIdentifier)?;
        let id = Id::uninit(bytes.map(|byte| byte as std::ffi::c_char));
        let context = CudaContext::new(0).map_err(refused("cuDevicePrimaryCtxRetain"))?;
        let stream = context.new_stream().map_err(refused("cuStreamCreate"))?;
        let communicator = Comm::from_rank(Arc::clone(&stream), collective.rank(), collective.world_size(), id)
            .map_err(failed("ncclCommInitRank"))?;
        Ok(Self { communicator, stream })
    }

    /// NCCL's version: `2.27.3`.
    pub(super) fn version() -> Result<String, NcclFault> {
        let number = result::get_nccl_version().map_err(failed("ncclGetVersion"))?;
        // Since 2.9 a version is written with two digits for each part, before with one for the middle part.
        let parts =
            if number >= 10_000 { [number / 10_000, number / 100 % 100] } else { [number / 1000, number / 100 % 10] };
        Ok(format!("{}.{}.{}", parts[0], parts[1], number % 100))
    }

    /// Copies elements to the device.
    pub(super) fn upload(&self, data: &[f32]) -> Result<CudaSlice<f32>, NcclFault> {
        self.stream.clone_htod(data).map_err(refused("cuMemcpyHtoD"))
    }

    /// Copies elements back.
    pub(super) fn download(&self, data: &CudaSlice<f32>) -> Result<Vec<f32>, NcclFault> {
        self.stream.clone_dtoh(data).map_err(refused("cuMemcpyDtoH"))
    }

    /// Sums `own` of all ranks into `sums`, and waits for it.
    pub(super) fn all_reduce_sum(&self, own: &CudaSlice<f32>, sums: &mut CudaSlice<f32>) -> Result<(), NcclFault> {
        self.communicator.all_reduce(own, sums, &ReduceOp::Sum).map_err(failed("ncclAllReduce"))?;
        self.stream.synchronize().map_err(refused("cuStreamSynchronize"))
    }
}

/// Looks at a sum that is on its way so often at first without a pause: small ones take microseconds.
const BUSY: Duration = Duration::from_micros(200);
const PAUSE: Duration = Duration::from_micros(50);

/// Sums over ranks by NCCL, each rank's on its own GPU, beside the TCP collective that joined them: the ranks agree over TCP on every sum
/// before it begins, so that one that is gone is noticed there; who dies in the midst of one is given up after a time limit.
pub struct NcclSums {
    /// None after a failure. Before the buffer, so that the communicator is aborted before its memory goes.
    rank: Option<NcclRank>,
    buffer: Option<CudaSlice<f32>>,
    limit: Duration,
}

impl NcclSums {
    /// Joins with all ranks of the collective, each of which must call it.
    ///
    /// # Errors
    ///
    /// No library, no device, ranks that do not meet.
    pub fn join(collective: &mut Collective, limit: Duration) -> Result<Self, NcclFault> {
        Ok(Self { rank: Some(NcclRank::join(collective)?), buffer: None, limit })
    }

    /// Replaces numbers by their sums over all ranks: the same bits on every rank, since each is made once and handed on. They go to the device
    /// and come back.
    ///
    /// # Errors
    ///
    /// A rank that is gone, or sums another number of them; NCCL's and the driver's; [`NcclFault::Silent`]. After one every further call fails.
    pub fn sum(&mut self, collective: &mut Collective, numbers: &mut [f32]) -> Result<(), NcclFault> {
        let rank = self.rank.take().ok_or(NcclFault::FailedBefore)?;
        self.sum_by(&rank, collective, numbers)?;
        self.rank = Some(rank);
        Ok(())
    }

    fn sum_by(&mut self, rank: &NcclRank, collective: &mut Collective, numbers: &mut [f32]) -> Result<(), NcclFault> {
        let own = numbers.len();
        let lengths = collective.all_gather(&(own as u64).to_le_bytes())?;
        let length = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).map_or(u64::MAX, u64::from_le_bytes);
        let lengths = lengths.iter().map(|bytes| length(bytes)).enumerate();
        if let Some((rank, theirs)) = lengths.into_iter().find(|(_, theirs)| *theirs != own as u64) {
            return Err(NcclFault::Lengths { rank, theirs, own });
        }
        if own == 0 {
            return Ok(());
        }
        let NcclRank { communicator, stream } = rank;
        // It stays here whatever comes: memory that a sum still uses is not to be freed before the communicator is aborted.
        if self.buffer.as_ref().is_none_or(|buffer| buffer.len() < own) {
            self.buffer = Some(stream.alloc_zeros(own).map_err(refused("cuMemAlloc"))?);
        }
        let Some(buffer) = &mut self.buffer else { return Err(NcclFault::FailedBefore) };
        let mut piece = buffer.slice_mut(..own);
        stream.memcpy_htod(&*numbers, &mut piece).map_err(refused("cuMemcpyHtoD"))?;
        communicator.all_reduce_in_place(&mut piece, &ReduceOp::Sum).map_err(failed("ncclAllReduce"))?;
        if !is_done(stream, self.limit, collective)? {
            return Err(NcclFault::Silent { length: own, seconds: self.limit.as_secs_f64() });
        }
        stream.memcpy_dtoh(&piece, numbers).map_err(refused("cuMemcpyDtoH"))?;
        stream.synchronize().map_err(refused("cuStreamSynchronize"))
    }
}

/// Waits for what is on its way in the stream, and tells the other ranks meanwhile that this one lives; whether it came in time.
fn is_done(stream: &CudaStream, limit: Duration, collective: &mut Collective) -> Result<bool, NcclFault> {
    let event = stream.record_event(None).map_err(refused("cuEventRecord"))?;
    let begun = Instant::now();
    let mut beaten = begun;
    while !event.try_is_complete().map_err(refused("cuEventQuery"))? {
        let waited = begun.elapsed();
        if waited > limit {
            return Ok(false);
        }
        if waited > BUSY {
            thread::sleep(PAUSE);
        }
        if beaten.elapsed() > collective.beat_every() {
            beaten = Instant::now();
            collective.beat();
        }
    }
    Ok(true)
}

fn failed(call: &'static str) -> impl Fn(result::NcclError) -> NcclFault {
    move |error| NcclFault::Nccl { call, code: format!("{:?}", error.0) }
}

/// Asking for the driver's own words calls it again, so only its code is used.
fn refused(call: &'static str) -> impl Fn(DriverError) -> NcclFault {
    move |error| NcclFault::Driver { call, code: format!("{:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::collective::Membership;
    use super::*;

    #[test]
    fn without_a_library_it_refuses_in_words() {
        let Err(fault) = available() else { return zomma_testkit::skip("NCCL is there: nothing is missing") };
        assert!(fault.to_string().contains("not found"), "{fault}");
        let master_addr = "127.0.0.1".to_string();
        let time_limit = Duration::from_secs(5);
        let alone =
            Membership { rank: 0, world_size: 1, master_addr, master_port: 1, run_id: String::new(), time_limit };
        let joined = NcclRank::join(&mut Collective::join(&alone).unwrap());
        assert_eq!(joined.err(), Some(fault));
    }

    #[test]
    fn one_rank_sums_its_own_on_a_gpu() {
        if available().is_err() {
            return zomma_testkit::skip("no NCCL");
        }
        let (master_addr, time_limit) = ("127.0.0.1".to_string(), Duration::from_secs(60));
        let alone =
            Membership { rank: 0, world_size: 1, master_addr, master_port: 1, run_id: String::new(), time_limit };
        let rank = match NcclRank::join(&mut Collective::join(&alone).unwrap()) {
            Ok(rank) => rank,
            Err(NcclFault::Driver { .. }) => return zomma_testkit::skip("no device"),
            Err(fault) => panic!("{fault}"),
        };
        let own = rank.upload(&[1.0, 2.5]).unwrap();
        let mut sums = rank.upload(&[0.0, 0.0]).unwrap();
        rank.all_reduce_sum(&own, &mut sums).unwrap();
        assert_eq!(rank.download(&sums).unwrap(), [1.0, 2.5]);
    }
}
