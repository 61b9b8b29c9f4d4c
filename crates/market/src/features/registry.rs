//! Every feature that has a name: what it is, in what unit, over which window, and what it must be given.

use super::{
    Depth, FeatureError, Trade,
    arguments::Arguments,
    depth::checked_levels,
    error::duration,
    hawkes::{HawkesIntensity, HawkesParameters},
    integrated_ofi::StreamingWeights,
    kyle::{KyleLambda, SignedVolume},
    microprice::MicropriceStates,
    realised::{Realised, RollingRealised},
    realised_kernel::RollingKernel,
    registry_bars, registry_liquidity,
    set::{Book, Feature, Moment},
    shared::{Form, OfBook},
    spread::RealisedSpread,
    states::OfState,
    units::Lots,
    volume_profile::{ValueArea, VolumeProfile},
    vpin::{Classification, StreamingVpin},
};
use crate::event::Side;

/// The book features, all together, over the five levels that a feed of depth five has.
pub const BOOK_FEATURES: &str = "mid,spread,relative_spread,bid_depth:5,ask_depth:5,imbalance:1,imbalance:2,imbalance:3,imbalance:4,imbalance:5,\
                                 weighted_mid,microprice:10:5,ofi:10s,ofi_level:10s:2,ofi_level:10s:3,ofi_level:10s:4,ofi_level:10s:5,\
                                 ofi_integrated:10s:5";

/// From what a feature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Books alone.
    Books,
    /// Trades alone.
    Trades,
    /// Books and trades.
    BooksAndTrades,
}

/// What is known of a feature.
pub struct FeatureInfo {
    /// Its name.
    pub name: &'static str,
    /// Its parameters in their order, each with its default.
    pub parameters: &'static str,
    /// The unit of its values.
    pub unit: &'static str,
    /// How far back it looks.
    pub window: &'static str,
    /// From what it is made.
    pub source: Source,
    /// What it is.
    pub about: &'static str,
    pub(super) build: fn(&mut Arguments<'_>) -> Result<Form, FeatureError>,
}

impl FeatureInfo {
    /// Makes the feature with what is written behind its name.
    pub(super) fn build(&self, arguments: &mut Arguments<'_>) -> Result<Form, FeatureError> {
        (self.build)(arguments)
    }
}

impl std::fmt::Debug for FeatureInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FeatureInfo")
            .field("name", &self.name)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

/// Every feature.
pub fn features() -> impl Iterator<Item = &'static FeatureInfo> {
    FEATURES.iter().chain(&registry_liquidity::FEATURES).chain(&registry_bars::FEATURES)
}

/// The feature of a name.
///
/// # Errors
///
/// [`FeatureError::UnknownFeature`] with the names that there are.
pub fn find(name: &str) -> Result<&'static FeatureInfo, FeatureError> {
    features().find(|info| info.name == name).ok_or_else(|| FeatureError::UnknownFeature {
        name: name.to_owned(),
        allowed: features().map(|info| info.name).collect::<Vec<_>>().join(", "),
    })
}

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;

/// A feature that keeps a state.
struct Of<S, D, T, V> {
    state: S,
    depth: D,
    trade: T,
    value: V,
    forget: fn(&mut S),
    advance: fn(&mut S, u64),
}

