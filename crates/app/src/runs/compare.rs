//! Runs side by side: in what their configs differ, and what came of each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

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

const RESULTS: [Row; 9] = [
    ("state", |run| Some(run.state.to_owned())),
    ("error of", |run| Some(error_of(run))),
    ("test error", |run| error(run.test_error())),
    ("test error, worst row", |run| error(run.worst_error())),
    ("test error of delta", |run| error(run.delta_error())),
    ("best held-out error", held_out),
    ("steps", |run| run.steps().map(|steps| steps.to_string())),
    ("minutes", |run| run.seconds().map(|seconds| format!("{:.2}", seconds / 60.0))),
    ("commit", |run| {
        let tags = &run.record.started.tags;
        let commit = tags.get("git.commit")?.get(..9)?;
        let dirty = if tags.get("git.dirty").is_some_and(|dirty| dirty == "true") { "+" } else { "" };
        Some(format!("{commit}{dirty}"))
    }),
];

/// Of what a run's errors are, and how they are measured.
fn error_of(run: &KnownRun) -> String {
    format!("{}, {}", run.quantity(), run.measure.words())
}

fn error(value: Option<f64>) -> Option<String> {
    value.map(|value| format!("{value:.3e}"))
}

/// The least error on held-out rows. Of a table it is counted in the target's deviations, where the test error is in the column's own units.
fn held_out(run: &KnownRun) -> Option<String> {
    let unit = if run.measure == super::Measure::Target { " dev" } else { "" };
    error(run.held_out_error()).map(|error| format!("{error}{unit}"))
}

type Kind<'a> = (super::Measure, &'static str, Option<&'a String>);

/// What a run's network does: its measure, and the key of the config that names whose prices or which equation, with what it says.
fn kind(run: &KnownRun) -> Kind<'_> {
    let key = if run.parameters.contains_key("problem.equation") { "problem.equation" } else { "data.model" };
    (run.measure, key, run.parameters.get(key))
}

/// The keys of the config, in their order, that are not the same in all of these runs.
fn differing<'a>(runs: &[&'a KnownRun]) -> Vec<&'a String> {
    let all: BTreeSet<&String> = runs.iter().flat_map(|run| run.parameters.keys()).collect();
    let differs = |key: &str| runs.iter().any(|run| run.parameters.get(key) != runs[0].parameters.get(key));
    all.into_iter().filter(|key| !ASIDE.iter().any(|aside| key.starts_with(aside)) && differs(key)).collect()
}

impl<'a> Comparison<'a> {
    /// Of runs, the best first.
    pub fn new(runs: &'a [KnownRun]) -> Self {
        let keys = differing(&runs.iter().collect::<Vec<_>>()).into_iter().cloned().collect();
        Self { runs, keys }
    }

    /// By kind, in what its runs differ, and what the kind is where there are others: nearly every key of a config tells a network of prices from
    /// one that solves an equation, which says nothing.
    fn differing_by_kind(&self) -> BTreeMap<Kind<'a>, Vec<&'a String>> {
        let mut alike: BTreeMap<Kind<'a>, Vec<&'a KnownRun>> = BTreeMap::new();
        for run in self.runs {
            alike.entry(kind(run)).or_default().push(run);
        }
        let are_all = alike.len() == 1;
        let keys_of = |(kind, runs): (Kind<'a>, Vec<&'a KnownRun>)| {
            let mut keys = differing(&runs);
            if !are_all {
                let named = runs.iter().find_map(|run| run.parameters.get_key_value(kind.1));
                keys.splice(0..0, named.map(|(key, _)| key));
            }
            (kind, keys)
        };
        alike.into_iter().map(keys_of).collect()
    }

