//! A surface as a file of JSON, of this version or an older one, or as `zomma analyze` writes it.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use serde::Deserialize;
use zomma_pricing::surface::{
    ArbitrageReport, Clock, FitQuality, Forwards, Slices, Svi,
    calibration::ModelSettings,
    fitted::{FittedSurface, ReadError, SavedSlice, SavedSurface, VERSION},
};

use crate::output_file;

/// Reads a surface.
pub fn read(path: &Path) -> anyhow::Result<SavedSurface> {
    let name = path.display();
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("standard input")?
    } else {
        let bytes = fs::read(path).with_context(|| format!("{name}"))?;
        match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let byte = error.as_bytes()[at];
                bail!("{name}: is not text (byte 0x{byte:02x} at offset {at}): JSON of `zomma surface fit` is needed");
            }
        }
    };
    parse(&text).with_context(|| format!("{name}"))
}

/// Reads the text of a surface.
fn parse(text: &str) -> anyhow::Result<SavedSurface> {
    match SavedSurface::from_json(text) {
        Err(ReadError::NoVersion) => match serde_json::from_str::<AnalysisFile>(text) {
            Ok(file) if file.model == "arbitrage_free_svi" => Ok(of_analysis(file).sound()?),
            _ => bail!("has no field version: a surface that `zomma surface fit` or `zomma analyze` wrote is needed"),
        },
        read => Ok(read?),
    }
}

/// Writes a surface.
pub fn write(path: &Path, surface: &SavedSurface) -> anyhow::Result<()> {
    output_file::write(path, (surface.to_json() + "\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What `zomma analyze` writes.
#[derive(Deserialize)]
struct AnalysisFile {
    model: String,
    underlying: String,
    quote_time: String,
    slices: Vec<AnalysisSlice>,
    arbitrage: ArbitrageReport,
    quality: FitQuality,
    unconstrained: FitQuality,
}

#[derive(Deserialize)]
struct AnalysisSlice {
    expiry: Option<String>,
    atm_volatility: f64,
    expiry_years: f64,
    forward: f64,
    svi: Svi,
    log_moneyness_range: [f64; 2],
    quality: FitQuality,
}

fn of_analysis(file: AnalysisFile) -> SavedSurface {
    let of = |get: fn(&AnalysisSlice) -> f64| file.slices.iter().map(get).collect::<Vec<f64>>();
    let surface = Slices {
        expiry_years: of(|slice| slice.expiry_years),
        smiles: file.slices.iter().map(|slice| slice.svi).collect(),
        clock: Clock::default(),
    };
    SavedSurface {
        version: VERSION,
        underlying: Some(file.underlying),
        quote_time: Some(file.quote_time),
        quotes_hash: "unknown".into(),
        settings: ModelSettings::default(),
        forwards: Forwards {
            spot: None,
            points: file.slices.iter().map(|slice| [slice.expiry_years, slice.forward]).collect(),
        },
        slices: file
            .slices
            .into_iter()
            .map(|slice| SavedSlice {
                expiry: slice.expiry,
                expiry_years: slice.expiry_years,
                forward: slice.forward,
                log_moneyness_range: slice.log_moneyness_range,
                atm_volatility: Some(slice.atm_volatility),
                quality: slice.quality,
            })
            .collect(),
        surface: FittedSurface::Svi(surface),
        quality: file.quality,
        unconstrained: Some(file.unconstrained),
        arbitrage: file.arbitrage,
        notes: Vec::new(),
        stability: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_surface_is_said() {
        let said = |text: &str| format!("{:#}", parse(text).unwrap_err());
        assert!(said("{").contains("is not JSON"));
        assert!(said("{\"a\": 1}").contains("has no field version"));
        assert!(said("{\"version\": 99}").contains("version 99 of a surface; this program reads versions 1 to 1"));
        assert!(said("{\"version\": 1}").contains("is not a surface: missing field"));
    }
}
