//! The config of a physics-informed network: which equation, on which domain, what the network is, how its loss is weighed and minimised.

use serde::{Deserialize, Serialize};

use crate::LearnError;
use crate::config::{TrackingConfig, number, read, whole};
use crate::network::Activation;

/// Whose pricing equation is solved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EquationKind {
    /// Black and Scholes: one volatility.
    BlackScholes,
    /// A volatility that depends on spot and time, [`LocalVolatilityConfig`].
    LocalVolatility,
    /// Heston's stochastic variance, [`HestonConfig`].
    Heston,
}

impl EquationKind {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlackScholes => "black_scholes",
            Self::LocalVolatility => "local_volatility",
            Self::Heston => "heston",
        }
    }

    /// The inputs of [`Solution::calls`](super::Solution::calls), in their order.
    pub fn input_names(self) -> &'static [&'static str] {
        match self {
            Self::BlackScholes => &["moneyness", "expiry_years", "volatility"],
            Self::LocalVolatility => &["moneyness", "expiry_years", "strike_over_reference", "volatility"],
            Self::Heston => &["moneyness", "expiry_years", "v0"],
        }
    }

    /// Every one.
    pub const ALL: [Self; 3] = [Self::BlackScholes, Self::LocalVolatility, Self::Heston];
}

/// From and to.
pub type Span = [f64; 2];

/// The rows for which the network is to be good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// S/K
    #[serde(default = "default_spot_over_strike")]
    pub spot_over_strike: Span,
    /// τ
    #[serde(default = "default_expiry_years")]
    pub expiry_years: Span,
    /// σ; under Heston the root of the variance now.
    #[serde(default = "default_volatility")]
    pub volatility: Span,
    /// r
    #[serde(default = "default_risk_free_rate")]
    pub risk_free_rate: Span,
}

fn default_spot_over_strike() -> Span {
    [0.5, 2.0]
}

fn default_expiry_years() -> Span {
    [0.003, 3.0]
}

fn default_volatility() -> Span {
    [0.05, 1.5]
}

fn default_risk_free_rate() -> Span {
    [-0.02, 0.08]
}

impl Default for Domain {
    fn default() -> Self {
        Self {
            spot_over_strike: default_spot_over_strike(),
            expiry_years: default_expiry_years(),
            volatility: default_volatility(),
            risk_free_rate: default_risk_free_rate(),
        }
    }
}

/// σ(S, t) = σ g(ln(F/R)) h(t), F = S e^((r − q)(T − t)), g(y) = 1 + a tanh(y/w) + b tanh²(y/w), h(t)² = 1 + (c² − 1) e^(−t/u).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalVolatilityConfig {
    /// a: below 0 where volatility rises as the spot falls.
    pub skew: f64,
    /// b
    #[serde(default)]
    pub smile: f64,
    /// w
    #[serde(default = "default_width")]
    pub width: f64,
    /// c: the volatility now over that of long expiries.
    #[serde(default = "default_ratio")]
    pub short_over_long: f64,
    /// u
    #[serde(default = "default_decay_years")]
    pub decay_years: f64,
    /// R, in the currency of the spot.
    #[serde(default = "default_reference")]
    pub reference: f64,
    /// K/R of the strikes to be priced.
    #[serde(default = "default_strike_over_reference")]
    pub strike_over_reference: Span,
}

fn default_width() -> f64 {
    0.5
}

fn default_ratio() -> f64 {
    1.0
}

fn default_decay_years() -> f64 {
    0.5
}

fn default_reference() -> f64 {
    100.0
}

fn default_strike_over_reference() -> Span {
    [0.6, 1.6]
}

/// Heston's parameters but for the variance now, which is an input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HestonConfig {
    /// Speed of mean reversion, per year.
    pub kappa: f64,
    /// The long-run variance.
    pub theta_v: f64,
    /// Volatility of variance.
    pub sigma_v: f64,
    /// Correlation of spot and variance.
    pub rho_v: f64,
}

/// `[problem]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemConfig {
    /// The equation.
    pub equation: EquationKind,
    /// Where.
    #[serde(default)]
    pub domain: Domain,
    /// For `local_volatility`.
    #[serde(default)]
    pub local_volatility: Option<LocalVolatilityConfig>,
    /// For `heston`.
    #[serde(default)]
    pub heston: Option<HestonConfig>,
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinnNetworkConfig {
    /// Units of a hidden layer.
    pub width: usize,
    /// Hidden layers.
    pub depth: usize,
    /// The nonlinearity; it must bend twice.
    pub activation: Activation,
    /// β: how fast the ansatz falls with the standardised moneyness where the network says nothing.
    pub envelope_decay: f64,
}

impl Default for PinnNetworkConfig {
    fn default() -> Self {
        Self { width: 24, depth: 3, activation: Activation::Tanh, envelope_decay: 1.0 }
    }
}

