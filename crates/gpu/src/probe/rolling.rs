//! Rolling mean and standard deviation over columns of quotes: one window a thread on a device, and a plain twin.
//!
//! Both take each window's mean first and then its squared deviations, so neither drifts nor cancels.

use cubecl::prelude::*;

use super::{BLOCK_THREADS, blocks};
use crate::{Compute, GpuError, Job, Session};

/// Mean and population standard deviation of the window that ends at each value; the first `window - 1` windows are shorter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rolling {
    /// Of each window.
    pub mean: Vec<f64>,
    /// Of each window, the squares divided by its length.
    pub deviation: Vec<f64>,
}

/// The twin: `places` of the whole column, one window after the other.
///
/// # Panics
///
/// Where the two outputs are not as long as `places`, or `places` passes the end of the column.
pub fn rolling_into(
    values: &[f64],
    window: usize,
    places: std::ops::Range<usize>,
    mean: &mut [f64],
    deviation: &mut [f64],
) {
    assert!(mean.len() == places.len() && deviation.len() == places.len(), "outputs as long as the range");
    for ((at, mean), deviation) in places.zip(mean).zip(deviation) {
        let within = &values[(at + 1).saturating_sub(window.max(1))..=at];
        let length = within.len() as f64;
        *mean = within.iter().sum::<f64>() / length;
        *deviation = (within.iter().map(|x| (x - *mean) * (x - *mean)).sum::<f64>() / length).sqrt();
    }
}

/// The whole column on a device: values up, windows computed, both columns down.
///
/// # Errors
///
/// Where the device fails or lacks room.
pub fn rolling_on(compute: &Compute, values: &[f64], window: usize) -> Result<Rolling, GpuError> {
    compute.run(Windows { values, window })
}

struct Windows<'a> {
    values: &'a [f64],
    window: usize,
}

impl Job for Windows<'_> {
    type Output = Rolling;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Rolling, GpuError> {
        let count = self.values.len();
        if count == 0 {
            return Ok(Rolling::default());
        }
        let values = session.upload(self.values)?;
        let (mean, deviation) = (session.allocate::<f64>(count)?, session.allocate::<f64>(count)?);
        // SAFETY: the three buffers hold `count` values of f64; threads past the end do nothing, and windows start at 0 or later.
        unsafe {
            windows::launch_unchecked::<R>(
                session.client(),
                blocks(count),
                CubeDim::new_1d(BLOCK_THREADS),
                ArrayArg::from_raw_parts(values, count),
                ArrayArg::from_raw_parts(mean.clone(), count),
                ArrayArg::from_raw_parts(deviation.clone(), count),
                count as u32,
                self.window.clamp(1, count) as u32,
            );
        }
        Ok(Rolling { mean: session.download(mean)?, deviation: session.download(deviation)? })
    }
}

#[cube(launch_unchecked)]
fn windows(values: &Array<f64>, mean: &mut Array<f64>, deviation: &mut Array<f64>, count: u32, window: u32) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let mut length = at + 1u32;
        if length > window {
            length = window;
        }
        let start = at + 1u32 - length;
        let mut sum = 0.0f64;
        for i in start..at + 1u32 {
            sum += values[i as usize];
        }
        let middle = sum / f64::cast_from(length);
        let mut squares = 0.0f64;
        for i in start..at + 1u32 {
            let off = values[i as usize] - middle;
            squares += off * off;
        }
        mean[at as usize] = middle;
        deviation[at as usize] = (squares / f64::cast_from(length)).sqrt();
    }
}

/// The CUDA source of this file's kernel.
#[cfg(test)]
pub(super) fn sources<R: Runtime>(session: &Session<'_, R>, out: &mut Vec<crate::cuda_source::Source>) {
    use crate::cuda_source::{array, settings, source};
    let kernel = windows::Windows::<R>::new(
        settings(BLOCK_THREADS),
        session.client().clone(),
        array(),
        array(),
        array(),
        (),
        (),
    );
    out.push(("windows".into(), source(kernel).unwrap()));
}

#[cfg(test)]
mod tests {
    use super::super::element::uniform;
    use super::*;

    fn rolling(values: &[f64], window: usize) -> Rolling {
        let n = values.len();
        let mut out = Rolling { mean: vec![0.0; n], deviation: vec![0.0; n] };
        rolling_into(values, window, 0..n, &mut out.mean, &mut out.deviation);
        out
    }

    #[test]
    fn windows_by_hand() {
        let out = rolling(&[1.0, 3.0, 5.0, 11.0], 2);
        assert_eq!(out.mean, [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(out.deviation, [0.0, 1.0, 1.0, 3.0]);
        assert_eq!(rolling(&[2.0, 4.0], 100).mean, [2.0, 3.0]);
        assert_eq!(rolling(&[], 3), Rolling::default());
    }

    #[test]
    fn a_shift_moves_the_mean_alone() {
        let values = uniform::<f64>(500, 1);
        let shifted: Vec<f64> = values.iter().map(|x| x + 1024.0).collect();
        let (low, high) = (rolling(&values, 20), rolling(&shifted, 20));
        for i in 0..values.len() {
            assert!((high.mean[i] - low.mean[i] - 1024.0).abs() < 1e-12);
            assert!((high.deviation[i] - low.deviation[i]).abs() < 1e-12);
        }
    }
}
