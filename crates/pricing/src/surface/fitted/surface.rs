//! A surface of any model, and how each is fitted.

use serde::{Deserialize, Serialize};

use super::model::SurfaceModel;
use crate::{
    fourier::{Bates, Heston, Kou, Merton},
    surface::{
        AndreasenHuge, SliceQuotes, Slices, Svi, andreasen_huge,
        calibration::{Fit, FitError, ModelSettings, Note, Reason, by_expiry},
        characteristic,
        interpolation::{
            Kriging, Neural, PiecewiseCubic, Rbf, cubic_spline, kriging, monotone_spline, neural, rbf,
            smoothing_spline::{self, SmoothedSmile},
        },
        price_spline::{self, PriceSplines},
        sabr::{self, NoArbitrageSabrSmile, NormalSabrSmile, SabrSmile},
        smile::{Variance, VolatilitySurface},
        ssvi_surface::{EssviSurface, SsviLaw, SsviSurface, fit_essvi, fit_ssvi},
        svi_surface,
    },
};

/// A surface of any model; see [`SurfaceModel`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "snake_case")]
#[expect(missing_docs, reason = "SurfaceModel says what each is")]
pub enum FittedSurface {
    Svi(Slices<Svi>),
    Ssvi(SsviSurface),
    SsviHeston(SsviSurface),
    Essvi(EssviSurface),
    Sabr(Slices<SabrSmile>),
    SabrFreeBeta(Slices<SabrSmile>),
    SabrNormal(Slices<NormalSabrSmile>),
    SabrNoArbitrage(Slices<NoArbitrageSabrSmile>),
    Heston(Heston),
    Bates(Bates),
    Merton(Merton),
    Kou(Kou),
    AndreasenHuge(AndreasenHuge),
    PriceSpline(PriceSplines),
    SmoothingSpline(Slices<SmoothedSmile>),
    CubicSpline(Slices<PiecewiseCubic>),
    MonotoneSpline(Slices<PiecewiseCubic>),
    Rbf(Rbf),
    Kriging(Kriging),
    Neural(Neural),
}

impl FittedSurface {
    /// Its model.
    pub fn model(&self) -> SurfaceModel {
        match self {
            Self::Svi(_) => SurfaceModel::Svi,
            Self::Ssvi(_) => SurfaceModel::Ssvi,
            Self::SsviHeston(_) => SurfaceModel::SsviHeston,
            Self::Essvi(_) => SurfaceModel::Essvi,
            Self::Sabr(_) => SurfaceModel::Sabr,
            Self::SabrFreeBeta(_) => SurfaceModel::SabrFreeBeta,
            Self::SabrNormal(_) => SurfaceModel::SabrNormal,
            Self::SabrNoArbitrage(_) => SurfaceModel::SabrNoArbitrage,
            Self::Heston(_) => SurfaceModel::Heston,
            Self::Bates(_) => SurfaceModel::Bates,
            Self::Merton(_) => SurfaceModel::Merton,
            Self::Kou(_) => SurfaceModel::Kou,
            Self::AndreasenHuge(_) => SurfaceModel::AndreasenHuge,
            Self::PriceSpline(_) => SurfaceModel::PriceSpline,
            Self::SmoothingSpline(_) => SurfaceModel::SmoothingSpline,
            Self::CubicSpline(_) => SurfaceModel::CubicSpline,
            Self::MonotoneSpline(_) => SurfaceModel::MonotoneSpline,
            Self::Rbf(_) => SurfaceModel::Rbf,
            Self::Kriging(_) => SurfaceModel::Kriging,
            Self::Neural(_) => SurfaceModel::Neural,
        }
    }

    /// How sure the quotes make the surface of its volatility, where the model says so: [`Kriging::standard_error`]. None of any other model.
    pub fn standard_error(&self, k: f64, expiry_years: f64) -> Option<f64> {
        if let Self::Kriging(surface) = self { Some(surface.standard_error(k, expiry_years)) } else { None }
    }

    /// Whether there is a [`FittedSurface::standard_error`].
    pub fn has_standard_error(&self) -> bool {
        matches!(self, Self::Kriging(_))
    }

    /// What it is, whatever the model.
    pub(super) fn surface(&self) -> &dyn VolatilitySurface {
        match self {
            Self::Svi(surface) => surface,
            Self::Ssvi(surface) | Self::SsviHeston(surface) => surface,
            Self::Essvi(surface) => surface,
            Self::Sabr(surface) | Self::SabrFreeBeta(surface) => surface,
            Self::SabrNormal(surface) => surface,
            Self::SabrNoArbitrage(surface) => surface,
            Self::Heston(surface) => surface,
            Self::Bates(surface) => surface,
            Self::Merton(surface) => surface,
            Self::Kou(surface) => surface,
            Self::AndreasenHuge(surface) => surface,
            Self::PriceSpline(surface) => surface,
            Self::SmoothingSpline(surface) => surface,
            Self::CubicSpline(surface) | Self::MonotoneSpline(surface) => surface,
            Self::Rbf(surface) => surface,
            Self::Kriging(surface) => surface,
            Self::Neural(surface) => surface,
        }
    }
}

