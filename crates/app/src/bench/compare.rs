//! This run against an earlier one, line by line: what changed beyond the noise of both.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;

use super::{Line, Report, SCHEMA, Section, Speed};

/// Changes below this are nobody's business: from one run to the next clocks, caches and neighbours do as much, which the spread within
/// a run does not show.
const NOISE_MIN: f64 = 0.1;
/// The same under `--quick`, whose few calls of microseconds say little: a doubling.
const NOISE_MIN_QUICK: f64 = 1.0;

/// Reads an earlier report.
///
/// # Errors
///
/// Where the file cannot be read or holds no report of this version, with what is wrong in it.
pub fn read(path: &Path) -> anyhow::Result<Report> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{shown}: cannot be read"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{shown}: not the JSON of zomma bench"))?;
    match value.get("schema").and_then(serde_json::Value::as_str) {
        Some(SCHEMA) => {}
        Some(other) => {
            bail!("{shown}: schema {:?}: allowed is {SCHEMA:?}", crate::failure::shown(other))
        }
        None => bail!("{shown}: not the JSON of zomma bench: no schema"),
    }
    let report: Report =
        serde_json::from_value(value).with_context(|| format!("{shown}: not the JSON of zomma bench"))?;
    let speeds = report.lines.iter().flat_map(|line| [&line.one_core, &line.all_cores, &line.device]).flatten();
    for speed in speeds {
        if !(speed.rate > 0.0 && speed.median_seconds > 0.0 && speed.spread() >= 0.0) {
            bail!("{shown}: a rate or a time that is not above 0");
        }
    }
    Ok(report)
}

/// How one column changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The rate now over the rate then.
    pub ratio: f64,
    /// The change that noise explains, as a share.
    pub noise: f64,
    /// `faster`, `slower` or `same`.
    pub verdict: &'static str,
}

impl Change {
    fn between(then: Option<&Speed>, now: Option<&Speed>, noise_min: f64) -> Option<Self> {
        let (then, now) = (then?, now?);
        let ratio = now.rate / then.rate;
        let noise = then.spread().hypot(now.spread()).max(noise_min);
        // By the logarithm, so that a half is as far as a double.
        let verdict = match ratio.ln() {
            change if change > noise.ln_1p() => "faster",
            change if change < -noise.ln_1p() => "slower",
            _ => "same",
        };
        Some(Self { ratio, noise, verdict })
    }

    /// As tables print it.
    pub fn words(&self) -> String {
        let mark = if self.verdict == "same" { "" } else { self.verdict };
        format!("{:.2}x {mark:6}", self.ratio).trim_end().to_owned()
    }
}

/// One line that both runs have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineChange {
    /// Which section.
    pub section: Section,
    /// What was done.
    pub task: String,
    /// On how much.
    pub size: String,
    /// On one core.
    pub one_core: Option<Change>,
    /// On all cores.
    pub all_cores: Option<Change>,
    /// On the device.
    pub device: Option<Change>,
}

/// All lines that both runs have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The earlier report's file.
    pub file: String,
    /// When it was made.
    pub date: jiff::Timestamp,
    /// What differs between the machines, where that was allowed.
    pub other_machine: Option<String>,
    /// The lines.
    pub lines: Vec<LineChange>,
    /// Lines of either run without a partner.
    pub unmatched: usize,
}

