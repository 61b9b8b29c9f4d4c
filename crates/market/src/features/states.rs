//! Features with a state of their own that have a form on a device too ([`device`](crate::device)): told by what they are, and made where they are
//! found on the CPU.

use super::{
    FeatureError, Trade,
    integrated_ofi::StreamingWeights,
    microprice::{MicropriceStates, StreamingMicroprice},
    set::{Asked, Book, Feature, Moment},
    spread::EffectiveSpread,
};

/// What such a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfState {
    /// Stoikov's microprice; where `finds_grid`, the grid of the states is to be found.
    Microprice { states: MicropriceStates, finds_grid: bool },
    /// The flow of several levels in one; its parameters are those that [`StreamingWeights::new`] allows.
    IntegratedFlow { window_ns: u64, levels: usize },
    /// The effective spread of the last trade.
    EffectiveSpread,
    /// What was traded since the start.
    Traded,
}

impl OfState {
    /// What it asks to be found with each book.
    pub(super) fn asked(self) -> Asked {
        match self {
            Self::IntegratedFlow { window_ns, levels } => {
                Asked { depth_levels: levels, flow: Some((window_ns, levels)) }
            }
            _ => Asked::default(),
        }
    }

    /// The feature.
    pub(super) fn feature(self) -> Result<Box<dyn Feature>, FeatureError> {
        Ok(match self {
            Self::Microprice { states, finds_grid } => Box::new(OfMicroprice(streaming_microprice(states, finds_grid))),
            Self::IntegratedFlow { window_ns, levels } => {
                let weights = StreamingWeights::new(levels, window_ns)?;
                Box::new(OfIntegrated { window_ns, levels, weights })
            }
            Self::EffectiveSpread => Box::new(OfSpread(EffectiveSpread::new())),
            Self::Traded => Box::new(Traded(0)),
        })
    }
}

/// A microprice that has seen nothing yet.
pub(crate) fn streaming_microprice(states: MicropriceStates, finds_grid: bool) -> StreamingMicroprice {
    if finds_grid { StreamingMicroprice::that_finds_its_grid(states) } else { StreamingMicroprice::new(states) }
}

struct OfMicroprice(StreamingMicroprice);

impl Feature for OfMicroprice {
    #[inline]
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64> {
        self.0.on_depth(book.depth);
        self.0.value()
    }

    fn on_break(&mut self) {
        self.0.on_break();
    }

    fn on_trade(&mut self, _: &Trade) {}
}

/// Order-flow imbalance of several levels in one, of the sums that the set keeps.
struct OfIntegrated {
    window_ns: u64,
    levels: usize,
    weights: StreamingWeights,
}

impl Feature for OfIntegrated {
    #[inline]
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64> {
        self.weights.on_book(book);
        let sums = book.flow_sums(self.window_ns)?;
        self.weights.integrated(sums)
    }

    fn on_time(&mut self, moment: &Moment<'_>, _: Option<f64>) -> Option<f64> {
        self.weights.integrated(moment.flow_sums(self.window_ns)?)
    }

    fn on_break(&mut self) {
        self.weights.on_break();
    }

    fn asked(&self) -> Asked {
        OfState::IntegratedFlow { window_ns: self.window_ns, levels: self.levels }.asked()
    }

    fn on_trade(&mut self, _: &Trade) {}
}

struct OfSpread(EffectiveSpread);

impl Feature for OfSpread {
    #[inline]
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64> {
        self.0.on_depth(book.depth);
        self.0.value()
    }

    fn on_trade(&mut self, trade: &Trade) {
        self.0.on_trade(trade);
    }

    fn on_time(&mut self, _: &Moment<'_>, _: Option<f64>) -> Option<f64> {
        self.0.value()
    }

    fn on_break(&mut self) {
        self.0.on_break();
    }
}

/// Lots that were traded.
struct Traded(u64);

impl Feature for Traded {
    #[inline]
    fn on_book(&mut self, _: &Book<'_>) -> Option<f64> {
        Some(self.0 as f64)
    }

    fn on_trade(&mut self, trade: &Trade) {
        self.0 = self.0.saturating_add(trade.size);
    }

    fn on_time(&mut self, _: &Moment<'_>, _: Option<f64>) -> Option<f64> {
        Some(self.0 as f64)
    }
}
