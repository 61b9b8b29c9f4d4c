//! The name of a writer that stands for what is ingested and how it is read: so that the same again, also after a kill, replaces what it wrote, and
//! another reading of the same input does not pass for it.

use std::{fs::File, io::Read, path::Path};

use anyhow::Context;
use zomma_storage::digest::Digest;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest part of a file's name in a writer's.
const STEM_CHARS: usize = 40;
/// How files are made into rows. Another number where a version makes other rows of the same file with the same options: what it writes is another
/// reading then.
const READING_VERSION: u32 = 1;

/// What an input's rows are written under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputName {
    /// The writer's name: words of the file's name, the digest of its bytes, the digest of how they are read; where a part of the input alone is taken, the
    /// digest of what says which.
    pub writer: String,
    /// The digest of the bytes; none where the user named the writer.
    pub input: Option<String>,
}

impl InputName {
    /// A name that the user gave.
    pub fn given(name: &str) -> Self {
        Self { writer: name.to_owned(), input: None }
    }

    /// The same, of a part of the input alone.
    pub fn of_part(mut self, part: &str) -> Self {
        let mut digest = Digest::new();
        digest.add(part.as_bytes());
        self.writer += &format!(".{digest}");
        self
    }

    /// Whether another reading of the input is of none of the rows that this one is of.
    pub fn is_apart(&self, other: &str) -> bool {
        matches!((part(&self.writer), part(other)), (Some(own), Some(other)) if own != other)
    }

    /// Whether another reading of the input is of the same rows, or of some of them.
    pub fn covers(&self, other: &str) -> bool {
        part(&self.writer).is_none_or(|own| part(other) == Some(own))
    }

    /// Whether another name is of the same reading, under whatever words.
    pub fn is_same_reading(&self, other: &str) -> bool {
        let reading = |name: &str| name.split_once('.').map(|(_, digests)| digests.to_owned());
        reading(&self.writer) == reading(other)
    }
}

/// The digest of what says which part of an input is read.
fn part(name: &str) -> Option<&str> {
    name.split('.').nth(3)
}

/// Of a file's content, and of what else says which rows are made of it.
pub fn of_file(path: &Path, told: &str) -> anyhow::Result<InputName> {
    let shown = || path.display().to_string();
    let mut file = File::open(path).with_context(shown)?;
    let mut digest = Digest::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = file.read(&mut chunk).with_context(shown)?;
        if length == 0 {
            return Ok(name(&path.to_string_lossy(), &digest, told));
        }
        digest.add(&chunk[..length]);
    }
}

/// Of bytes in memory, and of what else says which rows are made of them.
pub fn of_bytes(source: &str, bytes: &[u8], told: &str) -> InputName {
    let mut digest = Digest::new();
    digest.add(bytes);
    name(source, &digest, told)
}

/// The end of a path, as far as it may stand in a name, and the digests.
fn name(source: &str, digest: &Digest, told: &str) -> InputName {
    let file = source.rsplit(['/', '!']).next().unwrap_or_default();
    let plain: String = file.chars().filter(|c| c.is_ascii_alphanumeric()).take(STEM_CHARS).collect();
    let stem = if plain.is_empty() { "input".to_owned() } else { plain };
    let mut reading = Digest::new();
    reading.add(format!("{READING_VERSION}\n{told}").as_bytes());
    // Dots, since names that begin with `replace-` and `rule-` are those of other work, and the digests are looked for between them.
    InputName { writer: format!("{stem}.{digest}.{reading}"), input: Some(digest.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_content_and_its_reading_and_may_stand_in_a_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("day 1 (über).csv.gz");
        std::fs::write(&path, "content").unwrap();
        let name = of_file(&path, "").unwrap();
        assert!(name.writer.starts_with("day1bercsvgz."), "{name:?}");
        assert_eq!(name.writer.split('.').nth(1), name.input.as_deref());
        assert_eq!(name, of_bytes("elsewhere!day 1 (über).csv.gz", b"content", ""));
        std::fs::write(&path, "contents").unwrap();
        assert_ne!(of_file(&path, "").unwrap().input, name.input);
        let other = of_bytes("day 1 (über).csv.gz", b"content", "SPX");
        assert!(other.input == name.input && other.writer != name.writer && !name.is_same_reading(&other.writer));
        assert!(name.is_same_reading(&of_bytes("renamed.csv", b"content", "").writer));
        let of_earlier_version = name.writer.rsplit_once('.').unwrap().0;
        assert!(!name.is_same_reading(of_earlier_version));
        // Two parts of one input have nothing to do with each other; all of it covers both.
        let whole = of_bytes("day.csv", b"content", "");
        let [one, two] = ["SPX", "AAPL"].map(|ticker| whole.clone().of_part(ticker));
        assert!(one.is_apart(&two.writer) && !one.covers(&two.writer) && one.covers(&one.writer));
        assert!(!one.is_apart(&whole.writer) && !one.covers(&whole.writer) && !one.is_same_reading(&whole.writer));
        assert!(!whole.is_apart(&one.writer) && whole.covers(&one.writer) && whole.covers(&whole.writer));
        assert!(of_bytes("-", b"", "").writer.starts_with("input."));
    }
}