impl Comparison {
    /// Whether `now` may be compared with `then`, told before anything is measured; gives what differs between the machines.
    ///
    /// # Errors
    ///
    /// Where sizes differ, or the machines do and `across_machines` is not said.
    pub fn allowed(path: &Path, then: &Report, now: &Report, across_machines: bool) -> anyhow::Result<Option<String>> {
        let shown = path.display();
        if then.quick != now.quick {
            let (with, without) = if then.quick { ("with", "without") } else { ("without", "with") };
            bail!("{shown}: was made {with} --quick, and this run is {without}: their sizes differ");
        }
        let mut differences: Vec<String> = now.machine.differs_from(&then.machine).into_iter().collect();
        let name =
            |report: &Report| report.device.as_ref().map_or("none".to_owned(), |device| format!("{:?}", device.name));
        if name(then) != name(now) {
            differences.push(format!("device {}, not {}", name(then), name(now)));
        }
        if then.build != now.build {
            differences.push(format!("{} build, not {}", then.build, now.build));
        }
        match differences.is_empty() {
            true => Ok(None),
            false if across_machines => Ok(Some(differences.join("; "))),
            false => bail!(
                "{shown}: was made elsewhere ({}): --across-machines compares all the same",
                crate::failure::shown(&differences.join("; "))
            ),
        }
    }

    /// Line by line.
    pub fn new(path: &Path, then: &Report, now: &Report, other_machine: Option<String>) -> Self {
        let before: HashMap<_, &Line> = then.lines.iter().map(|line| (line.key(), line)).collect();
        let noise_min = if now.quick { NOISE_MIN_QUICK } else { NOISE_MIN };
        let change = |then, now| Change::between(then, now, noise_min);
        let sections: Vec<Section> = now.lines.iter().map(|line| line.section).collect();
        let lines: Vec<LineChange> = now
            .lines
            .iter()
            .filter_map(|line| {
                let earlier = before.get(&line.key())?;
                Some(LineChange {
                    section: line.section,
                    task: line.task.clone(),
                    size: line.size.clone(),
                    one_core: change(earlier.one_core.as_ref(), line.one_core.as_ref()),
                    all_cores: change(earlier.all_cores.as_ref(), line.all_cores.as_ref()),
                    device: change(earlier.device.as_ref(), line.device.as_ref()),
                })
            })
            .collect();
        // A section that was left out this time is no difference.
        let comparable = before.values().filter(|line| sections.contains(&line.section)).count();
        let unmatched = now.lines.len() + comparable - 2 * lines.len();
        Self { file: path.display().to_string(), date: then.date, other_machine, lines, unmatched }
    }

    /// How many columns became faster, and how many slower.
    pub fn counts(&self) -> (usize, usize) {
        let changes = || self.lines.iter().flat_map(|line| [&line.one_core, &line.all_cores, &line.device]).flatten();
        let count = |verdict: &str| changes().filter(|change| change.verdict == verdict).count();
        (count("faster"), count("slower"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(rate: f64, spread: f64) -> Speed {
        let median_seconds = 1.0 / rate;
        Speed {
            rate,
            first_seconds: 1.0,
            median_seconds,
            lower_quartile_seconds: median_seconds * (1.0 - spread / 2.0),
            upper_quartile_seconds: median_seconds * (1.0 + spread / 2.0),
            min_seconds: median_seconds * 0.5,
            max_seconds: median_seconds * 2.0,
            runs: 11,
        }
    }

    fn verdict(then: (f64, f64), now: (f64, f64)) -> &'static str {
        Change::between(Some(&speed(then.0, then.1)), Some(&speed(now.0, now.1)), NOISE_MIN).unwrap().verdict
    }

    #[test]
    fn a_change_counts_beyond_the_noise_of_both_runs_and_beyond_a_tenth() {
        assert_eq!(verdict((100.0, 0.01), (109.0, 0.01)), "same");
        assert_eq!(verdict((100.0, 0.01), (111.0, 0.01)), "faster");
        assert_eq!(verdict((100.0, 0.01), (90.0, 0.01)), "slower");
        // √(0.3² + 0.4²) = 0.5.
        assert_eq!(verdict((100.0, 0.3), (149.0, 0.4)), "same");
        assert_eq!(verdict((100.0, 0.3), (151.0, 0.4)), "faster");
        assert_eq!(verdict((150.0, 0.3), (101.0, 0.4)), "same");
        assert_eq!(verdict((151.0, 0.3), (100.0, 0.4)), "slower");
        assert_eq!(Change::between(None, Some(&speed(1.0, 0.0)), NOISE_MIN), None);
    }
}
