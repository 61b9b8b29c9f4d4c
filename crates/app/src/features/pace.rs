//! When rows are written: after each book, or at a steady pace.

/// A silence longer than this is no time of the session: the pace begins anew behind it.
const LONGEST_SILENCE_NS: u64 = 86_400_000_000_000;

/// When the next row is due.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    every_ns: Option<u64>,
    due_ns: Option<u64>,
}

impl Pace {
    /// A row each `every_ns`, at its multiples; none for a row after each book.
    pub fn new(every_ns: Option<u64>) -> Self {
        Self { every_ns, due_ns: None }
    }

    /// Whether rows come at a steady pace.
    pub fn is_steady(&self) -> bool {
        self.every_ns.is_some()
    }

    /// Something is about to happen at this time: writes the rows that are due before it, with what is known.
    pub fn before(&mut self, time_ns: u64, mut row: impl FnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let Some(every_ns) = self.every_ns else { return Ok(()) };
        if self.due_ns.is_some_and(|due| time_ns.saturating_sub(due) > LONGEST_SILENCE_NS) {
            self.due_ns = time_ns.checked_next_multiple_of(every_ns);
        }
        while let Some(due_ns) = self.due_ns.filter(|due| *due < time_ns) {
            row(due_ns)?;
            self.due_ns = due_ns.checked_add(every_ns);
        }
        Ok(())
    }

    /// The values are those after the book of this time: whether a row is written now.
    pub fn after(&mut self, time_ns: u64) -> bool {
        if let (Some(every_ns), None) = (self.every_ns, self.due_ns) {
            self.due_ns = time_ns.checked_next_multiple_of(every_ns);
        }
        self.every_ns.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pace: &mut Pace, time_ns: u64) -> Vec<u64> {
        let mut rows = Vec::new();
        pace.before(time_ns, |due_ns| {
            rows.push(due_ns);
            Ok(())
        })
        .unwrap();
        rows
    }

    #[test]
    fn rows_come_at_multiples_from_the_first_book_on() {
        let mut pace = Pace::new(Some(10));
        assert!(due(&mut pace, 95).is_empty());
        assert!(!pace.after(95));
        assert!(due(&mut pace, 100).is_empty());
        assert_eq!(due(&mut pace, 121), [100, 110, 120]);
        // A step back in time is due nothing.
        assert!(due(&mut pace, 50).is_empty());
    }

    #[test]
    fn a_silence_of_more_than_a_day_is_not_filled() {
        let mut pace = Pace::new(Some(1_000_000_000));
        pace.after(5);
        let later = 3 * LONGEST_SILENCE_NS + 7;
        assert!(due(&mut pace, later).is_empty());
        assert_eq!(due(&mut pace, later + 1_000_000_000), [3 * LONGEST_SILENCE_NS + 1_000_000_000]);
    }

    #[test]
    fn without_a_pace_every_book_has_its_row() {
        let mut pace = Pace::new(None);
        assert!(due(&mut pace, 9).is_empty() && pace.after(9) && pace.after(9));
    }
}
