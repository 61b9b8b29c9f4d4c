//! The models by the names that files give them, and the parameters that each reads.

/// What moves the underlying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ModelName {
    /// Black–Scholes–Merton on spot.
    #[default]
    Bsm,
    /// Black-76 on a forward.
    Black76,
    /// A normal forward.
    Bachelier,
    /// Displaced diffusion.
    Displaced,
    /// Stochastic variance.
    Heston,
    /// Stochastic variance and lognormal jumps.
    Bates,
    /// Lognormal jumps.
    Merton,
    /// Double-exponential jumps.
    Kou,
    /// Variance gamma.
    VarianceGamma,
}

impl ModelName {
    /// Every model.
    pub const ALL: [Self; 9] = [
        Self::Bsm,
        Self::Black76,
        Self::Bachelier,
        Self::Displaced,
        Self::Heston,
        Self::Bates,
        Self::Merton,
        Self::Kou,
        Self::VarianceGamma,
    ];

    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bsm => "bsm",
            Self::Black76 => "black76",
            Self::Bachelier => "bachelier",
            Self::Displaced => "displaced",
            Self::Heston => "heston",
            Self::Bates => "bates",
            Self::Merton => "merton",
            Self::Kou => "kou",
            Self::VarianceGamma => "variance_gamma",
        }
    }

    /// The model of a name, in letters of any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| text.eq_ignore_ascii_case(model.as_str()))
    }

    /// Whether it reads the volatility of a row.
    pub fn has_volatility(self) -> bool {
        !matches!(self, Self::Heston | Self::Bates)
    }

    /// What it reads beside the volatility.
    pub fn parameters(self) -> &'static [Parameter] {
        use Parameter::{
            Displacement, JumpDownRate, JumpIntensity, JumpMean, JumpStd, JumpUpProbability, JumpUpRate, Kappa, RhoV,
            SigmaV, ThetaV, V0, VgNu, VgTheta,
        };
        match self {
            Self::Bsm | Self::Black76 | Self::Bachelier => &[],
            Self::Displaced => &[Displacement],
            Self::Heston => &[V0, Kappa, ThetaV, SigmaV, RhoV],
            Self::Bates => &[V0, Kappa, ThetaV, SigmaV, RhoV, JumpIntensity, JumpMean, JumpStd],
            Self::Merton => &[JumpIntensity, JumpMean, JumpStd],
            Self::Kou => &[JumpIntensity, JumpUpProbability, JumpUpRate, JumpDownRate],
            Self::VarianceGamma => &[VgTheta, VgNu],
        }
    }
}

/// A parameter of a model, beside spot, rates and volatility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Parameter {
    /// Variance now.
    V0,
    /// Speed of mean reversion, per year.
    Kappa,
    /// Long-run variance.
    ThetaV,
    /// Volatility of variance.
    SigmaV,
    /// Correlation of spot and variance.
    RhoV,
    /// Jumps a year.
    JumpIntensity,
    /// Mean of a jump's logarithm.
    JumpMean,
    /// Deviation of a jump's logarithm.
    JumpStd,
    /// Share of jumps that go up.
    JumpUpProbability,
    /// Rate of the exponential size of upward jumps.
    JumpUpRate,
    /// Rate of the exponential size of downward jumps.
    JumpDownRate,
    /// Drift of variance gamma.
    VgTheta,
    /// Variance rate of variance gamma.
    VgNu,
    /// What is added to forward and strike.
    Displacement,
}

impl Parameter {
    /// Every parameter.
    pub const ALL: [Self; 14] = [
        Self::V0,
        Self::Kappa,
        Self::ThetaV,
        Self::SigmaV,
        Self::RhoV,
        Self::JumpIntensity,
        Self::JumpMean,
        Self::JumpStd,
        Self::JumpUpProbability,
        Self::JumpUpRate,
        Self::JumpDownRate,
        Self::VgTheta,
        Self::VgNu,
        Self::Displacement,
    ];

    /// The column name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0 => "v0",
            Self::Kappa => "kappa",
            Self::ThetaV => "theta_v",
            Self::SigmaV => "sigma_v",
            Self::RhoV => "rho_v",
            Self::JumpIntensity => "jump_intensity",
            Self::JumpMean => "jump_mean",
            Self::JumpStd => "jump_std",
            Self::JumpUpProbability => "jump_up_probability",
            Self::JumpUpRate => "jump_up_rate",
            Self::JumpDownRate => "jump_down_rate",
            Self::VgTheta => "vg_theta",
            Self::VgNu => "vg_nu",
            Self::Displacement => "displacement",
        }
    }

    /// What it may be, in words.
    pub fn allowed(self) -> &'static str {
        match self {
            Self::V0 | Self::ThetaV | Self::SigmaV | Self::JumpIntensity | Self::JumpStd | Self::VgNu => {
                "a finite number at or above zero"
            }
            Self::Kappa | Self::JumpDownRate => "a finite number above zero",
            Self::RhoV => "a number within -1 and 1",
            Self::JumpMean => "a finite number",
            Self::JumpUpProbability => "a number within 0 and 1",
            Self::JumpUpRate => "a finite number above 1",
            Self::VgTheta => "a finite number with vg_theta vg_nu + volatility^2 vg_nu / 2 below 1",
            Self::Displacement => {
                "a finite number that leaves forward + displacement and strike + displacement above zero"
            }
        }
    }
}
