//! Labels of single paths: what a call pays at the end of a few paths, and the derivative of that along the paths by every parameter of the
//! model. Each is off by chance, and right in the mean; a regression on them learns the mean (B. Huge and A. Savine, "Differential Machine
//! Learning", 2020).
//!
//! Formula   call of strike 1 on a forward F, undiscounted: S = F e^(x), x = drift + √w·z; pathwise 1{S > 1} S ∂x, of F itself
//!           1{S > 1} S/F; gamma by the likelihood ratio of that in z: 1{S > 1} S/F² (z/√w − 1)
//! Bias      none under Black–Scholes; under Heston that of the quadratic-exponential scheme, see [`heston_call`]
//! Source    P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), sections 7.2.1 and 7.3.3

mod dual;
mod heston;

use zomma_base::Status;

use super::model::{check_heston, check_volatility};
use super::philox::stream_uniforms;
use super::{Heston, MOST_STEPS, inverse_normal_cdf};
use crate::math::{Kernel, MultiplyAdd, Target, dispatch, exp};

/// Streams of a seed beside those of the engine: the second word of the counter.
const SPOT: u32 = 16;
const VARIANCE: u32 = 17;

/// Which paths an estimate is the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathwisePlan {
    /// The same seed gives the same numbers.
    pub seed: u64,
    /// The first path, or the first pair of paths with opposite numbers: estimates of other paths are independent.
    pub first: u64,
    /// 1, or an even number in pairs of opposite numbers.
    pub paths: usize,
    /// Steps of a path under Heston, 1 to [`MOST_STEPS`]; Black–Scholes wants none.
    pub steps: usize,
}

impl PathwisePlan {
    /// The numbers of paths or pairs that an estimate takes: the next one's `first` is so many on.
    pub fn stride(&self) -> u64 {
        self.paths.div_ceil(2) as u64
    }

    /// Whether paths and steps can be simulated; else `BadMethod`.
    pub fn check(&self) -> Result<(), Status> {
        let are_paths = self.paths == 1 || (self.paths >= 2 && self.paths.is_multiple_of(2));
        if are_paths && (1..=MOST_STEPS).contains(&self.steps) { Ok(()) } else { Err(Status::BadMethod) }
    }
}

/// A mean over paths.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathwiseEstimate<const N: usize> {
    /// What the call pays, undiscounted, in strikes.
    pub price: f64,
    /// Its derivatives by the forward, the years to expiry, and the model's parameters in their order.
    pub by: [f64; N],
    /// Its second derivative by the forward.
    pub gamma: f64,
}

impl<const N: usize> PathwiseEstimate<N> {
    const NOTHING: Self = Self { price: 0.0, by: [0.0; N], gamma: 0.0 };

    fn checked(self) -> Result<Self, Status> {
        let is_number = self.price.is_finite() && self.gamma.is_finite() && self.by.iter().all(|by| by.is_finite());
        if is_number { Ok(self) } else { Err(Status::Overflow) }
    }
}

/// A call of strike 1 on a forward under Black–Scholes: by the forward, the expiry and the volatility (per 1.00).
///
/// # Errors
///
/// `BadForward`, `BadExpiry`, `BadVolatility` (0 too), `BadMethod` for paths that are neither 1 nor even, `Overflow`.
pub fn black_scholes_call(
    forward: f64,
    expiry_years: f64,
    volatility: f64,
    plan: &PathwisePlan,
) -> Result<PathwiseEstimate<3>, Status> {
    check_row(forward, expiry_years, plan)?;
    check_volatility(volatility)?;
    if volatility == 0.0 {
        return Err(Status::BadVolatility);
    }
    let root = expiry_years.sqrt();
    let mut sum = PathwiseEstimate::<3>::NOTHING;
    pairs(plan, |path, sign, share| {
        let z = sign * inverse_normal_cdf::<crate::math::Plain>(stream_uniforms(plan.seed, SPOT, path, 0)[0]);
        let end = Ending {
            drift: -0.5 * volatility * volatility * expiry_years,
            deviation: volatility * root,
            z,
            x_by: [-0.5 * volatility * volatility + 0.5 * volatility / root * z, root * z - volatility * expiry_years],
        };
        end.pay::<crate::math::Plain, 3>(forward, share, &mut sum);
    });
    sum.checked()
}

