//! The models, as plain parameters.

use serde::{Deserialize, Serialize};
use zomma_base::Status;

/// Heston's stochastic volatility: dS = (r − q) S dt + √v S dW₁, dv = κ(θ − v) dt + σ √v dW₂, d⟨W₁, W₂⟩ = ρ dt.
///
/// Where 2κθ < σ² (Feller's condition broken, see [`Heston::feller_ratio`]) the variance touches 0; the prices stay right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "HestonForm")]
pub struct Heston {
    /// The variance now, per year; at or above 0.
    pub v0: f64,
    /// Speed of mean reversion, per year; above 0.
    pub kappa: f64,
    /// The long-run variance, per year; at or above 0.
    pub theta_v: f64,
    /// Volatility of variance, per year; at or above 0.
    pub sigma_v: f64,
    /// Correlation of spot and variance; −1 to 1.
    pub rho_v: f64,
}

/// Bates: Heston with Merton's jumps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "BatesForm")]
pub struct Bates {
    /// What moves between the jumps.
    #[serde(flatten)]
    pub heston: Heston,
    /// Jumps a year; at or above 0.
    pub jump_intensity: f64,
    /// Mean of a jump's logarithm.
    pub jump_mean: f64,
    /// Deviation of a jump's logarithm; at or above 0.
    pub jump_std: f64,
}

/// Merton's jump diffusion: Black–Scholes with normal jumps of the logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "MertonForm")]
pub struct Merton {
    /// Volatility between the jumps, per square root of a year; at or above 0.
    pub volatility: f64,
    /// Jumps a year; at or above 0.
    pub jump_intensity: f64,
    /// Mean of a jump's logarithm.
    pub jump_mean: f64,
    /// Deviation of a jump's logarithm; at or above 0.
    pub jump_std: f64,
}

/// Kou's jump diffusion: Black–Scholes with jumps of the logarithm that are exponential on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "KouForm")]
pub struct Kou {
    /// Volatility between the jumps, per square root of a year; at or above 0.
    pub volatility: f64,
    /// Jumps a year; at or above 0.
    pub jump_intensity: f64,
    /// The share of upward jumps; 0 to 1.
    pub jump_up_probability: f64,
    /// Rate η₁ of upward jumps' sizes, whose mean is 1/η₁; above 1.
    pub jump_up_rate: f64,
    /// Rate η₂ of downward jumps' sizes, whose mean is 1/η₂; above 0.
    pub jump_down_rate: f64,
}

/// Variance gamma of Madan, Carr and Chang: Brownian motion with drift, run by a gamma clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VarianceGamma {
    /// Volatility σ of the Brownian motion, per square root of a year; at or above 0.
    pub volatility: f64,
    /// Its drift θ, per year.
    pub vg_theta: f64,
    /// Variance ν of the clock a year, in years; at or above 0. Needs 1 − θν − σ²ν/2 > 0, or the spot has no mean.
    pub vg_nu: f64,
}

/// One of the models.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Model {
    /// Stochastic volatility.
    Heston(Heston),
    /// Stochastic volatility and jumps.
    Bates(Bates),
    /// Normal jumps.
    Merton(Merton),
    /// Double exponential jumps.
    Kou(Kou),
    /// A gamma clock.
    VarianceGamma(VarianceGamma),
}

/// The most parameters that a model has.
pub const MOST_PARAMETERS: usize = 8;

