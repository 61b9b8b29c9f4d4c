//! The flows at all levels in one number: their first principal component.
//!
//! Source: Cont, Cucuringu and Zhang, "Cross-impact of order flow imbalance in equity markets", Quantitative Finance 23 (2023), section 2.1
//! (eq. 4): ofi = wᵀ·(OFI¹ … OFIᴹ)/‖w‖₁, w the first eigenvector of the covariance of the levels' flows over past intervals. Its sign is chosen
//! so that its entries sum to more than 0: more flow into bids is a greater number.

use super::{
    Depth, FeatureError,
    depth::{MOST_LEVELS, checked_levels},
    error::bad,
    matrix::diagonalise,
    ofi::{Interval, IntervalFlow, OrderFlow},
    set::Book,
    window::RollingSums,
};
use crate::event::Side;

/// The least number of intervals that weights are fitted to.
const LEAST_INTERVALS: usize = 30;

/// The weight of each level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelWeights {
    levels: usize,
    weights: [f64; MOST_LEVELS],
    explained: f64,
}

impl LevelWeights {
    /// Fits the weights to the scaled flows of at least 30 intervals.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for levels outside 1 to 20, fewer intervals, or flows that never vary.
    pub fn fit(intervals: &[Interval], levels: usize) -> Result<Self, FeatureError> {
        let mut moments = Moments::new(checked_levels(levels)?);
        intervals.iter().for_each(|interval| moments.add(interval));
        moments.weights()
    }

    /// The weights by level, best first; their absolute values sum to 1.
    pub fn weights(&self) -> &[f64] {
        &self.weights[..self.levels]
    }

    /// The share of the flows' variance that the component explains.
    pub fn explained(&self) -> f64 {
        self.explained
    }

    /// The integrated flow of an interval, as a share of the mean depth.
    pub fn integrated(&self, interval: &Interval) -> f64 {
        self.weights().iter().enumerate().map(|(level, weight)| weight * interval.scaled_flow(level)).sum()
    }
}

/// Mean and co-moments of the scaled flows, one interval at a time (Welford).
#[derive(Debug, Clone)]
struct Moments {
    levels: usize,
    intervals: usize,
    mean: Vec<f64>,
    moments: Vec<f64>,
}

impl Moments {
    fn new(levels: usize) -> Self {
        Self { levels, intervals: 0, mean: vec![0.0; levels], moments: vec![0.0; levels * levels] }
    }

    fn add(&mut self, interval: &Interval) {
        self.intervals += 1;
        let mut from_old = [0.0; MOST_LEVELS];
        for (level, mean) in self.mean.iter_mut().enumerate() {
            from_old[level] = interval.scaled_flow(level) - *mean;
            *mean += from_old[level] / self.intervals as f64;
        }
        for (row, from_old) in self.moments.chunks_exact_mut(self.levels).zip(from_old) {
            for (level, moment) in row.iter_mut().enumerate() {
                *moment += from_old * (interval.scaled_flow(level) - self.mean[level]);
            }
        }
    }

    fn weights(&self) -> Result<LevelWeights, FeatureError> {
        const WHAT: &str = "level weights";
        if self.intervals < LEAST_INTERVALS {
            return Err(FeatureError::TooFew { what: WHAT, found: self.intervals, needed: LEAST_INTERVALS });
        }
        // On the stack: weights are fitted while the market runs, and nothing is allocated for it.
        let (mut a, mut v) = ([0.0; MOST_LEVELS * MOST_LEVELS], [0.0; MOST_LEVELS * MOST_LEVELS]);
        let cells = self.moments.len();
        let (a, v) = (&mut a[..cells], &mut v[..cells]);
        a.copy_from_slice(&self.moments);
        diagonalise(a, v, self.levels);
        let value_of = |level: usize| a[level * (self.levels + 1)];
        let greatest = (1..self.levels).fold(0, |best, level| match value_of(level).total_cmp(&value_of(best)) {
            std::cmp::Ordering::Greater => level,
            _ => best,
        });
        let mut values = [0.0; MOST_LEVELS];
        let values = &mut values[..self.levels];
        values.iter_mut().enumerate().for_each(|(level, value)| *value = value_of(level));
        values.sort_unstable_by(|one, other| other.total_cmp(one));
        let total: f64 = values.iter().sum();
        let first = &v[greatest * self.levels..(greatest + 1) * self.levels];
        let size: f64 = first.iter().map(|w| w.abs()).sum();
        if !(total.is_finite() && total > 0.0 && size > 0.0) {
            return Err(FeatureError::Degenerate { what: WHAT, problem: "the flows never vary" });
        }
        let sign = if first.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
        let mut weights = [0.0; MOST_LEVELS];
        weights.iter_mut().zip(first).for_each(|(weight, w)| *weight = sign * w / size);
        Ok(LevelWeights { levels: self.levels, weights, explained: values[0] / total })
    }
}

