//! Which folder the outputs of a date stand in.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use jiff::civil::Time;
use zomma_market::chain::Chain;

/// Folder of one date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path.
    pub path: PathBuf,
    /// Path below the run's folder; empty where it is that folder.
    pub name: String,
}

/// Hands out folders, each once.
#[derive(Debug)]
pub struct Places {
    root: PathBuf,
    first_underlying: Option<String>,
    taken: HashSet<String>,
}

impl Places {
    /// Makes the run's folder and writes a file to it, so that a folder that cannot be written is found before the work.
    pub fn prepare(root: &Path) -> anyhow::Result<Self> {
        let unwritable = || format!("--out {}: cannot write there", root.display());
        fs::create_dir_all(root).with_context(unwritable)?;
        let probe = root.join(format!(".zomma-{}.tmp", std::process::id()));
        fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe)).with_context(unwritable)?;
        Ok(Self { root: root.to_path_buf(), first_underlying: None, taken: HashSet::new() })
    }

    /// Folder of a chain: the run's own for a single chain; of many, `<date>` for the first underlying and `<underlying>/<date>` for each
    /// other, with `-HHMM` behind a second snapshot of a date.
    pub fn of(&mut self, chain: &Chain, many: bool) -> Place {
        if !many {
            return Place { path: self.root.clone(), name: String::new() };
        }
        let first = self.first_underlying.get_or_insert_with(|| chain.underlying.clone());
        let date = chain.quote_date.to_string();
        let base = if *first == chain.underlying { date } else { format!("{}/{date}", file_name(&chain.underlying)) };
        let name = base.clone() + &snapshot_suffix(&mut self.taken, &base, chain.quote_time);
        Place { path: self.root.join(&name), name }
    }
}

/// What stands behind `base` in the name of a chain's outputs so that no other has it: nothing for the first, for a second snapshot its time
/// as `-HHMM`, else `-2` and so on. The name is `taken` then.
pub fn snapshot_suffix(taken: &mut HashSet<String>, base: &str, quote_time: Option<Time>) -> String {
    let timed = quote_time.map(|time| time.strftime("-%H%M").to_string());
    let numbered = (2..).map(|number: usize| format!("-{number}"));
    let mut suffixes = std::iter::once(String::new()).chain(timed).chain(numbered);
    // One of endlessly many is free.
    suffixes.find(|suffix| taken.insert(format!("{base}{suffix}"))).unwrap_or_default()
}

/// A ticker as a file name: what is not a letter, digit, dash or inner dot becomes an underscore.
pub fn file_name(ticker: &str) -> String {
    let name: String =
        ticker.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' }).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use zomma_market::chain::{Layout, Quotes};

    use super::*;

    fn chain(underlying: &str, day: i8) -> Chain {
        Chain {
            source: "x.csv".into(),
            layout: Layout::Zomma,
            underlying: underlying.into(),
            quote_date: date(2019, 4, day),
            quote_time: Some(time(10, 30, 0, 0)),
            underlying_last: None,
            notes: Vec::new(),
            quotes: Quotes::default(),
        }
    }

    #[test]
    fn no_two_chains_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let mut places = Places::prepare(folder.path()).unwrap();
        let names: Vec<String> = [("SPX", 1), ("SPX", 2), ("AAPL", 1), ("SPX", 1), ("SPX", 1), ("../evil", 1)]
            .map(|(underlying, day)| places.of(&chain(underlying, day), true).name)
            .into();
        assert_eq!(
            names,
            ["2019-04-01", "2019-04-02", "AAPL/2019-04-01", "2019-04-01-1030", "2019-04-01-2", "_.._evil/2019-04-01"]
        );
        assert_eq!(places.of(&chain("SPX", 9), false).path, folder.path());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert!(Places::prepare(&file.join("out")).is_err());
    }
}
