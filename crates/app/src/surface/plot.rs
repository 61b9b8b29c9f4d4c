//! A surface drawn: four panels as SVG, and the same as a page that can be turned and read.

use anyhow::anyhow;
use plotters::{prelude::*, style::RGBColor};
use serde_json::{Value, json};
use zomma_pricing::surface::{SliceQuotes, VolatilitySurface, fitted::SavedSurface};

use super::text::arbitrage;
use crate::report;

/// Points of a curve.
const POINTS: usize = 161;
/// Curves of one panel at most: of more expiries, these many spread over them are drawn.
const CURVES_MAX: usize = 12;

/// One curve of a panel.
struct Curve {
    name: String,
    /// Place among the curves, from 0 (the first expiry) to 1.
    shade: f64,
    points: Vec<(f64, f64)>,
}

/// One panel.
struct Panel {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    curves: Vec<Curve>,
    /// Whether the colours are explained.
    has_legend: bool,
    /// Quotes: x, then bid, mid and ask.
    marks: Vec<(f64, [f64; 3])>,
}

/// The panels of a surface; `quotes` are drawn beside its smiles.
fn panels(surface: &SavedSurface, quotes: &[SliceQuotes]) -> Vec<Panel> {
    let drawn = drawn(surface.slices.len());
    let shade = |i: usize| if surface.slices.len() > 1 { i as f64 / (surface.slices.len() - 1) as f64 } else { 0.0 };
    let curve = |f: &dyn Fn(f64, f64) -> f64| -> Vec<Curve> {
        let one = |&i: &usize| {
            let slice = &surface.slices[i];
            let [low, high] = slice.log_moneyness_range;
            let step = (high - low) / (POINTS - 1) as f64;
            let points = (0..POINTS)
                .map(|at| low + step * at as f64)
                .map(|k| (k, f(k, slice.expiry_years)))
                .filter(|(_, value)| value.is_finite())
                .collect();
            Curve { name: format!("{:.3} years", slice.expiry_years), shade: shade(i), points }
        };
        drawn.iter().map(one).collect()
    };
    let marks = quotes
        .iter()
        .filter(|quotes| drawn.iter().any(|&i| (surface.slices[i].expiry_years - quotes.expiry_years).abs() < 1e-9))
        .flat_map(|quotes| {
            (0..quotes.len()).map(|i| {
                let vols = [quotes.bid_volatility[i], quotes.mid_volatility[i], quotes.ask_volatility[i]];
                (quotes.log_moneyness[i], vols.map(|vol| 100.0 * vol))
            })
        })
        .collect();
    let term =
        surface.slices.iter().filter_map(|slice| Some((slice.expiry_years, 100.0 * slice.atm_volatility?))).collect();
    vec![
        Panel {
            title: "Smiles",
            x: "log-moneyness",
            y: "volatility, %",
            curves: curve(&|k, t| 100.0 * surface.implied_vol(k, t)),
            has_legend: true,
            marks,
        },
        Panel {
            title: "At the money",
            x: "years",
            y: "volatility, %",
            curves: vec![Curve { name: "at the money".into(), shade: 0.5, points: term }],
            has_legend: false,
            marks: Vec::new(),
        },
        Panel {
            title: "Density of ln(S/F)",
            x: "log-moneyness",
            y: "density",
            curves: curve(&|k, t| surface.density(k, t)),
            has_legend: false,
            marks: Vec::new(),
        },
        Panel {
            title: "Local volatility",
            x: "log-moneyness",
            y: "volatility, %",
            curves: curve(&|k, t| 100.0 * surface.local_vol(k, t)),
            has_legend: false,
            marks: Vec::new(),
        },
    ]
}

/// Which of `count` expiries are drawn.
fn drawn(count: usize) -> Vec<usize> {
    if count <= CURVES_MAX {
        return (0..count).collect();
    }
    (0..CURVES_MAX).map(|i| i * (count - 1) / (CURVES_MAX - 1)).collect()
}

