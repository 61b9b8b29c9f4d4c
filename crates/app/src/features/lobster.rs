//! Features of a LOBSTER day: its messages tell the trades, its orderbook file the book after each.

use anyhow::{Context, bail};
use zomma_market::{
    event::Side,
    features::{Depth, FeatureSet, Level, Trade},
    lobster::{Kind, Message, Row},
};

use super::{output::Output, pace::Pace};

/// Writes the features of a day of two files.
///
/// # Errors
///
/// Where a line of either file makes no sense, or has fewer levels than the features look at, or one file has more lines than the other; the rows
/// before it have been given.
pub fn play(
    (messages, orderbook): (&[u8], &[u8]),
    midnight_ns: u64,
    mut set: FeatureSet,
    mut pace: Pace,
    output: &mut Output,
) -> anyhow::Result<u64> {
    let mut rows = lines(orderbook);
    let levels = set.levels();
    let (mut row, mut sides) = (Row::default(), [Vec::<Level>::new(), Vec::new()]);
    let mut count = 0;
    for (number, line) in lines(messages) {
        let message = Message::parse(line).map_err(|problem| anyhow::anyhow!("{}", problem.text()));
        let message = message.with_context(|| format!("messages, line {number}"))?;
        let Some((_, row_line)) = rows.next() else { bail!("orderbook: ends before line {number} of the messages") };
        if !row.parse(row_line) {
            bail!("orderbook, line {number}: not four whole numbers a level");
        }
        if row.depth() < levels {
            let depth = row.depth();
            bail!(
                "orderbook, line {number}: levels {depth}; the features look at {levels} (--features chooses others)"
            );
        }
        count += 1;
        let time_ns = midnight_ns.saturating_add(message.time_ns);
        pace.before(time_ns, |due_ns| {
            set.advance(due_ns);
            output.row(due_ns, set.values())
        })?;
        if matches!(message.kind, Kind::Execution | Kind::HiddenExecution) {
            let Message { price: price_ticks, size, side, .. } = message;
            set.on_trade(&Trade { time_ns, price_ticks, size, resting_side: Some(side) });
        }
        for side in [Side::Bid, Side::Ask] {
            let levels = (0..row.depth()).map_while(|level| row.level(side, level));
            let levels =
                levels.filter_map(|(price_ticks, size)| Some(Level { price_ticks, size: u64::try_from(size).ok()? }));
            sides[side as usize].clear();
            sides[side as usize].extend(levels);
        }
        set.on_depth(&Depth { time_ns, bids: &sides[0], asks: &sides[1] });
        if pace.after(time_ns) {
            output.row(time_ns, set.values())?;
        }
    }
    if rows.next().is_some() {
        bail!("orderbook: has more lines than the {count} of the messages");
    }
    Ok(count)
}

/// Lines that are not empty, with their numbers from 1.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty())
}
