//! `[training]`: batch, length, optimiser, schedule, what is watched and kept.

use serde::{Deserialize, Serialize};

use super::{Normalisation, TrainConfig, number, whole};
use crate::LearnError;
use crate::network::Precision;
use crate::training::GREATEST_LOSS_SCALE;

/// Which rule turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimiserKind {
    /// Adam (Kingma and Ba 2015).
    #[default]
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw,
}

/// In what the price's error is counted by the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceScale {
    /// Strikes: the same error everywhere.
    Strike,
    /// Strikes times the row's own deviation σ√T, at least a hundredth of the strike: small options are learned as well as large ones.
    #[default]
    TotalVolatility,
}

/// What computes losses and gradients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// Our own on the CPU where it knows the network, Burn's CPU back end where it does not.
    #[default]
    Auto,
    /// Our own: forward and backward passes by hand over one matrix product.
    Native,
    /// Burn on the CPU.
    BurnCpu,
    /// Burn on a Vulkan device.
    BurnVulkan,
    /// Burn on CUDA.
    BurnCuda,
}

/// How the network learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Rows of a step.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// Steps of the whole run; or `minutes`.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Minutes of the whole run, sittings together; or `steps`.
    #[serde(default)]
    pub minutes: Option<f64>,
    /// The rule.
    #[serde(default)]
    pub optimiser: OptimiserKind,
    /// Greatest learning rate.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: f64,
    /// What the cosine ends at, as a share of the greatest.
    #[serde(default = "default_final_share")]
    pub final_share: f64,
    /// Steps in which the learning rate rises to its greatest.
    #[serde(default = "default_warm_up")]
    pub warm_up: u64,
    /// Decoupled weight decay, for adamw.
    #[serde(default)]
    pub weight_decay: f64,
    /// Greatest norm of a gradient; longer ones are shortened to it. None where absent.
    #[serde(default)]
    pub clip_norm: Option<f64>,
    /// Share that the averaged weights keep at a step; the weights themselves where absent.
    #[serde(default)]
    pub ema: Option<f64>,
    /// Batches whose gradients are gathered before a step.
    #[serde(default = "default_one")]
    pub accumulate: usize,
    /// Weight of the differentials' loss against the price's 1.
    #[serde(default = "default_differential_weight")]
    pub differential_weight: f64,
    /// In what the price's error is counted.
    #[serde(default)]
    pub price_scale: PriceScale,
    /// Steps between two looks at the held-out rows.
    #[serde(default = "default_every")]
    pub evaluate_every: u64,
    /// Steps between two checkpoints.
    #[serde(default = "default_every")]
    pub checkpoint_every: u64,
    /// Where checkpoints go besides the run's folder: another folder, or `s3://bucket/prefix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<String>,
    /// How many of the best networks are kept.
    #[serde(default = "default_keep_best")]
    pub keep_best: usize,
    /// Looks without a better network after which training stops. Never where absent.
    #[serde(default)]
    pub early_stopping: Option<u64>,
    /// Steps in a row without a finite gradient after which training stops.
    #[serde(default = "default_bad_steps")]
    pub bad_steps: u64,
    /// Seed of the first weights, of dropout and of the order of rows.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// What computes.
    #[serde(default)]
    pub engine: EngineKind,
    /// What a step's matrix products are given.
    #[serde(default)]
    pub precision: Precision,
    /// The first loss scale, a power of two; 65,536 for f16 and none for bf16 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// Good steps in a row after which the loss scale doubles.
    #[serde(default = "default_every")]
    pub loss_scale_growth_steps: u64,
}

fn default_batch() -> usize {
    2048
}

fn default_learning_rate() -> f64 {
    2e-3
}

fn default_final_share() -> f64 {
    1e-3
}

fn default_warm_up() -> u64 {
    200
}

fn default_one() -> usize {
    1
}

fn default_differential_weight() -> f64 {
    1.0
}

fn default_every() -> u64 {
    2000
}

fn default_keep_best() -> usize {
    1
}

fn default_bad_steps() -> u64 {
    20
}

