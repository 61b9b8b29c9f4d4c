//! The named features of [`liquidity`](super::liquidity).

use super::{
    FeatureError,
    arguments::Arguments,
    depth::checked_levels,
    error::bad,
    registry::{FeatureInfo, Source},
    shared::{Form, OfBook},
};
use crate::event::Side;

/// What rests near a side's best price.
fn within(a: &mut Arguments<'_>, side: Side) -> Result<Form, FeatureError> {
    let ticks = a.ticks("ticks", 1_000)?;
    let ticks = u64::try_from(ticks).map_err(|_| bad("ticks", ticks, "0 or more"))?;
    let levels = checked_levels(a.count("levels", 20)?)?;
    Ok(Form::OfBook(OfBook::DepthWithin { side, ticks, levels }))
}

fn levels(a: &mut Arguments<'_>) -> Result<usize, FeatureError> {
    checked_levels(a.count("levels", 10)?)
}

const WINDOW: &str = "the book now";

/// The features.
pub(super) static FEATURES: [FeatureInfo; 6] = [
    FeatureInfo {
        name: "bid_depth_within",
        parameters: "ticks=1000:levels=20",
        unit: "lots",
        window: WINDOW,
        source: Source::Books,
        about: "what rests within so many ticks of the best bid",
        build: |a| within(a, Side::Bid),
    },
    FeatureInfo {
        name: "ask_depth_within",
        parameters: "ticks=1000:levels=20",
        unit: "lots",
        window: WINDOW,
        source: Source::Books,
        about: "what rests within so many ticks of the best ask",
        build: |a| within(a, Side::Ask),
    },
    FeatureInfo {
        name: "bid_wall",
        parameters: "levels=10",
        unit: "ticks",
        window: WINDOW,
        source: Source::Books,
        about: "how far below the best bid the level with most lots is",
        build: |a| Ok(Form::OfBook(OfBook::WallDistance { side: Side::Bid, levels: levels(a)? })),
    },
    FeatureInfo {
        name: "ask_wall",
        parameters: "levels=10",
        unit: "ticks",
        window: WINDOW,
        source: Source::Books,
        about: "how far above the best ask the level with most lots is",
        build: |a| Ok(Form::OfBook(OfBook::WallDistance { side: Side::Ask, levels: levels(a)? })),
    },
    FeatureInfo {
        name: "bid_wall_size",
        parameters: "levels=10",
        unit: "lots",
        window: WINDOW,
        source: Source::Books,
        about: "what rests at the bid level with most lots",
        build: |a| Ok(Form::OfBook(OfBook::WallSize { side: Side::Bid, levels: levels(a)? })),
    },
    FeatureInfo {
        name: "ask_wall_size",
        parameters: "levels=10",
        unit: "lots",
        window: WINDOW,
        source: Source::Books,
        about: "what rests at the ask level with most lots",
        build: |a| Ok(Form::OfBook(OfBook::WallSize { side: Side::Ask, levels: levels(a)? })),
    },
];
