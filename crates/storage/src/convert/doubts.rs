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
    /// Which row the first of them is.
    first_row: u64,
    /// Rows that came.
    rows: u64,
    /// The time before the last, of those that do not stand alone.
    before_ns: Option<i64>,
    last_ns: Option<i64>,
    /// The last time that had another near it.
    base_ns: Option<i64>,
    unsure: Unsure,
}

/// Rows since the base, each more than a day from the one before, on and on: days with one row each, or wild times in a row where the feed comes back.
#[derive(Debug, Clone, Copy, Default)]
struct Unsure {
    rows: u64,
    /// The first one, and its time.
    first: Option<(u64, i64)>,
}

impl Doubts {
    /// Takes the next row's time.
    pub fn next(&mut self, time_ns: i64) {
        if let Some(last) = self.last_ns {
            self.judge(last, Some(time_ns));
        }
        self.last_ns = Some(time_ns);
        self.rows += 1;
    }

    /// What was found, when there is no further row.
    pub fn finish(mut self) -> LoneTimes {
        if let Some(last) = self.last_ns {
            self.judge(last, None);
        }
        self.found
    }

    /// Judges the last row by those before it and the next one.
    fn judge(&mut self, last: i64, next: Option<i64>) {
        let row = self.rows - 1;
        let came = Step::between(self.before_ns, last);
        let is_back = self.unsure.rows > 0 && Step::between(self.base_ns, last) == Step::Within;
        let is_lone = match (came, next.map(|next| Step::between(Some(last), next))) {
            _ if is_back => false,
            (Step::Ahead, Some(Step::Back)) | (Step::Back, Some(Step::Ahead)) => true,
            (Step::None, Some(step)) => step != Step::Within,
            (Step::Ahead | Step::Back, None) => true,
            _ => false,
        };
        if is_lone {
            return self.count(1, (row, last));
        }
        if is_back && let Some(first) = self.unsure.first {
            self.count(self.unsure.rows, first);
        }
        match came {
            Step::Ahead | Step::Back if !is_back => {
                self.unsure.rows += 1;
                self.unsure.first = self.unsure.first.or(Some((row, last)));
            }
            _ => (self.base_ns, self.unsure) = (Some(last), Unsure::default()),
        }
        self.before_ns = Some(last);
    }

    fn count(&mut self, rows: u64, (first, time_ns): (u64, i64)) {
        if self.found.first_ns.is_none() || first < self.first_row {
            (self.found.first_ns, self.first_row) = (Some(time_ns), first);
        }
        self.found.rows += rows;
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
    fn wild_times_in_a_row_are_as_many_as_they_are() {
        for wild in [[5 * DAY, 9 * DAY], [9 * DAY, 5 * DAY], [-5 * DAY, -9 * DAY], [-5 * DAY, 9 * DAY]] {
            let [one, two] = wild;
            assert_eq!(found(&[5, 6, one, two, 7, 8]), (2, Some(one)));
            assert_eq!(found(&[5, 6, one, two, 7]), (2, Some(one)), "at the end");
        }
        assert_eq!(found(&[5, 6, 3 * DAY, 6 * DAY, 9 * DAY, 7, 8]), (3, Some(3 * DAY)));
        assert_eq!(found(&[5, 6, 3 * DAY, 6 * DAY, 7, 20 * DAY, 8, 9]), (3, Some(3 * DAY)));
        // The feed stays there: nothing comes back.
        assert_eq!(found(&[5, 6, 3 * DAY, 6 * DAY, 6 * DAY + 1, 6 * DAY + 2]), (0, None));
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