/// How the parts of the loss are weighed against each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// As `weights` says.
    #[default]
    Fixed,
    /// So that the gradients of all parts are of one norm.
    GradientNorm,
    /// So that the traces of all parts' neural tangent kernels are equal.
    Ntk,
}

impl Weighting {
    /// The name in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::GradientNorm => "gradient_norm",
            Self::Ntk => "ntk",
        }
    }
}

/// `[loss]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Fixed, or moved at every round.
    pub weighting: Weighting,
    /// First weights of the body (|x| ≤ 3), the wings, and what is near expiry.
    pub weights: [f64; 3],
    /// Share of the old weights that a round keeps.
    pub kept: f64,
    /// Times the sum of the squares of all parameters.
    pub weight_decay: f64,
    /// Times the mean square of the network's slopes.
    pub gradient_penalty: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { weighting: Weighting::Fixed, weights: [1.0; 3], kept: 0.5, weight_decay: 0.0, gradient_penalty: 0.0 }
    }
}

/// `[sampling]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingConfig {
    /// Collocation points of a round.
    pub points: usize,
    /// Share of them that is drawn where the residual is large.
    pub adaptive: f64,
    /// How many candidates for each of these.
    pub candidates: usize,
    /// Power of the residual that a candidate's chance grows with.
    pub power: f64,
    /// Points on which convergence is judged.
    pub held_out: usize,
    /// Of points and first weights.
    pub seed: u64,
}

impl Default for SamplingConfig {
    fn default() -> Self {
        Self { points: 4096, adaptive: 0.5, candidates: 4, power: 1.0, held_out: 4096, seed: 1 }
    }
}

/// `[training]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinnTrainingConfig {
    /// Rounds of Adam.
    pub adam_rounds: u64,
    /// Steps of each.
    pub adam_steps: u64,
    /// Its greatest rate, which falls along a cosine.
    pub learning_rate: f64,
    /// Rounds of L-BFGS, at most.
    pub rounds: u64,
    /// Steps of each.
    pub steps: u64,
    /// Steps that L-BFGS remembers.
    pub memory: usize,
    /// Training is done when the root mean square of the held-out residual is below this.
    pub tolerance: f64,
    /// Or when it got no better by a twentieth for so many rounds.
    pub patience: u64,
    /// Or after so many minutes.
    pub minutes: Option<f64>,
}

impl Default for PinnTrainingConfig {
    fn default() -> Self {
        Self {
            adam_rounds: 3,
            adam_steps: 100,
            learning_rate: 5e-3,
            rounds: 20,
            steps: 300,
            memory: 50,
            tolerance: 1e-4,
            patience: 4,
            minutes: None,
        }
    }
}

/// `[validation]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValidationConfig {
    /// Options compared with the reference.
    pub options: usize,
    /// Options compared with Monte Carlo and with finite differences.
    pub compared: usize,
    /// Paths of each.
    pub paths: usize,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self { options: 20_000, compared: 16, paths: 65_536 }
    }
}

/// The whole config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnConfig {
    /// What is solved.
    pub problem: ProblemConfig,
    /// By which network.
    #[serde(default)]
    pub network: PinnNetworkConfig,
    /// What is minimised.
    #[serde(default)]
    pub loss: LossConfig,
    /// Where the residual is looked at.
    #[serde(default)]
    pub sampling: SamplingConfig,
    /// How it is minimised.
    #[serde(default)]
    pub training: PinnTrainingConfig,
    /// How it is checked.
    #[serde(default)]
    pub validation: ValidationConfig,
    /// Who is told of it.
    #[serde(default)]
    pub tracking: TrackingConfig,
}

impl PinnConfig {
    /// Reads TOML, or JSON where the text begins with a brace, and checks it.
    ///
    /// Errors: [`LearnError::Unreadable`]; then those of [`Self::check`].
    pub fn parse(text: &str) -> Result<Self, LearnError> {
        let config: Self = read(text)?;
        config.check()?;
        Ok(config)
    }

