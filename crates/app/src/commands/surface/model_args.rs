//! The arguments that say which model is fitted, and how.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use zomma_pricing::surface::{
    VarianceEvent, VarianceEventError,
    calibration::{Estimator, ModelSettings, Residual, SabrHeld, Settings, Weights},
    fitted::SurfaceModel,
    sabr::MOST_SHIFT,
};
use zomma_strategy::analysis::WheelFilters;

use crate::{
    batch,
    commands::{self, chain_args::ChainArgs},
    failure::BadArguments,
    surface::{self, ClockOptions, FitOptions},
};

/// What a miss weighs.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum WeightsArg {
    /// By one over the squared half-spread.
    BidAsk,
    /// By squared vega; misses in price by one over it, which makes them misses in volatility.
    Vega,
    /// By open interest.
    OpenInterest,
    /// All alike.
    Uniform,
}

/// What a miss is measured in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ResidualArg {
    Volatility,
    Price,
    TotalVariance,
}

/// How misses add up.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodArg {
    /// What the model does best: for svi under the default weights and residual a saturating loss that counts the quotes inside
    /// bid-ask, for all else least squares.
    ModelDefault,
    /// The least sum of squares.
    LeastSquares,
    /// The likelihood under Student noise whose scale is fitted too: wild quotes count little.
    MaximumLikelihood,
}

/// How a model is fitted.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// What a quote weighs.
    #[arg(long, value_enum, default_value = "bid-ask")]
    weights: WeightsArg,
    /// What a miss is measured in.
    #[arg(long, value_enum, default_value = "volatility")]
    residual: ResidualArg,
    /// How misses add up.
    #[arg(long, value_enum, default_value = "model-default")]
    method: MethodArg,
    /// Tikhonov's weight of the pull towards the prior, or the model's own typical parameters; 0 where absent, but in a history
    /// 1 towards the day before (andreasen_huge: 0.1).
    #[arg(long, value_name = "LAMBDA", value_parser = parse_tikhonov, allow_negative_numbers = true)]
    tikhonov: Option<f64>,
    /// Variance of a day without a session (weekends, holidays) over that of a session's day; 1 is calendar time.
    #[arg(long, value_name = "W", default_value_t = 1.0, value_parser = parse_weight, allow_negative_numbers = true)]
    weekend_weight: f64,
    /// An event with variance of its own, in days of it: 2014-07-23T16:00=3 (New York; a date alone is its close). May be repeated.
    #[arg(long, value_name = "WHEN=DAYS")]
    event: Vec<String>,
    /// Instant of the quotes, for --weekend-weight and --event over a table that does not say it.
    #[arg(long, value_name = "TIME", value_parser = batch::parse_instant)]
    valuation_time: Option<jiff::Timestamp>,
    /// A surface of the same model to stay near to (yesterday's, say), with --tikhonov above zero.
    #[arg(long, value_name = "SURFACE.json")]
    prior: Option<PathBuf>,
    /// Exponent β that sabr, sabr_normal and sabr_no_arbitrage hold, from 0 to 1; their own are 1, 0 and 1.
    #[arg(long, value_name = "BETA", value_parser = parse_beta, allow_negative_numbers = true)]
    beta: Option<f64>,
    /// Shift of sabr_normal as a share of the forward (0.25 is a quarter of it): the model is that of forward plus shift.
    #[arg(long, value_name = "SHARE", value_parser = parse_shift, allow_negative_numbers = true)]
    shift: Option<f64>,
}

impl ModelArgs {
    /// What a fit of one model to `chain` takes.
    pub fn options(&self, model: SurfaceModel, chain: &ChainArgs) -> anyhow::Result<FitOptions> {
        let options = self.options_of_each(&[model], chain)?;
        if let (Some(path), Some(prior)) = (&self.prior, &options.prior)
            && prior.model() != model
        {
            let (is, wants) = (prior.model().as_str(), model.as_str());
            bail!(BadArguments(format!("--prior {}: is a surface of {is}, and the model is {wants}", path.display())));
        }
        Ok(FitOptions { model, ..options })
    }

