//! The parameters of a surface of SVI slices in any of their three forms.

use super::{saved::SavedSurface, surface::FittedSurface};
use crate::surface::{JumpWings, NaturalSvi, Svi, SviFormError};

/// A form of SVI's parameters, by name (Gatheral and Jacquier 2014, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SviParameters {
    /// a, b, ρ, m, σ: see [`Svi`].
    #[default]
    Raw,
    /// Δ, μ, ρ, ω, ζ: see [`NaturalSvi`].
    Natural,
    /// v, ψ, p, c, ṽ: see [`JumpWings`].
    JumpWings,
}

impl SviParameters {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Natural, Self::JumpWings];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Natural => "natural",
            Self::JumpWings => "jump_wings",
        }
    }

    /// The form of a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == text)
    }

    /// Names of its five parameters.
    pub fn names(self) -> [&'static str; 5] {
        match self {
            Self::Raw => ["a", "b", "rho", "m", "sigma"],
            Self::Natural => ["delta", "mu", "rho", "omega", "zeta"],
            Self::JumpWings => ["variance", "skew", "put_slope", "call_slope", "least_variance"],
        }
    }

    /// The five numbers of a slice in this form, in the order of their names.
    ///
    /// # Errors
    /// Where the slice has no such form: see [`Svi::natural`] and [`Svi::jump_wings`].
    pub fn of(self, svi: &Svi, expiry_years: f64) -> Result<[f64; 5], SviFormError> {
        Ok(match self {
            Self::Raw => [svi.a, svi.b, svi.rho, svi.m, svi.sigma],
            Self::Natural => {
                let NaturalSvi { delta, mu, rho, omega, zeta } = svi.natural()?;
                [delta, mu, rho, omega, zeta]
            }
            Self::JumpWings => {
                let JumpWings { variance, skew, put_slope, call_slope, least_variance } =
                    svi.jump_wings(expiry_years)?;
                [variance, skew, put_slope, call_slope, least_variance]
            }
        })
    }
}

/// Years to expiry, and the five parameters of the slice or why it has none in the form.
type SliceParameters = (f64, Result<[f64; 5], SviFormError>);

impl SavedSurface {
    /// Years to expiry and the five parameters of each slice, where the surface is one of SVI slices; none of another model.
    pub fn svi_parameters(&self, form: SviParameters) -> Option<Vec<SliceParameters>> {
        let FittedSurface::Svi(slices) = &self.surface else { return None };
        let of = |(svi, &years): (&Svi, &f64)| (years, form.of(svi, years));
        Some(slices.smiles.iter().zip(&slices.expiry_years).map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{
        calibration::ModelSettings,
        fitted::{Quoted, SurfaceModel},
        test_quotes::{grid, quotes},
    };

    #[test]
    fn each_form_of_a_fitted_surface_leads_back_to_its_smiles() {
        let slices = [0.25, 1.0].map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
        let quoted = Quoted::of_slices(slices.to_vec(), None);
        let fitted = |model| quoted.fit(model, &ModelSettings::default(), None).expect("quotes");
        let svi = fitted(SurfaceModel::Svi);
        for form in SviParameters::ALL {
            assert_eq!(SviParameters::parse(form.as_str()), Some(form));
            let found = svi.svi_parameters(form).expect("it is of SVI");
            assert_eq!(found.iter().map(|(years, _)| *years).collect::<Vec<_>>(), [0.25, 1.0]);
            for (years, numbers) in found {
                let [a, b, c, d, e] = numbers.expect("it has every form");
                let raw = match form {
                    SviParameters::Raw => Ok(Svi { a, b, rho: c, m: d, sigma: e }),
                    SviParameters::Natural => NaturalSvi { delta: a, mu: b, rho: c, omega: d, zeta: e }.raw(),
                    SviParameters::JumpWings => {
                        JumpWings { variance: a, skew: b, put_slope: c, call_slope: d, least_variance: e }.raw(years)
                    }
                };
                let raw = raw.expect("it has a raw form");
                for k in [-0.3, 0.0, 0.2] {
                    let expected = crate::surface::VolatilitySurface::total_variance(&svi, k, years);
                    assert!((raw.total_variance(k) / expected - 1.0).abs() < 1e-9, "{form:?} {years} {k}");
                }
            }
        }
        assert!(fitted(SurfaceModel::Ssvi).svi_parameters(SviParameters::Raw).is_none());
    }
}
