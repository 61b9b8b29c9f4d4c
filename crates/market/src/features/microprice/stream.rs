//! The microprice, streaming: a table that is fitted anew as the past grows, on a grid that may have to be found.

use super::{Microprice, MicropriceCounts, MicropriceStates, Workspace};
use crate::features::{Depth, FeatureError, Level};

/// How many steps a first fit takes, and how many books the grid is found by.
const FIRST_FIT: usize = 1_000;

/// The first books, kept until they tell the grid; `None` where the chain is broken.
#[derive(Debug, Clone)]
struct Finding {
    grid_ticks: u64,
    books: Vec<Option<(Level, Level)>>,
    whole: usize,
}

impl Finding {
    fn push(&mut self, best: Option<(Level, Level)>) {
        if let Some((bid, ask)) = best {
            self.whole += 1;
            for price in [bid.price_ticks, ask.price_ticks] {
                self.grid_ticks = greatest_step(self.grid_ticks, price.unsigned_abs());
            }
        }
        // Broken twice is broken once: so no more are kept than twice the whole ones.
        if best.is_some() || self.books.last().is_some_and(Option::is_some) {
            self.books.push(best);
        }
    }
}

/// The greatest common divisor.
fn greatest_step(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The microprice, streaming: its table is fitted to what has been seen so far and to nothing else, again whenever the steps seen have doubled,
/// from 1,000 on. Window: from the start. The books between two fits cost a look-up and a count each.
///
/// Where the grid of prices is not told it is found: the greatest step of which all best prices of the first 1,000 books that have both sides are
/// whole numbers.
#[derive(Debug, Clone)]
pub struct StreamingMicroprice {
    counts: MicropriceCounts,
    finding: Option<Finding>,
    fitted: Microprice,
    is_fitted: bool,
    /// What the next fit works in, unless it is lent, and the table that it makes.
    work: Workspace,
    spare: Microprice,
    next_fit: usize,
    fits: u64,
    latest: Option<f64>,
}

impl StreamingMicroprice {
    /// Nothing seen yet.
    pub fn new(states: MicropriceStates) -> Self {
        let empty = Microprice::empty(states);
        Self {
            counts: MicropriceCounts::new(states),
            finding: None,
            fitted: empty.clone(),
            is_fitted: false,
            work: Workspace::new(states),
            spare: empty,
            next_fit: FIRST_FIT,
            fits: 0,
            latest: None,
        }
    }

    /// Nothing seen yet, and the grid is to be found.
    ///
    /// # Errors
    ///
    /// Those of [`MicropriceStates::new`].
    pub fn on_found_grid(imbalances: usize, spreads: usize) -> Result<Self, FeatureError> {
        Ok(Self::that_finds_its_grid(MicropriceStates::new(imbalances, spreads, 1)?))
    }

    /// As [`on_found_grid`](Self::on_found_grid), with as many states as these.
    pub(crate) fn that_finds_its_grid(states: MicropriceStates) -> Self {
        let finding = Finding { grid_ticks: 0, books: Vec::with_capacity(2 * FIRST_FIT), whole: 0 };
        Self { finding: Some(finding), ..Self::new(states) }
    }

    /// The same without what a fit works in: [`on_depth_with`](Self::on_depth_with) is lent it.
    pub(crate) fn without_workspace(self) -> Self {
        Self { work: Workspace::default(), ..self }
    }

    /// The most bytes that one without a workspace takes.
    pub(crate) fn bytes_without_workspace(states: MicropriceStates) -> u64 {
        let states = states.count() as u64;
        let counts = 2 * states * states * size_of::<u64>() as u64 + states * size_of::<i64>() as u64;
        let tables = 2 * states * size_of::<Option<f64>>() as u64;
        let found_by = 2 * FIRST_FIT as u64 * size_of::<Option<(Level, Level)>>() as u64;
        size_of::<Self>() as u64 + counts + tables + found_by
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.step(depth, None);
    }

    /// Takes the next book; a fit works in what is lent, which has as many states.
    #[inline]
    pub(crate) fn on_depth_with(&mut self, depth: &Depth<'_>, work: &mut Workspace) {
        self.step(depth, Some(work));
    }

    #[inline]
    fn step(&mut self, depth: &Depth<'_>, work: Option<&mut Workspace>) {
        if self.finding.is_some() {
            self.find_grid(depth, work);
        } else {
            self.take(depth, work);
        }
    }

    /// Keeps a book of the first ones, and counts them all once there are enough.
    #[cold]
    fn find_grid(&mut self, depth: &Depth<'_>, mut work: Option<&mut Workspace>) {
        let Some(finding) = &mut self.finding else { return };
        finding.push(depth.best());
        if finding.whole < FIRST_FIT {
            return;
        }
        let Some(Finding { grid_ticks, books, .. }) = self.finding.take() else { return };
        let MicropriceStates { imbalances, spreads, .. } = self.counts.states;
        let grid_ticks = i64::try_from(grid_ticks).unwrap_or(1).max(1);
        if let Ok(states) = MicropriceStates::new(imbalances, spreads, grid_ticks) {
            // As many states as before: what a fit works in stays.
            self.counts = MicropriceCounts::new(states);
            self.fitted = Microprice::empty(states);
            self.spare = Microprice::empty(states);
        }
        for best in books {
            let (bids, asks) = best.unzip();
            let depth = Depth { time_ns: depth.time_ns, bids: bids.as_slice(), asks: asks.as_slice() };
            self.take(&depth, work.as_deref_mut());
        }
    }

    #[inline]
    fn take(&mut self, depth: &Depth<'_>, work: Option<&mut Workspace>) {
        let state = self.counts.on_depth(depth);
        if self.counts.steps() >= self.next_fit {
            self.fit(work);
        }
        // A table of nothing has none for any state.
        let adjustment = state.and_then(|state| self.fitted.adjustment[state]);
        self.latest = depth.mid_ticks().zip(adjustment).map(|(mid, adjustment)| mid + adjustment);
    }

    #[cold]
    #[inline(never)]
    fn fit(&mut self, work: Option<&mut Workspace>) {
        let work = work.unwrap_or(&mut self.work);
        // A fit that fails leaves the one before, which still is of the past alone.
        if self.counts.fit_into(work, &mut self.spare).is_ok() {
            std::mem::swap(&mut self.fitted, &mut self.spare);
            self.is_fitted = true;
            self.fits += 1;
        }
        self.next_fit = self.next_fit.saturating_mul(2);
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.counts.on_break();
        if let Some(finding) = &mut self.finding {
            finding.push(None);
        }
    }

    /// In ticks; `None` before the first fit, and where the book has no state or one never seen before the fit.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.latest
    }

    /// How many tables have been fitted: the one in use is another where this is.
    pub(crate) fn fits(&self) -> u64 {
        self.fits
    }

    /// The table in use.
    pub fn fitted(&self) -> Option<&Microprice> {
        self.is_fitted.then_some(&self.fitted)
    }
}
