//! `surface.json`: parameters, fit quality and arbitrage check of the surface.

use serde::Serialize;
use zomma_pricing::surface::{ArbitrageReport, FitQuality, Ssvi, SurfaceSlice};
use zomma_strategy::analysis::Analysis;

use super::summary::{MODEL, new_york};

/// The file.
#[derive(Serialize)]
struct SurfaceFile<'a> {
    model: &'static str,
    /// What the parameters mean.
    formula: &'static str,
    underlying: &'a str,
    quote_date: String,
    quote_time: String,
    slices: Vec<Slice<'a>>,
    ssvi: &'a Option<Ssvi>,
    arbitrage: &'a ArbitrageReport,
    quality: FitQuality,
    ssvi_quality: FitQuality,
    unconstrained: FitQuality,
}

/// One expiry of the file.
#[derive(Serialize)]
struct Slice<'a> {
    expiry: Option<String>,
    root: Option<&'a str>,
    settlement: Option<&'static str>,
    atm_volatility: f64,
    #[serde(flatten)]
    slice: &'a SurfaceSlice,
}

/// The file's content.
pub fn encode(analysis: &Analysis) -> anyhow::Result<Vec<u8>> {
    let surface = &analysis.surface;
    let slices = surface.slices.iter().enumerate().map(|(index, slice)| {
        let expiry = analysis.expiries.iter().find(|expiry| expiry.slice == Some(index));
        Slice {
            expiry: expiry.map(|expiry| new_york(expiry.expiry)),
            root: expiry.map(|expiry| expiry.root.as_str()),
            settlement: expiry.map(|expiry| expiry.settlement.as_str()),
            atm_volatility: (slice.svi.total_variance(0.0) / slice.expiry_years).sqrt(),
            slice,
        }
    });
    let file = SurfaceFile {
        model: MODEL,
        formula: "w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)), total variance by k = ln(strike/forward); \
                  between expiries w is linear in expiry_years at fixed k",
        underlying: &analysis.underlying,
        quote_date: analysis.quote_date.to_string(),
        quote_time: new_york(analysis.quote_instant),
        slices: slices.collect(),
        ssvi: &surface.ssvi,
        arbitrage: &surface.arbitrage,
        quality: surface.quality,
        ssvi_quality: surface.ssvi_quality,
        unconstrained: surface.unconstrained,
    };
    let mut bytes = serde_json::to_vec_pretty(&file)?;
    bytes.push(b'\n');
    Ok(bytes)
}
