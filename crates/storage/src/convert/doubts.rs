//! Times of a feed that stand alone: a clock that jumped for one message.

/// A step longer than this is none of a session.
const LONGEST_STEP_NS: u64 = 86_400_000_000_000;

/// Rows whose time is more than a day from that of the row before and of the row after, and not between them: as the feed tells them, and most likely
/// wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoneTimes {
    /// How many.
    pub rows: u64,
    /// The first of them, in nanoseconds since the Unix epoch.
    pub first_ns: Option<i64>,
}

/// A step from one time to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is no row before.
    None,
    Within,
    Ahead,
    Back,
}

/// Finds them as rows come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Doubts {
    found: LoneTimes,
    /// The time before the last, of those that do not stand alone.
    before_ns: Option<i64>,
    last_ns: Option<i64>,
}

impl Doubts {
    /// Takes the next row's time.
    pub fn next(&mut self, time_ns: i64) {
        if let Some(last) = self.last_ns {
            let is_lone = match (Step::between(self.before_ns, last), Step::between(Some(last), time_ns)) {
                (Step::Ahead, Step::Back) | (Step::Back, Step::Ahead) => true,
                (Step::None, step) => step != Step::Within,
                _ => false,
            };
            match is_lone {
                true => self.count(last),
                false => self.before_ns = Some(last),
            }
        }
        self.last_ns = Some(time_ns);
    }

    /// What was found, when there is no further row.
    pub fn finish(mut self) -> LoneTimes {
        if let Some(last) = self.last_ns
            && matches!(Step::between(self.before_ns, last), Step::Ahead | Step::Back)
        {
            self.count(last);
        }
        self.found
    }

    fn count(&mut self, time_ns: i64) {
        self.found.rows += 1;
        self.found.first_ns = self.found.first_ns.or(Some(time_ns));
    }
}

impl Step {
    fn between(before_ns: Option<i64>, time_ns: i64) -> Self {
        match before_ns {
            None => Self::None,
            Some(before) if before.abs_diff(time_ns) <= LONGEST_STEP_NS => Self::Within,
            Some(before) if time_ns > before => Self::Ahead,
            Some(_) => Self::Back,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = LONGEST_STEP_NS as i64;

    fn found(times: &[i64]) -> (u64, Option<i64>) {
        let mut doubts = Doubts::default();
        times.iter().for_each(|time| doubts.next(*time));
        let LoneTimes { rows, first_ns } = doubts.finish();
        (rows, first_ns)
    }

    #[test]
    fn a_jump_for_one_row_is_found_and_a_new_day_is_not() {
        assert_eq!(found(&[]), (0, None));
        assert_eq!(found(&[5]), (0, None));
        assert_eq!(found(&[5, 6, 5, DAY + 5]), (0, None), "a day is no jump");
        assert_eq!(found(&[5, 6, 3 * DAY, 7, 8]), (1, Some(3 * DAY)));
        assert_eq!(found(&[9 * DAY, 9 * DAY + 1, 4, 9 * DAY + 2, 5, 9 * DAY + 3]), (2, Some(4)));
        // Behind a weekend the feed goes on; days with one row each are a feed too.
        assert_eq!(found(&[5, 6, 3 * DAY, 3 * DAY + 1]), (0, None));
        assert_eq!(found(&[0, 1, 3 * DAY, 6 * DAY, 9 * DAY, 9 * DAY + 1]), (0, None));
        // At an end there is one neighbour.
        assert_eq!(found(&[9 * DAY, 1, 2, 3]), (1, Some(9 * DAY)));
        assert_eq!(found(&[1, 2, 3, 9 * DAY]), (1, Some(9 * DAY)));
        assert_eq!(found(&[5, 6, 9 * DAY, 7]), (1, Some(9 * DAY)), "the one behind it is near the one before");
        assert_eq!(found(&[i64::MAX, i64::MIN, i64::MAX]).0, 2);
    }
}