impl VolatilitySurface for FittedSurface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.surface().variance(k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface().total_variance(k, expiry_years)
    }

    fn variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [Variance]) {
        self.surface().variances(k, expiry_years, out);
    }

    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        self.surface().total_variances(k, expiry_years, out);
    }

    fn local_vol(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface().local_vol(k, expiry_years)
    }
}

/// Fits `model` to slices of distinct, ascending expiry. `prior` is yesterday's surface of the same model, where there is one; one of
/// another model is left aside.
///
/// A variant of SABR that has no smile at the quotes of an expiry, whatever its parameters (as of volatilities of 300 % over two years), gives
/// way to SABR by Hagan's lognormal formula, and that to SVI: the surface is of that model, and a note says so.
///
/// # Errors
/// Where no slice has a usable quote, or the model none that it can be fitted to.
pub fn fit_model(
    model: SurfaceModel,
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&FittedSurface>,
) -> Result<Fit<FittedSurface>, FitError> {
    let simpler = match model {
        SurfaceModel::SabrNormal | SurfaceModel::SabrNoArbitrage => SurfaceModel::Sabr,
        _ => SurfaceModel::Svi,
    };
    match fit_named(model, slices, settings, prior) {
        Err(FitError::NoSmile { expiry_years }) if simpler != model => {
            let mut fit = fit_model(simpler, slices, settings, prior)?;
            let (model, simpler) = (model.as_str(), simpler.as_str());
            let why = format!(
                "{model} has no smile at these quotes, whatever its parameters; {simpler} for all expiries instead"
            );
            fit.notes.push(Note { expiry_years: Some(expiry_years), reason: Reason::Failed { why } });
            fit.notes = by_expiry(fit.notes);
            Ok(fit)
        }
        found => found,
    }
}

