//! Which rows are held out.
//!
//! Rule  u is uniform(seed + (shard + 1)·0xd1b5…, row), shard and row counted from 0 in the order of the files; with h = held_out over the rows
//!       that can be held out: u < h held out, u < 2h kept for the last word. Those are all rows, or those of `held_out_shards`, whose other
//!       rows are then not learned either.
//!       By time: the last `held_out` rows are for the last word, as many before them are held out, and all before those are learned but for a
//!       gap before either; rows of one time are on one side

use zomma_storage::shards::ShardSet;

use super::inspection::Inspection;
use crate::LearnError;
use crate::config::DataConfig;
use crate::data::points::uniform;

/// Rows that scales are fitted to, about.
const FITTED_ROWS: f64 = 65_536.0;
/// Tells the shards' hashes apart.
const STRIDE: u64 = 0xd1b5_4a32_d192_ed03;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// To learn from.
    Learned,
    /// To learn from, and to fit scales to.
    Fitted,
    /// To choose the network by.
    HeldOut,
    /// For the last word.
    Tested,
    /// Of a shard that is held out, beyond what is needed.
    Unused,
}

/// The rule of a config for a set of shards.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    seed: u64,
    wanted: usize,
    /// Share of the rows that can be held out for each of the two parts.
    share: f64,
    /// Share of the rows to learn from that scales are fitted to.
    fitted: f64,
    /// By shard, where shards are named.
    named: Vec<bool>,
    /// Where the parts begin in time, where they are told apart by it.
    cuts: Option<Cuts>,
}

/// Where the two parts that are held out begin in time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cuts {
    held_out: f64,
    tested: f64,
    gap: f64,
}

impl Cuts {
    /// So that each part has `held_out` rows, or some more where rows are of one time. Times that are no numbers count for nothing.
    pub(super) fn new(mut times: Vec<f64>, held_out: usize, gap: f64) -> Option<Self> {
        times.retain(|time| time.is_finite());
        let mut from_the_end = |rows: usize| {
            let at = times.len().checked_sub(rows)?;
            (at < times.len()).then(|| *times.select_nth_unstable_by(at, f64::total_cmp).1)
        };
        let (tested, held) = (from_the_end(held_out)?, from_the_end(2 * held_out)?);
        Some(Self { held_out: held, tested, gap })
    }

    /// Whether a row is left out, held out, kept for the last word, or to learn from.
    fn part(self, time: f64) -> Option<Part> {
        let Self { held_out, tested, gap } = self;
        match time {
            time if time >= tested => Some(Part::Tested),
            time if time >= held_out => Some(if time >= tested - gap { Part::Unused } else { Part::HeldOut }),
            time if time >= held_out - gap => Some(Part::Unused),
            _ => None,
        }
    }
}

impl Rule {
    /// Errors: [`LearnError::BadValue`] for a name that no shard has, for all shards held out, and for more rows held out than can be.
    pub(super) fn new(config: &DataConfig, set: &ShardSet) -> Result<Self, LearnError> {
        let names: Vec<&str> = set.files().iter().map(|file| file.name.as_str()).collect();
        let held = &config.held_out_shards;
        if let Some(unknown) = held.iter().find(|name| !names.contains(&name.as_str())) {
            let allowed = format!("{} has {}", set.shown(), few(&names));
            return Err(LearnError::bad("data.held_out_shards", unknown, allowed));
        }
        let is_named = |name: &str| held.iter().any(|other| other == name);
        let named: Vec<bool> =
            if held.is_empty() { Vec::new() } else { names.iter().map(|name| is_named(name)).collect() };
        if !named.is_empty() && named.iter().all(|is_held| *is_held) {
            let allowed = format!("some of the {} shards; they are all of them", names.len());
            return Err(LearnError::bad("data.held_out_shards", held.join(", "), allowed));
        }
        let rows = |is_held: bool| -> u64 {
            let files = set.files().iter().enumerate();
            files.filter(|(i, _)| named.get(*i).copied().unwrap_or(is_held) == is_held).map(|(_, file)| file.rows).sum()
        };
        let (can_be_held, learned) = (rows(true), rows(false));
        let most = if named.is_empty() { can_be_held / 4 } else { can_be_held / 2 };
        if config.held_out as u64 > most {
            let allowed = format!(
                "at most {most}: {} can hold out {can_be_held} rows, and two parts of {} are held out{}",
                set.shown(),
                config.held_out,
                if named.is_empty() { ", half of the rows at most" } else { "" }
            );
            return Err(LearnError::bad("data.held_out", config.held_out, allowed));
        }
        let share = config.held_out as f64 / can_be_held as f64;
        let fitted = (FITTED_ROWS / learned.max(1) as f64).min(1.0);
        Ok(Self { seed: config.seed ^ 0x7368_6172_6473, wanted: config.held_out, share, fitted, named, cuts: None })
    }

