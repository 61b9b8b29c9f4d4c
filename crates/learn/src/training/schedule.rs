//! The learning rate over a run: a straight rise, then half a cosine (I. Loshchilov and F. Hutter, "SGDR", 2017).

use crate::config::TrainingConfig;

/// The learning rate of a step, counted from 0, when this share of the run is done.
pub fn learning_rate(config: &TrainingConfig, step: u64, done: f64) -> f64 {
    let rise = if step < config.warm_up { (step + 1) as f64 / config.warm_up as f64 } else { 1.0 };
    let wave = 0.5 * (1.0 + (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos());
    config.learning_rate * rise * (config.final_share + (1.0 - config.final_share) * wave)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_and_falls_to_its_final_share() {
        let config: TrainingConfig =
            toml::from_str("steps = 1000\nlearning_rate = 0.01\nwarm_up = 10\nfinal_share = 0.1").unwrap();
        assert!((learning_rate(&config, 0, 0.0) - 0.001).abs() < 1e-12);
        assert!((learning_rate(&config, 10, 0.0) - 0.01).abs() < 1e-12);
        assert!((learning_rate(&config, 500, 0.5) - 0.01 * 0.55).abs() < 1e-12);
        assert!((learning_rate(&config, 1000, 1.0) - 0.001).abs() < 1e-12);
    }
}
