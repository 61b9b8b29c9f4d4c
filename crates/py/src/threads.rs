//! The threads that large batches are spread over, one pool a process.
//!
//! The threads of a process do not follow it through `fork`, which `multiprocessing` uses: a child makes a pool of its own.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The pool, and the process that made it. Locked with the interpreter's lock held alone: Python forks with it held, so no child
/// finds this locked.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// This process's pool: as many threads as the machine has, or as `RAYON_NUM_THREADS` says.
pub fn pool(_py: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    let mut slot = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, pool)) = slot.as_ref()
        && *owner == process
    {
        return Ok(Arc::clone(pool));
    }
    let pool = ThreadPoolBuilder::new()
        .thread_name(|number| format!("zomma-{number}"))
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("threads: {error}")))?;
    let pool = Arc::new(pool);
    // A parent's pool is not ended here: its threads are not in this process.
    std::mem::forget(slot.replace((process, Arc::clone(&pool))));
    Ok(pool)
}