/// A call of strike 1 on a forward under Heston: by the forward, the expiry, v0, kappa, theta_v, sigma_v and rho_v.
///
/// # Errors
///
/// As [`black_scholes_call`], and the first parameter of the model at fault: v0, kappa and sigma_v are above 0 here, and |rho_v| below 1.
pub fn heston_call(
    forward: f64,
    expiry_years: f64,
    heston: &Heston,
    plan: &PathwisePlan,
) -> Result<PathwiseEstimate<7>, Status> {
    check_row(forward, expiry_years, plan)?;
    check_heston(heston)?;
    let Heston { v0, kappa, sigma_v, rho_v, .. } = *heston;
    for (is_bad, status) in [
        (v0 <= 0.0, Status::BadV0),
        (kappa <= 0.0, Status::BadKappa),
        (sigma_v <= 0.0, Status::BadSigmaV),
        (rho_v.abs() >= 1.0, Status::BadRhoV),
    ] {
        if is_bad {
            return Err(status);
        }
    }
    let mut sum = PathwiseEstimate::NOTHING;
    dispatch(Target::best(), Row { forward, expiry_years, heston, plan, sum: &mut sum });
    sum.checked()
}

fn check_row(forward: f64, expiry_years: f64, plan: &PathwisePlan) -> Result<(), Status> {
    if !(forward.is_finite() && forward > 0.0) {
        return Err(Status::BadForward);
    }
    if !(expiry_years > 0.0 && expiry_years <= super::model::MOST_YEARS) {
        return Err(Status::BadExpiry);
    }
    plan.check()
}

/// Hears of every path: its number, the sign of its numbers and its share of the mean.
#[inline(always)]
fn pairs(plan: &PathwisePlan, mut path: impl FnMut(u64, f64, f64)) {
    let share = 1.0 / plan.paths as f64;
    for pair in 0..plan.stride() {
        path(plan.first.wrapping_add(pair), 1.0, share);
        if plan.paths > 1 {
            path(plan.first.wrapping_add(pair), -1.0, share);
        }
    }
}

/// Where a path ends: x = drift + deviation·z, and its derivatives by all parameters but the forward.
struct Ending<const K: usize> {
    drift: f64,
    deviation: f64,
    z: f64,
    x_by: [f64; K],
}

impl<const K: usize> Ending<K> {
    /// Adds a share of what the call pays.
    #[inline(always)]
    fn pay<M: MultiplyAdd, const N: usize>(&self, forward: f64, share: f64, sum: &mut PathwiseEstimate<N>) {
        let spot = forward * exp::<M>(self.drift + self.deviation * self.z);
        if spot <= 1.0 {
            return;
        }
        sum.price += share * (spot - 1.0);
        sum.by[0] += share * spot / forward;
        sum.by[1..].iter_mut().zip(self.x_by).for_each(|(by, x_by)| *by += share * spot * x_by);
        sum.gamma += share * spot / (forward * forward) * (self.z / self.deviation - 1.0);
    }
}

/// One row under Heston.
struct Row<'a> {
    forward: f64,
    expiry_years: f64,
    heston: &'a Heston,
    plan: &'a PathwisePlan,
    sum: &'a mut PathwiseEstimate<7>,
}

/// Steps whose numbers are kept without asking for memory.
const KEPT_STEPS: usize = 64;

impl Kernel for Row<'_> {
    #[inline(always)]
    fn run<M: MultiplyAdd>(self) {
        let Self { forward, expiry_years, heston, plan, sum } = self;
        let scheme = heston::Scheme::new(heston, expiry_years, plan.steps);
        let (mut few, mut many) = ([0.0; KEPT_STEPS], Vec::new());
        let uniforms = if plan.steps <= KEPT_STEPS {
            &mut few[..plan.steps]
        } else {
            many.resize(plan.steps, 0.0);
            &mut many[..]
        };
        pairs(plan, |path, sign, share| {
            if sign > 0.0 {
                for (pair, two) in uniforms.chunks_mut(2).enumerate() {
                    let found = stream_uniforms(plan.seed, VARIANCE, path, pair as u32);
                    two.iter_mut().zip(found).for_each(|(to, from)| *to = from);
                }
            }
            let end = scheme.path::<M>(uniforms, sign < 0.0);
            let z = sign * inverse_normal_cdf::<M>(stream_uniforms(plan.seed, SPOT, path, 0)[0]);
            let root = end.variance.sqrt();
            let x_by = std::array::from_fn::<f64, 6, _>(|i| end.drift.by[i] + z * root.by[i]);
            let end = Ending { drift: end.drift.value, deviation: root.value, z, x_by };
            end.pay::<M, 7>(forward, share, sum);
        });
    }
}

#[cfg(test)]
mod tests;
