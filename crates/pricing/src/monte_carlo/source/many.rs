//! The normal numbers of paths with many factors: all steps of a block at once.

use super::bridge::Bridge;
use super::quasi::Quasi;
use super::{Pseudo, Stream};
use crate::math::MultiplyAdd;
use crate::monte_carlo::Plan;
use crate::monte_carlo::lanes::{LANES, Lanes};

/// Normal numbers of a block.
pub(in crate::monte_carlo) enum Many<'a> {
    Pseudo {
        pseudo: Pseudo,
        /// [steps][factors], and one more where their number is odd.
        numbers: Vec<Lanes>,
    },
    Quasi(Quasi<'a>),
}

impl<'a> Many<'a> {
    /// As [`Source::new`](super::Source::new).
    pub(in crate::monte_carlo) fn new(
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
            _ => Self::Pseudo {
                pseudo: Pseudo { seed: plan.seed, stream, antithetic: plan.is_antithetic(), factors },
                numbers: vec![[0.0; LANES]; (factors * plan.steps).next_multiple_of(2)],
            },
        }
    }

    /// The numbers of the block of paths from `first`.
    #[inline(always)]
    pub(in crate::monte_carlo) fn begin<M: MultiplyAdd>(&mut self, first: u64) {
        match self {
            Self::Pseudo { pseudo, numbers } => {
                for (pair, lanes) in numbers.chunks_exact_mut(2).enumerate() {
                    if let [a, b] = lanes {
                        pseudo.uniforms(first, pair as u32, a, b);
                        pseudo.normals::<M>(a);
                        pseudo.normals::<M>(b);
                    }
                }
            }
            Self::Quasi(quasi) => quasi.begin::<M>(first),
        }
    }

    /// The numbers of a factor at a step.
    #[inline(always)]
    pub(in crate::monte_carlo) fn normals(&self, factor: usize, step: usize) -> &Lanes {
        match self {
            Self::Pseudo { pseudo, numbers } => &numbers[step * pseudo.factors + factor],
            Self::Quasi(quasi) => quasi.normals(factor, step),
        }
    }
}
