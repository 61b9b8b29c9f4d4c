//! Where the paths of a block take their numbers from: a normal and a uniform one for each factor of each step.
//!
//! Factors   0 moves the spot, 1 the variance, 2 counts jumps; a normal number z and its uniform number u = N(z) are one draw
//! Philox    factor f of step k: word pair (k·F + f)/2 of the path's counter, and of 4k + f where F = 3
//! Sobol     one point a path, its coordinates to the factors of a Brownian bridge: see [`quasi`]; paths that are paid for have weights,
//!           see [`shift`]

pub(super) mod bridge;
mod many;
pub(super) mod quasi;
pub(super) mod shift;
pub(super) mod sobol;

pub(super) use many::Many;
pub(super) use quasi::Quasi;

use bridge::Bridge;

use super::lanes::{LANES, Lanes};
use super::philox::stream_uniforms;
use super::{Plan, inverse_normal_cdf};
use crate::math::MultiplyAdd;

/// Most factors of a step.
pub(super) const FACTORS: usize = 3;

/// Streams of one seed: the second word of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Stream {
    /// The paths of an estimate.
    Main = 0,
    /// The paths from which a control's coefficient or an exercise rule comes.
    Pilot = 1,
    /// What scrambles Sobol's points.
    Scramble = 2,
    /// Coordinates beyond the table of Sobol's directions.
    Beyond = 3,
}

/// The numbers of one step of a block.
pub(super) struct Numbers {
    /// Normal ones.
    pub z: [Lanes; FACTORS],
    /// Uniform ones, of factors 1 and 2 alone.
    pub u: [Lanes; FACTORS],
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { z: [[0.0; LANES]; FACTORS], u: [[0.5; LANES]; FACTORS] }
    }
}

/// Pseudo-random numbers of some paths.
pub(super) struct Pseudo {
    pub seed: u64,
    pub stream: Stream,
    pub antithetic: bool,
    /// Factors of a step.
    pub factors: usize,
}

impl Pseudo {
    /// The numbers of a step of the block of paths from `first`. One factor alone is drawn for two steps at once: the second's is kept
    /// in `u[0]`.
    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, first: u64, step: usize, numbers: &mut Numbers) {
        let Numbers { z, u } = numbers;
        match self.factors {
            1 => {
                if step.is_multiple_of(2) {
                    let [even, odd] = [&mut z[0], &mut u[0]];
                    self.uniforms(first, (step / 2) as u32, even, odd);
                    self.normals::<M>(even);
                } else {
                    z[0] = u[0];
                    self.normals::<M>(&mut z[0]);
                }
            }
            2 => self.pair::<M>(first, step as u32, z, u),
            _ => {
                self.pair::<M>(first, 2 * step as u32, z, u);
                let mut unused = [0.0; LANES];
                self.uniforms(first, 2 * step as u32 + 1, &mut u[2], &mut unused);
                self.mirror(&mut u[2]);
            }
        }
    }

    /// Spot's and variance's numbers.
    #[inline(always)]
    fn pair<M: MultiplyAdd>(&self, first: u64, pair: u32, z: &mut [Lanes; FACTORS], u: &mut [Lanes; FACTORS]) {
        let [spot, variance, _] = z;
        self.uniforms(first, pair, spot, variance);
        u[1] = *variance;
        self.mirror(&mut u[1]);
        self.normals::<M>(spot);
        self.normals::<M>(variance);
    }

    /// Two uniform numbers a path; a pair of paths, the first half of the lanes, where paths are antithetic.
    #[inline(always)]
    fn uniforms(&self, first: u64, pair: u32, a: &mut Lanes, b: &mut Lanes) {
        let (from, count) = if self.antithetic { (first >> 1, LANES / 2) } else { (first, LANES) };
        for i in 0..count {
            [a[i], b[i]] = stream_uniforms(self.seed, self.stream as u32, from + i as u64, pair);
        }
    }

    /// Uniform numbers of all paths from those of the pairs.
    #[inline(always)]
    fn mirror(&self, lanes: &mut Lanes) {
        if self.antithetic {
            for i in (0..LANES / 2).rev() {
                let u = lanes[i];
                (lanes[2 * i], lanes[2 * i + 1]) = (u, 1.0 - u);
            }
        }
    }

    /// Normal numbers of all paths from the uniform ones of all paths or pairs.
    #[inline(always)]
    fn normals<M: MultiplyAdd>(&self, lanes: &mut Lanes) {
        if self.antithetic {
            let mut half = [0.0; LANES / 2];
            for i in 0..LANES / 2 {
                half[i] = inverse_normal_cdf::<M>(lanes[i]);
            }
            for (pair, z) in lanes.chunks_exact_mut(2).zip(half) {
                (pair[0], pair[1]) = (z, -z);
            }
        } else {
            for z in lanes.iter_mut() {
                *z = inverse_normal_cdf::<M>(*z);
            }
        }
    }
}

/// Multiplies what a block's paths pay by their weights.
#[inline(always)]
pub(super) fn weigh(payoffs: &mut [f64], weights: &Lanes) {
    for (payoff, weight) in payoffs.iter_mut().zip(weights) {
        *payoff *= weight;
    }
}

/// The numbers of some paths.
pub(super) enum Source<'a> {
    Pseudo(Pseudo),
    Quasi(Quasi<'a>),
}

impl<'a> Source<'a> {
    /// Of a plan's stream: the main one is quasi-random where the plan is, and there is a bridge.
    pub(super) fn new(
        plan: &Plan,
        stream: Stream,
        replication: usize,
        factors: usize,
        bridge: Option<&'a Bridge>,
    ) -> Self {
        match (bridge, stream) {
            (Some(bridge), Stream::Main) => {
                Self::Quasi(Quasi::new(plan.seed, replication as u32, factors, plan.steps, bridge))
            }
            _ => Self::Pseudo(Pseudo { seed: plan.seed, stream, antithetic: plan.is_antithetic(), factors }),
        }
    }

    /// The same where paths count with their [weights](Self::weights): quasi-random ones, shifted for replications of so many points.
    pub(super) fn weighted(self, points: usize) -> Self {
        match self {
            Self::Quasi(quasi) => Self::Quasi(quasi.weighted(points)),
            Self::Pseudo(pseudo) => Self::Pseudo(pseudo),
        }
    }

    /// What the payoffs of the block's paths are to be multiplied by; none where that is 1.
    #[inline(always)]
    pub(super) fn weights(&self) -> Option<&Lanes> {
        match self {
            Self::Quasi(quasi) => quasi.weights(),
            Self::Pseudo(_) => None,
        }
    }

    /// Before the first step of the block of paths from `first`.
    #[inline(always)]
    pub(super) fn begin<M: MultiplyAdd>(&mut self, first: u64) {
        if let Self::Quasi(quasi) = self {
            quasi.begin::<M>(first);
        }
    }

    /// The numbers of a step.
    #[inline(always)]
    pub(super) fn step<M: MultiplyAdd>(&self, first: u64, step: usize, numbers: &mut Numbers) {
        match self {
            Self::Pseudo(pseudo) => pseudo.step::<M>(first, step, numbers),
            Self::Quasi(quasi) => quasi.step::<M>(step, numbers),
        }
    }
}
