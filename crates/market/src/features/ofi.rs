//! Order-flow imbalance: how much more was added to bids and taken from asks than the other way round.
//!
//! Sources: Cont, Kukanov and Stoikov, "The price impact of order book events", Journal of Financial Econometrics 12 (2014), section 2 (eq. 4
//! and 5: the flow of one event at the best prices, and its sum over an interval) and section 3 (eq. 10: over intervals of 10 seconds, within
//! windows of half an hour, ΔP = α + β·OFI + ε); Cont, Cucuringu and Zhang, "Cross-impact of order flow imbalance in equity markets",
//! Quantitative Finance 23 (2023), section 2.1 (the same at each level). From one book to the next, at each level,
//!
//! e = q·1{P ≥ P′} − q′·1{P ≤ P′} for bids, less q·1{P ≤ P′} − q′·1{P ≥ P′} for asks,
//!
//! P and q the price and size now, P′ and q′ those before. Unit: lots. A level that is not there counts as one of size 0 at the worst of prices.

use super::{
    Depth, FeatureError, Level,
    depth::{MOST_LEVELS, checked_levels, side_depth},
    error::bad,
    regression::{Line, fit_line},
    window::RollingSum,
};

/// A bid or an ask level that is not there.
const NO_BID: Level = Level { price_ticks: i64::MIN, size: 0 };
const NO_ASK: Level = Level { price_ticks: i64::MAX, size: 0 };

/// Sizes count up to here, so that the flow of an event, which is made of four, fits in 64 bits. A lot may be as small as 10⁻⁸ of a coin: this is
/// 23 thousand million coins of those.
const MOST_LOTS: u64 = 1 << 61;

#[inline]
fn lots(size: u64) -> i64 {
    size.min(MOST_LOTS) as i64
}

/// The flow into one level of bids, in lots; sizes beyond 2⁶¹ count as 2⁶¹.
#[inline]
pub fn bid_flow(before: Level, now: Level) -> i64 {
    let came = if now.price_ticks >= before.price_ticks { lots(now.size) } else { 0 };
    let went = if now.price_ticks <= before.price_ticks { lots(before.size) } else { 0 };
    came - went
}

/// The flow into one level of asks, in lots; sizes beyond 2⁶¹ count as 2⁶¹.
#[inline]
pub fn ask_flow(before: Level, now: Level) -> i64 {
    let came = if now.price_ticks <= before.price_ticks { lots(now.size) } else { 0 };
    let went = if now.price_ticks >= before.price_ticks { lots(before.size) } else { 0 };
    came - went
}

/// The flow of each event at each level.
#[derive(Debug, Clone)]
pub struct OrderFlow {
    levels: usize,
    seen: bool,
    bids: [Level; MOST_LEVELS],
    asks: [Level; MOST_LEVELS],
    flow: [i64; MOST_LEVELS],
}

impl OrderFlow {
    /// Of the best `levels` levels.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside 1 to 20 levels.
    pub fn new(levels: usize) -> Result<Self, FeatureError> {
        let levels = checked_levels(levels)?;
        Ok(Self {
            levels,
            seen: false,
            bids: [NO_BID; MOST_LEVELS],
            asks: [NO_ASK; MOST_LEVELS],
            flow: [0; MOST_LEVELS],
        })
    }

    /// Takes the next book; the imbalance of its event at each level, bids' flow less asks', in lots. All 0 at the first book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) -> &[i64] {
        let flow = &mut self.flow[..self.levels];
        let before = self.bids.iter_mut().zip(&mut self.asks);
        for (level, (flow, (last_bid, last_ask))) in flow.iter_mut().zip(before).enumerate() {
            let bid = depth.bids.get(level).copied().unwrap_or(NO_BID);
            let ask = depth.asks.get(level).copied().unwrap_or(NO_ASK);
            *flow = bid_flow(*last_bid, bid) - ask_flow(*last_ask, ask);
            (*last_bid, *last_ask) = (bid, ask);
        }
        if !self.seen {
            flow.fill(0);
            self.seen = true;
        }
        flow
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.seen = false;
    }
}

/// Order-flow imbalance of the last `window_ns` at one level, streaming, in lots: the sum of the events' flows at times in (now − window, now].
#[derive(Debug, Clone)]
pub struct RollingOfi {
    flow: OrderFlow,
    sum: RollingSum,
    seen: bool,
}

impl RollingOfi {
    /// At level `level`, 1 for the best.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for a level outside 1 to 20, or a window of no time or more than a day.
    pub fn new(level: usize, window_ns: u64) -> Result<Self, FeatureError> {
        Ok(Self { flow: OrderFlow::new(level)?, sum: RollingSum::new(window_ns)?, seen: false })
    }

    /// Takes the next book.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.seen = true;
        let flow = self.flow.on_depth(depth);
        self.sum.add(depth.time_ns, flow[flow.len() - 1]);
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.flow.on_break();
    }

    /// In lots; `None` before the first book.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        self.seen.then(|| self.sum.sum())
    }
}

