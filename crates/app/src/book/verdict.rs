//! Whether the rebuilt books are right, by what comes with the feed.

use std::io::Read as _;

use anyhow::{Context, bail};
use zomma_market::{
    format::Format,
    lobster::{StepReport, check_day},
    truth::{CrossCheck, CrossReport, QuoteCheck, QuoteReport},
};

use super::replay::Replay;
use crate::feed::{Opened, Orderbook, open};

/// What the check came to.
pub struct Verdict {
    /// The books' own faults.
    pub faults: Vec<(&'static str, u64)>,
    /// Whether a fault is one of the books: not where the feed begins with orders that it never told.
    pub are_faults_wrong: bool,
    /// Messages that are missing or make no sense, updates and books that wait for a snapshot, and 1 where the stream breaks off.
    pub lost: u64,
    /// Crossed books.
    pub crosses: CrossReport,
    /// The books against the feed's quotes of the top, where it has any.
    pub quotes: Option<QuoteReport>,
    /// LOBSTER's messages against its rows.
    pub steps: Option<StepReport>,
}

impl Verdict {
    /// Whether nothing is wrong; none where the feed had nothing that could be checked.
    pub fn is_right(&self) -> Option<bool> {
        let faults = if self.are_faults_wrong { self.faults.iter().map(|fault| fault.1).sum() } else { 0 };
        let crossed = if self.are_faults_wrong { self.crosses.crossed_after_first_trade } else { 0 };
        let different = self.quotes.as_ref().map_or(0, |quotes| quotes.different);
        let mismatched = self.steps.as_ref().map_or(0, |steps| steps.mismatched);
        let wrong = faults + crossed + different + mismatched + self.lost;
        let has_looked = self.crosses.looked_at > 0 || self.quotes.is_some() || self.steps.is_some();
        (wrong > 0 || has_looked).then_some(wrong == 0)
    }
}

/// Draws the conclusion of a replay of `opened`, that `lost` so many messages; its orderbook file, where it has one, is
/// held against its messages.
pub fn verdict(
    (quotes, crosses): (QuoteCheck, CrossCheck),
    replay: &Replay,
    opened: &Opened,
    lost: u64,
    path: &std::path::Path,
) -> anyhow::Result<Verdict> {
    let is_lobster = opened.format == Format::Lobster;
    let quotes = quotes.finish();
    let has_quotes = quotes.compared + quotes.different > 0;
    Ok(Verdict {
        faults: replay.books.faults().iter().map(|(fault, count)| (fault.name(), count)).collect(),
        are_faults_wrong: !is_lobster,
        lost,
        crosses: crosses.report(),
        quotes: has_quotes.then_some(quotes),
        steps: if is_lobster { Some(steps(opened, path)?) } else { None },
    })
}

/// LOBSTER's two files, step by step.
fn steps(opened: &Opened, path: &std::path::Path) -> anyhow::Result<StepReport> {
    if path == std::path::Path::new("-") {
        bail!("--check: LOBSTER's messages are read twice; needed: a file, not standard input");
    }
    let Some(orderbook) = opened.orderbook.as_ref().map(Orderbook::bytes).transpose()? else {
        bail!(
            "--check: no orderbook file in or beside {}; needed: LOBSTER's two files, in one zip or with _message_ and _orderbook_ in their names",
            path.display()
        );
    };
    // The messages have passed by: they are read a second time.
    let mut messages = Vec::new();
    open(path, Some(opened.format))?.bytes.read_to_end(&mut messages).with_context(|| path.display().to_string())?;
    let report = check_day(&messages, &orderbook);
    report.with_context(|| format!("{}: its messages or its orderbook file", path.display()))
}
