//! A surface as a file: what it is, what it was fitted to and how, and how well it did.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{query::SurfaceQuery, surface::FittedSurface};
use crate::surface::{
    ArbitrageReport, FitQuality, SliceQuotes, Slices,
    calibration::{ModelSettings, Note, Stability},
    forwards::Forwards,
    smile::{Variance, VolatilitySurface},
    violations::Coverage,
};

/// The version that is written. Every version up to it is read.
pub const VERSION: u32 = 1;

/// A fitted surface with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedSurface {
    /// Version of this form.
    pub version: u32,
    /// Ticker, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underlying: Option<String>,
    /// Date and time of the quotes, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_time: Option<String>,
    /// Hash of the quotes: see [`quotes_hash`].
    pub quotes_hash: String,
    /// How it was fitted.
    pub settings: ModelSettings,
    /// Forwards.
    pub forwards: Forwards,
    /// The slices that it was fitted to.
    pub slices: Vec<SavedSlice>,
    /// The surface.
    pub surface: FittedSurface,
    /// Quality over all slices.
    pub quality: FitQuality,
    /// Quality of the model's own fit without constraints, where it has any; the surface's own where that is as good in every respect. It
    /// minimises misses, so fewer quotes may lie inside bid-ask at a smaller error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconstrained: Option<FitQuality>,
    /// The check.
    pub arbitrage: ArbitrageReport,
    /// What was degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// How well the parameters are determined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stability: Vec<Stability>,
}

/// One expiry's quotes, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedSlice {
    /// Instant of expiry, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<String>,
    /// Years to expiry.
    pub expiry_years: f64,
    /// Forward.
    pub forward: f64,
    /// Lowest and highest quoted log-moneyness.
    pub log_moneyness_range: [f64; 2],
    /// Volatility at the money; none where the surface has no value there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub atm_volatility: Option<f64>,
    /// How well the surface meets the slice's quotes.
    pub quality: FitQuality,
}

/// Why a text is not a surface that this version reads.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Not JSON at all.
    #[error("is not JSON: {0}")]
    NoJson(#[source] serde_json::Error),
    /// JSON without a version.
    #[error("has no field version")]
    NoVersion,
    /// A version of the future, or none at all.
    #[error("version {found} of a surface; this program reads versions 1 to {VERSION}")]
    UnknownVersion {
        /// What stands there.
        found: String,
    },
    /// Slices that no surface has.
    #[error(
        "slices: expiry_years must be above 0 and ascend, log_moneyness_range must be finite and ascend; entry {entry} is not so"
    )]
    UnsoundSlice {
        /// Which.
        entry: usize,
    },
    /// A slice of raw SVI whose total variance is not above zero at every strike.
    #[error(
        "surface: smiles entry {entry} (expiry_years {expiry_years}): a = {a} makes the least total variance {least:.6}; \
         a + b sigma sqrt(1 - rho^2) must be above 0"
    )]
    UnsoundSvi {
        /// Which.
        entry: usize,
        /// Its years to expiry.
        expiry_years: f64,
        /// Its a.
        a: f64,
        /// The least total variance over all strikes.
        least: f64,
    },
    /// No slice at all.
    #[error("has no slices")]
    NoSlices,
    /// A version that is known, with other contents.
    #[error("is not a surface: {0}")]
    NoSurface(#[source] serde_json::Error),
}

impl SavedSurface {
    /// Reads what [`SavedSurface::to_json`] of this version or an older one wrote.
    ///
    /// # Errors
    /// Where the text is no such thing.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(ReadError::NoJson)?;
        let version = value.get("version").ok_or(ReadError::NoVersion)?;
        // There is one version yet: it is read as it stands.
        match version.as_u64() {
            Some(version) if (1..=u64::from(VERSION)).contains(&version) => {}
            _ => return Err(ReadError::UnknownVersion { found: version.to_string() }),
        }
        let saved: Self = serde_json::from_value(value).map_err(ReadError::NoSurface)?;
        saved.sound()
    }

    /// The surface, where it is one that could have been fitted: with slices of ascending expiry, each with a range of strikes, and of raw SVI
    /// with a total variance above zero at every strike.
    ///
    /// # Errors
    /// Where it is not.
    pub fn sound(self) -> Result<Self, ReadError> {
        if self.slices.is_empty() {
            return Err(ReadError::NoSlices);
        }
        let mut before = 0.0;
        for (entry, slice) in self.slices.iter().enumerate() {
            let [low, high] = slice.log_moneyness_range;
            let is_sound = slice.expiry_years > before && slice.expiry_years.is_finite();
            if !(is_sound && low.is_finite() && high.is_finite() && low <= high) {
                return Err(ReadError::UnsoundSlice { entry });
            }
            before = slice.expiry_years;
        }
        if let FittedSurface::Svi(Slices { expiry_years, smiles, .. }) = &self.surface {
            for (entry, (svi, &expiry_years)) in smiles.iter().zip(expiry_years).enumerate() {
                let least = svi.least_total_variance();
                if least.is_nan() || least <= 0.0 {
                    return Err(ReadError::UnsoundSvi { entry, expiry_years, a: svi.a, least });
                }
            }
        }
        Ok(self)
    }

    /// The surface as JSON, whose numbers read back to the same bits.
    pub fn to_json(&self) -> String {
        // Every map has keys of text, and no part of a surface refuses to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The surface with its forwards, ready to be asked for one volatility at a time.
    pub fn query(&self) -> SurfaceQuery<'_> {
        SurfaceQuery::new(&self.surface, &self.forwards)
    }

    /// What a check of this surface covers.
    pub fn coverage(&self) -> Vec<Coverage> {
        let of = |slice: &SavedSlice| Coverage {
            expiry_years: slice.expiry_years,
            log_moneyness_range: slice.log_moneyness_range,
        };
        self.slices.iter().map(of).collect()
    }
}