    /// A run in a line, the best first.
    pub fn list(&self) -> String {
        let titles = ["run", "state", "error of", "test", "held out", "delta, test", "steps", "minutes", "differs in"];
        let mut rows = vec![titles.map(str::to_owned)];
        let by_kind = self.differing_by_kind();
        for run in self.runs {
            let differs: Vec<String> = by_kind[&kind(run)]
                .iter()
                .filter_map(|key| Some(format!("{key} = {}", cut(run.parameters.get(*key)?))))
                .collect();
            let none = || "–".to_owned();
            rows.push([
                run.record.folder.display().to_string(),
                run.state.to_owned(),
                error_of(run),
                error(run.test_error()).unwrap_or_else(none),
                held_out(run).unwrap_or_else(none),
                error(run.delta_error()).unwrap_or_else(none),
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
                "error": run.measure.name(),
                "test_error": run.test_error(),
                "worst_test_error": run.worst_error(),
                "delta_test_error": run.delta_error(),
                "best_held_out_error": run.held_out_error(),
                "held_out_is_in_deviations": run.measure == super::Measure::Target,
                "steps": run.steps(),
                "seconds": run.seconds(),
                "tags": run.record.started.tags,
                "differs": differs,
                "damaged_lines": run.record.damaged,
            })
        });
        object!({ "best": self.best().map(|run| &run.record.folder), "runs": runs.collect::<Vec<Value>>() })
    }

    /// The best run; none where errors of different things stand beside each other, or nobody has one.
    fn best(&self) -> Option<&KnownRun> {
        let first = self.runs.first()?;
        let are_alike = self.runs.iter().all(|run| (run.measure, run.quantity()) == (first.measure, first.quantity()));
        (are_alike && first.test_error().or_else(|| first.held_out_error()).is_some()).then_some(first)
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
    let quantities: BTreeSet<&str> = comparison.runs.iter().map(KnownRun::quantity).collect();
    let of = quantities.into_iter().collect::<Vec<_>>().join(" or ");
    let curve = |title: &str, name: &dyn Fn(&KnownRun) -> Option<&'static str>| {
        let data: Vec<Value> = comparison
            .runs
            .iter()
            .filter_map(|run| {
                let (steps, values): (Vec<u64>, Vec<f64>) = run.record.series(name(run)?).into_iter().unzip();
                Some(object!({ "type": "scatter", "mode": "lines", "name": run.name(), "x": steps, "y": values }))
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
        curve(
            &format!(
                "Held-out {of} error (root mean square; of prices over the strike, of a column in its deviations)"
            ),
            &|run| run.measure.held_out().map(|(error, _)| error),
        ),
        curve("Held-out error of the slope by the moneyness (root mean square; delta of prices)", &|run| {
            run.measure.held_out().map(|(_, slope)| slope)
        }),
        curve("Loss", &|_| Some("loss")),
    ];
    let best = comparison.best().map_or_else(String::new, |run| format!("; the best is {}", run.name()));
    report::figures_page("Runs compared", &format!("{} runs{best}", comparison.runs.len()), &figures)
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::runs::Measure;
    use zomma_learn::tracking::{Point, RunRecord};

    fn run(name: &str, width: &str, rmse: f64) -> KnownRun {
        let mut record = RunRecord { folder: name.into(), ..RunRecord::default() };
        record.started.name = name.into();
        let parameters = [("network.width", width), ("training.batch", "256"), ("tracking.run_name", name)];
        KnownRun {
            record,
            parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            results: [("price_rmse".to_owned(), rmse)].into(),
            measure: Measure::Price,
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
            comparison
                .list()
                .lines()
                .nth(1)
                .is_some_and(|line| line.contains("1.000e-4") && line.ends_with("network.width = 8"))
        );
        assert_eq!(comparison.json()["best"], "a");
    }

    #[test]
    fn a_run_of_another_kind_does_not_make_every_key_a_difference() {
        let mut other = run("p", "24", 1e-3);
        let problem = [("problem.equation", "black_scholes"), ("sampling.points", "4096")];
        other.parameters = problem.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        other.measure = Measure::Solution;
        let mut runs = [run("a", "8", 1e-4), run("b", "16", 2e-4), other];
        for run in &mut runs[..2] {
            run.parameters.insert("data.model".into(), "heston".into());
        }
        let list = Comparison::new(&runs).list();
        let last: Vec<&str> = list.lines().map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(last[1..3], ["data.model = heston, network.width = 8", "data.model = heston, network.width = 16"]);
        assert_eq!(last[3], "problem.equation = black_scholes");
        // Beside its own kind alone nothing says the kind.
        assert!(!Comparison::new(&runs[..2]).list().contains("data.model"));
    }

    /// As a run that looks at held-out rows: its steps and what it saw.
    fn seen(mut run: KnownRun, name: &str, errors: &[f64]) -> KnownRun {
        for (step, error) in errors.iter().enumerate() {
            let values = [(name.to_owned(), *error)].into();
            run.record.points.push(Point { at_ms: 1, step: step as u64, values });
        }
        run
    }

    #[test]
    fn held_out_and_test_errors_stand_apart_and_different_measures_are_not_ranked_together() {
        let untested = KnownRun { results: BTreeMap::new(), state: "running", ..run("d", "8", 0.0) };
        let of = |measure: Measure, name: &str, error: f64| {
            let results = [(measure.name().to_owned(), error)].into();
            KnownRun { results, measure, ..run(name, "8", 0.0) }
        };
        let of_column = |name: &str, target: &str, error: f64| {
            let mut run = of(Measure::Target, name, error);
            run.parameters.insert("data.table.target".into(), target.into());
            run
        };
        let mut runs = vec![
            of(Measure::Solution, "f", 1e-7),
            of_column("h", "spread", 2e-9),
            seen(of_column("g", "move", 1e-8), "held_out_target_rmse", &[2e-2, 1e-2]),
            seen(of(Measure::Volatility, "e", 1e-6), "held_out_volatility_rmse", &[3e-6, 2e-6]),
            seen(untested, "held_out_price_rmse", &[5e-4, 1e-5, 2e-5]),
            seen(run("b", "8", 2e-4), "held_out_price_rmse", &[3e-4]),
            run("a", "8", 1e-4),
        ];
        runs.sort_by(KnownRun::by_error);
        let names: Vec<String> = runs.iter().map(KnownRun::name).collect();
        assert_eq!(names, ["a", "b", "d", "e", "f", "g", "h"]);
        let comparison = Comparison::new(&runs);
        let list = comparison.list();
        let cells: Vec<Vec<&str>> = list
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(&cells[0][2..5], ["error of", "test", "held out"]);
        assert_eq!(&cells[2][2..5], ["price, rmse of strike", "2.000e-4", "3.000e-4"]);
        assert_eq!(&cells[3][2..5], ["price, rmse of strike", "–", "1.000e-5"]);
        assert_eq!(&cells[4][2..5], ["volatility, rmse", "1.000e-6", "2.000e-6"]);
        assert_eq!(&cells[5][2..5], ["price, relative L2", "1.000e-7", "–"]);
        assert_eq!(&cells[6][2..5], ["move, rmse", "1.000e-8", "1.000e-2 dev"]);
        assert_eq!(&cells[7][2..5], ["spread, rmse", "2.000e-9", "–"]);
        // Columns are of different units.
        assert!(Comparison::new(&runs[5..]).json()["best"].is_null());
        assert_eq!(Comparison::new(&runs[5..6]).json()["best"], "g");
        assert!(comparison.json()["best"].is_null());
        assert_eq!(comparison.json()["runs"][3]["error"], "volatility_rmse");
        assert_eq!(Comparison::new(&runs[..3]).json()["best"], "a");
        assert!(!list.contains("d  finished"));
    }
}
