//! Runs side by side: in what their configs differ, and what came of each.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value, json as object};

use super::KnownRun;
use crate::report;

/// Keys that say who is told and how long one trains, not what is trained.
const ASIDE: [&str; 1] = ["tracking."];
/// Longest cell of the table.
const CELL: usize = 24;

/// Runs beside each other.
pub struct Comparison<'a> {
    /// The runs, the best first.
    pub runs: &'a [KnownRun],
    /// Keys of the config whose values differ.
    pub keys: Vec<String>,
}

/// A row of results: its title, and a run's cell.
type Row = (&'static str, fn(&KnownRun) -> Option<String>);

const RESULTS: [Row; 8] = [
    ("state", |run| Some(run.state.to_owned())),
    ("price error, rmse of strike", |run| error(run.results.get("price_rmse").copied())),
    ("price error, worst", |run| error(run.results.get("price_max").copied())),
    ("delta error, rmse", |run| error(run.results.get("delta_rmse").copied())),
    ("best held-out price error", |run| error(run.best_held_out())),
    ("steps", |run| run.steps().map(|steps| steps.to_string())),
    ("minutes", |run| run.seconds().map(|seconds| format!("{:.2}", seconds / 60.0))),
    ("commit", |run| {
        let tags = &run.record.started.tags;
        let commit = tags.get("git.commit")?.get(..9)?;
        let dirty = if tags.get("git.dirty").is_some_and(|dirty| dirty == "true") { "+" } else { "" };
        Some(format!("{commit}{dirty}"))
    }),
];

fn error(value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{value:.3e}"))
}

impl<'a> Comparison<'a> {
    /// Of runs, the best first.
    pub fn new(runs: &'a [KnownRun]) -> Self {
        let all: BTreeSet<&String> = runs.iter().flat_map(|run| run.parameters.keys()).collect();
        let differs = |key: &str| runs.iter().any(|run| run.parameters.get(key) != runs[0].parameters.get(key));
        let keys = all.into_iter().filter(|key| !ASIDE.iter().any(|aside| key.starts_with(aside)) && differs(key));
        Self { runs, keys: keys.cloned().collect() }
    }

    /// A run in a line, the best first.
    pub fn list(&self) -> String {
        let mut rows =
            vec![["run", "state", "price rmse", "delta rmse", "steps", "minutes", "differs in"].map(str::to_owned)];
        for run in self.runs {
            let differs: Vec<String> = self
                .keys
                .iter()
                .filter_map(|key| Some(format!("{} {}", short(key), cut(run.parameters.get(key)?))))
                .collect();
            let none = || "–".to_owned();
            rows.push([
                run.record.folder.display().to_string(),
                run.state.to_owned(),
                error(run.price_rmse()).unwrap_or_else(none),
                error(run.results.get("delta_rmse").copied()).unwrap_or_else(none),
                run.steps().map_or_else(none, |steps| steps.to_string()),
                run.seconds().map_or_else(none, |seconds| format!("{:.2}", seconds / 60.0)),
                differs.join(", "),
            ]);
        }
        let rows: Vec<Vec<String>> = rows.into_iter().map(Vec::from).collect();
        columns(&rows)
    }

    /// A column a run: in what the configs differ, then what came of it.
    pub fn table(&self) -> String {
        columns(&self.rows())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let line = |title: &str, cell: &dyn Fn(&KnownRun) -> Option<String>| {
            let cells = self.runs.iter().map(|run| cell(run).map_or_else(|| "–".to_owned(), |text| cut(&text)));
            std::iter::once(title.to_owned()).chain(cells).collect::<Vec<String>>()
        };
        let mut rows = vec![line("", &|run| Some(run.name()))];
        rows.extend(self.keys.iter().map(|key| line(key, &|run| run.parameters.get(key).cloned())));
        rows.extend(RESULTS.iter().map(|(title, cell)| line(title, cell)));
        rows
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let runs = self.runs.iter().map(|run| {
            let differs: Map<String, Value> =
                self.keys.iter().map(|key| (key.clone(), object!(run.parameters.get(key)))).collect();
            object!({
                "folder": run.record.folder,
                "name": run.name(),
                "experiment": run.record.started.experiment,
                "state": run.state,
                "price_rmse": run.results.get("price_rmse"),
                "delta_rmse": run.results.get("delta_rmse"),
                "best_held_out_price_rmse": run.best_held_out(),
                "steps": run.steps(),
                "seconds": run.seconds(),
                "tags": run.record.started.tags,
                "differs": differs,
                "damaged_lines": run.record.damaged,
            })
        });
        object!({ "best": self.runs.first().filter(|run| run.price_rmse().is_some()).map(|run| &run.record.folder), "runs": runs.collect::<Vec<Value>>() })
    }
}

/// The runs' curves over each other, on a page that needs no network.
pub fn comparison_page(comparison: &Comparison<'_>) -> anyhow::Result<Vec<u8>> {
    let mut rows = comparison.rows();
    let header = rows.remove(0);
    let columns: Vec<Vec<&str>> =
        (0..header.len()).map(|at| rows.iter().map(|row| row[at].as_str()).collect()).collect();
    let table = object!({
        "data": [{
            "type": "table",
            "columnwidth": std::iter::once(2.0).chain(vec![1.0; header.len() - 1]).collect::<Vec<f64>>(),
            "header": { "values": header, "align": "left", "fill": { "color": "#e8edf3" }, "font": { "size": 13 } },
            "cells": { "values": columns, "align": "left", "height": 26, "font": { "size": 13 } },
        }],
        "layout": { "title": { "text": "In what they differ, and what came of it" } },
    });
    let curve = |title: &str, name: &str| {
        let data: Vec<Value> = comparison
            .runs
            .iter()
            .map(|run| {
                let (steps, values): (Vec<u64>, Vec<f64>) = run.record.series(name).into_iter().unzip();
                object!({ "type": "scatter", "mode": "lines", "name": run.name(), "x": steps, "y": values })
            })
            .collect();
        object!({
            "data": data,
            "layout": {
                "title": { "text": title }, "xaxis": { "title": { "text": "step" } },
                "yaxis": { "type": "log", "exponentformat": "e" }, "showlegend": true,
            },
        })
    };
    let figures = [
        table,
        curve("Held-out price error (root mean square, of the strike)", "held_out_price_rmse"),
        curve("Held-out delta error (root mean square)", "held_out_delta_rmse"),
        curve("Loss", "loss"),
    ];
    let best = comparison.runs.first().map_or_else(String::new, |run| format!("; the best is {}", run.name()));
    report::figures_page("Runs compared", &format!("{} runs{best}", comparison.runs.len()), &figures)
}

/// The last part of a key.
fn short(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(_, last)| last)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= CELL {
        return text.to_owned();
    }
    text.chars().take(CELL - 1).chain(std::iter::once('…')).collect()
}

/// Cells under each other, the last column as it is.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use zomma_learn::tracking::RunRecord;

    fn run(name: &str, width: &str, rmse: f64) -> KnownRun {
        let mut record = RunRecord { folder: name.into(), ..RunRecord::default() };
        record.started.name = name.into();
        let parameters = [("network.width", width), ("training.batch", "256"), ("tracking.run_name", name)];
        KnownRun {
            record,
            parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            results: [("price_rmse".to_owned(), rmse)].into(),
            state: "finished",
        }
    }

    #[test]
    fn only_what_differs_is_shown_and_not_who_is_told() {
        let runs = [run("a", "8", 1e-4), run("b", "16", 2e-4)];
        let comparison = Comparison::new(&runs);
        assert_eq!(comparison.keys, ["network.width"]);
        let table = comparison.table();
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((&lines[0][..], &lines[1][..]), (&["a", "b"][..], &["network.width", "8", "16"][..]));
        assert!(
            comparison.list().lines().nth(1).is_some_and(|line| line.contains("1.000e-4") && line.ends_with("width 8"))
        );
        assert_eq!(comparison.json()["best"], "a");
    }
}