impl<S, D, T, V> Feature for Of<S, D, T, V>
where
    S: Send,
    D: Fn(&mut S, &Depth<'_>) + Send,
    T: Fn(&mut S, &Trade) + Send,
    V: Fn(&S) -> Option<f64> + Send,
{
    #[inline]
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64> {
        (self.depth)(&mut self.state, book.depth);
        (self.value)(&self.state)
    }

    #[inline]
    fn on_trade(&mut self, trade: &Trade) {
        (self.trade)(&mut self.state, trade);
    }

    fn on_time(&mut self, moment: &Moment<'_>, _: Option<f64>) -> Option<f64> {
        (self.advance)(&mut self.state, moment.time_ns);
        (self.value)(&self.state)
    }

    fn on_break(&mut self) {
        (self.forget)(&mut self.state);
    }
}

/// A feature that time alone changes: what takes books and trades, what forgets the last book, and what moves on to a time.
fn of_time<S: Send + 'static>(
    state: S,
    (depth, trade): (impl Fn(&mut S, &Depth<'_>) + Send + 'static, impl Fn(&mut S, &Trade) + Send + 'static),
    value: impl Fn(&S) -> Option<f64> + Send + 'static,
    forget: fn(&mut S),
    advance: fn(&mut S, u64),
) -> Form {
    Form::Own(Box::new(Of { state, depth, trade, value, forget, advance }))
}

/// A feature of trades that keeps a state.
fn of_trades<S: Send + 'static>(
    state: S,
    trade: impl Fn(&mut S, &Trade) + Send + 'static,
    value: impl Fn(&S) -> Option<f64> + Send + 'static,
) -> Form {
    Form::Own(Box::new(Of {
        state,
        depth: |_: &mut S, _: &Depth<'_>| {},
        trade,
        value,
        forget: |_| {},
        advance: |_, _| {},
    }))
}

/// Order-flow imbalance at one level, of the sums that the set keeps.
fn ofi(window_ns: u64, level: usize) -> Result<Form, FeatureError> {
    Ok(Form::FlowSum { window_ns: duration("window", window_ns)?, level: checked_levels(level)? - 1 })
}

/// A feature of the best levels of the book now.
fn of_levels(a: &mut Arguments<'_>, of: impl FnOnce(usize) -> OfBook) -> Result<Form, FeatureError> {
    Ok(Form::OfBook(of(checked_levels(a.count("levels", 1)?)?)))
}

fn realised(a: &mut Arguments<'_>, value: fn(Realised) -> Option<f64>) -> Result<Form, FeatureError> {
    let rolling = RollingRealised::new(a.duration("interval", 10 * SECOND_NS)?, a.count("returns", 180)?)?;
    Ok(of_time(
        rolling,
        (RollingRealised::on_depth, |_: &mut RollingRealised, _: &Trade| {}),
        move |state| state.value().and_then(value),
        RollingRealised::on_break,
        RollingRealised::advance,
    ))
}

fn kyle(a: &mut Arguments<'_>, volume: SignedVolume) -> Result<Form, FeatureError> {
    let kyle = KyleLambda::new(a.duration("interval", 10 * SECOND_NS)?, a.count("intervals", 180)?, volume)?;
    Ok(of_time(
        kyle,
        (KyleLambda::on_depth, KyleLambda::on_trade),
        KyleLambda::value,
        KyleLambda::on_break,
        KyleLambda::advance,
    ))
}

/// A profile with its value area, which takes time to find and is found again at the end of each interval with trades.
struct Profiled {
    profile: VolumeProfile,
    share: f64,
    every_ns: u64,
    index: u64,
    traded: bool,
    area: Option<ValueArea>,
}

impl Profiled {
    fn advance(&mut self, time_ns: u64) {
        let index = time_ns / self.every_ns;
        if index > self.index {
            if std::mem::take(&mut self.traded) {
                self.area = self.profile.value_area(self.share).ok().flatten();
            }
            self.index = index;
        }
    }
}

fn value_area(a: &mut Arguments<'_>, edge: fn(ValueArea) -> i64) -> Result<Form, FeatureError> {
    let (profile, share) = (VolumeProfile::new(a.ticks("bin_ticks", 1)?)?, a.number("share", 0.7)?);
    let every_ns = duration("every", a.duration("every", MINUTE_NS)?)?;
    profile.value_area(share)?;
    let on_trade = |state: &mut Profiled, trade: &Trade| {
        state.advance(trade.time_ns);
        state.profile.on_trade(trade);
        state.traded = true;
    };
    let state = Profiled { profile, share, every_ns, index: 0, traded: false, area: None };
    let on_depth = |state: &mut Profiled, depth: &Depth<'_>| state.advance(depth.time_ns);
    let value = move |state: &Profiled| state.area.map(|area| edge(area) as f64);
    Ok(of_time(state, (on_depth, on_trade), value, |_| {}, Profiled::advance))
}

static FEATURES: [FeatureInfo; 27] = [
    FeatureInfo {
        name: "mid",
        parameters: "",
        unit: "ticks",
        window: "the book now",
        source: Source::Books,
        about: "halfway between the best bid and the best ask",
        build: |_| Ok(Form::OfBook(OfBook::Mid)),
    },
    FeatureInfo {
        name: "spread",
        parameters: "",
        unit: "ticks",
        window: "the book now",
        source: Source::Books,
        about: "best ask less best bid",
        build: |_| Ok(Form::OfBook(OfBook::Spread)),
    },
    FeatureInfo {
        name: "relative_spread",
        parameters: "",
        unit: "1",
        window: "the book now",
        source: Source::Books,
        about: "spread as a share of the mid",
        build: |_| Ok(Form::OfBook(OfBook::RelativeSpread)),
    },
    FeatureInfo {
        name: "bid_depth",
        parameters: "levels=1",
        unit: "lots",
        window: "the book now",
        source: Source::Books,
        about: "what rests at the best bid levels",
        build: |a| of_levels(a, |levels| OfBook::SideDepth { side: Side::Bid, levels }),
    },
    FeatureInfo {
        name: "ask_depth",
        parameters: "levels=1",
        unit: "lots",
        window: "the book now",
        source: Source::Books,
        about: "what rests at the best ask levels",
        build: |a| of_levels(a, |levels| OfBook::SideDepth { side: Side::Ask, levels }),
    },
    FeatureInfo {
        name: "imbalance",
        parameters: "levels=1",
        unit: "1",
        window: "the book now",
        source: Source::Books,
        about: "depth of bids less depth of asks, as a share of both",
        build: |a| of_levels(a, |levels| OfBook::Imbalance { levels }),
    },
    FeatureInfo {
        name: "weighted_mid",
        parameters: "",
        unit: "ticks",
        window: "the book now",
        source: Source::Books,
        about: "the mid weighted by the other side's size",
        build: |_| Ok(Form::OfBook(OfBook::WeightedMid)),
    },
    FeatureInfo {
        name: "microprice",
        parameters: "imbalances=10:spreads=5:grid=auto",
        unit: "ticks",
        window: "from the start",
        source: Source::Books,
        about: "Stoikov's microprice, its table fitted again whenever the steps seen have doubled",
        build: |a| {
            let (imbalances, spreads) = (a.count("imbalances", 10)?, a.count("spreads", 5)?);
            let grid_ticks = a.step()?;
            let states = MicropriceStates::new(imbalances, spreads, grid_ticks.unwrap_or(1))?;
            Ok(Form::OfState(OfState::Microprice { states, finds_grid: grid_ticks.is_none() }))
        },
    },
    FeatureInfo {
        name: "ofi",
        parameters: "window=10s",
        unit: "lots",
        window: "the window",
        source: Source::Books,
        about: "order-flow imbalance at the best prices",
        build: |a| ofi(a.duration("window", 10 * SECOND_NS)?, 1),
    },
    FeatureInfo {
        name: "ofi_level",
        parameters: "window=10s:level=1",
        unit: "lots",
        window: "the window",
        source: Source::Books,
        about: "order-flow imbalance at one level",
        build: |a| ofi(a.duration("window", 10 * SECOND_NS)?, a.count("level", 1)?),
    },
    FeatureInfo {
        name: "ofi_integrated",
        parameters: "window=10s:levels=5",
        unit: "lots",
        window: "the window; weights from the start",
        source: Source::Books,
        about: "order-flow imbalance of several levels, by their first principal component",
        build: |a| {
            let (window_ns, levels) = (a.duration("window", 10 * SECOND_NS)?, a.count("levels", 5)?);
            StreamingWeights::new(levels, window_ns)?;
            Ok(Form::OfState(OfState::IntegratedFlow { window_ns, levels }))
        },
    },
    FeatureInfo {
        name: "effective_spread",
        parameters: "",
        unit: "ticks",
        window: "the last trade",
        source: Source::BooksAndTrades,
        about: "twice the last trade's distance from the mid before it, on the side of who began it",
        build: |_| Ok(Form::OfState(OfState::EffectiveSpread)),
    },
    FeatureInfo {
        name: "realised_spread",
        parameters: "horizon=5m",
        unit: "ticks",
        window: "the last trade as old as the horizon",
        source: Source::BooksAndTrades,
        about: "twice a trade's distance from the mid after the horizon",
        build: |a| {
            let spread = RealisedSpread::new(a.duration("horizon", 5 * MINUTE_NS)?)?;
            Ok(of_time(
                spread,
                (RealisedSpread::on_depth, RealisedSpread::on_trade),
                RealisedSpread::value,
                RealisedSpread::on_break,
                RealisedSpread::advance,
            ))
        },
    },
    FeatureInfo {
        name: "vpin",
        parameters: "bucket=1000000value:buckets=50",
        unit: "1",
        window: "the last full buckets",
        source: Source::Trades,
        about: "volume-synchronised probability of informed trading, by the side of each trade",
        build: |a| {
            let bucket = a.lots("bucket", Lots::Value(1e6))?;
            let vpin = StreamingVpin::new(bucket, a.units(), a.count("buckets", 50)?, Classification::TradeByTrade)?;
            Ok(of_trades(vpin, StreamingVpin::on_trade, StreamingVpin::value))
        },
    },
    FeatureInfo {
        name: "vpin_bulk",
        parameters: "bucket=1000000value:buckets=50:bar=1m",
        unit: "1",
        window: "the last full buckets; deviation from the start",
        source: Source::Trades,
        about: "volume-synchronised probability of informed trading, by bulk volume classification",
        build: |a| {
            let (bucket, buckets) = (a.lots("bucket", Lots::Value(1e6))?, a.count("buckets", 50)?);
            let bar_ns = a.duration("bar", MINUTE_NS)?;
            let vpin = StreamingVpin::new(bucket, a.units(), buckets, Classification::Bulk { bar_ns })?;
            Ok(of_trades(vpin, StreamingVpin::on_trade, StreamingVpin::value))
        },
    },
    FeatureInfo {
        name: "kyle",
        parameters: "interval=10s:intervals=180",
        unit: "ticks per lot",
        window: "the last intervals",
        source: Source::BooksAndTrades,
        about: "Kyle's lambda: the mid's change regressed on the signed volume",
        build: |a| kyle(a, SignedVolume::Plain),
    },
    FeatureInfo {
        name: "kyle_root",
        parameters: "interval=10s:intervals=180",
        unit: "ticks per root of a lot",
        window: "the last intervals",
        source: Source::BooksAndTrades,
        about: "Kyle's lambda: the mid's change regressed on the signed roots of volumes",
        build: |a| kyle(a, SignedVolume::Root),
    },
    FeatureInfo {
        name: "hawkes",
        parameters: "mu=1:alpha=1:beta=2",
        unit: "trades per second",
        window: "from the start, dying away with beta",
        source: Source::BooksAndTrades,
        about: "Hawkes intensity of trades, at the time of the row",
        build: |a| {
            let (mu, alpha, beta) = (a.number("mu", 1.0)?, a.number("alpha", 1.0)?, a.number("beta", 2.0)?);
            let state = (HawkesIntensity::new(HawkesParameters { mu, alpha, beta })?, None);
            type State = (HawkesIntensity, Option<f64>);
            let on_time = |state: &mut State, time_ns: u64| state.1 = Some(state.0.at(time_ns));
            let on_depth = move |state: &mut State, depth: &Depth<'_>| on_time(state, depth.time_ns);
            let on_trade = |state: &mut State, trade: &Trade| state.0.on_event(trade.time_ns);
            Ok(of_time(state, (on_depth, on_trade), |state| state.1, |_| {}, on_time))
        },
    },
    FeatureInfo {
        name: "realised_variance",
        parameters: "interval=10s:returns=180",
        unit: "1 per window",
        window: "the last returns",
        source: Source::Books,
        about: "sum of the mid's squared logarithmic returns",
        build: |a| realised(a, |measures| Some(measures.variance)),
    },
    FeatureInfo {
        name: "bipower",
        parameters: "interval=10s:returns=180",
        unit: "1 per window",
        window: "the last returns",
        source: Source::Books,
        about: "bipower variation: realised variance without jumps",
        build: |a| realised(a, |measures| Some(measures.bipower)),
    },
    FeatureInfo {
        name: "jump",
        parameters: "interval=10s:returns=180",
        unit: "standard deviations",
        window: "the last returns",
        source: Source::Books,
        about: "statistic of Barndorff-Nielsen and Shephard's test for jumps",
        build: |a| realised(a, |measures| measures.jump),
    },
    FeatureInfo {
        name: "jump_share",
        parameters: "interval=10s:returns=180",
        unit: "1",
        window: "the last returns",
        source: Source::Books,
        about: "share of the realised variance that jumps made up",
        build: |a| realised(a, |measures| measures.jump_share()),
    },
    FeatureInfo {
        name: "realised_kernel",
        parameters: "interval=10s:returns=180:bandwidth=10",
        unit: "1 per window",
        window: "the last returns",
        source: Source::Books,
        about: "realised kernel: realised variance that noise does not bias, with Parzen's weights over so many lags",
        build: |a| {
            let (interval_ns, returns) = (a.duration("interval", 10 * SECOND_NS)?, a.count("returns", 180)?);
            let kernel = RollingKernel::new(interval_ns, returns, a.count("bandwidth", 10)?)?;
            Ok(of_time(
                kernel,
                (RollingKernel::on_depth, |_: &mut RollingKernel, _: &Trade| {}),
                RollingKernel::value,
                RollingKernel::on_break,
                RollingKernel::advance,
            ))
        },
    },
    FeatureInfo {
        name: "point_of_control",
        parameters: "bin_ticks=1",
        unit: "ticks",
        window: "from the start",
        source: Source::Trades,
        about: "the price at which most was traded",
        build: |a| {
            let profile = VolumeProfile::new(a.ticks("bin_ticks", 1)?)?;
            Ok(of_trades(profile, VolumeProfile::on_trade, |state| {
                state.point_of_control_ticks().map(|ticks| ticks as f64)
            }))
        },
    },
    FeatureInfo {
        name: "value_area_low",
        parameters: "bin_ticks=1:share=0.7:every=1m",
        unit: "ticks",
        window: "from the start to the end of the last interval",
        source: Source::BooksAndTrades,
        about: "lower end of the prices where a share of all was traded",
        build: |a| value_area(a, |area| area.low_ticks),
    },
    FeatureInfo {
        name: "value_area_high",
        parameters: "bin_ticks=1:share=0.7:every=1m",
        unit: "ticks",
        window: "from the start to the end of the last interval",
        source: Source::BooksAndTrades,
        about: "upper end of the prices where a share of all was traded",
        build: |a| value_area(a, |area| area.high_ticks),
    },
    FeatureInfo {
        name: "traded",
        parameters: "",
        unit: "lots",
        window: "from the start",
        source: Source::Trades,
        about: "what was traded",
        build: |_| Ok(Form::OfState(OfState::Traded)),
    },
];