/// The surface as SVG.
pub fn svg(title: &str, surface: &SavedSurface, quotes: &[SliceQuotes]) -> anyhow::Result<String> {
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (1280, 960)).into_drawing_area();
        let drawn = || -> Result<(), Box<dyn std::error::Error>> {
            root.fill(&WHITE)?;
            let head = format!("{title}: {}", surface.surface.model().as_str());
            let body = root.titled(&head, ("sans-serif", 24))?;
            for (area, panel) in body.split_evenly((2, 2)).iter().zip(panels(surface, quotes)) {
                draw(area, &panel)?;
            }
            root.present()?;
            Ok(())
        };
        // Drawing into memory fails on nothing but a fault of ours.
        drawn().map_err(|error| anyhow!("cannot draw: {error}"))?;
    }
    Ok(out)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area<'_>, panel: &Panel) -> Result<(), Box<dyn std::error::Error>> {
    let points = || panel.curves.iter().flat_map(|curve| curve.points.iter().copied());
    let (left, right) = bounds(points().map(|point| point.0));
    let (bottom, top) = bounds(trimmed(points().map(|point| point.1).collect()).into_iter());
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(left..right, bottom..top)?;
    let labels = FontDesc::from(("sans-serif", 13));
    chart
        .configure_mesh()
        .x_desc(panel.x)
        .y_desc(panel.y)
        .label_style(labels)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .draw()?;
    let inside = |x: f64, y: f64| (left..=right).contains(&x) && (bottom..=top).contains(&y);
    for (x, [bid, mid, ask]) in &panel.marks {
        if inside(*x, *mid) {
            let (low, high) = (bid.max(bottom).min(*mid), ask.min(top).max(*mid));
            chart.draw_series([PathElement::new(vec![(*x, low), (*x, high)], BLACK.mix(0.25))])?;
        }
    }
    for curve in &panel.curves {
        // A curve that leaves the panel is cut where it does.
        for part in curve.points.split(|(x, y)| !inside(*x, *y)) {
            chart.draw_series(LineSeries::new(part.iter().copied(), colour(curve.shade).stroke_width(2)))?;
        }
    }
    if panel.has_legend {
        // The first and the last expiry drawn name the ends of the scale of colours.
        for curve in [panel.curves.first(), panel.curves.last()].into_iter().flatten() {
            let line = colour(curve.shade).stroke_width(2);
            chart
                .draw_series(LineSeries::new(std::iter::empty(), line))?
                .label(curve.name.clone())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], line));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 13))
            .draw()?;
    }
    Ok(())
}

/// From blue (the first expiry) to orange (the last).
fn colour(shade: f64) -> RGBColor {
    let mix = |from: f64, to: f64| (from + (to - from) * shade).round() as u8;
    RGBColor(mix(31.0, 230.0), mix(90.0, 120.0), mix(180.0, 30.0))
}

/// Least and greatest, a little apart where they are one.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let room = (0.04 * (high - low)).max(1e-6 + 0.02 * high.abs());
    (low - room, high + room)
}

/// The values without the wildest hundredth, which would press all others flat.
fn trimmed(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 100;
    values.drain(..values.len() - cut).skip(cut).collect()
}

/// The surface as a page: the panels and the surface itself, which can be turned.
pub fn html(title: &str, surface: &SavedSurface, quotes: &[SliceQuotes]) -> anyhow::Result<Vec<u8>> {
    let mut figures = vec![solid(surface)];
    for panel in panels(surface, quotes) {
        let mut traces: Vec<Value> = Vec::new();
        if !panel.marks.is_empty() {
            let column = |i: usize| panel.marks.iter().map(|mark| finite(mark.1[i])).collect::<Vec<Value>>();
            let x: Vec<f64> = panel.marks.iter().map(|mark| mark.0).collect();
            for (name, i, symbol) in [("bid", 0, "triangle-up"), ("ask", 2, "triangle-down")] {
                traces.push(json!({ "type": "scattergl", "mode": "markers", "name": name, "x": x, "y": column(i),
                    "marker": { "size": 4, "symbol": symbol, "color": "rgba(0,0,0,0.3)" } }));
            }
        }
        traces.extend(panel.curves.iter().map(|curve| {
            let RGBColor(r, g, b) = colour(curve.shade);
            let (x, y): (Vec<f64>, Vec<f64>) = curve.points.iter().copied().unzip();
            json!({ "type": "scatter", "mode": "lines", "name": curve.name, "x": x, "y": y,
                "line": { "color": format!("rgb({r},{g},{b})") } })
        }));
        figures.push(json!({ "data": traces, "layout": { "title": { "text": panel.title },
            "xaxis": { "title": { "text": panel.x } }, "yaxis": { "title": { "text": panel.y } } } }));
    }
    let model = surface.surface.model().as_str();
    let facts = format!(
        "{model}, {} expiries, {}, error {} vol points. Arbitrage: {}.",
        surface.slices.len(),
        super::text::met(&surface.quality),
        super::text::error(&surface.quality),
        arbitrage(surface)
    );
    report::figures_page(title, &facts, &figures)
}

/// The surface over log-moneyness and years, in deviations at the money so that short and long expiries are seen alike.
fn solid(surface: &SavedSurface) -> Value {
    let deviations: Vec<f64> = (-24..=12).map(|i| 0.25 * f64::from(i)).collect();
    let years: Vec<f64> = surface.slices.iter().map(|slice| slice.expiry_years).collect();
    let row = |&t: &f64| -> Vec<Value> {
        let deviation = surface.total_variance(0.0, t).sqrt();
        deviations.iter().map(|z| finite(100.0 * surface.implied_vol(z * deviation, t))).collect()
    };
    let z: Vec<Vec<Value>> = years.iter().map(row).collect();
    json!({ "data": [{ "type": "surface", "x": deviations, "y": years, "z": z, "colorscale": "Viridis" }],
        "layout": { "title": { "text": "Implied volatility" }, "scene": {
            "camera": { "eye": { "x": 1.5, "y": -1.6, "z": 0.7 } }, "aspectratio": { "x": 1.3, "y": 1.3, "z": 0.8 },
            "xaxis": { "title": { "text": "deviations from the forward" } },
            "yaxis": { "title": { "text": "years" }, "type": "log" },
            "zaxis": { "title": { "text": "volatility, %" } } } } })
}

fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}
