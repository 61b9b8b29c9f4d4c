//! The name of a writer that stands for what is ingested: so that the same input again, also after a kill, replaces what it wrote.

use std::{fs::File, io::Read, path::Path};

use anyhow::Context;
use zomma_storage::digest::Digest;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;
/// The longest part of a file's name in a writer's.
const STEM_CHARS: usize = 40;

/// Of a file's content.
pub fn of_file(path: &Path) -> anyhow::Result<String> {
    let shown = || path.display().to_string();
    let mut file = File::open(path).with_context(shown)?;
    let mut digest = Digest::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = file.read(&mut chunk).with_context(shown)?;
        if length == 0 {
            return Ok(name(&path.to_string_lossy(), &digest));
        }
        digest.add(&chunk[..length]);
    }
}

/// Of bytes in memory, and what else says which rows are made of them.
pub fn of_bytes(source: &str, bytes: &[u8], told: &str) -> String {
    let mut digest = Digest::new();
    digest.add(bytes);
    digest.add(told.as_bytes());
    name(source, &digest)
}

/// The end of a path, as far as it may stand in a name, and the digest.
fn name(source: &str, digest: &Digest) -> String {
    let file = source.rsplit(['/', '!']).next().unwrap_or_default();
    let plain: String = file.chars().filter(|c| c.is_ascii_alphanumeric()).take(STEM_CHARS).collect();
    let stem = if plain.is_empty() { "input".to_owned() } else { plain };
    // A dot, since names that begin with `replace-` and `rule-` are those of other work.
    format!("{stem}.{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_the_content_and_may_stand_in_a_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("day 1 (über).csv.gz");
        std::fs::write(&path, "content").unwrap();
        let name = of_file(&path).unwrap();
        assert!(name.starts_with("day1bercsvgz."), "{name}");
        assert_eq!(name, of_bytes("elsewhere!day 1 (über).csv.gz", b"content", ""));
        std::fs::write(&path, "contents").unwrap();
        assert_ne!(of_file(&path).unwrap(), name);
        assert_ne!(of_bytes("day 1 (über).csv.gz", b"content", "SPX"), name);
        assert!(of_bytes("-", b"", "").starts_with("input."));
    }
}
