//! Counts, in tests, what a thread has allocated: that a decoder reserves no more than its input calls for.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, with a count beside it.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST_HELD: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// What a thread did within [`measure`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocated {
    /// How much more than at the beginning it held at most, in bytes.
    pub most_bytes: usize,
    /// How often it asked for memory.
    pub calls: usize,
}

/// Runs something, and says what this thread allocated for it.
pub(crate) fn measure<T>(run: impl FnOnce() -> T) -> (T, Allocated) {
    let (held, calls) = (HELD.get(), CALLS.get());
    MOST_HELD.set(held);
    let answer = run();
    let most_bytes = (MOST_HELD.get() - held).unsigned_abs();
    (answer, Allocated { most_bytes, calls: CALLS.get() - calls })
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST_HELD.set(MOST_HELD.get().max(held));
    CALLS.set(CALLS.get() + usize::from(bytes > 0));
}

// SAFETY: every call is passed on to the system's allocator as it came; the counts are thread-local cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[test]
fn what_is_held_and_how_often_it_was_asked_for_is_counted() {
    let (kept, allocated) = measure(|| {
        drop(Vec::<u8>::with_capacity(10_000));
        vec![1_u8; 1_000]
    });
    assert_eq!((allocated.most_bytes, allocated.calls, kept.len()), (10_000, 2, 1_000));
}