    /// Tells the parts apart by time.
    pub(super) fn by_time(self, cuts: Cuts) -> Self {
        Self { cuts: Some(cuts), ..self }
    }

    /// What a row of a shard and a time is for.
    pub(super) fn part_at(&self, shard: usize, row: u64, time: Option<f64>) -> Part {
        let (Some(cuts), Some(time)) = (self.cuts, time) else { return self.part(shard, row) };
        cuts.part(time).unwrap_or_else(|| match self.hash(shard, row) >= 1.0 - self.fitted {
            true => Part::Fitted,
            false => Part::Learned,
        })
    }

    fn hash(&self, shard: usize, row: u64) -> f64 {
        uniform(self.seed.wrapping_add((shard as u64 + 1).wrapping_mul(STRIDE)), row)
    }

    /// What a row of a shard is for.
    fn part(&self, shard: usize, row: u64) -> Part {
        let u = self.hash(shard, row);
        let can_be_held = self.named.get(shard).copied().unwrap_or(true);
        if can_be_held && u < 2.0 * self.share {
            return if u < self.share { Part::HeldOut } else { Part::Tested };
        }
        match self.named.get(shard) {
            Some(true) => Part::Unused,
            // At the other end than what is held out.
            _ if u >= 1.0 - self.fitted => Part::Fitted,
            _ => Part::Learned,
        }
    }

    /// Whether there is a row for everything.
    ///
    /// Errors: [`LearnError::BadValue`].
    pub(super) fn check(&self, found: &Inspection) -> Result<(), LearnError> {
        let counts = found.counts;
        if counts.held_out == 0 || counts.tested == 0 || counts.learned == 0 || found.fitted.is_empty() {
            let allowed = format!(
                "rows for every part: of {} rows {} are to learn from, {} held out, {} for the last word",
                counts.rows, counts.learned, counts.held_out, counts.tested
            );
            return Err(LearnError::bad("data.held_out", self.wanted, allowed));
        }
        Ok(())
    }
}

/// Some names of many.
fn few(names: &[&str]) -> String {
    match names {
        [first, .., last] if names.len() > 6 => format!("{} shards, {first} to {last}", names.len()),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(named: Vec<bool>) -> Rule {
        Rule { seed: 7, wanted: 1000, share: 0.1, fitted: 0.05, named, cuts: None }
    }

    #[test]
    fn parts_have_their_shares_in_every_shard_and_shards_differ() {
        let rule = rule(Vec::new());
        let parts = |shard: usize| (0..20_000).map(|row| rule.part(shard, row)).collect::<Vec<Part>>();
        for shard in 0..3 {
            let count = |part: Part| parts(shard).iter().filter(|found| **found == part).count();
            // Binomial: deviations of 42 and 31 rows.
            assert!(count(Part::HeldOut).abs_diff(2000) < 200 && count(Part::Tested).abs_diff(2000) < 200);
            assert!(count(Part::Fitted).abs_diff(1000) < 150);
            assert_eq!(count(Part::Unused), 0);
        }
        assert_ne!(parts(0), parts(1));
    }

    #[test]
    fn of_named_shards_no_row_is_learned_and_of_the_others_none_is_held_out() {
        let rule = rule(vec![false, true]);
        assert!((0..1000).all(|row| matches!(rule.part(0, row), Part::Learned | Part::Fitted)));
        assert!((0..1000).all(|row| matches!(rule.part(1, row), Part::HeldOut | Part::Tested | Part::Unused)));
    }

    #[test]
    fn by_time_the_last_rows_are_held_out_whatever_their_order_and_nothing_near_the_cut_is_learned() {
        let times: Vec<f64> = (0..1000).map(|i| f64::from(i * 617 % 1000)).collect();
        let cuts = Cuts::new([times.clone(), vec![f64::NAN; 7]].concat(), 100, 10.0).unwrap();
        let rule = rule(Vec::new()).by_time(cuts);
        let mut counts = [0; 4];
        for (row, time) in times.iter().enumerate() {
            let (part, wanted) = (rule.part_at(0, row as u64, Some(*time)), *time as usize);
            let place = match part {
                Part::Learned | Part::Fitted => 0,
                Part::Unused => 1,
                Part::HeldOut => 2,
                Part::Tested => 3,
            };
            counts[place] += 1;
            let by_hand = match wanted {
                0..790 => 0,
                790..800 | 890..900 => 1,
                800..890 => 2,
                _ => 3,
            };
            assert_eq!(place, by_hand, "time {time}");
        }
        assert_eq!(counts, [790, 20, 90, 100]);
        // Rows of one time are never told apart, and too few cannot be cut.
        assert_eq!(Cuts::new(vec![1.0; 50], 10, 0.0).unwrap().part(1.0), Some(Part::Tested));
        assert_eq!(Cuts::new(vec![1.0; 15], 10, 0.0), None);
    }
}
