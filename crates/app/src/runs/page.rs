//! `report.html` of a run and its plots: one page without scripts that loads nothing from anywhere.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use anyhow::Context;
use jiff::{Timestamp, tz::TimeZone};
use zomma_learn::tracking::{RunRecord, RunState};

use super::{KnownRun, Measure, figures::FIGURES};
use crate::{
    output_file,
    report::{escaped, filled},
};

const FRAME: &str = include_str!("page.html");

/// Writes `plots/*.svg` and `report.html` of a run's folder; the plots' paths in it. `ended` is how it ends where its spool does not say
/// so yet.
///
/// # Errors
///
/// A folder that has no run, or cannot be written.
pub fn write_report(
    folder: &Path,
    ended: Option<(RunState, i64, &BTreeMap<String, f64>)>,
) -> anyhow::Result<Vec<String>> {
    let shown = folder.display();
    let mut run = KnownRun::read(folder)?.with_context(|| format!("{shown}: no run here"))?;
    if let Some((state, at_ms, summary)) = ended {
        (run.state, run.record.last_ms) = (state.as_str(), at_ms);
        if !summary.is_empty() {
            run.results = summary.clone();
        }
    }
    let plots = folder.join("plots");
    fs::create_dir_all(&plots).with_context(|| format!("{}: cannot be made", plots.display()))?;
    let (mut paths, mut figures) = (Vec::new(), String::new());
    for figure in &FIGURES {
        let Some(svg) = figure.svg(&run.record)? else { continue };
        let path = format!("plots/{}.svg", figure.name);
        output_file::write(&folder.join(&path), svg.as_bytes())
            .with_context(|| format!("{shown}/{path}: cannot be written"))?;
        // Writing to a string does not fail.
        let _ = write!(figures, "<figure><figcaption>{}</figcaption>{svg}</figure>", escaped(figure.title));
        paths.push(path);
    }
    let target = folder.join("report.html");
    output_file::write(&target, &page(&run, figures))
        .with_context(|| format!("{}: cannot be written", target.display()))?;
    Ok(paths)
}

fn page(run: &KnownRun, figures: String) -> Vec<u8> {
    let RunRecord { started, damaged, .. } = &run.record;
    let when = moment(started.at_ms).map_or_else(String::new, |begun| format!("begun {begun}, "));
    let headline = format!(
        "{when}{}{}",
        run.state,
        if started.experiment.is_empty() { String::new() } else { format!(", experiment {}", started.experiment) }
    );
    let mut notes = String::new();
    if *damaged > 0 {
        let _ = write!(notes, "<p class=\"warn\">{damaged} lines of tracking/events.log are damaged and left out.</p>");
    }
    let parts = [
        ("{{title}}", escaped(&run.name()).into()),
        ("{{headline}}", escaped(&headline).into()),
        ("{{state}}", escaped(run.state).into()),
        ("{{cards}}", cards(run).into()),
        ("{{notes}}", notes.into()),
        ("{{figures}}", figures.into()),
        ("{{results}}", rows(run.results.iter().map(|(key, value)| (key.as_str(), number(*value)))).into()),
        ("{{config}}", rows(run.parameters.iter().map(|(key, value)| (key.as_str(), value.clone()))).into()),
        (
            "{{facts}}",
            rows(
                started
                    .tags
                    .iter()
                    .filter(|(key, _)| !key.starts_with("mlflow."))
                    .map(|(key, value)| (key.as_str(), value.clone())),
            )
            .into(),
        ),
        ("{{version}}", env!("CARGO_PKG_VERSION").into()),
    ];
    filled(FRAME, &parts)
}

