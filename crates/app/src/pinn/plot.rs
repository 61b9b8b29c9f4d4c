//! The run drawn: how the residual fell, and price errors, time values and gammas over the moneyness.

use anyhow::anyhow;
use plotters::{coord::Shift, prelude::*};
use zomma_base::OptionType;
use zomma_learn::physics::{Domain, references};
use zomma_pricing::black::Row;

use super::Report;

/// Points of a curve.
const POINTS: usize = 201;

struct Curve {
    name: String,
    shade: f64,
    points: Vec<(f64, f64)>,
    /// Whether it is drawn as points: the reference under the network's curve.
    dotted: bool,
}

struct Panel {
    title: String,
    x: &'static str,
    y: &'static str,
    curves: Vec<Curve>,
    legend: SeriesLabelPosition,
}

fn panels(report: &Report<'_>) -> Vec<Panel> {
    let solution = report.solution;
    let residual = |of: fn(&zomma_learn::physics::Round) -> f64| {
        let rounds = &solution.standing.rounds;
        rounds.iter().map(|round| (round.seconds, of(round).log10())).collect()
    };
    let mut panels = vec![Panel {
        title: "Held-out residual".into(),
        x: "seconds of training",
        y: "log10",
        legend: SeriesLabelPosition::UpperRight,
        curves: vec![
            Curve {
                name: "root mean square".into(),
                shade: 0.0,
                points: residual(|round| round.held_out),
                dotted: false,
            },
            Curve { name: "greatest".into(), shade: 1.0, points: residual(|round| round.held_out_max), dotted: false },
        ],
    }];
    let Domain { spot_over_strike: [low, high], expiry_years: [near, far], volatility, risk_free_rate } =
        solution.config.problem.domain;
    let strike = solution.config.problem.local_volatility.map_or(100.0, |local| local.reference);
    let middle = |[from, to]: [f64; 2]| f64::sqrt(from.max(1e-4) * to.max(1e-4));
    let expiries: Vec<f64> = (0..4).map(|i| near * (far / near).powf(f64::from(i) / 3.0)).collect();
    let (mut prices, mut errors, mut gammas) = (Vec::new(), Vec::new(), Vec::new());
    for (i, years) in expiries.iter().enumerate() {
        let rows: Vec<Row> = (0..POINTS)
            .map(|at| Row {
                option_type: OptionType::Call,
                spot: strike * (low + (high - low) * at as f64 / (POINTS - 1) as f64),
                strike,
                expiry_years: *years,
                risk_free_rate: middle(risk_free_rate),
                dividend_yield: 0.0,
                volatility: middle(volatility),
            })
            .collect();
        let (found, known) = (solution.price(&rows), references(&solution.config, &rows));
        let curve = |dotted: bool, of: &dyn Fn(usize) -> Option<f64>| Curve {
            name: format!("{years:.3} years"),
            shade: i as f64 / 3.0,
            points: (0..POINTS)
                .filter_map(|at| Some((rows[at].spot / strike, of(at)?)))
                .filter(|(_, y)| y.is_finite())
                .collect(),
            dotted,
        };
        prices.push(curve(false, &|at| found[at].map(|found| found.price / strike)));
        prices.push(curve(true, &|at| known[at].map(|known| known.price / strike)));
        errors.push(curve(false, &|at| Some((found[at]?.price - known[at]?.price) / strike)));
        gammas.push(curve(false, &|at| found[at].map(|found| found.gamma * strike)));
        gammas.push(curve(true, &|at| known[at].map(|known| known.gamma * strike)));
    }
    let over = "spot over strike";
    panels.push(Panel {
        title: "Price of a call".into(),
        x: over,
        y: "of the strike",
        curves: prices,
        legend: SeriesLabelPosition::UpperLeft,
    });
    panels.push(Panel {
        title: "Price less reference".into(),
        x: over,
        y: "of the strike",
        curves: errors,
        legend: SeriesLabelPosition::UpperLeft,
    });
    panels.push(Panel {
        title: "Gamma".into(),
        x: over,
        y: "times the strike",
        curves: gammas,
        legend: SeriesLabelPosition::UpperRight,
    });
    panels
}

/// The panels as SVG; points are the reference.
///
/// # Errors
///
/// Where it cannot be drawn.
pub fn svg(report: &Report<'_>) -> anyhow::Result<String> {
    let mut out = String::new();
    {
        let root = SVGBackend::with_string(&mut out, (1280, 960)).into_drawing_area();
        let drawn = || -> Result<(), Box<dyn std::error::Error>> {
            root.fill(&WHITE)?;
            let equation = report.solution.config.problem.equation.as_str();
            let head = format!("{equation}: the network (lines) and {} (points)", report.validation.reference.as_str());
            let body = root.titled(&head, ("sans-serif", 24))?;
            for (area, panel) in body.split_evenly((2, 2)).iter().zip(panels(report)) {
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

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel) -> Result<(), Box<dyn std::error::Error>> {
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        let all = panel.curves.iter().flat_map(|curve| curve.points.iter().map(of));
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return (0.0, 1.0);
        }
        let room = (0.04 * (high - low)).max(1e-12 + 1e-3 * high.abs());
        (low - room, high + room)
    };
    let ((left, right), (bottom, top)) = (bounds(|point| point.0), bounds(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(left..right, bottom..top)?;
    chart
        .configure_mesh()
        .x_desc(panel.x)
        .y_desc(panel.y)
        .y_label_formatter(&|y| if y.abs() < 1e-2 && *y != 0.0 { format!("{y:.1e}") } else { format!("{y:.2}") })
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .draw()?;
    for curve in &panel.curves {
        let mix = |from: f64, to: f64| (from + (to - from) * curve.shade).round() as u8;
        let colour = RGBColor(mix(31.0, 230.0), mix(90.0, 120.0), mix(180.0, 30.0));
        if curve.dotted {
            let few = curve.points.iter().step_by(8);
            chart.draw_series(few.map(|point| Circle::new(*point, 3, colour.stroke_width(1))))?;
            continue;
        }
        let line = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), line))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], line));
    }
    chart
        .configure_series_labels()
        .position(panel.legend.clone())
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}
