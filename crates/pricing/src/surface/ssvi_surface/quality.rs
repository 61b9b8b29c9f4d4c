//! Quality of slices that no surface joins.

use super::smile::total_variance;
use crate::surface::{FitQuality, SliceQuotes, target::positive_years};

/// Quality over all slices of the smiles of θ, ψ and ρψ that `coordinates` has for them; a slice without one counts as missed.
pub(super) fn quality_of_slices(slices: &[SliceQuotes], coordinates: impl Fn(usize) -> Option<[f64; 3]>) -> FitQuality {
    let mut quality = FitQuality::default();
    let (mut squares, mut with_mid) = (0.0, 0_usize);
    for (i, quotes) in slices.iter().enumerate() {
        let t = positive_years(quotes.expiry_years);
        let coordinates = coordinates(i);
        for j in 0..quotes.len() {
            let w = coordinates.map_or(f64::NAN, |it| total_variance(it, quotes.log_moneyness[j]));
            let volatility = (w / t).sqrt();
            let (bid, ask) = (quotes.bid_volatility[j], quotes.ask_volatility[j]);
            quality.quotes += 1;
            quality.inside += usize::from((bid.is_nan() || volatility >= bid) && volatility <= ask);
            let error = 100.0 * (volatility - quotes.mid_volatility[j]);
            if error.is_finite() {
                with_mid += 1;
                squares += error * error;
            }
        }
    }
    quality.rmse_vol_points = (squares / with_mid.max(1) as f64).sqrt();
    quality
}