fn default_seed() -> u64 {
    1
}

impl TrainingConfig {
    /// The loss scale of the first step, where the precision wants one: bf16 has f32's range and does without.
    pub fn first_loss_scale(&self) -> Option<f64> {
        self.loss_scale.or((self.precision == Precision::F16).then_some(65_536.0))
    }

    fn check_precision(&self) -> Result<(), LearnError> {
        let Some(scale) = self.loss_scale else { return Ok(()) };
        if self.precision == Precision::F32 {
            return Err(LearnError::bad("training.loss_scale", scale, "only with precision = \"f16\" or \"bf16\""));
        }
        number("training.loss_scale", scale, 1.0, GREATEST_LOSS_SCALE)?;
        // Of a power of two the mantissa's bits are 0.
        if scale.to_bits() << 12 != 0 {
            return Err(LearnError::bad(
                "training.loss_scale",
                scale,
                "a power of two, so that scaling rounds nothing",
            ));
        }
        Ok(())
    }

    pub(super) fn check(&self, config: &TrainConfig) -> Result<(), LearnError> {
        whole("training.batch", self.batch, 1, 1 << 22)?;
        match (self.steps, self.minutes) {
            (None, None) => {
                let wanted = "how long to train: steps = …, or minutes = …".into();
                return Err(LearnError::Missing { key: "training.steps".into(), wanted });
            }
            (Some(_), Some(minutes)) => {
                return Err(LearnError::bad("training.minutes", minutes, "steps or minutes, not both"));
            }
            (Some(0), None) => return Err(LearnError::bad("training.steps", 0, "1 or more")),
            (Some(_), None) => {}
            (None, Some(minutes)) => number("training.minutes", minutes, 1e-3, 1e5)?,
        }
        number("training.learning_rate", self.learning_rate, f64::MIN_POSITIVE, 1e3)?;
        number("training.final_share", self.final_share, 0.0, 1.0)?;
        number("training.weight_decay", self.weight_decay, 0.0, 1.0)?;
        if self.weight_decay > 0.0 && self.optimiser != OptimiserKind::Adamw {
            return Err(LearnError::bad("training.weight_decay", self.weight_decay, "0 unless optimiser = \"adamw\""));
        }
        if let Some(clip) = self.clip_norm {
            number("training.clip_norm", clip, 1e-12, 1e12)?;
        }
        if let Some(ema) = self.ema {
            number("training.ema", ema, 0.0, 0.999_999)?;
        }
        whole("training.accumulate", self.accumulate, 1, 65_536)?;
        number("training.differential_weight", self.differential_weight, 0.0, 1e6)?;
        for (key, every) in [
            ("training.evaluate_every", self.evaluate_every),
            ("training.checkpoint_every", self.checkpoint_every),
            ("training.bad_steps", self.bad_steps),
            ("training.loss_scale_growth_steps", self.loss_scale_growth_steps),
            ("training.early_stopping", self.early_stopping.unwrap_or(1)),
        ] {
            if every == 0 {
                return Err(LearnError::bad(key, 0, "1 or more"));
            }
        }
        if self.checkpoints.as_deref().is_some_and(str::is_empty) {
            return Err(LearnError::bad("training.checkpoints", "\"\"", "a folder, or s3://bucket/prefix"));
        }
        whole("training.keep_best", self.keep_best, 1, 100)?;
        self.check_precision()?;
        let network = &config.network;
        let plain = network.norm == Normalisation::None && network.dropout == 0.0;
        if self.engine == EngineKind::Native && !plain {
            let allowed = "auto or burn_cpu where the network has dropout or a norm";
            return Err(LearnError::bad("training.engine", "native", allowed));
        }
        if network.norm == Normalisation::Batch && self.batch < 2 {
            return Err(LearnError::bad("training.batch", self.batch, "2 or more with norm = \"batch\""));
        }
        if let Some(samples) = config.data.samples.filter(|samples| *samples < self.batch) {
            let allowed = format!("at least training.batch, {}", self.batch);
            return Err(LearnError::bad("data.samples", samples, allowed));
        }
        Ok(())
    }
}
