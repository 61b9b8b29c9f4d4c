//! A device's memory: copy, fill and triad there (after McCalpin's STREAM), and copies from and to the host.

use cubecl::prelude::*;
use cubecl::server::Handle;

use super::{BLOCK_THREADS, Fetch, ProbeError, blocks, finish};
use crate::{Compute, GpuError, Job, Session};

/// What a pass over a device's memory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// a = b.
    Copy,
    /// a = s.
    Fill,
    /// a = b + s·c.
    Triad,
}

impl Pass {
    /// Bytes that one element's work reads and writes.
    pub fn bytes_per_element(self) -> usize {
        size_of::<f64>()
            * match self {
                Self::Fill => 1,
                Self::Copy => 2,
                Self::Triad => 3,
            }
    }

    /// What every element of `a` is after it, b and c being what [`DeviceStream::new`] fills in.
    pub fn expected(self) -> f64 {
        match self {
            Self::Fill => SCALAR,
            Self::Copy => B,
            Self::Triad => B + SCALAR * C,
        }
    }
}

/// s of [`Pass`]; sums and products of these three are exact.
pub const SCALAR: f64 = 3.0;
/// Every b of [`Pass`].
pub const B: f64 = 2.0;
/// Every c of [`Pass`].
pub const C: f64 = 0.5;

/// Three columns of f64 on a device.
pub struct DeviceStream<'a> {
    compute: &'a Compute,
    count: usize,
    columns: [Handle; 3],
}

impl<'a> DeviceStream<'a> {
    /// Columns of `count` values each.
    ///
    /// # Errors
    ///
    /// Where the device fails or lacks room.
    pub fn new(compute: &'a Compute, count: usize) -> Result<Self, ProbeError> {
        let columns = compute.run(Allocate(count))?;
        let [_, b, c] = &columns;
        for (column, value) in [(b, B), (c, C)] {
            let fill = Sweep { pass: Pass::Fill, count, a: column, b: column, c: column, scalar: value };
            compute.run(fill)?.map_err(ProbeError::Unavailable)?;
        }
        Ok(Self { compute, count, columns })
    }

    /// One pass, and waits for its end.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn run(&self, pass: Pass) -> Result<(), ProbeError> {
        let [a, b, c] = &self.columns;
        let sweep = Sweep { pass, count: self.count, a, b, c, scalar: SCALAR };
        self.compute.run(sweep)?.map_err(ProbeError::Unavailable)
    }

    /// The column that passes write.
    ///
    /// # Errors
    ///
    /// Where the device fails.
    pub fn result(&self) -> Result<Vec<f64>, GpuError> {
        self.compute.run(Fetch::new(&self.columns[0]))
    }
}

struct Allocate(usize);

impl Job for Allocate {
    type Output = [Handle; 3];

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<[Handle; 3], GpuError> {
        let column = || session.allocate::<f64>(self.0);
        Ok([column()?, column()?, column()?])
    }
}

struct Sweep<'a> {
    pass: Pass,
    count: usize,
    a: &'a Handle,
    b: &'a Handle,
    c: &'a Handle,
    scalar: f64,
}

impl Job for Sweep<'_> {
    type Output = Result<(), String>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let argument = |column: &Handle| {
            // SAFETY: every column has `count` values of f64.
            unsafe { ArrayArg::<R>::from_raw_parts(column.clone(), self.count) }
        };
        let (client, cubes, threads) = (session.client(), blocks(self.count), CubeDim::new_1d(BLOCK_THREADS));
        let (a, count) = (argument(self.a), self.count as u32);
        // SAFETY: the kernels touch `count` values of each column and nothing in threads past the end.
        unsafe {
            match self.pass {
                Pass::Fill => fill::launch_unchecked::<R>(client, cubes, threads, a, self.scalar, count),
                Pass::Copy => copy::launch_unchecked::<R>(client, cubes, threads, a, argument(self.b), count),
                Pass::Triad => {
                    let (b, c) = (argument(self.b), argument(self.c));
                    triad::launch_unchecked::<R>(client, cubes, threads, a, b, c, self.scalar, count);
                }
            }
        }
        Ok(finish(session))
    }
}

#[cube(launch_unchecked)]
fn fill(a: &mut Array<f64>, scalar: f64, count: u32) {
    if ABSOLUTE_POS < count as usize {
        a[ABSOLUTE_POS] = scalar;
    }
}

#[cube(launch_unchecked)]
fn copy(a: &mut Array<f64>, b: &Array<f64>, count: u32) {
    if ABSOLUTE_POS < count as usize {
        a[ABSOLUTE_POS] = b[ABSOLUTE_POS];
    }
}

#[cube(launch_unchecked)]
fn triad(a: &mut Array<f64>, b: &Array<f64>, c: &Array<f64>, scalar: f64, count: u32) {
    if ABSOLUTE_POS < count as usize {
        a[ABSOLUTE_POS] = b[ABSOLUTE_POS] + scalar * c[ABSOLUTE_POS];
    }
}

/// The CUDA sources of these passes.
#[cfg(test)]
pub(super) fn sources<R: Runtime>(session: &Session<'_, R>, out: &mut Vec<crate::cuda_source::Source>) {
    use crate::cuda_source::{array, settings, source};
    let (settings, client) = (|| settings(BLOCK_THREADS), || session.client().clone());
    let made = [
        ("fill", source(fill::Fill::<R>::new(settings(), client(), array(), (), ()))),
        ("copy", source(copy::Copy::<R>::new(settings(), client(), array(), array(), ()))),
        ("triad", source(triad::Triad::<R>::new(settings(), client(), array(), array(), array(), (), ()))),
    ];
    out.extend(made.map(|(name, source)| (name.into(), source.unwrap())));
}

/// Copies values to the device and waits until they are there.
///
/// # Errors
///
/// Where the device fails or lacks room.
pub fn upload(compute: &Compute, values: &[f64]) -> Result<Uploaded, ProbeError> {
    let (buffer, done) = compute.run(Upload(values))?;
    done.map_err(ProbeError::Unavailable)?;
    Ok(Uploaded(buffer))
}

/// Copies values back.
///
/// # Errors
///
/// Where the device fails.
pub fn download(compute: &Compute, values: &Uploaded) -> Result<Vec<f64>, GpuError> {
    compute.run(Fetch::new(&values.0))
}

/// Values that are on a device.
pub struct Uploaded(Handle);

struct Upload<'a>(&'a [f64]);

impl Job for Upload<'_> {
    type Output = (Handle, Result<(), String>);

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Self::Output, GpuError> {
        let buffer = session.upload(self.0)?;
        Ok((buffer, finish(session)))
    }
}