impl VolatilitySurface for SavedSurface {
    fn variance(&self, k: f64, expiry_years: f64) -> Variance {
        self.surface.variance(k, expiry_years)
    }

    fn total_variance(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface.total_variance(k, expiry_years)
    }

    fn variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [Variance]) {
        self.surface.variances(k, expiry_years, out);
    }

    fn total_variances(&self, k: &[f64], expiry_years: &[f64], out: &mut [f64]) {
        self.surface.total_variances(k, expiry_years, out);
    }

    fn local_vol(&self, k: f64, expiry_years: f64) -> f64 {
        self.surface.local_vol(k, expiry_years)
    }
}

/// A hash of quotes, the same on every machine: FNV-1a (128 bits) over the bits of every number, slice by slice. It tells whether two
/// surfaces were fitted to the same quotes; it does not protect against forgery.
pub fn quotes_hash(slices: &[SliceQuotes]) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = BASIS;
    let mut take = |number: f64| {
        // All NaNs are one.
        let bits = if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
        for byte in bits.to_le_bytes() {
            hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        }
    };
    for slice in slices {
        take(slice.expiry_years);
        take(slice.forward);
        take(slice.len() as f64);
        let columns = [
            &slice.log_moneyness,
            &slice.bid_volatility,
            &slice.mid_volatility,
            &slice.ask_volatility,
            &slice.open_interest,
        ];
        columns.into_iter().flatten().for_each(|number| take(*number));
    }
    format!("fnv1a128:{hash:032x}")
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::surface::{
        fitted::{Quoted, SurfaceModel},
        test_quotes::{grid, quotes},
    };

    #[test]
    fn a_slice_without_variance_is_refused_by_its_place_and_field() {
        let slices = [0.25, 0.5].map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
        let quoted = Quoted::of_slices(slices.to_vec(), None);
        let saved = quoted.fit(SurfaceModel::Svi, &ModelSettings::default(), None).expect("quotes");
        let text = saved.to_json();
        assert_eq!(SavedSurface::from_json(&text).expect("it was written so"), saved);
        let mut value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        value["surface"]["smiles"][1]["a"] = (-1.0).into();
        let said = SavedSurface::from_json(&value.to_string()).expect_err("no variance").to_string();
        assert!(
            said.starts_with("surface: smiles entry 1 (expiry_years 0.5): a = -1 makes the least total variance -0.9"),
            "{said}"
        );
    }

    #[test]
    fn a_parameter_out_of_its_range_is_refused_by_its_place_name_and_value() {
        let slices = [0.25, 0.5].map(|t| quotes(t, &grid(-0.3, 0.2, 13), 0.002, |k| 0.2 - 0.15 * k + 0.3 * k * k));
        let quoted = Quoted::of_slices(slices.to_vec(), None);
        let wrong = |model: SurfaceModel, place: &str, value: f64, words: &[&str]| {
            let saved = quoted.fit(model, &ModelSettings::default(), None).expect("quotes");
            let mut json: serde_json::Value = serde_json::from_str(&saved.to_json()).expect("it is JSON");
            *json["surface"].pointer_mut(place).expect("it is there") = value.into();
            let said = SavedSurface::from_json(&json.to_string()).expect_err("out of range").to_string();
            assert!(words.iter().all(|word| said.contains(word)), "{place}: {said}");
        };
        wrong(SurfaceModel::Svi, "/smiles/1/a", 1e300, &["smiles entry 1: a = 1e300; allowed: "]);
        wrong(SurfaceModel::Svi, "/smiles/0/rho", 1.5, &["smiles entry 0: rho = 1.5; allowed: -1 to 1"]);
        wrong(SurfaceModel::Sabr, "/smiles/1/rho", 1.5, &["smiles entry 1: rho = 1.5; allowed: -1 to 1"]);
        wrong(SurfaceModel::Merton, "/volatility", -1.0, &["volatility = -1.0 is out of its range"]);
        wrong(SurfaceModel::Heston, "/kappa", -1.0, &["kappa = -1.0 is out of its range"]);
    }

    #[test]
    fn the_hash_is_of_every_number() {
        let slice = SliceQuotes {
            expiry_years: 0.5,
            forward: 100.0,
            log_moneyness: vec![0.0, 0.1],
            bid_volatility: vec![0.1, f64::NAN],
            mid_volatility: vec![0.2, 0.2],
            ask_volatility: vec![0.3, 0.3],
            open_interest: vec![],
        };
        let mut other = slice.clone();
        assert_eq!(quotes_hash(from_ref(&slice)), quotes_hash(from_ref(&slice)));
        other.ask_volatility[1] = 0.3_f64.next_up();
        assert_ne!(quotes_hash(from_ref(&slice)), quotes_hash(&[other]));
        // The published test vector of FNV-1a at 128 bits: nothing hashed gives the basis.
        assert_eq!(quotes_hash(&[]), "fnv1a128:6c62272e07bb014262b821756295c58d");
    }
}
