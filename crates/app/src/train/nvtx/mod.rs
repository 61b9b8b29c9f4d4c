//! NVTX ranges, by which Nsight shows a program's stages: through the tool that `NVTX_INJECTION64_PATH` names, as NVTX 3 has it, or else
//! through `libnvToolsExt`, loaded where it is.

mod injection;

use std::{
    env,
    ffi::{OsStr, c_char, c_int},
    fmt,
};

use libloading::Library;

/// Who names the tool; profilers set it for the programs that they start.
const TOOL: &str = "NVTX_INJECTION64_PATH";
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
    /// Where a tool or the library is; none where neither is. A tool that is named and cannot be used is warned of.
    pub fn load() -> Option<Self> {
        if let Some(path) = env::var_os(TOOL).filter(|path| !path.is_empty()) {
            match Self::inject(&path) {
                Ok(ranges) => return Some(ranges),
                Err(reason) => tracing::warn!("{TOOL}={}: {reason}: no NVTX ranges by it", path.to_string_lossy()),
            }
        }
        NAMES.iter().find_map(|name| Self::load_from(name.as_ref()))
    }

    fn inject(path: &OsStr) -> Result<Self, String> {
        let (push, pop, library) = injection::load(path)?;
        Ok(Self { push, pop, _library: std::mem::ManuallyDrop::new(library) })
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
    use std::{fs, path::Path, process::Command};

    use super::*;

    const LOG: &str = r#"
#include <stdint.h>
#include <stdio.h>
static int depth = 0;
static void put(const char *text) {
    FILE *log = fopen(LOG, "a");
    fprintf(log, "%s\n", text);
    fclose(log);
}
"#;

    const LIBRARY: &str = r#"
int nvtxRangePushA(const char *name) { put(name); return depth++; }
int nvtxRangePop(void) { put("pop"); return --depth; }
"#;

    /// A tool as NVIDIA's samples are: it asks for the version and for the modules of which it wants functions, minds how long their tables
    /// are, and puts its functions there.
    const INJECTED: &str = r#"
typedef void (*function)(void);
struct callbacks { size_t size; int (*module)(int, function ***, unsigned int *); };
struct version { size_t size; uint32_t version, reserved; void (*set)(uint32_t); };
static int push(const char *name) { put(name); return depth++; }
static int pop(void) { put("pop"); return --depth; }
int InitializeInjectionNvtx2(const void *(*table)(uint32_t)) {
    const struct version *version = table(3);
    const struct callbacks *callbacks = table(1);
    if (table(2) || table(7) || !version || !callbacks) return 0;
    if (version->size != sizeof *version || callbacks->size != sizeof *callbacks || version->version != 3) return 0;
    version->set(3);
    function **core = 0, **core2 = 0;
    unsigned int length = 0;
    if (callbacks->module(0, &core, &length) || callbacks->module(7, &core, &length)) return 0;
    if (!callbacks->module(1, &core, &length) || length != 16 || core[16]) return 0;
    if (!callbacks->module(5, &core2, &length) || length != 16 || !callbacks->module(6, 0, 0)) return 0;
    for (unsigned int i = 1; i < 16; i++)
        if (!core[i] || *core[i] || !core2[i]) return 0;
    if (REFUSES == 1) return 0;
    *core[9] = (function)push;
    if (REFUSES == 2) return 1;
    *core[11] = (function)pop;
    return 1;
}
"#;

    /// Compiles a library that writes its log to a file; false where there is no compiler.
    fn compiled(text: &str, library: &Path, log: &Path, more: &str) -> bool {
        let source = library.with_extension("c");
        fs::write(&source, format!("{LOG}{text}")).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(library).arg(&source);
        compiler.arg(format!("-DLOG=\"{}\"", log.display())).arg(more);
        compiler.status().is_ok_and(|status| status.success())
    }

    #[test]
    fn ranges_reach_a_library_of_that_interface_and_none_is_no_fault() {
        assert!(Ranges::load_from("libno_such_library.so".as_ref()).is_none());
        let folder = tempfile::tempdir().unwrap();
        let [library, log] = ["mock.so", "log"].map(|name| folder.path().join(name));
        if !compiled(LIBRARY, &library, &log, "-DREFUSES=0") {
            return zomma_testkit::skip("no C compiler");
        }
        let ranges = Ranges::load_from(library.as_os_str()).unwrap();
        ranges.push("step");
        ranges.push(&"x".repeat(100));
        ranges.pop();
        ranges.pop();
        let long = "x".repeat(LONGEST - 1);
        assert_eq!(fs::read_to_string(&log).unwrap(), format!("step\n{long}\npop\npop\n"));
    }

    /// One test, since the places for a tool's functions are one for the whole program.
    #[test]
    fn ranges_reach_the_tool_that_is_injected_and_one_that_wants_none_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let tool = |refuses: u32, text: &str| {
            let library = folder.path().join(format!("tool{refuses}.so"));
            compiled(text, &library, &log, &format!("-DREFUSES={refuses}")).then_some(library)
        };
        let Some(refusing) = tool(1, INJECTED) else { return zomma_testkit::skip("no C compiler") };
        let reason = |library: &Path| Ranges::inject(library.as_os_str()).unwrap_err();
        assert!(reason(&refusing).contains("returned 0"));
        assert!(reason(&tool(2, INJECTED).unwrap()).contains("no functions for ranges"));
        assert!(reason(&tool(3, LIBRARY).unwrap()).contains("no tool for NVTX"));
        assert!(reason(&folder.path().join("none.so")).contains("none.so"));
        let ranges = Ranges::inject(tool(0, INJECTED).unwrap().as_os_str()).unwrap();
        ranges.push("step");
        ranges.push("forward");
        ranges.pop();
        ranges.pop();
        assert_eq!(fs::read_to_string(&log).unwrap(), "step\nforward\npop\npop\n");
    }
}
