//! Surfaces of many days, and how their shape moves: the smile at constant maturities, and the model's own parameters.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};
use zomma_pricing::surface::{VolatilitySurface, calibration::Stability, fitted::SavedSurface};

use crate::report;

/// Maturities that are followed, in days.
const MATURITIES_DAYS: [f64; 5] = [7.0, 30.0, 91.0, 182.0, 365.0];
/// Days of a year.
const YEAR_DAYS: f64 = 365.0;

/// One fitted day.
pub struct FittedDay {
    /// Ticker, or empty.
    pub underlying: String,
    /// Date, with the time behind a second snapshot of it, or the name of the file.
    pub date: String,
    /// The surface.
    pub surface: SavedSurface,
}

/// The smile about the money.
struct Shape {
    atm_volatility: f64,
    /// ∂σ/∂k.
    skew: f64,
    /// ∂²σ/∂k².
    curvature: f64,
}

impl Shape {
    const NAMES: [&str; 3] = ["atm_volatility", "skew", "curvature"];

    /// At a maturity that the day's expiries span.
    fn of(surface: &SavedSurface, years: f64) -> Option<Self> {
        let (first, last) = (surface.slices.first()?, surface.slices.last()?);
        if !(first.expiry_years..=last.expiry_years).contains(&years) {
            return None;
        }
        let at = surface.variance(0.0, years);
        let volatility = (at.total / years).sqrt();
        // σ² = w/t, differentiated twice.
        let skew = at.by_k / (2.0 * volatility * years);
        let curvature = (at.by_kk / (2.0 * years) - skew * skew) / volatility;
        let all = [volatility, skew, curvature];
        all.iter().all(|number| number.is_finite()).then_some(Self { atm_volatility: volatility, skew, curvature })
    }

    fn numbers(&self) -> [f64; 3] {
        [self.atm_volatility, self.skew, self.curvature]
    }
}

/// The smile about the money by day and maturity, as CSV.
pub fn shapes_csv(days: &[FittedDay]) -> String {
    let mut out = format!("underlying,date,maturity_days,{}\n", Shape::NAMES.join(","));
    for day in days {
        for maturity in MATURITIES_DAYS {
            let Some(shape) = Shape::of(&day.surface, maturity / YEAR_DAYS) else { continue };
            let numbers = shape.numbers().map(|number| number.to_string()).join(",");
            // Writing to a string does not fail.
            let _ = writeln!(out, "{},{},{maturity},{numbers}", day.underlying, day.date);
        }
    }
    out
}

/// The model's parameters by day and slice, with their standard errors, as CSV; `expiry_years` is empty where they are the whole surface's.
pub fn parameters_csv(days: &[FittedDay]) -> String {
    let mut out = String::from("underlying,date,expiry_years,parameter,value,standard_error,condition_number\n");
    for day in days {
        let FittedDay { underlying, date, surface } = day;
        for part in &surface.stability {
            let expiry = part.expiry_years.map_or(String::new(), |years| years.to_string());
            let condition = part.condition_number.map_or(String::new(), |number| number.to_string());
            for (j, (name, value)) in part.parameters.iter().zip(&part.values).enumerate() {
                let error = part.standard_errors.get(j).copied().flatten().map_or(String::new(), |it| it.to_string());
                let _ = writeln!(out, "{underlying},{date},{expiry},{name},{value},{error},{condition}");
            }
        }
    }
    out
}

/// The slices' parameters at a maturity, between its neighbours' linear in time.
fn parameters_at(surface: &SavedSurface, years: f64) -> Vec<(&str, f64)> {
    let slices: Vec<(f64, &Stability)> =
        surface.stability.iter().filter_map(|part| Some((part.expiry_years?, part))).collect();
    let after = slices.partition_point(|(expiry_years, _)| *expiry_years < years);
    let Some(before) = after.checked_sub(1).filter(|_| after < slices.len()) else { return Vec::new() };
    let [(start, low), (end, high)] = [before, after].map(|i| slices[i]);
    if low.parameters != high.parameters {
        return Vec::new();
    }
    let share = (years - start) / (end - start);
    let values = low.values.iter().zip(&high.values).map(|(low, high)| low + share * (high - low));
    low.parameters.iter().map(String::as_str).zip(values).collect()
}

/// Paths by name: (date, value).
type Paths = BTreeMap<String, Vec<(String, f64)>>;