/// Batch form of [`RollingOfi`], by its definition: after each book, the sum over the books within its window.
///
/// # Errors
///
/// Those of [`RollingOfi::new`].
pub fn rolling_ofi(books: &[Depth<'_>], level: usize, window_ns: u64) -> Result<Vec<f64>, FeatureError> {
    checked_levels(level)?;
    super::error::duration("window_ns", window_ns)?;
    let at = |side: &[Level], none: Level| side.get(level - 1).copied().unwrap_or(none);
    let flow = |row: usize| {
        let (before, now) = (&books[row - 1], &books[row]);
        let bids = bid_flow(at(before.bids, NO_BID), at(now.bids, NO_BID));
        i128::from(bids - ask_flow(at(before.asks, NO_ASK), at(now.asks, NO_ASK)))
    };
    let sum = |row: usize| {
        let now_ns = books[row].time_ns;
        (1..=row).rev().take_while(|&earlier| now_ns - books[earlier].time_ns < window_ns).map(flow).sum::<i128>()
            as f64
    };
    Ok((0..books.len()).map(sum).collect())
}

/// What happened in one interval of a grid of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// When it began; a whole number of intervals since the Unix epoch.
    pub start_ns: u64,
    /// By how much the mid changed, in half ticks, from the last book before it to its last book.
    pub mid_change_half_ticks: i64,
    /// The flow at each level, in lots; one that does not fit in 64 bits is the greatest that does.
    pub flow: [i64; MOST_LEVELS],
    /// What rested at a level of a side on average over the books of the interval, in lots; 0 where it had none.
    pub mean_depth: f64,
}

impl Interval {
    /// The flow at a level (from 0) as a share of the mean depth, the scale of Cont, Cucuringu and Zhang; 0 where nothing rested.
    pub fn scaled_flow(&self, level: usize) -> f64 {
        if self.mean_depth > 0.0 { self.flow[level] as f64 / self.mean_depth } else { 0.0 }
    }
}

/// Cuts the stream of books into intervals of one length.
///
/// Every interval from the first book's on is given once a later book shows that it is over, also those in which nothing happened. Books that
/// have no mid change no mid. After a pause of more than a day the grid starts anew.
#[derive(Debug, Clone)]
pub struct IntervalFlow {
    interval_ns: u64,
    flow: OrderFlow,
    now_ns: u64,
    open: Option<Interval>,
    mid_half_ticks: Option<i64>,
    mid_at_start: Option<i64>,
    depth_sum: f64,
    books: u64,
}

/// The shortest interval and the longest pause.
const SHORTEST_NS: u64 = 100_000_000;
pub(crate) const DAY_NS: u64 = 86_400_000_000_000;

