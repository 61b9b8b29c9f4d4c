//! Books of some instruments on a device: the only place here that knows blocks and buffers.

use std::ops::Range;

use cubecl::{prelude::*, server::Handle};
use zomma_gpu::{Compute, GpuError, Job, Session};

use super::{arrays::BookArrays, batch::UpdateBatch, kernel::update, plan::Plan};

/// Threads of a block: a multiple of every vendor's warp.
pub(super) const BLOCK_THREADS: u32 = 64;

/// The arrays of some instruments on a device. Their memory is given back when they are dropped.
pub(super) struct Resident {
    instruments: usize,
    levels: usize,
    prices: Handle,
    sizes: Handle,
    heads: Handle,
    state: Handle,
    state_numbers: usize,
    codes: Handle,
}

impl Resident {
    /// Uploads books.
    pub fn upload(compute: &Compute, arrays: &BookArrays, plan: &Plan) -> Result<Self, GpuError> {
        compute.run(Upload { arrays, plan })
    }

    /// Applies a batch to the instruments of a range, which these are, and finds their features: a buffer of them, which the device may still be
    /// working on.
    pub fn update(
        &self,
        compute: &Compute,
        batch: &UpdateBatch,
        range: &Range<usize>,
        plan: &Plan,
    ) -> Result<Handle, GpuError> {
        compute.run(Update { resident: self, batch, range, plan })
    }

    /// Waits for what an update gave, and fetches it.
    pub fn fetch(compute: &Compute, out: Handle) -> Result<Vec<u64>, GpuError> {
        compute.run(Fetch(out))
    }

    /// Fetches the books.
    pub fn download(&self, compute: &Compute) -> Result<BookArrays, GpuError> {
        compute.run(Download(self))
    }
}

struct Upload<'a> {
    arrays: &'a BookArrays,
    plan: &'a Plan,
}

impl Job for Upload<'_> {
    type Output = Resident;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Resident, GpuError> {
        let BookArrays { instruments, levels, prices, sizes, heads, state } = self.arrays;
        Ok(Resident {
            instruments: *instruments,
            levels: *levels,
            prices: session.upload(prices)?,
            sizes: session.upload(sizes)?,
            heads: session.upload(heads)?,
            state: session.upload(or_one(state))?,
            state_numbers: state.len(),
            codes: session.upload(or_one(&self.plan.numbers()))?,
        })
    }
}

/// A buffer of nothing is none: it has one number that is not looked at.
fn or_one(numbers: &[u64]) -> &[u64] {
    if numbers.is_empty() { &[0] } else { numbers }
}

struct Update<'a> {
    resident: &'a Resident,
    batch: &'a UpdateBatch,
    range: &'a Range<usize>,
    plan: &'a Plan,
}

impl Job for Update<'_> {
    type Output = Handle;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Handle, GpuError> {
        let Self { resident, batch, range, plan } = self;
        let n = resident.instruments;
        let starts = batch.starts_of(range);
        let words = or_one(batch.words_of(&starts));
        debug_assert!(starts.len() == n + 1);
        let (starts_buffer, words_buffer) = (session.upload(&starts)?, session.upload(words)?);
        let out = session.allocate::<u64>(plan.outputs() * n)?;
        let cells = 2 * resident.levels * n;
        // SAFETY: the kernel reads n + 1 starts, the words between the first and the last of them, 4 numbers a feature and one for each sum of
        // what rests, reads and writes 2·levels·n prices and sizes, 3·n heads and rows·n numbers of state (no row that a word puts, and no state of
        // a table, is beyond them), and writes `outputs`·n numbers, which are the sizes of these buffers; threads past n do nothing, and every
        // loop ends at a number of levels, of features or of changes.
        unsafe {
            update::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static((n as u32).div_ceil(BLOCK_THREADS), 1, 1),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(starts_buffer, starts.len()),
                ArrayArg::from_raw_parts(words_buffer, words.len()),
                ArrayArg::from_raw_parts(resident.codes.clone(), plan.numbers().len().max(1)),
                ArrayArg::from_raw_parts(resident.prices.clone(), cells),
                ArrayArg::from_raw_parts(resident.sizes.clone(), cells),
                ArrayArg::from_raw_parts(resident.heads.clone(), 3 * n),
                ArrayArg::from_raw_parts(resident.state.clone(), resident.state_numbers.max(1)),
                ArrayArg::from_raw_parts(out.clone(), plan.outputs() * n),
                n as u32,
                plan.features() as u32,
                i64::MAX,
                0,
                resident.levels as u32,
                plan.flow_levels as u32,
                plan.resting_levels.len() as u32,
                u32::from(plan.has_trades),
                u32::from(plan.state_rows > 0),
            );
        }
        Ok(out)
    }
}

struct Fetch(Handle);

impl Job for Fetch {
    type Output = Vec<u64>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<u64>, GpuError> {
        session.download(self.0)
    }
}

struct Download<'a>(&'a Resident);

impl Job for Download<'_> {
    type Output = BookArrays;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<BookArrays, GpuError> {
        let Resident { instruments, levels, prices, sizes, heads, state, state_numbers, .. } = self.0;
        Ok(BookArrays {
            instruments: *instruments,
            levels: *levels,
            prices: session.download(prices.clone())?,
            sizes: session.download(sizes.clone())?,
            heads: session.download(heads.clone())?,
            // A buffer of nothing has one number that is not looked at.
            state: if *state_numbers > 0 { session.download(state.clone())? } else { Vec::new() },
        })
    }
}
