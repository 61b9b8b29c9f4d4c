//! A mock of NCCL and of what it needs of the CUDA driver, for ranks on machines without GPUs; see `mock/nccl.c`.

use std::path::Path;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::mock_library::compile;

/// A folder with both libraries, in which the ranks meet. Gone when dropped.
#[derive(Debug)]
pub struct MockNccl {
    folder: TempDir,
}

impl MockNccl {
    /// Where there is no C compiler, says `skipped: no cc` and gives `None`: the test returns then.
    ///
    /// # Panics
    ///
    /// Where a compiler is there and the mock does not compile, or the folder cannot be written.
    pub fn new() -> Option<Self> {
        static LIBRARY: OnceLock<Option<Vec<u8>>> = OnceLock::new();
        let Some(library) = LIBRARY.get_or_init(|| compile("nccl.c", &[])) else {
            crate::skip("no cc");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        // One file under two names is one library to the loader: what the driver waits for is NCCL's.
        std::fs::write(folder.path().join("libcuda.so"), library).expect("the temporary folder is ours");
        std::fs::hard_link(folder.path().join("libcuda.so"), folder.path().join("libnccl.so")).expect("the same");
        Some(Self { folder })
    }

    /// The folder, for `LD_LIBRARY_PATH` and `ZOMMA_MOCK_NCCL`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
