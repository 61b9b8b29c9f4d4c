//! A tensor that another framework made and that is ours to end: its deleter is called once, when this is dropped.

use std::ptr::NonNull;

use super::abi::Managed;

/// Ownership of a managed tensor.
#[derive(Debug)]
pub struct Owned<M: Managed>(NonNull<M>);

// SAFETY: the protocol lets a consumer call the deleter on any thread, with or without the interpreter's lock: producers that need
// it take it there. Nothing else of the structure is written.
unsafe impl<M: Managed> Send for Owned<M> {}
// SAFETY: as above.
unsafe impl<M: Managed> Sync for Owned<M> {}

impl<M: Managed> Owned<M> {
    /// Takes what a capsule held.
    ///
    /// # Safety
    /// `tensor` points to a live structure whose deleter nobody else will call.
    pub unsafe fn new(tensor: NonNull<M>) -> Self {
        Self(tensor)
    }

    /// The structure.
    pub fn get(&self) -> &M {
        // SAFETY: it is alive until the deleter is called, which is in `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl<M: Managed> Drop for Owned<M> {
    fn drop(&mut self) {
        if let Some(deleter) = self.get().deleter() {
            // SAFETY: alive, ours, and never touched again.
            unsafe { deleter(self.0.as_ptr()) };
        }
    }
}