impl IntervalFlow {
    /// Intervals of `interval_ns`, 100 ms to a day, with the flow at the best `levels` levels.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(interval_ns: u64, levels: usize) -> Result<Self, FeatureError> {
        if !(SHORTEST_NS..=DAY_NS).contains(&interval_ns) {
            return Err(bad("interval_ns", interval_ns, "100 ms to one day (100,000,000 to 86,400,000,000,000 ns)"));
        }
        Ok(Self {
            interval_ns,
            flow: OrderFlow::new(levels)?,
            now_ns: 0,
            open: None,
            mid_half_ticks: None,
            mid_at_start: None,
            depth_sum: 0.0,
            books: 0,
        })
    }

    fn begin(&mut self, start_ns: u64) {
        self.open = Some(Interval { start_ns, mid_change_half_ticks: 0, flow: [0; MOST_LEVELS], mean_depth: 0.0 });
        (self.mid_at_start, self.depth_sum, self.books) = (self.mid_half_ticks, 0.0, 0);
    }

    /// The interval that is under way, as it would be if it ended now.
    pub fn open(&self) -> Option<Interval> {
        let mut interval = self.open?;
        let change = self.mid_half_ticks.zip(self.mid_at_start).map(|(now, start)| now.saturating_sub(start));
        interval.mid_change_half_ticks = change.unwrap_or(0);
        let counted = self.books as f64 * 2.0 * self.flow.levels as f64;
        interval.mean_depth = if self.books > 0 { self.depth_sum / counted } else { 0.0 };
        Some(interval)
    }

    /// Takes the next book, after giving each interval that is over by its time.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>, over: impl FnMut(&Interval)) {
        let mut flow = [0; MOST_LEVELS];
        let levels = self.flow.levels;
        flow[..levels].copy_from_slice(self.flow.on_depth(depth));
        self.on_flow(depth, &flow[..levels], over);
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.flow.on_break();
        (self.mid_half_ticks, self.mid_at_start) = (None, None);
    }

    /// Takes the next book with its flow at each level, where an [`OrderFlow`] that others share has found it.
    #[inline]
    pub fn on_flow(&mut self, depth: &Depth<'_>, flow: &[i64], over: impl FnMut(&Interval)) {
        let levels = self.flow.levels;
        let resting = side_depth(depth.bids, levels) as f64 + side_depth(depth.asks, levels) as f64;
        self.on_found(depth, resting, flow, over);
    }

    /// The same where others have found what rests at the levels of both sides, in lots.
    #[inline(always)]
    pub(super) fn on_found(&mut self, depth: &Depth<'_>, resting: f64, flow: &[i64], mut over: impl FnMut(&Interval)) {
        let pause = depth.time_ns.saturating_sub(self.now_ns);
        self.now_ns = self.now_ns.max(depth.time_ns);
        // Most books fall into the open interval, which spares them the rest.
        if !matches!(&self.open, Some(open) if self.now_ns - open.start_ns < self.interval_ns) {
            if pause > DAY_NS {
                self.begin_anew();
            }
            self.end_those_over(&mut over);
        }
        self.mid_half_ticks = depth.mid_half_ticks().or(self.mid_half_ticks);
        self.mid_at_start = self.mid_at_start.or(self.mid_half_ticks);
        self.add(resting, flow, 1);
    }

    /// Takes books of one interval together: what rested at the levels of both sides, summed over them, and their flow at each level. Their time is
    /// any of the interval. What they changed of the mid is not known, and a pause before them is told by [`begin_anew`](Self::begin_anew).
    pub(super) fn on_books(
        &mut self,
        time_ns: u64,
        resting: f64,
        (flow, books): (&[i64], u64),
        mut over: impl FnMut(&Interval),
    ) {
        self.now_ns = self.now_ns.max(time_ns);
        if !matches!(&self.open, Some(open) if self.now_ns - open.start_ns < self.interval_ns) {
            self.end_those_over(&mut over);
        }
        self.add(resting, flow, books);
    }

    /// Begins a new grid, after a pause of more than a day.
    pub(super) fn begin_anew(&mut self) {
        (self.open, self.mid_half_ticks) = (None, None);
    }

    /// Gives the intervals that are over now, and opens that of now.
    fn end_those_over(&mut self, over: &mut impl FnMut(&Interval)) {
        let start_ns = self.now_ns - self.now_ns % self.interval_ns;
        while let Some(interval) = self.open().filter(|interval| interval.start_ns < start_ns) {
            over(&interval);
            self.begin(interval.start_ns + self.interval_ns);
        }
        if self.open.is_none() {
            self.begin(start_ns);
        }
    }

    #[inline(always)]
    fn add(&mut self, resting: f64, flow: &[i64], books: u64) {
        if let Some(interval) = &mut self.open {
            interval.flow.iter_mut().zip(flow).for_each(|(sum, flow)| *sum = sum.saturating_add(*flow));
        }
        self.depth_sum += resting;
        self.books += books;
    }
}

/// The intervals of a batch of books in order of time, the last one included.
///
/// # Errors
///
/// Those of [`IntervalFlow::new`].
pub fn intervals<'a>(
    books: impl IntoIterator<Item = Depth<'a>>,
    interval_ns: u64,
    levels: usize,
) -> Result<Vec<Interval>, FeatureError> {
    let mut flow = IntervalFlow::new(interval_ns, levels)?;
    let mut all = Vec::new();
    for depth in books {
        flow.on_depth(&depth, |interval| all.push(*interval));
    }
    all.extend(flow.open());
    Ok(all)
}

/// The regression of one window of intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRegression {
    /// When the window began; a whole number of windows since the Unix epoch.
    pub start_ns: u64,
    /// The mid's change in ticks against the flow; the error where the window's intervals tell no line.
    pub line: Result<Line, FeatureError>,
}

/// Regresses the mid's change in ticks on a flow (a level's, or what `flow` makes of an interval), window by window: eq. 10 of Cont, Kukanov and
/// Stoikov with windows of half an hour over intervals of 10 seconds.
///
/// # Errors
///
/// [`FeatureError::BadParameter`] for a window of no time or more than a day.
pub fn regress_mid(
    intervals: &[Interval],
    window_ns: u64,
    flow: impl Fn(&Interval) -> f64,
) -> Result<Vec<WindowRegression>, FeatureError> {
    super::error::duration("window_ns", window_ns)?;
    let window_of = |interval: &Interval| interval.start_ns / window_ns;
    let regress = |window: &[Interval]| {
        let x: Vec<f64> = window.iter().map(&flow).collect();
        let y: Vec<f64> = window.iter().map(|interval| interval.mid_change_half_ticks as f64 * 0.5).collect();
        WindowRegression { start_ns: window_of(&window[0]) * window_ns, line: fit_line(&x, &y) }
    };
    Ok(intervals.chunk_by(|a, b| window_of(a) == window_of(b)).map(regress).collect())
}

#[cfg(test)]
#[path = "ofi_tests.rs"]
mod tests;