/// The numbers that one looks for first.
fn cards(run: &KnownRun) -> String {
    let minutes = run.seconds().map(|seconds| format!("{:.2} min", seconds / 60.0));
    let error = |value: Option<f64>| value.map(|value| format!("{value:.2e}"));
    let (quantity, words) = (escaped(run.quantity()), run.measure.words());
    // What is said before the end is in the target's deviations, after it in its units.
    let held_out_words = if run.measure == Measure::Target { "rmse in deviations" } else { words };
    let delta = if run.measure == Measure::Solution { words } else { "rmse" };
    let cards = [
        (format!("{quantity} error"), error(run.test_error()), format!("{words}, rows never seen")),
        // Of a run that has ended it would stand beside the one that counts.
        (
            format!("held-out {quantity} error"),
            error(run.held_out_error().filter(|_| run.test_error().is_none())),
            format!("{held_out_words}, the best so far"),
        ),
        ("delta error".into(), error(run.delta_error()), format!("{delta}, rows never seen")),
        (
            "gamma error".into(),
            run.results.get("gamma_rmse").map(|gamma| format!("{:.2} %", 100.0 * gamma)),
            "rmse, of at-the-money gamma".into(),
        ),
        ("steps".into(), run.steps().map(|steps| steps.to_string()), "done".into()),
        ("training".into(), minutes, "all sittings together".into()),
    ];
    let mut text = String::new();
    for (title, value, hint) in cards {
        if let Some(value) = value {
            let _ = write!(
                text,
                "<div class=\"card\"><div class=\"k\">{title}</div><div class=\"v\">{value}</div><div class=\"n\">{hint}</div></div>"
            );
        }
    }
    text
}

fn rows<'a>(pairs: impl Iterator<Item = (&'a str, String)>) -> String {
    pairs.map(|(key, value)| format!("<tr><th>{}</th><td>{}</td></tr>", escaped(key), escaped(&value))).collect()
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { format!("{value:.4e}") }
}

fn moment(at_ms: i64) -> Option<String> {
    let moment = Timestamp::from_millisecond(at_ms).ok().filter(|_| at_ms > 0)?;
    Some(moment.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_config_says_stays_text_and_nothing_is_loaded() {
        let mut record = RunRecord::default();
        record.started.name = "<script>".into();
        let run = KnownRun {
            record,
            parameters: [("a".to_owned(), "</td><img src=x>".to_owned())].into(),
            results: BTreeMap::new(),
            measure: Measure::Price,
            state: "finished",
        };
        let page = String::from_utf8(page(&run, String::new())).unwrap();
        assert!(page.contains("<h1>&lt;script&gt;</h1>") && !page.contains("<img") && !page.contains("<script"));
        assert!(!page.contains("{{"), "{page}");
    }

    #[test]
    fn the_page_of_a_network_of_volatilities_says_volatility_and_that_of_an_unfinished_run_held_out() {
        let mut run = KnownRun {
            record: RunRecord::default(),
            parameters: BTreeMap::new(),
            results: [("volatility_rmse".to_owned(), 1e-4)].into(),
            measure: Measure::Volatility,
            state: "finished",
        };
        let text = |run: &KnownRun| cards(run);
        assert!(text(&run).contains("volatility error") && !text(&run).contains("price"), "{}", text(&run));
        let column = KnownRun {
            record: RunRecord::default(),
            parameters: [("data.table.target".to_owned(), "a<b".to_owned())].into(),
            results: [("rmse".to_owned(), 2e-3)].into(),
            measure: Measure::Target,
            state: "finished",
        };
        assert!(text(&column).contains("a&lt;b error") && text(&column).contains("2.00e-3"), "{}", text(&column));
        assert!(!text(&column).contains("price"), "{}", text(&column));
        run.results.clear();
        let values = [("held_out_volatility_rmse".to_owned(), 3e-4)].into();
        run.record.points.push(zomma_learn::tracking::Point { at_ms: 1, step: 5, values });
        let shown = text(&run);
        assert!(shown.contains("held-out volatility error") && shown.contains("3.00e-4"), "{shown}");
        assert!(!shown.contains("never seen"), "{shown}");
    }
}
