//! The files in a zip.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::ContainerError;

/// One file of an archive, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveMember {
    /// Its name in the archive.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Whether these first bytes are of a zip.
pub fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// The files of a zip (stored or deflated), in its order; folders are left out.
///
/// # Errors
///
/// [`ContainerError`] where the zip is damaged or encrypted, uses another compression, or holds more than `max_bytes` decompressed: what a header says
/// of sizes is not believed.
pub fn zip_members(bytes: &[u8], max_bytes: u64) -> Result<Vec<ArchiveMember>, ContainerError> {
    let damaged = |reason: &dyn ToString| ContainerError::new("zip", reason.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let mut members = Vec::new();
    let mut left = max_bytes;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| damaged(&error))?;
        if !file.is_file() {
            continue;
        }
        let mut content = Vec::new();
        let name = file.name().map_err(|error| damaged(&error))?.into_owned();
        let read = file.by_ref().take(left + 1).read_to_end(&mut content);
        let length = read.map_err(|error| damaged(&format!("{name}: {error}")))? as u64;
        left = left
            .checked_sub(length)
            .ok_or_else(|| damaged(&format!("{name}: more than {max_bytes} bytes decompressed in all")))?;
        members.push(ArchiveMember { name, bytes: content });
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn members_come_in_order_and_no_more_than_allowed() {
        let zip = archive(&[("a_message_1.csv", b"1,2,3\n"), ("a_orderbook_1.csv", &b"9".repeat(5_000))]);
        assert!(is_zip(&zip));
        let members = zip_members(&zip, 10_000).unwrap();
        assert_eq!(
            members.iter().map(|m| (m.name.as_str(), m.bytes.len())).collect::<Vec<_>>(),
            [("a_message_1.csv", 6), ("a_orderbook_1.csv", 5_000)]
        );
        let refused = zip_members(&zip, 4_000).unwrap_err();
        assert!(refused.to_string().contains("more than 4000 bytes"), "{refused}");
    }

    #[test]
    fn a_damaged_zip_is_refused_and_never_panics() {
        let zip = archive(&[("a", &b"some text that is deflated ".repeat(40))]);
        assert!(zip_members(&zip[..zip.len() / 2], 1 << 20).is_err());
        for place in 0..zip.len() {
            let mut flipped = zip.clone();
            flipped[place] ^= 0x41;
            // Either it is refused or its bytes came: a flip in a name or a time does no harm.
            if let Ok(members) = zip_members(&flipped, 1 << 20) {
                assert!(members.len() <= 1);
            }
        }
    }
}