/// Every path of the shape (first three maps) and of the parameters, by what it is of, then by underlying and maturity.
fn paths(days: &[FittedDay]) -> Vec<(String, Paths)> {
    let mut figures: Vec<(String, Paths)> =
        Shape::NAMES.iter().map(|name| ((*name).to_owned(), Paths::new())).collect();
    let several = days.iter().any(|day| day.underlying != days[0].underlying);
    for day in days {
        let own = |label: String| if several { format!("{} {label}", day.underlying) } else { label };
        let mut add = |figure: &str, label: String, value: f64| {
            let at = figures.iter().position(|(name, _)| name == figure).unwrap_or_else(|| {
                figures.push((figure.to_owned(), Paths::new()));
                figures.len() - 1
            });
            figures[at].1.entry(own(label)).or_default().push((day.date.clone(), value));
        };
        for maturity in MATURITIES_DAYS {
            let label = format!("{maturity:>3} days");
            if let Some(shape) = Shape::of(&day.surface, maturity / YEAR_DAYS) {
                for (name, number) in Shape::NAMES.iter().zip(shape.numbers()) {
                    add(name, label.clone(), number);
                }
            }
            for (name, value) in parameters_at(&day.surface, maturity / YEAR_DAYS) {
                add(&format!("parameter {name}"), label.clone(), value);
            }
        }
        // The only parameters hold at all expiries, a single slice's too.
        if let [all] = &day.surface.stability[..] {
            for (name, value) in all.parameters.iter().zip(&all.values) {
                add(&format!("parameter {name}"), "all expiries".into(), *value);
            }
        }
    }
    figures
}

/// How far each path moves from day to day, as a table.
pub fn drift_text(days: &[FittedDay]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "  {:<24}{:<16}{:>7}{:>12}{:>14}{:>14}",
        "day to day", "", "days", "mean", "typical move", "largest move"
    );
    for (figure, paths) in paths(days) {
        for (label, path) in paths {
            let values: Vec<f64> = path.iter().map(|(_, value)| *value).collect();
            let moves: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
            let mut sorted = moves.clone();
            sorted.sort_by(f64::total_cmp);
            let typical = sorted.get(sorted.len() / 2).copied();
            let largest = sorted.last().copied();
            let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
            let cell = |number: Option<f64>| number.map_or("none".into(), |number| format!("{number:.5}"));
            let _ = writeln!(
                out,
                "  {figure:<24}{label:<16}{:>7}{:>12}{:>14}{:>14}",
                values.len(),
                cell(Some(mean)),
                cell(typical),
                cell(largest)
            );
        }
    }
    out
}

/// The paths as a page.
pub fn history_html(title: &str, days: &[FittedDay]) -> anyhow::Result<Vec<u8>> {
    let figures: Vec<Value> = paths(days)
        .into_iter()
        .filter(|(_, paths)| !paths.is_empty())
        .map(|(figure, paths)| {
            let traces: Vec<Value> = paths
                .into_iter()
                .map(|(label, path)| {
                    let (x, y): (Vec<String>, Vec<f64>) = path.into_iter().unzip();
                    json!({ "type": "scatter", "mode": "lines+markers", "name": label, "x": x, "y": y })
                })
                .collect();
            json!({ "data": traces, "layout": { "title": { "text": figure }, "showlegend": true } })
        })
        .collect();
    let facts = format!(
        "{} days. The smile about the money at constant maturities (skew and curvature are the first and second derivative of volatility by \
         log-moneyness), then the model's parameters, between expiries linear in time.",
        days.len()
    );
    report::figures_page(title, &facts, &figures)
}

#[cfg(test)]
mod tests {
    use zomma_pricing::surface::{
        SliceQuotes,
        calibration::ModelSettings,
        fitted::{Quoted, SurfaceModel},
    };

    use super::*;

    #[test]
    fn parameters_go_by_their_own_expiry() {
        let slice = |expiry_years: f64, level: f64| {
            let k: Vec<f64> = (-8_i32..=8).map(|i| 0.05 * f64::from(i)).collect();
            let around = |off: f64| k.iter().map(|k| level - 0.1 * k + 0.2 * k * k + off).collect();
            SliceQuotes {
                expiry_years,
                forward: 100.0,
                bid_volatility: around(-2e-3),
                mid_volatility: around(0.0),
                ask_volatility: around(2e-3),
                open_interest: Vec::new(),
                log_moneyness: k.clone(),
            }
        };
        // SVI has parameters at the expiry without quotes, Andreasen and Huge have not.
        let slices = vec![slice(0.2, 0.2), slice(0.3, f64::NAN), slice(0.5, 0.21)];
        let fitted = |model| {
            let surface = Quoted::of_slices(slices.clone(), None).fit(model, &ModelSettings::default(), None);
            FittedDay { underlying: "X".into(), date: "2020-01-02".into(), surface: surface.expect("there are quotes") }
        };
        let day = fitted(SurfaceModel::Svi);
        let named: Vec<&str> = parameters_at(&day.surface, 0.25).into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, ["a", "b", "rho", "m", "sigma"]);
        let csv = parameters_csv(&[day]);
        for expiry in ["0.2", "0.3", "0.5"] {
            assert!(csv.contains(&format!("X,2020-01-02,{expiry},a,")), "{csv}");
        }
        let csv = parameters_csv(&[fitted(SurfaceModel::AndreasenHuge)]);
        assert!(csv.contains(",0.2,log_ratio_") && csv.contains(",0.5,log_ratio_") && !csv.contains(",0.3,"), "{csv}");
    }
}
