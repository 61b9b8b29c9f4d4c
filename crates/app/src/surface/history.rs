//! Surfaces of many days, and how their shape moves: the smile at constant maturities, and the model's own parameters.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Value, json};
use zomma_pricing::surface::{VolatilitySurface, fitted::SavedSurface};

use crate::report;

/// Maturities that are followed, in days.
const MATURITIES_DAYS: [f64; 5] = [7.0, 30.0, 91.0, 182.0, 365.0];
/// Days of a year.
const YEAR_DAYS: f64 = 365.0;

/// One fitted day.
pub struct FittedDay {
    /// Ticker, or empty.
    pub underlying: String,
    /// Date, or the name of the file.
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
        let of_slices = is_of_slices(surface);
        for (i, part) in surface.stability.iter().enumerate() {
            let expiry = if of_slices { surface.slices[i].expiry_years.to_string() } else { String::new() };
            let condition = part.condition_number.map_or(String::new(), |number| number.to_string());
            for (j, (name, value)) in part.parameters.iter().zip(&part.values).enumerate() {
                let error = part.standard_errors.get(j).copied().flatten().map_or(String::new(), |it| it.to_string());
                let _ = writeln!(out, "{underlying},{date},{expiry},{name},{value},{error},{condition}");
            }
        }
    }
    out
}

/// Whether each slice has parameters of its own.
fn is_of_slices(surface: &SavedSurface) -> bool {
    surface.stability.len() == surface.slices.len() && surface.slices.len() > 1
}

/// The model's parameters at a maturity: the surface's, or between its neighbouring slices', linear in time.
fn parameters_at(surface: &SavedSurface, years: f64) -> Vec<(String, f64)> {
    let named = |i: usize| {
        let part = &surface.stability[i];
        part.parameters.iter().cloned().zip(part.values.iter().copied()).collect::<Vec<_>>()
    };
    if !is_of_slices(surface) {
        return if surface.stability.len() == 1 { named(0) } else { Vec::new() };
    }
    let after = surface.slices.partition_point(|slice| slice.expiry_years < years);
    let Some(before) = after.checked_sub(1).filter(|_| after < surface.slices.len()) else { return Vec::new() };
    let [low, high] = [before, after].map(|i| surface.slices[i].expiry_years);
    let share = (years - low) / (high - low);
    let (low, high) = (named(before), named(after));
    let same = low.len() == high.len() && low.iter().zip(&high).all(|(low, high)| low.0 == high.0);
    if !same {
        return Vec::new();
    }
    low.into_iter().zip(high).map(|((name, low), (_, high))| (name, low + share * (high - low))).collect()
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
            if is_of_slices(&day.surface) {
                for (name, value) in parameters_at(&day.surface, maturity / YEAR_DAYS) {
                    add(&format!("parameter {name}"), label.clone(), value);
                }
            }
        }
        if !is_of_slices(&day.surface) {
            for (name, value) in parameters_at(&day.surface, 1.0) {
                add(&format!("parameter {name}"), "all expiries".into(), value);
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
