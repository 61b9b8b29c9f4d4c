//! What the launcher itself says: notes on standard error, tables on standard output, or all of it as lines of JSON.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use serde_json::{Value, json};
use zomma_gpu::group::{cpus::format_cpu_list, preflight::Verdict, status::GroupEnd};

use super::plan::{Plan, PlannedRank};
use crate::commands;

/// How it is said.
pub struct Report {
    json: bool,
}

impl Report {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Something that the user should know, and that is no error.
    pub fn note(&self, words: &str) {
        // With nobody to read it there is nobody to tell.
        let _ = writeln!(io::stderr(), "zomma: {words}");
    }

    /// What joins the GPUs and where each rank runs.
    pub fn plan(&self, plan: &Plan) -> anyhow::Result<()> {
        if self.json {
            return event(&plan_json(plan));
        }
        let mut text = if plan.topology.gpus.is_empty() { nodes(plan) } else { plan.topology.text() };
        if !plan.ranks.is_empty() {
            let _ = write!(text, "\n{}", ranks(plan));
        }
        commands::print(&text)
    }

    /// What the preflight found; its failure is said by the error that follows.
    pub fn preflight(&self, verdict: &Verdict, asked_for: bool) -> anyhow::Result<()> {
        if self.json {
            let mut value = serde_json::to_value(verdict)?;
            value["event"] = json!("preflight");
            return event(&value);
        }
        match (verdict.correct, asked_for) {
            (true, true) => commands::print(&format!("{}\n", verdict.in_words())),
            (true, false) => {
                self.note(&format!("preflight: {}", verdict.in_words()));
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }

    /// How an attempt ended; in words only its error says so.
    pub fn end(&self, attempt: u32, end: &GroupEnd) -> anyhow::Result<()> {
        if !self.json || end.output_error.is_some() {
            return Ok(());
        }
        let first_failure = end.failed().map(|rank| rank.rank);
        event(&json!({
            "event": "end",
            "attempt": attempt,
            "exit_code": end.exit_code(),
            "first_failing_rank": first_failure,
            "signal": end.signal,
            "ranks": end.ranks,
        }))
    }
}

fn event(value: &Value) -> anyhow::Result<()> {
    commands::print(&format!("{value}\n"))
}

fn plan_json(plan: &Plan) -> Value {
    let rank = |(local_rank, rank): (usize, &PlannedRank)| {
        json!({
            "rank": plan.shape.rank(local_rank),
            "local_rank": local_rank,
            "gpu": rank.gpu,
            "pin": rank.pin,
            "environment": plan.variables(local_rank, plan.shape.master_port, plan.visibility),
        })
    };
    json!({
        "event": "plan",
        "topology": plan.topology,
        "cores": plan.cpus.cores,
        "ranks": plan.ranks.iter().enumerate().map(rank).collect::<Vec<_>>(),
    })
}

/// The NUMA nodes of a machine without GPUs.
fn nodes(plan: &Plan) -> String {
    let mut nodes: Vec<(Option<u32>, Vec<u32>, usize)> = Vec::new();
    for core in &plan.cpus.cores {
        match nodes.last_mut().filter(|(node, ..)| *node == core.numa_node) {
            Some((_, cpus, cores)) => {
                cpus.extend(&core.cpus);
                *cores += 1;
            }
            None => nodes.push((core.numa_node, core.cpus.clone(), 1)),
        }
    }
    let mut rows = vec![["NUMA node", "cores", "CPUs"].map(String::from).to_vec()];
    for (node, mut cpus, cores) in nodes {
        cpus.sort_unstable();
        let node = node.map_or("?".to_string(), |node| node.to_string());
        rows.push(vec![node, cores.to_string(), format_cpu_list(&cpus)]);
    }
    format!("No GPU in this group.\n\n{}", table(&rows))
}

fn ranks(plan: &Plan) -> String {
    let mut rows = vec![["rank", "GPU", "CPUs", "NUMA node"].map(String::from).to_vec()];
    for (local_rank, rank) in plan.ranks.iter().enumerate() {
        let gpu = rank.gpu.as_ref().map_or("none".to_string(), |gpu| {
            let name = gpu.name.as_deref().unwrap_or("of unknown model");
            format!("{} {name}", gpu.index)
        });
        let (cpus, nodes) = match &rank.pin {
            Some(pin) => (format_cpu_list(&pin.cpus), format_cpu_list(&pin.numa_nodes)),
            None => ("any".to_string(), "any".to_string()),
        };
        rows.push(vec![plan.shape.rank(local_rank).to_string(), gpu, cpus, nodes]);
    }
    table(&rows)
}

/// Columns two blanks apart.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
