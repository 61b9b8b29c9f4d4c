//! The message counts after which levels are asked for: numbers in text, or u32 little-endian.

use std::path::Path;

use anyhow::{Context, bail};

/// Reads the counts of a file: one a line, or u32 little-endian where its name ends in `.u32`. They must not fall.
pub fn read(path: &Path) -> anyhow::Result<Vec<u64>> {
    let bytes = std::fs::read(path).with_context(|| format!("--at {}", path.display()))?;
    let is_binary = path.extension().is_some_and(|extension| extension == "u32");
    let counts = if is_binary { of_words(&bytes) } else { of_text(&bytes) };
    counts.with_context(|| format!("--at {}", path.display()))
}

fn of_words(bytes: &[u8]) -> anyhow::Result<Vec<u64>> {
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        bail!("{} bytes; allowed: a multiple of 4 (u32 little-endian)", bytes.len());
    }
    ascending(words.iter().map(|word| u64::from(u32::from_le_bytes(*word))), "entry")
}

fn of_text(bytes: &[u8]) -> anyhow::Result<Vec<u64>> {
    let text = std::str::from_utf8(bytes)
        .context("not text; allowed: one whole number a line, or a name that ends in .u32")?;
    let mut counts = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let count = line.trim().parse::<u64>();
        counts.push(
            count.map_err(|_| anyhow::anyhow!("line {}: {:?}; allowed: a whole number", index + 1, line.trim()))?,
        );
    }
    ascending(counts.into_iter(), "number")
}

fn ascending(counts: impl Iterator<Item = u64>, what: &str) -> anyhow::Result<Vec<u64>> {
    let counts: Vec<u64> = counts.collect();
    if counts.is_empty() {
        bail!("no counts in it; needed: one whole number or more");
    }
    if let Some(place) = counts.windows(2).position(|pair| pair[1] < pair[0]) {
        let (before, after) = (counts[place], counts[place + 1]);
        bail!("{what} {}: {after} after {before}; allowed: counts that do not fall", place + 2);
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(counts: anyhow::Result<Vec<u64>>) -> String {
        format!("{:#}", counts.unwrap_err())
    }

    #[test]
    fn counts_are_read_from_text_and_from_words() {
        assert_eq!(of_text(b"0\n5\r\n\n5\n12").unwrap(), [0, 5, 5, 12]);
        assert_eq!(of_words(&[1, 0, 0, 0, 0, 1, 0, 0]).unwrap(), [1, 256]);
    }

    #[test]
    fn what_is_no_count_is_named() {
        assert!(refused(of_text(b"5\nx\n")).contains("line 2: \"x\"; allowed: a whole number"));
        assert!(refused(of_text(b"5\n-1\n")).contains("line 2"));
        assert!(refused(of_text(b"5\n4\n")).contains("number 2: 4 after 5"));
        assert!(refused(of_text(b"\n")).contains("no counts"));
        assert!(refused(of_text(&[0xFF, 0xFE, 0])).contains(".u32"));
        assert!(refused(of_words(&[1, 2, 3])).contains("multiple of 4"));
    }
}
