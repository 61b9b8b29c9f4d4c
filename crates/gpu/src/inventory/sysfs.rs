//! Reading sysfs as it is: files vanish, are empty, hold rubbish or change between two reads, and then a value is absent.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The most of a file that is read: sysfs gives a page, 64 KiB at most.
const BYTES_MAX: u64 = 64 * 1024;

/// The most CPUs that a list may name; the kernel's own limit is 8192.
const CPUS_MAX: usize = 1 << 16;

/// The text of a file without the blanks around it, where it has one: readable, not empty, printable.
pub(super) fn text(path: &Path) -> Option<String> {
    // Without O_NONBLOCK a FIFO in place of the file would wait for a writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).ok()?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim();
    let printable = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    (!text.is_empty() && printable).then(|| text.to_owned())
}

/// A file of one line, such as a name.
pub(super) fn line(path: &Path) -> Option<String> {
    text(path).filter(|text| !text.contains('\n') && text.len() <= 256)
}

/// A file that holds one number, decimal or `0x` hexadecimal.
pub(crate) fn number(path: &Path) -> Option<u64> {
    parse_number(&text(path)?)
}

/// A number as sysfs writes it.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// A file of lines `key value`, numbers alone; a line that is none is left out.
pub(super) fn properties(path: &Path) -> Option<BTreeMap<String, u64>> {
    let text = text(path)?;
    let read = text.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once(char::is_whitespace)?;
        Some((key.to_owned(), parse_number(value.trim())?))
    });
    Some(read.collect::<BTreeMap<_, _>>()).filter(|properties| !properties.is_empty())
}

/// The entries of a folder whose names begin so and end in a number, in the order of those numbers.
pub(crate) fn numbered(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let mut found: Vec<(u32, PathBuf)> = entries(folder)
        .into_iter()
        .filter_map(|(name, path)| {
            let digits = name.strip_prefix(prefix)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?.map(|number| (number, path))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The entries of a folder with their names; none where it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

/// The last part of what a link points to. The target need not be there.
pub(super) fn link_name(path: &Path) -> Option<String> {
    std::fs::read_link(path).ok()?.file_name()?.to_str().map(str::to_owned)
}

/// The name of the driver behind a device's link `driver`, which points into a folder `drivers`.
pub(super) fn driver_of(device: &Path) -> Option<String> {
    let target = std::fs::read_link(device.join("driver")).ok()?;
    (target.parent()?.file_name()? == "drivers").then(|| target.file_name()?.to_str().map(str::to_owned))?
}

/// CPUs of a list such as `0-47,96-143`, ascending; absent where any part of it is none.
pub(super) fn parse_cpus(list: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first = u32::try_from(parse_number(first.trim())?).ok()?;
        let last = u32::try_from(parse_number(last.trim())?).ok()?;
        if first > last || cpus.len() + (last - first) as usize >= CPUS_MAX {
            return None;
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_number_is_read_with_its_newline_and_in_both_bases() {
        for (bytes, value) in [("0x1002\n", Some(0x1002)), ("206158430208\n", Some(206_158_430_208)), ("0\n", Some(0))]
        {
            let (_folder, path) = file(bytes.as_bytes());
            assert_eq!(number(&path), value);
        }
    }

    #[test]
    fn rubbish_is_absent_and_never_zero() {
        for bytes in
            [&b""[..], b"\n", b"-1\n", b"+1", b"0x", b"1 2", b"99999999999999999999", b"\xff\xfe", b"12\0", b"N/A"]
        {
            let (_folder, path) = file(bytes);
            assert_eq!(number(&path), None, "{bytes:?}");
        }
        let (folder, path) = file(b"\x1b[31mred");
        assert_eq!((line(&path), line(folder.path()), line(&folder.path().join("none"))), (None, None, None));
    }

    #[test]
    fn a_fifo_and_a_loop_of_links_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(text(&fifo), None);
        let knot = folder.path().join("knot");
        std::os::unix::fs::symlink("knot", &knot).unwrap();
        assert_eq!((text(&knot), entries(&knot)), (None, vec![]));
    }

    #[test]
    fn cpu_lists_are_the_kernels() {
        assert_eq!(parse_cpus("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cpus("5,0-2,1"), Some(vec![0, 1, 2, 5]));
        for rubbish in ["", "a", "3-1", "0-4294967295", "0-", ",", "1,,2"] {
            assert_eq!(parse_cpus(rubbish), None, "{rubbish}");
        }
    }

    #[test]
    fn properties_leave_out_what_is_no_number() {
        let (_folder, path) = file(b"simd_count 1216\nrubbish\nname ip\nunique_id 18446744073709551615\n");
        let read = properties(&path).unwrap();
        assert_eq!((read.len(), read["simd_count"], read["unique_id"]), (2, 1216, u64::MAX));
    }

    #[test]
    fn numbered_entries_come_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["card10", "card2", "card0-HDMI-A-1", "card", "render1"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let numbers: Vec<u32> = numbered(folder.path(), "card").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 10]);
    }
}
