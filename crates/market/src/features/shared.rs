//! What several features ask of a book, found once a book for all of them.

use super::{
    Depth, FeatureError, Level,
    depth::{MOST_LEVELS, weighted_mid_ticks},
    liquidity::{depth_within, liquidity_level},
    ofi::OrderFlow,
    set::Feature,
    spread::{relative_spread, spread_ticks},
    states::OfState,
    window::RollingSums,
};
use crate::event::Side;

/// What a feature asks to be found with each book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// So many levels of [`Book::side_depth`].
    pub depth_levels: usize,
    /// A window in nanoseconds, and so many levels, of [`Book::flow_sums`]; as many levels of [`Book::flow`].
    pub flow: Option<(u64, usize)>,
}

/// A book with what several features ask of it.
#[derive(Debug, Clone, Copy)]
pub struct Book<'a> {
    /// The book.
    pub depth: &'a Depth<'a>,
    /// The order-flow imbalance of its event at each level, in lots; as many levels as the features of the set ask for.
    pub flow: &'a [i64],
    depths: &'a [Vec<f64>; 2],
    windows: &'a [Window],
    sums: &'a [f64],
}

impl Book<'_> {
    /// [`side_depth`](super::depth::side_depth) of the best `levels` levels (1 or more), in lots; `None` for more than the features of the set ask for.
    #[inline(always)]
    pub fn side_depth(&self, side: Side, levels: usize) -> Option<f64> {
        self.depths[side as usize].get(levels - 1).copied()
    }

    /// The order-flow imbalance of the last `window_ns` by level (from 0), in lots; `None` for a window that no feature of the set asks for.
    #[inline(always)]
    pub fn flow_sums(&self, window_ns: u64) -> Option<&[f64]> {
        let window = self.windows.iter().find(|window| window.window_ns == window_ns)?;
        self.sums.get(window.first..window.first + window.levels)
    }
}

/// A moment at which nothing is told.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// When.
    pub time_ns: u64,
    windows: &'a [Window],
    sums: &'a [f64],
}

impl Moment<'_> {
    /// As [`Book::flow_sums`], up to the moment.
    pub fn flow_sums(&self, window_ns: u64) -> Option<&[f64]> {
        let window = self.windows.iter().find(|window| window.window_ns == window_ns)?;
        self.sums.get(window.first..window.first + window.levels)
    }
}

/// A window of flows that features share.
#[derive(Debug)]
struct Window {
    window_ns: u64,
    held: RollingSums,
    /// Where its sums lie among those of all windows, and how many they are.
    first: usize,
    levels: usize,
}

/// What is found with each book.
#[derive(Debug)]
pub(super) struct Shared {
    /// Cumulated sizes by level, by the number of the side.
    depths: [Vec<f64>; 2],
    flow: Option<OrderFlow>,
    windows: Vec<Window>,
    sums: Vec<f64>,
}

impl Shared {
    /// What all of these ask for.
    pub(super) fn new(asked: &[Asked]) -> Result<Self, FeatureError> {
        let depth_levels = asked.iter().map(|asked| asked.depth_levels).max().unwrap_or(0).min(MOST_LEVELS);
        let flows = || asked.iter().filter_map(|asked| asked.flow);
        let flow = flows().map(|(_, levels)| levels).max().map(OrderFlow::new).transpose()?;
        let (mut windows, mut first): (Vec<Window>, _) = (Vec::new(), 0);
        for (window_ns, _) in flows() {
            if windows.iter().all(|known| known.window_ns != window_ns) {
                let of_window = flows().filter(|(window, _)| *window == window_ns);
                let levels = of_window.map(|(_, levels)| levels).max().unwrap_or(1);
                windows.push(Window { window_ns, held: RollingSums::new(window_ns, levels)?, first, levels });
                first += levels;
            }
        }
        Ok(Self { depths: [vec![0.0; depth_levels], vec![0.0; depth_levels]], flow, windows, sums: vec![0.0; first] })
    }

    /// Where the sum of a window at a level (from 0) lies in [`Shared`]; `None` where nothing asked for it.
    pub(super) fn place(&self, window_ns: u64, level: usize) -> Option<usize> {
        let window = self.windows.iter().find(|window| window.window_ns == window_ns)?;
        (level < window.levels).then_some(window.first + level)
    }