    /// What fits of several models to `chain` take.
    pub fn options_of_each(&self, models: &[SurfaceModel], chain: &ChainArgs) -> anyhow::Result<FitOptions> {
        use SurfaceModel::{Sabr, SabrNoArbitrage, SabrNormal};
        let [quotes, dividends] = chain.inputs();
        commands::refuse_two_of_standard_input(&[quotes, dividends, ("--prior", self.prior.as_deref())])?;
        let of_beta = [Sabr, SabrNormal, SabrNoArbitrage];
        if self.beta.is_some() && !models.iter().any(|model| of_beta.contains(model)) {
            bail!(BadArguments("--beta: is held by the models sabr, sabr_normal and sabr_no_arbitrage".into()));
        }
        if self.shift.is_some() && !models.contains(&SabrNormal) {
            bail!(BadArguments("--shift: is a shift of the model sabr_normal, with --beta above 0".into()));
        }
        if self.shift.is_some_and(|shift| shift > 0.0) && self.beta.unwrap_or(0.0) == 0.0 {
            bail!(BadArguments("--shift: changes nothing at a beta of 0; give --beta too, such as 0.5".into()));
        }
        for text in &self.event {
            // How far away it is, each day says for itself.
            match VarianceEvent::parse(text, jiff::Timestamp::UNIX_EPOCH) {
                Ok(_) | Err(VarianceEventError::Value(_)) => {}
                Err(error) => bail!(BadArguments(format!("--event {error}"))),
            }
        }
        let prior = self.prior.as_deref().map(surface::read).transpose()?.map(|saved| saved.surface);
        let clock = ClockOptions {
            weekend_weight: self.weekend_weight,
            events: self.event.clone(),
            valuation_time: self.valuation_time,
        };
        Ok(FitOptions { model: SurfaceModel::default(), settings: self.settings(), clock, prior })
    }

    /// Tikhonov's weight, where it was given.
    pub fn tikhonov(&self) -> Option<f64> {
        self.tikhonov
    }

    fn settings(&self) -> ModelSettings {
        let calibration = Settings {
            residual: match self.residual {
                ResidualArg::Volatility => Residual::Volatility,
                ResidualArg::Price => Residual::Price,
                ResidualArg::TotalVariance => Residual::TotalVariance,
            },
            weights: match self.weights {
                WeightsArg::BidAsk => Weights::BidAsk,
                WeightsArg::Vega => Weights::Vega,
                WeightsArg::OpenInterest => Weights::OpenInterest,
                WeightsArg::Uniform => Weights::Uniform,
            },
            estimator: match self.method {
                MethodArg::ModelDefault => Estimator::ModelDefault,
                MethodArg::LeastSquares => Estimator::LeastSquares,
                MethodArg::MaximumLikelihood => Estimator::MaximumLikelihood,
            },
            tikhonov: self.tikhonov.unwrap_or(0.0),
        };
        let sabr = SabrHeld { beta: self.beta, shift: self.shift.unwrap_or(0.0) };
        ModelSettings { calibration, sabr, ..ModelSettings::default() }
    }
}

/// No strike is looked for: the wheel takes no part in a surface.
pub fn no_wheel() -> WheelFilters {
    WheelFilters { delta: [0.0, 1.0], days_to_expiry: [0, 36_500], min_open_interest: None, max_spread: None }
}

/// A model by its name.
pub fn parse_model(text: &str) -> Result<SurfaceModel, String> {
    SurfaceModel::parse(text).ok_or_else(|| format!("allowed: {}", model_names()))
}

/// The models there are.
pub fn model_names() -> String {
    SurfaceModel::ALL.map(SurfaceModel::as_str).join(", ")
}

fn parse_weight(text: &str) -> Result<f64, String> {
    let weight = text.parse().ok().filter(|weight: &f64| *weight > 0.0 && *weight <= 1000.0);
    weight.ok_or_else(|| "a number above zero and at most 1000".into())
}

fn parse_beta(text: &str) -> Result<f64, String> {
    let beta = text.parse().ok().filter(|beta| (0.0..=1.0).contains(beta));
    beta.ok_or_else(|| "a number from 0 to 1".into())
}

fn parse_shift(text: &str) -> Result<f64, String> {
    let shift = text.parse().ok().filter(|shift| (0.0..=MOST_SHIFT).contains(shift));
    shift.ok_or_else(|| format!("a number of forwards from 0 to {MOST_SHIFT}"))
}

fn parse_tikhonov(text: &str) -> Result<f64, String> {
    let lambda = text.parse().ok().filter(|lambda: &f64| *lambda >= 0.0 && lambda.is_finite());
    lambda.ok_or_else(|| "a finite number at or above zero".into())
}
