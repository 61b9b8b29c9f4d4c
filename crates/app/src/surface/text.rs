//! What a fit came to, in words and a table.

use std::fmt::Write;

use zomma_pricing::surface::{FitQuality, fitted::SavedSurface};

/// Notes that are told one by one.
const NOTES_MAX: usize = 12;

/// The report of one surface.
pub fn fit_text(title: &str, surface: &SavedSurface, remarks: &[String]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_fit(title, surface, remarks, &mut out);
    out
}

fn write_fit(title: &str, surface: &SavedSurface, remarks: &[String], out: &mut String) -> std::fmt::Result {
    let quality = &surface.quality;
    let model = surface.surface.model().as_str();
    write!(out, "{title}: {model}, {} expiries, {}", surface.slices.len(), met(quality))?;
    if let Some(free) = surface.unconstrained.as_ref().filter(|free| free.inside.is_some()) {
        write!(out, " ({} without constraints", share(free))?;
        if free.inside < quality.inside {
            write!(out, ", at an error of {}", error(free))?;
        }
        write!(out, ")")?;
    }
    writeln!(out, ", error {} vol points", error(quality))?;
    writeln!(out, "Arbitrage: {}\n", arbitrage(surface))?;
    writeln!(
        out,
        "  {:<22}{:>10}{:>12}{:>14}{:>8}{:>9}{:>9}",
        "expiry", "years", "forward", "at the money", "quotes", "inside", "error"
    )?;
    for slice in &surface.slices {
        let expiry = slice.expiry.as_deref().map_or("", |expiry| expiry.trim_end_matches(":00Z"));
        let atm = slice.atm_volatility.map_or("none".into(), |vol| format!("{:.2} %", 100.0 * vol));
        writeln!(
            out,
            "  {expiry:<22}{:>10.5}{:>12.3}{atm:>14}{:>8}{:>9}{:>9}",
            slice.expiry_years,
            slice.forward,
            slice.quality.quotes,
            share(&slice.quality),
            error(&slice.quality)
        )?;
    }
    for remark in remarks {
        writeln!(out, "note: {remark}")?;
    }
    for note in surface.notes.iter().take(NOTES_MAX) {
        writeln!(out, "note: {note}")?;
    }
    if surface.notes.len() > NOTES_MAX {
        writeln!(out, "note: and {} more (--json, or the file, has all)", surface.notes.len() - NOTES_MAX)?;
    }
    Ok(())
}

/// The report of one surface of many: a line.
pub fn fit_line(title: &str, surface: &SavedSurface) -> String {
    let quality = &surface.quality;
    let violations = surface.arbitrage.butterfly_violations + surface.arbitrage.calendar_violations;
    let inside = quality.inside.map(|_| format!("{} inside", share(quality))).unwrap_or_default();
    format!(
        "  {title:<24}{:>4} expiries{:>7} quotes{inside:>16}{:>9} vol points   arbitrage at {violations} points{:>4} notes\n",
        surface.slices.len(),
        quality.quotes,
        error(quality),
        surface.notes.len()
    )
}

/// What the check found, in words.
pub fn arbitrage(surface: &SavedSurface) -> String {
    let report = &surface.arbitrage;
    let [low, high] = report.log_moneyness_range;
    let over = format!("{} points, log-moneyness {low:.3} to {high:.3}, least g {:.1e}", report.points, report.least_g);
    match (report.butterfly_violations, report.calendar_violations) {
        (0, 0) => format!("none ({over})"),
        (butterfly, calendar) => {
            format!(
                "butterfly at {butterfly} and calendar at {calendar} points ({over}); `zomma surface check` says where"
            )
        }
    }
}

/// How many quotes, and what share of them lies inside bid-ask, where they have any.
pub fn met(quality: &FitQuality) -> String {
    match quality.inside {
        Some(_) => format!("{} quotes, {} inside bid-ask", quality.quotes, share(quality)),
        None => format!("{} quotes without bid and ask", quality.quotes),
    }
}

/// The error in vol points; a dash where the surface has no value at any quote.
pub fn error(quality: &FitQuality) -> String {
    if quality.rmse_vol_points.is_nan() { "-".into() } else { format!("{:.3}", quality.rmse_vol_points) }
}

/// The share of quotes inside bid-ask; blank where none has either.
pub fn share(quality: &FitQuality) -> String {
    let Some(inside) = quality.inside.filter(|_| quality.quotes > 0) else { return String::new() };
    // All of them, and none, is said of all and none alone.
    let rounded = (2000 * inside + quality.quotes) / (2 * quality.quotes);
    let thousandths = match inside {
        0 => 0,
        inside if inside == quality.quotes => 1000,
        _ => rounded.clamp(1, 999),
    };
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_blank() {
        let quality = |inside| FitQuality { quotes: 3, inside, rmse_vol_points: 0.1 };
        assert_eq!(share(&quality(Some(2))), "66.7 %");
        assert_eq!(met(&quality(Some(2))), "3 quotes, 66.7 % inside bid-ask");
        let of = |inside, quotes| share(&FitQuality { quotes, inside: Some(inside), rmse_vol_points: 0.1 });
        assert_eq!(
            [of(5, 11), of(4999, 5000), of(1, 5000), of(0, 9), of(9, 9)],
            ["45.5 %", "99.9 %", "0.1 %", "0.0 %", "100.0 %"]
        );
        assert_eq!((share(&quality(None)), share(&FitQuality::default())), (String::new(), String::new()));
        assert_eq!(met(&quality(None)), "3 quotes without bid and ask");
        assert_eq!(error(&quality(None)), "0.100");
        assert_eq!(error(&FitQuality { rmse_vol_points: f64::NAN, ..quality(None) }), "-");
    }
}