/// Fits this model and no other.
fn fit_named(
    model: SurfaceModel,
    slices: &[SliceQuotes],
    settings: &ModelSettings,
    prior: Option<&FittedSurface>,
) -> Result<Fit<FittedSurface>, FitError> {
    use FittedSurface as Of;
    if slices.iter().all(|slice| slice.mid_volatility.iter().all(|vol| !(*vol > 0.0 && vol.is_finite()))) {
        return Err(FitError::NoQuotes);
    }
    let mut fit = match model {
        SurfaceModel::Svi => {
            let prior = prior.and_then(|it| if let Of::Svi(it) = it { Some(it) } else { None });
            svi_surface::fit(slices, settings, prior)?.map(Of::Svi)
        }
        SurfaceModel::Ssvi => {
            let prior = prior.and_then(|it| if let Of::Ssvi(it) = it { Some(it) } else { None });
            fit_ssvi(slices, SsviLaw::PowerLaw, settings, prior)?.map(Of::Ssvi)
        }
        SurfaceModel::SsviHeston => {
            let prior = prior.and_then(|it| if let Of::SsviHeston(it) = it { Some(it) } else { None });
            fit_ssvi(slices, SsviLaw::Heston, settings, prior)?.map(Of::SsviHeston)
        }
        SurfaceModel::Essvi => {
            let prior = prior.and_then(|it| if let Of::Essvi(it) = it { Some(it) } else { None });
            fit_essvi(slices, settings, prior)?.map(Of::Essvi)
        }
        SurfaceModel::Sabr => {
            let prior = prior.and_then(|it| if let Of::Sabr(it) = it { Some(it) } else { None });
            sabr::fit(slices, settings, prior)?.map(Of::Sabr)
        }
        SurfaceModel::SabrFreeBeta => {
            let prior = prior.and_then(|it| if let Of::SabrFreeBeta(it) = it { Some(it) } else { None });
            sabr::fit_free_beta(slices, settings, prior)?.map(Of::SabrFreeBeta)
        }
        SurfaceModel::SabrNormal => {
            let prior = prior.and_then(|it| if let Of::SabrNormal(it) = it { Some(it) } else { None });
            sabr::fit_normal(slices, settings, prior)?.map(Of::SabrNormal)
        }
        SurfaceModel::SabrNoArbitrage => {
            let prior = prior.and_then(|it| if let Of::SabrNoArbitrage(it) = it { Some(it) } else { None });
            sabr::fit_no_arbitrage(slices, settings, prior)?.map(Of::SabrNoArbitrage)
        }
        SurfaceModel::Heston => {
            let prior = prior.and_then(|it| if let Of::Heston(it) = it { Some(it) } else { None });
            characteristic::heston(slices, settings, prior)?.map(Of::Heston)
        }
        SurfaceModel::Bates => {
            let prior = prior.and_then(|it| if let Of::Bates(it) = it { Some(it) } else { None });
            characteristic::bates(slices, settings, prior)?.map(Of::Bates)
        }
        SurfaceModel::Merton => {
            let prior = prior.and_then(|it| if let Of::Merton(it) = it { Some(it) } else { None });
            characteristic::merton(slices, settings, prior)?.map(Of::Merton)
        }
        SurfaceModel::Kou => {
            let prior = prior.and_then(|it| if let Of::Kou(it) = it { Some(it) } else { None });
            characteristic::kou(slices, settings, prior)?.map(Of::Kou)
        }
        SurfaceModel::AndreasenHuge => {
            let prior = prior.and_then(|it| if let Of::AndreasenHuge(it) = it { Some(it) } else { None });
            andreasen_huge::fit(slices, settings, prior)?.map(Of::AndreasenHuge)
        }
        SurfaceModel::PriceSpline => {
            let prior = prior.and_then(|it| if let Of::PriceSpline(it) = it { Some(it) } else { None });
            price_spline::fit(slices, settings, prior)?.map(Of::PriceSpline)
        }
        SurfaceModel::SmoothingSpline => smoothing_spline::fit(slices, settings, None)?.map(Of::SmoothingSpline),
        SurfaceModel::CubicSpline => cubic_spline::fit(slices, settings, None)?.map(Of::CubicSpline),
        SurfaceModel::MonotoneSpline => monotone_spline::fit(slices, settings, None)?.map(Of::MonotoneSpline),
        SurfaceModel::Rbf => rbf::fit(slices, settings, None)?.map(Of::Rbf),
        SurfaceModel::Kriging => {
            let prior = prior.and_then(|it| if let Of::Kriging(it) = it { Some(it) } else { None });
            kriging::fit(slices, settings, prior)?.map(Of::Kriging)
        }
        SurfaceModel::Neural => {
            let prior = prior.and_then(|it| if let Of::Neural(it) = it { Some(it) } else { None });
            neural::fit(slices, settings, prior)?.map(Of::Neural)
        }
    };
    fit.notes = by_expiry(fit.notes);
    Ok(fit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::quote_notes,
        test_quotes::{grid, quotes},
    };

    #[test]
    fn a_model_without_a_smile_at_wild_quotes_gives_way_to_a_simpler_one_and_it_is_said() {
        let wild = quotes(2.0, &grid(-1.5, 1.5, 11), 0.02, |_| 3.0);
        let mild = quotes(0.5, &grid(-0.4, 0.3, 11), 0.005, |k| 0.3 - 0.1 * k);
        for slices in [vec![wild.clone()], vec![mild, wild]] {
            for model in [SurfaceModel::SabrNormal, SurfaceModel::SabrNoArbitrage] {
                let found = fit_model(model, &slices, &ModelSettings::default(), None).expect("quotes");
                let vol = (found.surface.total_variance(0.0, 2.0) / 2.0).sqrt();
                assert!((vol - 3.0).abs() < 0.05, "{model:?} {vol}");
                let is_said = found.notes.iter().any(|note| {
                    let words = note.to_string();
                    words.contains(&format!("{} has no smile", model.as_str())) && words.contains(" instead")
                });
                assert!(found.surface.model() != model && is_said, "{model:?} {:?}", found.notes);
            }
        }
    }

    #[test]
    fn every_model_says_the_same_of_the_quotes_in_the_order_of_expiries() {
        let smile = |k: f64| 0.2 - 0.1 * k + 0.2 * k * k;
        let strikes = grid(-0.3, 0.3, 21);
        let mut crossed = quotes(0.1, &strikes, 0.01, smile);
        (crossed.bid_volatility[4], crossed.ask_volatility[4]) = (0.26, 0.2);
        let slices = [
            crossed,
            quotes(0.3, &strikes, 0.01, |_| 0.25),
            quotes(0.5, &grid(0.02, 0.3, 11), 0.01, |k| 0.25 + 0.1 * k),
            // Below by less than a hundredth, and by rounding alone.
            quotes(0.7, &strikes, 1e-6, |k| (0.25 + 0.1 * k) * (0.5 / 0.7_f64).sqrt()),
            quotes(0.8, &strikes, 1e-6, |k| (0.25 + 0.1 * k) * (0.498 / 0.8_f64).sqrt()),
        ];
        let is_of_quotes = |note: &Note| {
            use Reason::{CalendarInverted, CrossedQuotes, Flat, OneSided};
            matches!(note.reason, CrossedQuotes { .. } | OneSided { .. } | Flat | CalendarInverted { .. })
        };
        let expected = quote_notes(&slices);
        assert_eq!(expected.len(), 4, "{expected:?}");
        for model in SurfaceModel::ALL {
            let found = fit_model(model, &slices, &ModelSettings::default(), None).expect("quotes");
            let years: Vec<f64> = found.notes.iter().map(|note| note.expiry_years.unwrap_or(0.0)).collect();
            assert!(years.is_sorted(), "{model:?}: {years:?}");
            let of_quotes: Vec<Note> = found.notes.into_iter().filter(is_of_quotes).collect();
            assert_eq!(of_quotes, expected, "{model:?}");
        }
    }
}
