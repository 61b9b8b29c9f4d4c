//! Licences of all dependencies, by their SPDX expressions: permissive, or MPL-2.0 for leaf crates; never the GPL alone.

use anyhow::Result;
use spdx::{Expression, ParseMode};

use crate::metadata::{Metadata, Package};

/// Licences that a dependency may be under; of an OR, one is enough, of an AND, all must be here.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Exceptions that may follow an allowed licence.
const ALLOWED_EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Packages whose manifest names a file and no expression: (name, what the file was read to be).
const READ_BY_HAND: &[(&str, &str)] = &[("implied-vol", "MIT")];

/// Crates whose types cross our interfaces, so that two majors of one do not mix.
const ONE_MAJOR: &[&str] = &["arrow-array", "arrow-schema", "parquet", "object_store", "cubecl", "burn", "jiff"];

/// Dependencies under a licence that is not allowed, and crates that are there in two majors.
pub fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|package| !package.ours) {
        if let Some(fault) = fault_of(package) {
            faults.push(format!("{} {}: {fault}", package.name, package.version));
        }
    }
    for name in ONE_MAJOR {
        let versions: Vec<&str> = metadata
            .packages
            .iter()
            .filter(|package| package.name == *name)
            .map(|package| package.version.as_str())
            .collect();
        if versions.len() > 1 {
            faults.push(format!("{name} is there in several versions {versions:?}: their types do not mix"));
        }
    }
    Ok(faults)
}

fn fault_of(package: &Package) -> Option<String> {
    let by_hand = READ_BY_HAND.iter().find(|(name, _)| *name == package.name).map(|(_, licence)| *licence);
    let Some(text) = package.licence.as_deref().or(by_hand) else {
        return Some("no licence in its manifest".to_owned());
    };
    // Old manifests write "MIT/Apache-2.0"; LAX reads the slash as OR.
    let expression = match Expression::parse_mode(text, ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("licence {text:?} cannot be read: {}", error.reason)),
    };
    let allowed = expression.evaluate(|requirement| {
        let licence = requirement.license.id().is_some_and(|id| ALLOWED.contains(&id.name));
        let exception = match &requirement.addition {
            None => true,
            Some(addition) => addition.id().is_some_and(|id| ALLOWED_EXCEPTIONS.contains(&id.name)),
        };
        licence && exception
    });
    (!allowed).then(|| format!("licence {text} is not allowed"))
}
