//! How code that does not wait asynchronously runs what does.

use std::{future::Future, sync::OnceLock};

use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Runs an asynchronous function of this crate to its end, on the process's one runtime. Everything below is asynchronous; only a program's outermost
/// layer calls this, never from within a task.
///
/// # Panics
///
/// Where the operating system gives no thread, or when it is called from within a task.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .enable_all()
            .thread_name("zomma-storage")
            .build()
            .expect("the operating system gives threads to a runtime")
    });
    runtime.block_on(future)
}
