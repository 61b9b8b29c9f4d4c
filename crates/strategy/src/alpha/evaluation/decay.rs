//! How fast what a signal tells wears off.
//!
//! Definition  IC(k): the coefficient of the signal with the return over one horizon h that begins k·h after the row. Half-life: the time at which
//!             |IC(k)|, straight between the k looked at, is first half of |IC(0)|
//! Units       nanoseconds
//! Named       outcomes: nothing to halve (IC(0) cannot be told from 0), not halved within the ks looked at

use super::super::AlphaError;
use super::{
    coefficient::information_coefficient,
    forward::{Prices, forward_returns},
};

/// The ks.
const STEPS: [i64; 13] = [0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];

/// Coefficients that lie further and further ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Decay {
    /// How long after the row the return begins, and the coefficient there.
    pub profile: Vec<(i64, f64)>,
    /// When it is half.
    pub half_life: HalfLife,
}

/// When a coefficient is half of what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HalfLife {
    /// After this time in nanoseconds.
    After(f64),
    /// Not within this time in nanoseconds, which is as far as was looked.
    NotWithin(i64),
    /// The first coefficient cannot be told from 0.
    NothingToHalve,
}

/// Decay of a signal in steps of one horizon.
///
/// # Errors
///
/// As of [`information_coefficient`] at the first step; later steps that have too few rows end the profile.
pub fn decay(prices: &Prices<'_>, signal: &[Option<f64>], horizon_ns: i64) -> Result<Decay, AlphaError> {
    let mut profile = Vec::new();
    let mut distinct = false;
    for steps in STEPS {
        let ahead_ns = steps.saturating_mul(horizon_ns);
        let returns = forward_returns(prices, ahead_ns, horizon_ns)?;
        match information_coefficient(prices.times_ns(), signal, &returns) {
            Ok(found) => {
                distinct |= steps == 0 && found.pearson.is_distinct();
                profile.push((ahead_ns, found.pearson.value));
            }
            Err(error) if steps == 0 => return Err(error),
            Err(_) => break,
        }
    }
    let half_life = if distinct { half_life(&profile) } else { HalfLife::NothingToHalve };
    Ok(Decay { profile, half_life })
}

fn half_life(profile: &[(i64, f64)]) -> HalfLife {
    let Some((_, first)) = profile.first() else { return HalfLife::NothingToHalve };
    // What has changed its sign has passed the half.
    let left = |value: f64| value / first - 0.5;
    let crossed = profile.windows(2).find(|pair| left(pair[1].1) <= 0.0);
    match crossed {
        Some(&[(from_ns, before), (to_ns, after)]) => {
            let share = left(before) / (left(before) - left(after));
            HalfLife::After(from_ns as f64 + share * (to_ns - from_ns) as f64)
        }
        _ => HalfLife::NotWithin(profile.last().map_or(0, |(ahead_ns, _)| *ahead_ns)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    /// Steps of a walk that follow an AR(1) signal: IC(k) falls as persistence^k.
    fn world(seed: u64, persistence: f64, told: f64) -> (Vec<i64>, Vec<Option<f64>>, Vec<Option<f64>>) {
        let mut random = SplitMix64::new(seed);
        let (mut level, mut state) = (0.0, 0.0);
        let (mut prices, mut signal) = (Vec::new(), Vec::new());
        for _ in 0..60_000 {
            prices.push(Some(f64::exp(1e-4 * level)));
            state = persistence * state + (1.0 - persistence * persistence).sqrt() * random.bell();
            signal.push(Some(state));
            level += told * state + random.bell();
        }
        ((0..60_000).collect(), prices, signal)
    }

    #[test]
    fn the_half_life_of_an_autoregressive_signal() {
        let (times, prices, signal) = world(11, 0.9, 0.5);
        let found = decay(&Prices::new(&times, &prices, 100).unwrap(), &signal, 1).unwrap();
        let HalfLife::After(half_life) = found.half_life else { panic!("{found:?}") };
        // ln ½ / ln 0.9
        assert!((half_life - 6.58).abs() < 0.5, "{half_life}");
    }

    #[test]
    fn outcomes_have_names() {
        let (times, prices, signal) = world(12, 0.9, 0.0);
        let prices = Prices::new(&times, &prices, 100).unwrap();
        assert_eq!(decay(&prices, &signal, 1).unwrap().half_life, HalfLife::NothingToHalve);
        assert_eq!(half_life(&[(0, 0.1), (10, 0.09), (20, 0.08)]), HalfLife::NotWithin(20));
        assert_eq!(half_life(&[(0, -0.2), (10, -0.2), (20, 0.0)]), HalfLife::After(15.0));
    }
}