    /// Whether every value is possible.
    ///
    /// Errors: [`LearnError::BadValue`] and [`LearnError::Missing`], by key.
    pub fn check(&self) -> Result<(), LearnError> {
        self.problem.check()?;
        let PinnNetworkConfig { width, depth, activation, envelope_decay } = self.network;
        whole("network.width", width, 1, 512)?;
        whole("network.depth", depth, 1, 16)?;
        if activation == Activation::Relu {
            let allowed = "gelu, silu, tanh, softplus, sine: the equation needs second derivatives";
            return Err(LearnError::bad("network.activation", "relu", allowed));
        }
        number("network.envelope_decay", envelope_decay, 0.1, 10.0)?;
        let LossConfig { weights, kept, weight_decay, gradient_penalty, .. } = self.loss;
        for weight in weights {
            number("loss.weights", weight, 1e-6, 1e6)?;
        }
        number("loss.kept", kept, 0.0, 0.999)?;
        number("loss.weight_decay", weight_decay, 0.0, 1.0)?;
        number("loss.gradient_penalty", gradient_penalty, 0.0, 1.0)?;
        let SamplingConfig { points, adaptive, candidates, power, held_out, seed: _ } = self.sampling;
        whole("sampling.points", points, 16, 1 << 20)?;
        whole("sampling.held_out", held_out, 16, 1 << 20)?;
        number("sampling.adaptive", adaptive, 0.0, 1.0)?;
        whole("sampling.candidates", candidates, 1, 100)?;
        number("sampling.power", power, 0.1, 4.0)?;
        let PinnTrainingConfig { adam_steps, learning_rate, steps, memory, tolerance, minutes, .. } = self.training;
        for (key, value) in [("training.adam_steps", adam_steps), ("training.steps", steps)] {
            if value == 0 {
                return Err(LearnError::bad(key, 0, "1 or more"));
            }
        }
        if self.training.adam_rounds + self.training.rounds == 0 {
            return Err(LearnError::bad("training.rounds", 0, "1 or more, or training.adam_rounds 1 or more"));
        }
        number("training.learning_rate", learning_rate, f64::MIN_POSITIVE, 10.0)?;
        whole("training.memory", memory, 1, 1000)?;
        number("training.tolerance", tolerance, 0.0, 1.0)?;
        if let Some(minutes) = minutes {
            number("training.minutes", minutes, 1e-3, 1e5)?;
        }
        whole("validation.options", self.validation.options, 16, 1 << 24)?;
        whole("validation.compared", self.validation.compared, 2, 4096)?;
        whole("validation.paths", self.validation.paths, 1024, 1 << 30)?;
        self.tracking.check()
    }
}

impl ProblemConfig {
    fn check(&self) -> Result<(), LearnError> {
        let Domain { spot_over_strike, expiry_years, volatility, risk_free_rate } = self.domain;
        span("problem.domain.spot_over_strike", spot_over_strike, 0.1, 10.0)?;
        span("problem.domain.expiry_years", expiry_years, 1e-4, 30.0)?;
        span("problem.domain.volatility", volatility, 0.01, 3.0)?;
        span("problem.domain.risk_free_rate", risk_free_rate, -0.5, 0.5)?;
        let missing = |key: &str, wanted: &str| LearnError::Missing { key: key.into(), wanted: wanted.into() };
        match (self.equation, &self.local_volatility, &self.heston) {
            (EquationKind::BlackScholes, None, None) => Ok(()),
            (EquationKind::LocalVolatility, Some(local), None) => local.check(),
            (EquationKind::Heston, None, Some(heston)) => heston.check(),
            (EquationKind::LocalVolatility, None, _) => {
                Err(missing("problem.local_volatility", "a table with skew, smile, width, short_over_long …"))
            }
            (EquationKind::Heston, _, None) => {
                Err(missing("problem.heston", "a table with kappa, theta_v, sigma_v, rho_v"))
            }
            (equation, local, _) => {
                let key = if local.is_some() { "problem.local_volatility" } else { "problem.heston" };
                Err(LearnError::bad(key, "a table", format!("none where equation = \"{}\"", equation.as_str())))
            }
        }
    }
}

impl LocalVolatilityConfig {
    fn check(&self) -> Result<(), LearnError> {
        number("problem.local_volatility.skew", self.skew, -0.9, 0.9)?;
        number("problem.local_volatility.smile", self.smile, -0.9, 5.0)?;
        if self.skew.abs() - self.smile > 0.95 {
            let allowed = "more than |skew| − 0.95: the volatility stays above 0";
            return Err(LearnError::bad("problem.local_volatility.smile", self.smile, allowed));
        }
        number("problem.local_volatility.width", self.width, 0.05, 100.0)?;
        number("problem.local_volatility.short_over_long", self.short_over_long, 0.1, 10.0)?;
        number("problem.local_volatility.decay_years", self.decay_years, 0.01, 100.0)?;
        number("problem.local_volatility.reference", self.reference, 1e-6, 1e9)?;
        span("problem.local_volatility.strike_over_reference", self.strike_over_reference, 0.05, 20.0)
    }
}

impl HestonConfig {
    fn check(&self) -> Result<(), LearnError> {
        number("problem.heston.kappa", self.kappa, 0.01, 50.0)?;
        number("problem.heston.theta_v", self.theta_v, 1e-4, 4.0)?;
        number("problem.heston.sigma_v", self.sigma_v, 0.01, 5.0)?;
        number("problem.heston.rho_v", self.rho_v, -0.99, 0.99)
    }
}

/// A span of numbers within bounds, from below to.
fn span(key: &str, [from, to]: Span, least: f64, most: f64) -> Result<(), LearnError> {
    if least <= from && from < to && to <= most {
        return Ok(());
    }
    let allowed = format!("[from, to] with from < to, within [{least}, {most}]");
    Err(LearnError::bad(key, format!("[{from}, {to}]"), allowed))
}
