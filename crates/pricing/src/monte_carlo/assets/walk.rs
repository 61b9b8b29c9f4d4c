//! The spots of several assets on equally spaced dates, block by block.

use super::Assets;
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp};
use crate::monte_carlo::lanes::{LANES, Lanes};
use crate::monte_carlo::source::bridge::Bridge;
use crate::monte_carlo::source::{Many, Stream};
use crate::monte_carlo::{MonteCarloError, Plan};

/// Correlated geometric Brownian motions over the plan's steps.
pub(in crate::monte_carlo) struct Walk<'a> {
    target: Target,
    assets: &'a Assets,
    plan: &'a Plan,
    bridge: Option<Bridge>,
    /// Of a step, asset by asset.
    drifts: Vec<f64>,
    deviations: Vec<f64>,
}

impl<'a> Walk<'a> {
    pub(in crate::monte_carlo) fn new(
        target: Target,
        assets: &'a Assets,
        plan: &'a Plan,
    ) -> Result<Self, MonteCarloError> {
        plan.check()?;
        let step_years = assets.expiry_years / plan.steps as f64;
        let pairs = || assets.dividend_yields.iter().zip(&assets.volatilities);
        let drifts = pairs().map(|(q, v)| (assets.risk_free_rate - q - 0.5 * v * v) * step_years).collect();
        let deviations = pairs().map(|(_, v)| v * step_years.sqrt()).collect();
        let bridge = plan.is_quasi().then(|| Bridge::new(plan.steps));
        Ok(Self { target, assets, plan, bridge, drifts, deviations })
    }

    /// Spots of `count` paths from `first`: a column a step and asset, step by step.
    pub(in crate::monte_carlo) fn tile(
        &self,
        stream: Stream,
        replication: usize,
        first: usize,
        count: usize,
    ) -> Vec<Vec<f64>> {
        let n = self.assets.count();
        let mut columns = vec![vec![0.0; count]; n * self.plan.steps];
        let many = Many::new(self.plan, stream, replication, n, self.bridge.as_ref());
        dispatch(self.target, Tile { walk: self, many, first, columns: &mut columns });
        columns
    }
}

struct Tile<'a, 'o> {
    walk: &'a Walk<'a>,
    many: Many<'a>,
    first: usize,
    columns: &'o mut [Vec<f64>],
}

impl Kernel for Tile<'_, '_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { walk, mut many, first, columns } = self;
        let n = walk.assets.count();
        let count = columns[0].len();
        let mut logs: Vec<Lanes> = vec![[0.0; LANES]; n];
        for start in (0..count).step_by(LANES) {
            let end = count.min(start + LANES);
            many.begin::<M>((first + start) as u64);
            logs.fill([0.0; LANES]);
            for step in 0..walk.plan.steps {
                for asset in 0..n {
                    let factor = &walk.assets.factor[asset * n..=asset * n + asset];
                    let (drift, deviation) = (walk.drifts[asset], walk.deviations[asset]);
                    let mut z: Lanes = [0.0; LANES];
                    for (other, weight) in factor.iter().enumerate() {
                        for (z, own) in z.iter_mut().zip(many.normals(other, step)) {
                            *z = M::multiply_add(*weight, *own, *z);
                        }
                    }
                    let (x, spot) = (&mut logs[asset], walk.assets.spots[asset]);
                    let mut spots: Lanes = [0.0; LANES];
                    for i in 0..LANES {
                        x[i] += M::multiply_add(deviation, z[i], drift);
                        spots[i] = spot * exp::<M>(x[i]);
                    }
                    columns[step * n + asset][start..end].copy_from_slice(&spots[..end - start]);
                }
            }
        }
    }
}