/// Declares what a model is read as, before [`check`](Heston::check) has said that it is one.
macro_rules! read_checked {
    ($model:ident as $form:ident { $($(#[$attribute:meta])? $field:ident: $kind:ty),* }) => {
        #[derive(Deserialize)]
        struct $form {
            $($(#[$attribute])? $field: $kind),*
        }

        impl TryFrom<$form> for $model {
            type Error = String;

            fn try_from(form: $form) -> Result<Self, String> {
                let model = Self { $($field: form.$field),* };
                let said = |status: Status| {
                    $(
                        if status.as_str() == concat!("bad_", stringify!($field)) {
                            return format!("{} = {:?} is out of its range ({status})", stringify!($field), model.$field);
                        }
                    )*
                    status.as_str().to_owned()
                };
                model.check().map_err(said).map(|()| model)
            }
        }
    };
}

read_checked!(Heston as HestonForm { v0: f64, kappa: f64, theta_v: f64, sigma_v: f64, rho_v: f64 });
read_checked!(Bates as BatesForm { #[serde(flatten)] heston: Heston, jump_intensity: f64, jump_mean: f64, jump_std: f64 });
read_checked!(Merton as MertonForm { volatility: f64, jump_intensity: f64, jump_mean: f64, jump_std: f64 });
read_checked!(Kou as KouForm {
    volatility: f64,
    jump_intensity: f64,
    jump_up_probability: f64,
    jump_up_rate: f64,
    jump_down_rate: f64
});

fn at_least_zero(x: f64) -> bool {
    x >= 0.0 && x.is_finite()
}

fn require(holds: bool, status: Status) -> Result<(), Status> {
    if holds { Ok(()) } else { Err(status) }
}

fn check_normal_jumps(intensity: f64, mean: f64, std: f64) -> Result<(), Status> {
    require(at_least_zero(intensity), Status::BadJumpIntensity)?;
    require(mean.is_finite(), Status::BadJumpMean)?;
    require(at_least_zero(std), Status::BadJumpStd)
}

impl Heston {
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), Status> {
        require(at_least_zero(self.v0), Status::BadV0)?;
        require(self.kappa > 0.0 && self.kappa.is_finite(), Status::BadKappa)?;
        require(at_least_zero(self.theta_v), Status::BadThetaV)?;
        require(at_least_zero(self.sigma_v), Status::BadSigmaV)?;
        require(self.rho_v.abs() <= 1.0, Status::BadRhoV)
    }

    /// 2κθ/σ²: the variance stays above 0 where this is at or above 1. Infinite where σ = 0.
    pub fn feller_ratio(&self) -> f64 {
        2.0 * self.kappa * self.theta_v / (self.sigma_v * self.sigma_v)
    }
}

impl Bates {
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), Status> {
        self.heston.check()?;
        check_normal_jumps(self.jump_intensity, self.jump_mean, self.jump_std)
    }
}

impl Merton {
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), Status> {
        require(at_least_zero(self.volatility), Status::BadVolatility)?;
        check_normal_jumps(self.jump_intensity, self.jump_mean, self.jump_std)
    }
}

impl Kou {
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), Status> {
        require(at_least_zero(self.volatility), Status::BadVolatility)?;
        require(at_least_zero(self.jump_intensity), Status::BadJumpIntensity)?;
        require((0.0..=1.0).contains(&self.jump_up_probability), Status::BadJumpUpProbability)?;
        require(self.jump_up_rate > 1.0 && self.jump_up_rate.is_finite(), Status::BadJumpUpRate)?;
        require(self.jump_down_rate > 0.0 && self.jump_down_rate.is_finite(), Status::BadJumpDownRate)
    }
}

impl VarianceGamma {
    /// The first bad field, in the order of the fields; [`Status::BadVgTheta`] also where the spot has no mean.
    pub fn check(&self) -> Result<(), Status> {
        require(at_least_zero(self.volatility), Status::BadVolatility)?;
        require(self.vg_theta.is_finite(), Status::BadVgTheta)?;
        require(at_least_zero(self.vg_nu), Status::BadVgNu)?;
        let mean = 1.0 - self.vg_nu * (self.vg_theta + 0.5 * self.volatility * self.volatility);
        require(mean > 0.0, Status::BadVgTheta)
    }
}

impl Model {
    /// The first bad field, in the order of the fields.
    pub fn check(&self) -> Result<(), Status> {
        match self {
            Self::Heston(model) => model.check(),
            Self::Bates(model) => model.check(),
            Self::Merton(model) => model.check(),
            Self::Kou(model) => model.check(),
            Self::VarianceGamma(model) => model.check(),
        }
    }

    /// The column names of the parameters, in the order in which gradients hold them.
    pub fn parameter_names(&self) -> &'static [&'static str] {
        const BATES: [&str; MOST_PARAMETERS] =
            ["v0", "kappa", "theta_v", "sigma_v", "rho_v", "jump_intensity", "jump_mean", "jump_std"];
        match self {
            Self::Heston(_) => &BATES[..5],
            Self::Bates(_) => &BATES,
            Self::Merton(_) => &["volatility", "jump_intensity", "jump_mean", "jump_std"],
            Self::Kou(_) => &["volatility", "jump_intensity", "jump_up_probability", "jump_up_rate", "jump_down_rate"],
            Self::VarianceGamma(_) => &["volatility", "vg_theta", "vg_nu"],
        }
    }

    /// The parameters in the order of [`Model::parameter_names`], the rest 0.
    pub fn parameters(&self) -> [f64; MOST_PARAMETERS] {
        let heston = |m: &Heston| [m.v0, m.kappa, m.theta_v, m.sigma_v, m.rho_v];
        let mut all = [0.0; MOST_PARAMETERS];
        match self {
            Self::Heston(m) => all[..5].copy_from_slice(&heston(m)),
            Self::Bates(m) => {
                all[..5].copy_from_slice(&heston(&m.heston));
                all[5..].copy_from_slice(&[m.jump_intensity, m.jump_mean, m.jump_std]);
            }
            Self::Merton(m) => {
                all[..4].copy_from_slice(&[m.volatility, m.jump_intensity, m.jump_mean, m.jump_std]);
            }
            Self::Kou(m) => all[..5].copy_from_slice(&[
                m.volatility,
                m.jump_intensity,
                m.jump_up_probability,
                m.jump_up_rate,
                m.jump_down_rate,
            ]),
            Self::VarianceGamma(m) => all[..3].copy_from_slice(&[m.volatility, m.vg_theta, m.vg_nu]),
        }
        all
    }
}
