//! Events gathered and applied many at a time, for those who read the books now and then: replays, backtests, recordings.

use super::Books;
use crate::event::{Event, Sink};

/// How many events are gathered: 18 KiB, which stay in the nearest cache.
const GATHERED: usize = 256;

/// A sink that gathers events for [`Books::apply_all`], which fetches ahead what later events will touch. The books have taken them in after
/// [`flush`](Self::flush), or once this is gone.
#[derive(Debug)]
pub struct BatchedBooks<'a> {
    books: &'a mut Books,
    events: Vec<Event>,
}

impl<'a> BatchedBooks<'a> {
    /// Gathers for these books.
    pub fn new(books: &'a mut Books) -> Self {
        Self { books, events: Vec::with_capacity(GATHERED) }
    }

    /// Applies what has been gathered, and shows the books.
    pub fn flush(&mut self) -> &Books {
        self.books.apply_all(&self.events);
        self.events.clear();
        self.books
    }
}

impl Sink for BatchedBooks<'_> {
    #[inline]
    fn event(&mut self, event: &Event) {
        self.events.push(*event);
        if self.events.len() == GATHERED {
            self.flush();
        }
    }
}

impl Drop for BatchedBooks<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}
