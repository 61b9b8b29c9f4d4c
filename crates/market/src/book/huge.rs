//! Large tables on huge pages: a table of many megabytes that is read here and there costs a walk through page tables at almost every read, unless its
//! pages are of two megabytes.

/// Smaller tables stay on small pages, which the processor's table of pages holds.
const LEAST_BYTES: usize = 4 << 20;

/// Asks the kernel for huge pages under what a vector has reserved. It is to be asked before the memory is first written. Where there are none (another
/// system, `transparent_hugepage` set to `never`), nothing changes.
pub(super) fn advise<T>(items: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        let bytes = items.capacity() * size_of::<T>();
        if bytes < LEAST_BYTES {
            return;
        }
        // The advice is for whole pages of the range; those at its ends may be shared with other allocations and are left out.
        let page = rustix::param::page_size();
        let start = items.as_mut_ptr().cast::<u8>();
        let skipped = start.align_offset(page);
        let length = bytes.saturating_sub(skipped) / page * page;
        // SAFETY: the range lies within the vector's own allocation, and this advice changes no contents.
        let _ = unsafe { rustix::mm::madvise(start.add(skipped).cast(), length, rustix::mm::Advice::LinuxHugepage) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (items, LEAST_BYTES);
}

/// Room for `places` items, on huge pages where `is_wanted`.
pub(super) fn reserved<T>(places: usize, is_wanted: bool) -> Vec<T> {
    let mut items = Vec::with_capacity(places);
    if is_wanted {
        advise(&mut items);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advised_memory_holds_what_is_written() {
        let mut items: Vec<u64> = reserved(LEAST_BYTES / 4, true);
        let capacity = items.capacity();
        items.extend((0..capacity as u64).rev());
        assert_eq!((items.capacity(), items[0], items[capacity - 1]), (capacity, capacity as u64 - 1, 0));
    }
}
