//! The curves of a run as SVG.

use anyhow::anyhow;
use plotters::{coord::ranged1d::ValueFormatter, prelude::*};
use zomma_learn::tracking::RunRecord;

/// Pixels.
const SIZE: (u32, u32) = (640, 360);
/// Colours of the curves of a plot.
const COLOURS: [RGBColor; 3] = [RGBColor(31, 95, 209), RGBColor(214, 104, 32), RGBColor(18, 128, 92)];

/// A plot: its file's name, its title, and the numbers that it shows with what they are called.
pub struct Figure {
    /// Name of the file, without its ending.
    pub name: &'static str,
    /// Title.
    pub title: &'static str,
    /// Numbers of the run, by name, and what the plot calls them.
    series: &'static [(&'static str, &'static str)],
    /// Whether the height counts powers of ten.
    is_logarithmic: bool,
}

/// All plots of a run.
pub const FIGURES: [Figure; 7] = [
    Figure {
        name: "held_out",
        title: "Errors on held-out rows",
        series: &[
            ("held_out_price_rmse", "price, of strike"),
            ("held_out_delta_rmse", "delta"),
            ("held_out_volatility_rmse", "volatility"),
            ("held_out_slope_rmse", "slope"),
            ("held_out_target_rmse", "target, in its deviations"),
        ],
        is_logarithmic: true,
    },
    Figure {
        name: "loss",
        title: "Loss of a step",
        series: &[
            ("loss", "all"),
            ("loss_price", "price"),
            ("loss_volatility", "volatility"),
            ("loss_target", "target"),
            ("loss_differential", "derivatives"),
        ],
        is_logarithmic: true,
    },
    Figure {
        name: "gradient_norm",
        title: "Norm of the gradient",
        series: &[("gradient_norm", "norm")],
        is_logarithmic: true,
    },
    Figure {
        name: "learning_rate",
        title: "Learning rate",
        series: &[("learning_rate", "rate")],
        is_logarithmic: false,
    },
    Figure {
        name: "residual",
        title: "Residual on held-out points",
        series: &[("held_out_residual_rms", "root mean square"), ("held_out_residual_max", "greatest")],
        is_logarithmic: true,
    },
    Figure {
        name: "weights",
        title: "Weights of the loss",
        series: &[("weight_body", "body"), ("weight_wings", "wings"), ("weight_near_expiry", "near expiry")],
        is_logarithmic: true,
    },
    Figure { name: "skipped", title: "Steps skipped", series: &[("skipped_steps", "steps")], is_logarithmic: false },
];

/// A curve: what it is called, and its points.
type Curve = (&'static str, Vec<(f64, f64)>);

impl Figure {
    /// The plot of a run as SVG; none where there is nothing to show.
    ///
    /// # Errors
    ///
    /// A fault of ours.
    pub fn svg(&self, record: &RunRecord) -> anyhow::Result<Option<String>> {
        let curves: Vec<Curve> = self
            .series
            .iter()
            .map(|(name, shown)| {
                let shows = |value: f64| !self.is_logarithmic || value > 0.0;
                let points = record.series(name).into_iter().filter(|(_, value)| shows(*value));
                (*shown, points.map(|(step, value)| (step as f64, value)).collect())
            })
            .filter(|(_, points): &Curve| !points.is_empty())
            .collect();
        let is_flat_zero = curves.iter().all(|(_, points)| points.iter().all(|(_, value)| *value == 0.0));
        if curves.is_empty() || is_flat_zero {
            return Ok(None);
        }
        let mut out = String::new();
        // Drawing into memory fails on nothing but a fault of ours.
        draw(&mut out, &curves, self.is_logarithmic).map_err(|error| anyhow!("cannot draw: {error}"))?;
        Ok(Some(out))
    }
}

fn draw<'a>(
    out: &'a mut String,
    curves: &[Curve],
    is_logarithmic: bool,
) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let points = || curves.iter().flat_map(|(_, points)| points.iter());
    let last = points().fold(1.0f64, |last, (step, _)| last.max(*step));
    let (low, high) = points().fold((f64::INFINITY, 0.0f64), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    let root = SVGBackend::with_string(out, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    builder.margin(12).x_label_area_size(30).y_label_area_size(64);
    if is_logarithmic {
        curves_on(builder.build_cartesian_2d(0.0..last, (low / 1.5..high * 1.5).log_scale())?, curves)?;
    } else {
        curves_on(builder.build_cartesian_2d(0.0..last, 0.0..1.05 * high)?, curves)?;
    }
    root.present()?;
    Ok(())
}

/// A number as short as it can be said with two digits.
fn label(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let text = format!("{value:.1e}");
    text.replacen(".0e", "e", 1).trim_end_matches("e0").to_owned()
}

fn curves_on<'a, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>,
    curves: &[Curve],
) -> Result<(), String>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let text = || FontDesc::from(("sans-serif", 13));
    chart
        .configure_mesh()
        .label_style(text())
        .x_labels(6)
        .y_labels(7)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|value| label(*value))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.08))
        .draw()
        .map_err(|error| error.to_string())?;
    for ((name, points), colour) in curves.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))
            .map_err(|error| error.to_string())?
            .label(*name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    if curves.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.85))
            .label_font(text())
            .draw()
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use zomma_learn::tracking::Point;

    use super::*;

    #[test]
    fn labels_are_short_and_none_is_another_ones() {
        assert_eq!([0.0, 1e-3, 1.5e-3, 1.0, 4.0, 250.0].map(label), ["0", "1e-3", "1.5e-3", "1", "4", "2.5e2"]);
    }

    #[test]
    fn a_plot_is_drawn_where_there_is_something_and_not_where_there_is_nothing() {
        let mut record = RunRecord::default();
        let values = |loss: f64| BTreeMap::from([("loss".to_owned(), loss), ("skipped_steps".to_owned(), 0.0)]);
        record.points = (1..=50).map(|step| Point { at_ms: 0, step, values: values(1.0 / step as f64) }).collect();
        let drawn: Vec<&str> = FIGURES
            .iter()
            .filter(|figure| figure.svg(&record).unwrap().is_some_and(|svg| svg.contains("<polyline")))
            .map(|figure| figure.name)
            .collect();
        // No step was skipped, and nothing else was told.
        assert_eq!(drawn, ["loss"]);
        // One point, and a loss that no logarithm has.
        record.points.truncate(1);
        assert!(FIGURES[1].svg(&record).unwrap().is_some());
        record.points[0].values.insert("loss".into(), 0.0);
        assert!(FIGURES[1].svg(&record).unwrap().is_none());
    }
}
