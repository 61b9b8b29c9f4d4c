//! Makers' libraries, loaded at run time. They are never unloaded: threads and exit handlers that they start outlive any use of them.

use std::ffi::{OsStr, c_void};
use std::mem::ManuallyDrop;
use std::path::Path;

use libloading::Library as Loaded;

/// Why a library cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LoadFault {
    /// There is no such file.
    NotFound,
    /// The file is there, and the loader refuses it, in its own words.
    Refused(String),
}

/// A library that stays loaded until the process ends.
#[derive(Debug)]
pub(super) struct Library {
    loaded: ManuallyDrop<Loaded>,
}

impl Library {
    /// Loads the library of that name or path.
    pub(super) fn open(name: &OsStr) -> Result<Self, LoadFault> {
        // SAFETY: loading runs the initialisers of the library and of those that it needs. The name is that of a GPU maker's management
        // library, or a path that the caller chose in its place, and what it starts may stay: it is never unloaded.
        let loaded = unsafe { Loaded::new(name) }.map_err(|error| load_fault(name, &error.to_string()))?;
        Ok(Self { loaded: ManuallyDrop::new(loaded) })
    }

    /// A function of the library, or `None` where it has none of that name.
    ///
    /// # Safety
    ///
    /// `F` must be the type of a pointer to the function of that name, with the signature that the maker's header gives it.
    pub(super) unsafe fn function<F: Copy>(&self, name: &str) -> Option<F> {
        // SAFETY: `F` is the function's type by this function's own contract. The pointer stays valid because the library is never
        // unloaded.
        unsafe { self.loaded.get::<F>(name.as_bytes()) }.ok().map(|function| *function)
    }
}

/// A file that is not there is another fault than one that cannot be loaded, such as for want of a library of its own; only the loader's
/// words tell them apart.
fn load_fault(name: &OsStr, words: &str) -> LoadFault {
    let file = Path::new(name).file_name().unwrap_or(name).to_string_lossy();
    match words.split_once(": ") {
        Some((refused, why)) if refused.ends_with(&*file) && why.contains("No such file") => LoadFault::NotFound,
        _ => LoadFault::Refused(words.to_owned()),
    }
}

/// The most parts that are asked for, whatever count a library gives.
const PARTS_MAX: u32 = 1024;

/// The handles that a list of a C library gives: asked for their count with no place for them, then with place for as many. A count is
/// believed up to [`PARTS_MAX`], and the handles that were written up to the place there was.
///
/// # Errors
///
/// The library's own code, which is not 0.
pub(super) fn handles(ask: impl Fn(*mut u32, *mut *mut c_void) -> u32) -> Result<Vec<*mut c_void>, u32> {
    let mut count = 0;
    let code = ask(&raw mut count, std::ptr::null_mut());
    let mut room = count.min(PARTS_MAX);
    if code != 0 || room == 0 {
        return if code == 0 { Ok(Vec::new()) } else { Err(code) };
    }
    let mut parts = vec![std::ptr::null_mut(); room as usize];
    match ask(&raw mut room, parts.as_mut_ptr()) {
        0 => {}
        code => return Err(code),
    }
    parts.truncate(room as usize);
    parts.retain(|part| !part.is_null());
    Ok(parts)
}

/// The text of a field of characters, up to its first NUL; `None` where that is empty, unprintable or no UTF-8.
pub(super) fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    let text = std::str::from_utf8(&field[..end]).ok()?.trim();
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_told_from_one_that_cannot_be_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let none = folder.path().join("libnone.so.1");
        assert_eq!(Library::open(none.as_os_str()).err(), Some(LoadFault::NotFound));
        assert_eq!(Library::open(OsStr::new("libno_such_maker.so.1")).err(), Some(LoadFault::NotFound));
        std::fs::write(&none, "rubbish").unwrap();
        assert!(matches!(Library::open(none.as_os_str()), Err(LoadFault::Refused(_))));
        // The library is there; one that it needs is not.
        let words = "libdrm.so.2: cannot open shared object file: No such file or directory";
        assert!(matches!(load_fault(OsStr::new("libamd_smi.so"), words), LoadFault::Refused(_)));
    }

    #[test]
    fn counts_are_believed_no_further_than_the_place_for_handles() {
        let one = std::ptr::without_provenance_mut(8);
        // A library that says there are four billion, writes two, and says it wrote more than there was place for.
        let boasts = |count: *mut u32, parts: *mut *mut c_void| {
            // SAFETY: `handles` gives a valid count, and a place for as many parts as it says or none.
            unsafe {
                if !parts.is_null() {
                    assert_eq!(*count, PARTS_MAX);
                    (*parts, *parts.add(5)) = (one, one);
                }
                *count = u32::MAX;
            }
            0
        };
        assert_eq!(handles(boasts), Ok(vec![one, one]));
        let vanishes = |count: *mut u32, parts: *mut *mut c_void| {
            // SAFETY: as above.
            unsafe { *count = if parts.is_null() { 3 } else { 0 } };
            0
        };
        assert_eq!(handles(vanishes), Ok(vec![]));
        assert_eq!(handles(|_, _| 7), Err(7));
    }

    #[test]
    fn text_ends_at_its_first_nul_and_rubbish_is_none() {
        assert_eq!(text(b"Intel Arc\0rest").as_deref(), Some("Intel Arc"));
        assert_eq!(text(b" no end ").as_deref(), Some("no end"));
        for rubbish in [&b""[..], b"\0", b"  \0", b"\xff\xfe\0", b"a\x1b[31m\0"] {
            assert_eq!(text(rubbish), None, "{rubbish:?}");
        }
    }
}
