//! Quotes with where they came from, fitted, checked and described.

use super::{
    model::SurfaceModel,
    saved::{SavedSlice, SavedSurface, VERSION, quotes_hash},
    surface::{FittedSurface, fit_model},
};
use crate::surface::{
    SliceQuotes,
    calibration::{Fit, FitError, ModelSettings, Note, Reason, by_expiry},
    forwards::Forwards,
    quality::{FitQuality, QualityCount, counts_of, of_all},
    smile::VolatilitySurface,
    span::positive_years,
    violations::{Coverage, coverage, violations},
};

/// The quotes of one underlying at one time.
#[derive(Clone, Debug, Default)]
pub struct Quoted {
    /// Ticker, where it is known.
    pub underlying: Option<String>,
    /// Date and time of the quotes, where they are known.
    pub quote_time: Option<String>,
    /// Forwards.
    pub forwards: Forwards,
    /// By ascending expiry.
    pub slices: Vec<SliceQuotes>,
    /// Instant of each slice's expiry, where it is known; may be empty.
    pub expiries: Vec<Option<String>>,
    /// What there is to say of how the quotes were read; a surface that is fitted to them says it too.
    pub notes: Vec<Note>,
}

impl Quoted {
    /// Slices alone: their forwards, and a spot where it is known.
    pub fn of_slices(slices: Vec<SliceQuotes>, spot: Option<f64>) -> Self {
        let forwards = Forwards {
            spot: spot.filter(|spot| spot.is_finite() && *spot > 0.0),
            points: slices.iter().map(|slice| [slice.expiry_years, slice.forward]).collect(),
        };
        Self { forwards, slices, ..Self::default() }
    }

    /// Fits `model`, checks it for arbitrage and counts how well it meets the quotes. `prior` is yesterday's surface of the same model;
    /// one of another model is left aside.
    ///
    /// # Errors
    /// Where no slice has a usable quote, or the model none that it can be fitted to.
    pub fn fit(
        &self,
        model: SurfaceModel,
        settings: &ModelSettings,
        prior: Option<&FittedSurface>,
    ) -> Result<SavedSurface, FitError> {
        Ok(self.describe(fit_model(model, &self.slices, settings, prior)?, settings))
    }

    /// Checks a fit to these quotes under `settings` for arbitrage and counts how well it meets them.
    pub fn describe(&self, fitted: Fit<FittedSurface>, settings: &ModelSettings) -> SavedSurface {
        let covered = coverage(&self.slices);
        let (arbitrage, _) = violations(&fitted.surface, &covered);
        let counts = counts_of(&fitted.surface, &self.slices);
        let missing: usize = counts.iter().map(|count| count.without_model).sum();
        let parts: Vec<FitQuality> = counts.iter().map(QualityCount::quality).collect();
        let quality = of_all(counts);
        let mut notes = self.notes.clone();
        // A fit that failed has said so itself.
        if missing > 0 && !fitted.notes.iter().any(|note| matches!(note.reason, Reason::Failed { .. })) {
            let why = format!("{missing} of {} quotes have no volatility under the surface", quality.quotes);
            notes.push(Note { expiry_years: None, reason: Reason::Failed { why } });
        }
        let described = |(i, (slice, quality)): (usize, (&SliceQuotes, _))| {
            let range = covered
                .iter()
                .find(|covered: &&Coverage| covered.expiry_years == positive_years(slice.expiry_years))?;
            let atm = fitted.surface.implied_vol(0.0, slice.expiry_years);
            Some(SavedSlice {
                expiry: self.expiries.get(i).cloned().flatten(),
                expiry_years: slice.expiry_years,
                forward: slice.forward,
                log_moneyness_range: range.log_moneyness_range,
                atm_volatility: Some(atm).filter(|volatility| volatility.is_finite()),
                quality,
            })
        };
        let slices = self.slices.iter().zip(parts).enumerate().filter_map(described).collect();
        SavedSurface {
            version: VERSION,
            underlying: self.underlying.clone(),
            quote_time: self.quote_time.clone(),
            quotes_hash: quotes_hash(&self.slices),
            settings: settings.clone(),
            forwards: self.forwards.clone(),
            slices,
            quality,
            unconstrained: fitted.unconstrained.map(|free| free.or_known(quality)),
            arbitrage,
            notes: by_expiry(notes.into_iter().chain(fitted.notes)),
            stability: fitted.stability,
            surface: fitted.surface,
        }
    }
}
