//! NVTX ranges, by which Nsight shows a program's stages: through `libnvToolsExt`, loaded where it is.

use std::{
    ffi::{OsStr, c_char, c_int},
    fmt,
};

use libloading::Library;

/// Names under which the library is found.
const NAMES: [&str; 2] = ["libnvToolsExt.so.1", "libnvToolsExt.so"];
/// Longest name of a range, with the zero behind it.
const LONGEST: usize = 48;

type Push = unsafe extern "C" fn(*const c_char) -> c_int;
type Pop = unsafe extern "C" fn() -> c_int;

/// The library's ranges of a thread.
pub struct Ranges {
    push: Push,
    pop: Pop,
    /// Never unloaded: threads that it starts outlive any use of it.
    _library: std::mem::ManuallyDrop<Library>,
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ranges")
    }
}

impl Ranges {
    /// Where the library is; none where it is not.
    pub fn load() -> Option<Self> {
        NAMES.iter().find_map(|name| Self::load_from(name.as_ref()))
    }

    fn load_from(name: &OsStr) -> Option<Self> {
        // SAFETY: the library's initialisers are NVIDIA's, which programs are meant to run by loading it.
        let library = unsafe { Library::new(name) }.ok()?;
        // SAFETY: the types are those of nvToolsExt.h; the functions live as long as the library, which is kept with them.
        let push = *unsafe { library.get::<Push>(b"nvtxRangePushA\0") }.ok()?;
        // SAFETY: as above.
        let pop = *unsafe { library.get::<Pop>(b"nvtxRangePop\0") }.ok()?;
        Some(Self { push, pop, _library: std::mem::ManuallyDrop::new(library) })
    }

    /// A range begins on this thread. A long name is cut.
    pub fn push(&self, name: &str) {
        let mut text = [0u8; LONGEST];
        let length = name.len().min(LONGEST - 1);
        text[..length].copy_from_slice(&name.as_bytes()[..length]);
        // SAFETY: the text ends with a zero and outlives the call, which copies it.
        unsafe { (self.push)(text.as_ptr().cast()) };
    }

    /// The range that began last on this thread ends.
    pub fn pop(&self) {
        // SAFETY: the function takes nothing; without a range it says so and does nothing.
        unsafe { (self.pop)() };
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    const MOCK: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static int depth = 0;
static void put(const char *text) {
    FILE *log = fopen(LOG, "a");
    fprintf(log, "%s\n", text);
    fclose(log);
}
int nvtxRangePushA(const char *name) { put(name); return depth++; }
int nvtxRangePop(void) { put("pop"); return --depth; }
"#;

    #[test]
    fn ranges_reach_a_library_of_that_interface_and_none_is_no_fault() {
        assert!(Ranges::load_from("libno_such_library.so".as_ref()).is_none());
        let folder = tempfile::tempdir().unwrap();
        let [source, library, log] = ["mock.c", "mock.so", "log"].map(|name| folder.path().join(name));
        fs::write(&source, MOCK).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        compiler.arg(format!("-DLOG=\"{}\"", log.display()));
        match compiler.status() {
            Ok(status) if status.success() => {}
            _ => return zomma_testkit::skip("no C compiler"),
        }
        let ranges = Ranges::load_from(library.as_os_str()).unwrap();
        ranges.push("step");
        ranges.push(&"x".repeat(100));
        ranges.pop();
        ranges.pop();
        let long = "x".repeat(LONGEST - 1);
        assert_eq!(fs::read_to_string(&log).unwrap(), format!("step\n{long}\npop\npop\n"));
    }
}
