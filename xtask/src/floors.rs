//! An arrow between crates may only go down: the table of ARCHITECTURE.md, held against the manifests.

use anyhow::Result;

use crate::metadata::Metadata;

/// Floor and crate, and which of our crates it may use. The table of the design, for the crates that exist.
const FLOORS: &[(u8, &str, &[&str])] = &[
    (0, "base", &[]),
    (1, "gpu", &["base"]),
    (2, "pricing", &["base", "gpu"]),
    (2, "market", &["base", "gpu"]),
    (3, "risk", &["base", "gpu", "pricing"]),
    (3, "storage", &["base", "gpu", "market", "pricing"]),
    (4, "learn", &["base", "gpu", "market", "pricing", "storage"]),
    (5, "engines", &["base", "gpu", "learn"]),
    (5, "strategy", &["base", "gpu", "pricing", "market"]),
    (6, "app", &["base", "gpu", "pricing", "market", "risk", "storage", "learn", "engines", "strategy"]),
    (6, "py", &["base", "gpu", "pricing"]),
];

/// Crates that only tests may use, and that use no crate of ours.
const DEVELOPMENT: &[&str] = &["testkit"];

/// Every arrow that the table does not allow, and every crate that the table does not know.
pub fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let ours = || metadata.packages.iter().filter(|package| package.ours && package.name != "xtask");
    for package in ours() {
        let name = short(&package.name);
        let allowed = match FLOORS.iter().find(|(_, crate_name, _)| *crate_name == name) {
            Some((_, _, allowed)) => *allowed,
            None if DEVELOPMENT.contains(&name) => &[],
            None => {
                faults.push(format!("crate {name} is on no floor: add it to the table in xtask/src/floors.rs"));
                continue;
            }
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.name.starts_with("zomma-")) {
            let used = short(&dependency.name);
            let for_tests = dependency.development && DEVELOPMENT.contains(&used);
            if !for_tests && !allowed.contains(&used) {
                faults.push(format!("crate {name} uses {used}: allowed are {allowed:?}"));
            }
        }
    }
    for (floor, name, allowed) in FLOORS {
        if !ours().any(|package| short(&package.name) == *name) {
            faults.push(format!("floor {floor} names crate {name}, which does not exist"));
        }
        for used in *allowed {
            let below = FLOORS.iter().any(|(other, crate_name, _)| crate_name == used && other < floor);
            if !below {
                faults.push(format!("the table lets {name} use {used}, which is not on a lower floor"));
            }
        }
    }
    Ok(faults)
}

fn short(name: &str) -> &str {
    name.strip_prefix("zomma-").unwrap_or(name)
}
