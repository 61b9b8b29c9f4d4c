//! Rules about the sources that a machine can check: size of files, what must not be left behind, no path of a machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::metadata::Metadata;

/// Past this a file has taken in a second idea.
const LINES_MAX: usize = 600;

/// Fragments that no source may hold, in two halves so that this table does not find itself, and why not.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("todo", "!(", "a stub"),
    ("unimplemented", "!(", "a stub"),
    ("dbg", "!(", "left from debugging"),
    ("#[ign", "ore", "a test that does not run"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("/wo", "rk/", "a path of one machine"),
];

/// Endings of the files that these rules read.
const ENDINGS: &[&str] = &["rs", "py", "sh", "md", "toml", "yml", "yaml", "html", "js", "ts", "svelte"];

/// Files that are too long, or hold what they should not.
pub fn check(metadata: &Metadata) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for path in tracked(&metadata.root)? {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !ENDINGS.contains(&ending) {
            continue;
        }
        let text = std::fs::read_to_string(metadata.root.join(&path)).with_context(|| path.display().to_string())?;
        faults.extend(faults_of(&path, &text, ending));
    }
    Ok(faults)
}

fn faults_of(path: &Path, text: &str, ending: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let name = path.display();
    let lines = text.lines().count();
    if ending == "rs" && lines > LINES_MAX {
        faults.push(format!("{name}: {lines} lines, at most {LINES_MAX}: which second idea moved in?"));
    }
    for (number, line) in text.lines().enumerate() {
        for (left, right, why) in FORBIDDEN {
            if line.contains(&format!("{left}{right}")) {
                faults.push(format!("{name}:{}: {left}{right}: {why}", number + 1));
            }
        }
    }
    faults
}

/// The files that git tracks and those that it would track.
fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("git ls-files")?;
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8(output.stdout).context("a file name that is not UTF-8")?;
    let exists = |path: &PathBuf| root.join(path).is_file();
    Ok(listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).filter(exists).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_and_a_long_file_are_found() {
        let stub = format!("fn f() {{\n    {}{}\n}}\n", "todo", "!()");
        assert_eq!(faults_of(Path::new("a.rs"), &stub, "rs").len(), 1);
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(faults_of(Path::new("a.rs"), &long, "rs").len(), 1);
        assert!(faults_of(Path::new("a.md"), &long, "md").is_empty());
    }
}
