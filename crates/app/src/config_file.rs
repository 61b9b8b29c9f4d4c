//! Configs as users hand them over.

use std::{fs, path::Path};

use anyhow::{Context, bail};

use crate::{batch::not_text, failure::BadArguments};

/// The text of a config, TOML or JSON, without a byte order mark.
///
/// # Errors
///
/// A file that cannot be read; [`BadArguments`] for one that is not text, with the byte and its place.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let first_line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let problem = not_text(&bytes, first_line).or_else(|| {
        let at = std::str::from_utf8(&bytes).err()?.valid_up_to();
        Some(format!("byte 0x{:02x} at offset {at}", bytes[at]))
    });
    match (problem, String::from_utf8(bytes)) {
        (None, Ok(text)) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        (problem, _) => {
            let problem = problem.unwrap_or_default();
            bail!(BadArguments(format!("{shown}: is not text ({problem}): a config in TOML or JSON (UTF-8) is needed")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_said_by_byte_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        for (bytes, said) in [
            (&b"\x7fELF\x02\x01\x01\0rest"[..], "byte 0x00 at offset 7"),
            (b"\xff\xfea\0=\0", "UTF-16"),
            (b"name = \"Gr\xf6sse\"\n", "byte 0xf6 at offset 10"),
            (b"\x89PNG\r\n\x1a\n", "at offset 0"),
        ] {
            fs::write(&path, bytes).unwrap();
            let error = read(&path).unwrap_err();
            let words = error.to_string();
            assert!(words.contains("a.toml: is not text") && words.contains(said), "{said}: {words}");
            assert!(crate::failure::is_bad_argument(&error));
        }
        fs::write(&path, "\u{feff}steps = 1\n").unwrap();
        assert_eq!(read(&path).unwrap(), "steps = 1\n");
    }
}
