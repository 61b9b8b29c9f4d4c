//! The functions on a device against the correctly rounded ones of libm and the scalar ones of this folder.

use cubecl::prelude::*;
use zomma_gpu::{Compute, Device, DeviceKind, GpuError, Job, Session, list};

use super::*;
use crate::math::{self, Plain};
use crate::tolerance::{DEVICE_EXP_EPS, DEVICE_MATH_EPS};

/// One function at each pair of arguments.
#[cube(launch_unchecked)]
fn each(input: &Array<f64>, output: &mut Array<f64>, rows: u32, zero: u64, #[comptime] function: u32) {
    let n = rows as usize;
    let i = ABSOLUTE_POS;
    if i < n {
        let x = input[i];
        let y = input[n + i];
        output[i] = match function {
            0u32 => exp(x),
            1u32 => ln_ratio(x, y, zero),
            2u32 => mills(x).ratio,
            3u32 => two_product(x, y, zero).1,
            4u32 => two_sum(x, y, zero).1,
            _ => settle(x, zero),
        };
    }
}

/// `each` as work for a device.
struct Each<'a> {
    function: u32,
    pairs: &'a [(f64, f64)],
}

impl Job for Each<'_> {
    type Output = Vec<f64>;

    fn run<R: Runtime>(self, session: &Session<'_, R>) -> Result<Vec<f64>, GpuError> {
        let n = self.pairs.len();
        let (x, y) = (self.pairs.iter().map(|pair| pair.0), self.pairs.iter().map(|pair| pair.1));
        let input = session.upload(&x.chain(y).collect::<Vec<f64>>())?;
        let output = session.allocate::<f64>(n)?;
        // SAFETY: the kernel reads 2 n and writes n elements, the sizes of the two buffers, and no thread past n touches them.
        unsafe {
            each::launch_unchecked::<R>(
                session.client(),
                CubeCount::Static(n.div_ceil(64) as u32, 1, 1),
                CubeDim::new_1d(64),
                ArrayArg::from_raw_parts(input, 2 * n),
                ArrayArg::from_raw_parts(output.clone(), n),
                n as u32,
                0,
                self.function,
            );
        }
        session.download(output)
    }
}

fn vulkan() -> Option<Compute> {
    let device = list(DeviceKind::Vulkan).ok()?.into_iter().find(Device::has_f64);
    let Some(device) = device else {
        zomma_testkit::skip("no device");
        return None;
    };
    device.open().unwrap()
}

/// A generator of numbers in \[0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// The largest relative difference in units of 2^-52, and where.
fn worst(pairs: &[(f64, f64)], got: &[f64], expected: impl Fn(f64, f64) -> f64) -> (f64, (f64, f64)) {
    let mut worst = (0.0, (0.0, 0.0));
    for (&(x, y), &got) in pairs.iter().zip(got) {
        let want = expected(x, y);
        let error = if got == want { 0.0 } else { ((got - want) / want).abs() / f64::EPSILON };
        // A difference that is no number is the worst of all, and stays it.
        if error > worst.0 || error.is_nan() {
            worst = (error, (x, y));
        }
    }
    worst
}

fn check(function: u32, pairs: &[(f64, f64)], allowed_ulp: f64, expected: impl Fn(f64, f64) -> f64) {
    let Some(compute) = vulkan() else { return };
    let got = compute.run(Each { function, pairs }).unwrap();
    let (error, at) = worst(pairs, &got, expected);
    assert!(error <= allowed_ulp, "{error} eps at {at:?}");
}

#[test]
fn exp_is_as_exact_as_on_the_cpu() {
    let mut state = 1;
    let pairs: Vec<_> = (0..100_000).map(|_| (uniform(&mut state) * 1400.0 - 700.0, 0.0)).collect();
    check(0, &pairs, DEVICE_EXP_EPS, |x, _| libm::exp(x));
}

#[test]
fn ln_ratio_keeps_relative_accuracy_near_one() {
    let mut state = 2;
    let mut pairs: Vec<_> = (0..50_000)
        .map(|_| {
            let b = libm::exp(uniform(&mut state) * 40.0 - 20.0);
            (b * libm::exp((uniform(&mut state) - 0.5) * 20.0), b)
        })
        .collect();
    pairs.extend((0..50_000).map(|i| {
        let b = 100.0 + uniform(&mut state);
        (b * (1.0 + (f64::from(i) - 25_000.0) * 1e-9), b)
    }));
    pairs.extend([(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (1e300, 1e-300), (1e-300, 1e300), (3.0, 2.0), (2.0, 3.0)]);
    check(1, &pairs, DEVICE_MATH_EPS, math::ln_ratio::<Plain>);
}

#[test]
fn mills_ratio_is_right_to_the_far_tail() {
    let mut state = 3;
    let pairs: Vec<_> = (0..50_000).map(|_| (libm::exp(uniform(&mut state) * 30.0 - 15.0), 0.0)).collect();
    check(2, &pairs, DEVICE_MATH_EPS, |x, _| math::mills::<Plain>(x));
}

#[test]
fn a_products_rounding_error_is_known() {
    let mut state = 4;
    let pairs: Vec<_> =
        (0..50_000).map(|_| (uniform(&mut state) * 3.0 - 1.0, uniform(&mut state) * 7.0 - 5.0)).collect();
    // The product of the lower halves has 54 bits, so the last place of the error itself may be lost.
    check(3, &pairs, 4096.0, |x, y| x.mul_add(y, -(x * y)));
}

#[test]
fn a_sums_rounding_error_is_exact() {
    let mut state = 5;
    let pairs: Vec<_> =
        (0..50_000).map(|_| (uniform(&mut state) * 3.0 - 1.0, (uniform(&mut state) - 0.5) * 1e-7)).collect();
    check(4, &pairs, 0.0, |a, b| {
        let sum = a + b;
        let shadow = sum - a;
        (a - (sum - shadow)) + (b - shadow)
    });
}