/// The weights, streaming: fitted to the intervals that are over, from 30 on and again whenever they are a tenth more.
#[derive(Debug, Clone)]
pub struct StreamingWeights {
    intervals: IntervalFlow,
    moments: Moments,
    next_fit: usize,
    fitted: Option<LevelWeights>,
}

impl StreamingWeights {
    /// Of the best `levels` levels (2 or more) over intervals of `interval_ns` (100 ms or more).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(levels: usize, interval_ns: u64) -> Result<Self, FeatureError> {
        if levels < 2 {
            return Err(bad("levels", levels, "2 to 20"));
        }
        let intervals = IntervalFlow::new(interval_ns, levels)?;
        Ok(Self { intervals, moments: Moments::new(levels), next_fit: LEAST_INTERVALS, fitted: None })
    }

    /// Takes the next book with its flow at each level or more, as an [`OrderFlow`] has found it.
    #[inline]
    pub fn on_flow(&mut self, depth: &Depth<'_>, flow: &[i64]) {
        let moments = &mut self.moments;
        self.intervals.on_flow(depth, &flow[..moments.levels.min(flow.len())], |interval| moments.add(interval));
        self.fit();
    }

    /// The same with a book of a set, which knows its flow and what rests.
    #[inline]
    pub(super) fn on_book(&mut self, book: &Book<'_>) {
        let moments = &mut self.moments;
        let flow = &book.flow[..moments.levels.min(book.flow.len())];
        let [bids, asks] = [Side::Bid, Side::Ask].map(|side| book.side_depth(side, moments.levels).unwrap_or(0.0));
        self.intervals.on_found(book.depth, bids + asks, flow, |interval| moments.add(interval));
        self.fit();
    }

    /// The same with books of one interval together, as a device sums them up: what rested at the levels of both sides, their flow at each level, and
    /// how many they are.
    pub(crate) fn on_books(&mut self, time_ns: u64, resting: f64, flow: &[i64], books: u64) {
        let moments = &mut self.moments;
        self.intervals.on_books(time_ns, resting, (flow, books), |interval| moments.add(interval));
        self.fit();
    }

    /// Begins a new grid of intervals, after a pause of more than a day before books that are given together.
    pub(crate) fn begin_anew(&mut self) {
        self.intervals.begin_anew();
    }

    #[inline(always)]
    fn fit(&mut self) {
        if self.moments.intervals >= self.next_fit {
            self.fitted = self.moments.weights().ok().or(self.fitted);
            self.next_fit = self.moments.intervals + self.moments.intervals / 10;
        }
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.intervals.on_break();
    }

    /// The integrated flow of a window, in lots, from its sums at each level (from 0); `None` before 30 intervals are over.
    #[inline]
    pub fn integrated(&self, sums: &[f64]) -> Option<f64> {
        let fitted = self.fitted.as_ref()?;
        Some(fitted.weights().iter().zip(sums).map(|(weight, sum)| weight * sum).sum())
    }
}

/// The integrated order-flow imbalance of the last `window_ns`, streaming, in lots (the paper's times its depth scale), with the weights of
/// [`StreamingWeights`] over intervals of the same length.
#[derive(Debug, Clone)]
pub struct IntegratedOfi {
    flow: OrderFlow,
    sums: RollingSums,
    weights: StreamingWeights,
}

impl IntegratedOfi {
    /// Over the best `levels` levels (2 or more) and the last `window_ns` (100 ms or more).
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] outside those.
    pub fn new(levels: usize, window_ns: u64) -> Result<Self, FeatureError> {
        let weights = StreamingWeights::new(levels, window_ns)?;
        Ok(Self { flow: OrderFlow::new(levels)?, sums: RollingSums::new(window_ns, levels)?, weights })
    }

    /// Takes the next book.
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        let flow = self.flow.on_depth(depth);
        self.weights.on_flow(depth, flow);
        self.sums.add(depth.time_ns, flow);
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.flow.on_break();
        self.weights.on_break();
    }

    /// In lots; `None` before 30 intervals are over.
    #[inline]
    pub fn value(&self) -> Option<f64> {
        let mut sums = [0.0; MOST_LEVELS];
        self.sums.write_sums(&mut sums);
        self.weights.integrated(&sums)
    }
}
