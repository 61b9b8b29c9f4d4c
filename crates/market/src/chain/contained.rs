//! Runs a decoder that panics on damaged input, and makes an error of the panic.
//!
//! The Parquet reader asserts what a damaged page breaks (bit widths, level counts). Checks before it catch what can be seen
//! from the footer; this catches the rest, without the panic's message on the terminal, since an error follows.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside [`contained`].
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` returns, or the words of its panic.
///
/// The first call puts a panic hook in front of the one that is there; it says nothing on a thread inside this function and
/// hands on everything else.
pub(super) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CONTAINED.get() {
                before(info);
            }
        }));
    });
    let outer = IS_CONTAINED.replace(true);
    // Nothing that `work` holds is looked at after a panic: its value is dropped with the stack.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CONTAINED.set(outer);
    outcome.map_err(|payload| words(payload.as_ref()))
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("the decoder gave up").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_words_and_a_value_stays() {
        assert_eq!(contained(|| 7), Ok(7));
        assert_eq!(contained(|| -> u8 { panic!("width {}", 9) }), Err("width 9".into()));
        assert_eq!(contained(|| -> u8 { panic!("flat") }), Err("flat".into()));
        assert!(!IS_CONTAINED.get());
    }
}
