//! One path after the other in plain f64: the twin of the batch path and the kernels.
//!
//! Formula   ln S(t + h) = ln S(t) + (r − q − σ²/2)h + σ√h·z: exact, whatever the step
//! Source    P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), section 3.2

use zomma_base::OptionType;

use super::philox::uniforms;
use super::{Draws, Estimate, Gbm, inverse_normal_cdf};
use crate::math::Plain;

/// The normal numbers of one path, step by step.
pub fn normals(draws: &Draws, path: u64, steps: usize) -> impl Iterator<Item = f64> + use<> {
    let (source, sign) = draws.source(path);
    let seed = draws.seed;
    (0..steps).map(move |step| {
        let pair = uniforms(seed, source, (step / 2) as u32);
        sign * inverse_normal_cdf::<Plain>(pair[step % 2])
    })
}

/// As [`paths`](super::paths).
///
/// # Panics
///
/// Where `out` is not `steps` × `paths` long.
pub fn paths(gbm: &Gbm, draws: &Draws, steps: usize, out: &mut [f64]) {
    assert_eq!(out.len(), steps * draws.paths, "a number a step and path");
    let (drift, deviation) = (gbm.drift(steps.max(1)), gbm.deviation(steps.max(1)));
    for path in 0..draws.paths {
        let mut log = 0.0;
        for (step, z) in normals(draws, path as u64, steps).enumerate() {
            log += drift + deviation * z;
            out[step * draws.paths + path] = gbm.spot * log.exp();
        }
    }
}

/// As [`european`](super::european).
pub fn european(gbm: &Gbm, draws: &Draws, option_type: OptionType, strike: f64) -> Option<Estimate> {
    let samples = draws.samples();
    if samples < 2 {
        return None;
    }
    let mut ends = vec![0.0; draws.paths];
    paths(gbm, draws, 1, &mut ends);
    let payoff = |end: f64| (option_type.sign() * (end - strike)).max(0.0);
    let (mut sum, mut squares) = (0.0, 0.0);
    for sample in 0..samples {
        let x = if draws.antithetic {
            0.5 * (payoff(ends[2 * sample]) + payoff(ends[2 * sample + 1]))
        } else {
            payoff(ends[sample])
        };
        sum += x;
        squares += x * x;
    }
    Some(Estimate::of(sum, squares, draws, gbm.discount_factor()))
}