    /// Takes the next book.
    #[inline(always)]
    pub(super) fn on_depth<'a>(&'a mut self, depth: &'a Depth<'a>) -> Book<'a> {
        for (depths, side) in self.depths.iter_mut().zip([depth.bids, depth.asks]) {
            cumulate(side, depths);
        }
        let mut flow: &[i64] = &[];
        if let Some(of_event) = &mut self.flow {
            flow = of_event.on_depth(depth);
            for window in &mut self.windows {
                window.held.add(depth.time_ns, flow);
                window.held.write_sums(&mut self.sums[window.first..window.first + window.levels]);
            }
        }
        Book { depth, flow, depths: &self.depths, windows: &self.windows, sums: &self.sums }
    }

    /// Moves on to a time at which nothing is told.
    pub(super) fn advance(&mut self, time_ns: u64) -> Moment<'_> {
        for window in &mut self.windows {
            window.held.add(time_ns, &[]);
            window.held.write_sums(&mut self.sums[window.first..window.first + window.levels]);
        }
        Moment { time_ns, windows: &self.windows, sums: &self.sums }
    }

    /// Forgets the last book: what led from it to the next is not known.
    pub(super) fn on_break(&mut self) {
        if let Some(flow) = &mut self.flow {
            flow.on_break();
        }
    }
}

/// The depth of a side by number of levels, from one to as many as there is room for.
#[inline(always)]
fn cumulate(side: &[Level], depths: &mut [f64]) {
    let (mut lots, mut sum) = (0_u64, 0.0);
    let (there, beyond) = depths.split_at_mut(side.len().min(depths.len()));
    for (depth, level) in there.iter_mut().zip(side) {
        lots = lots.saturating_add(level.size);
        sum = real(lots);
        *depth = sum;
    }
    beyond.fill(sum);
}

fn side_of<'a>(depth: &Depth<'a>, side: Side) -> &'a [Level] {
    match side {
        Side::Bid => depth.bids,
        Side::Ask => depth.asks,
    }
}

/// A whole number as a real one; nearly all fit in 63 bits, which is faster.
#[inline(always)]
fn real(lots: u64) -> f64 {
    i64::try_from(lots).map_or_else(|_| lots as f64, |lots| lots as f64)
}

/// How a feature is found: as a value of the book now, or from a state of its own.
pub(crate) enum Form {
    /// Of the book now.
    OfBook(OfBook),
    /// The sum of the flow at a level (from 0) over a window.
    FlowSum { window_ns: u64, level: usize },
    /// With a state of its own, of which a device has a form.
    OfState(OfState),
    /// With a state of its own.
    Own(Box<dyn Feature>),
}

impl Form {
    /// What it asks for.
    pub(super) fn asked(&self) -> Asked {
        match self {
            Self::OfBook(of_book) => of_book.asked(),
            Self::FlowSum { window_ns, level } => Asked { flow: Some((*window_ns, level + 1)), ..Asked::default() },
            Self::OfState(of_state) => of_state.asked(),
            Self::Own(feature) => feature.asked(),
        }
    }
}

/// A value of the book now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfBook {
    Mid,
    Spread,
    RelativeSpread,
    WeightedMid,
    SideDepth {
        side: Side,
        levels: usize,
    },
    Imbalance {
        levels: usize,
    },
    DepthWithin {
        side: Side,
        ticks: u64,
        levels: usize,
    },
    WallDistance {
        side: Side,
        levels: usize,
    },
    WallSize {
        side: Side,
        levels: usize,
    },
    /// By its place in [`Shared`].
    FlowSum {
        place: usize,
    },
}

impl OfBook {
    fn asked(&self) -> Asked {
        match self {
            Self::SideDepth { levels, .. } | Self::Imbalance { levels } => Asked { depth_levels: *levels, flow: None },
            _ => Asked::default(),
        }
    }

    /// The value.
    #[inline(always)]
    pub(super) fn value(self, book: &Book<'_>) -> Option<f64> {
        match self {
            Self::Mid => book.depth.mid_ticks(),
            Self::Spread => spread_ticks(book.depth).map(|ticks| ticks as f64),
            Self::RelativeSpread => relative_spread(book.depth),
            Self::WeightedMid => weighted_mid_ticks(book.depth),
            Self::SideDepth { side, levels } => book.side_depth(side, levels),
            // As `depth::imbalance`.
            Self::Imbalance { levels } => {
                let (bids, asks) = (book.side_depth(Side::Bid, levels)?, book.side_depth(Side::Ask, levels)?);
                (bids + asks > 0.0).then(|| (bids - asks) / (bids + asks))
            }
            Self::DepthWithin { side, ticks, levels } => {
                Some(real(depth_within(side_of(book.depth, side), ticks, levels)))
            }
            Self::WallDistance { side, levels } => {
                liquidity_level(side_of(book.depth, side), levels).map(|(distance_ticks, _)| real(distance_ticks))
            }
            Self::WallSize { side, levels } => {
                liquidity_level(side_of(book.depth, side), levels).map(|(_, size)| real(size))
            }
            Self::FlowSum { place } => book.sums.get(place).copied(),
        }
    }

    /// The value at a moment after the book; `latest` is that of the book, which stands where time alone changes nothing.
    pub(super) fn at(self, moment: &Moment<'_>, latest: Option<f64>) -> Option<f64> {
        match self {
            Self::FlowSum { place } => moment.sums.get(place).copied(),
            _ => latest,
        }
    }
}
