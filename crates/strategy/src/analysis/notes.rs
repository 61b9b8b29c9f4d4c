//! What a reader of an analysis should know, in sentences: approximations made and fallbacks taken.

use std::collections::BTreeMap;

use zomma_base::{ExerciseStyle, Status, calendar};
use zomma_market::{bars::DailyBars, chain::Chain};
use zomma_pricing::surface::SliceSource;

use super::{
    ExpirySummary, ForwardSource, RateSource,
    forwards::Forwards,
    history::{History, RETURNS_MIN},
};

/// What notes are written from.
#[derive(Clone)]
pub(super) struct Facts<'a> {
    pub chain: &'a Chain,
    pub forwards: &'a Forwards,
    pub summaries: &'a [ExpirySummary],
    pub history: Option<&'a History>,
    pub bars: Option<&'a DailyBars>,
    pub given_style: bool,
    /// What there is to say of cash dividends.
    pub dividends: Vec<String>,
}

/// Counts by reason in words, the greatest first.
pub(super) fn reasons(rejected: &BTreeMap<Status, usize>, is_copy: bool) -> String {
    let mut counts: Vec<(&Status, &usize)> = rejected.iter().collect();
    counts.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let mut text = counts.iter().map(|(status, count)| format!("{count} {status}")).collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("the chain has no rows");
    }
    if is_copy {
        text.push_str(" (the date repeats the one before: nothing traded)");
    }
    text
}

/// All notes of one analysis.
pub(super) fn write(facts: &Facts<'_>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    notes.push(exercise(facts));
    notes.extend(quote_date(facts));
    notes.push(spot(facts));
    notes.extend(rates(facts));
    notes.extend(forwards(facts));
    notes.extend(american(facts));
    notes.extend(facts.dividends.iter().cloned());
    notes.extend(slices(facts));
    notes.extend(wheel(facts));
    notes.extend(facts.bars.iter().flat_map(|bars| bars.notes.iter().cloned()));
    notes
}

/// `3 of 12 expiries`, or `all 12 expiries`.
fn share(count: usize, of: usize) -> String {
    if count == of { format!("all {of} expiries") } else { format!("{count} of {of} expiries") }
}

fn exercise(facts: &Facts<'_>) -> String {
    let names = |style: ExerciseStyle| {
        let mut names: Vec<&str> = Vec::new();
        for summary in facts.summaries.iter().filter(|summary| summary.exercise_style == style) {
            if !names.contains(&summary.root.as_str()) {
                names.push(&summary.root);
            }
        }
        names.join(", ")
    };
    let source = if facts.given_style {
        "given by --exercise"
    } else if facts.chain.quotes.exercise_style.iter().any(Option::is_some) {
        "from the file's column"
    } else {
        "by root: cash-settled index roots are European, all others American"
    };
    let styles: Vec<String> = [ExerciseStyle::European, ExerciseStyle::American]
        .into_iter()
        .map(|style| (style, names(style)))
        .filter(|(_, names)| !names.is_empty())
        .map(|(style, names)| format!("{names} {}", style.as_str()))
        .collect();
    format!("Exercise style {source} ({}).", styles.join("; "))
}

fn quote_date(facts: &Facts<'_>) -> Option<String> {
    let date = facts.chain.quote_date;
    (!calendar::is_session(date))
        .then(|| format!("{date} is no trading day in New York: its quotes may be a copy of the day before."))
}

fn spot(facts: &Facts<'_>) -> String {
    let spot = facts.forwards.spot;
    match (facts.forwards.parity_spot.is_some(), facts.chain.underlying_last) {
        (true, Some(last)) => format!(
            "Spot {spot:.4} is the parity forward of the nearest expiries carried back to the quotes' instant; the file's underlying price {last} lies {:+.4} from it.",
            last - spot
        ),
        (true, None) => format!(
            "Spot {spot:.4} is the parity forward of the nearest expiries carried back to the quotes' instant; the file has no underlying price."
        ),
        (false, _) => format!("Spot {spot:.4} is the file's: no expiry has pairs that say it better."),
    }
}

fn rates(facts: &Facts<'_>) -> Vec<String> {
    let all = facts.summaries.len();
    let count = |source: RateSource| facts.summaries.iter().filter(|summary| summary.rate_source == source).count();
    let mut notes = Vec::new();
    let curve = count(RateSource::ParityCurve);
    if curve > 0 {
        notes.push(format!(
            "{} take their rate from the curve through the parity rates of all: below 0.05 years, where the own rate is the less certain, and in American pairs parity cannot tell it.",
            share(curve, all)
        ));
    }
    let given = count(RateSource::Given);
    if given > 0 {
        notes.push(format!("{} take the rate given by --rate.", share(given, all)));
    }
    let zero = count(RateSource::AssumedZero);
    if zero > 0 {
        notes.push(format!(
            "{} have no rate that parity or --rate could tell: zero is assumed, and the yield takes up what the forward says.",
            share(zero, all)
        ));
    }
    notes
}

fn forwards(facts: &Facts<'_>) -> Option<String> {
    let without: Vec<String> = facts
        .summaries
        .iter()
        .filter(|summary| summary.forward_source == ForwardSource::SpotAndCarry)
        .map(|summary| summary.expiry_date.to_string())
        .collect();
    (!without.is_empty()).then(|| {
        format!(
            "{} have no call-put pair; their forward is spot carried by rate and {} ({}).",
            share(without.len(), facts.summaries.len()),
            if facts.forwards.cash.is_some() { "cash dividends" } else { "yield" },
            without.join(", ")
        )
    })
}

fn american(facts: &Facts<'_>) -> Option<String> {
    let american = || facts.summaries.iter().filter(|summary| summary.exercise_style == ExerciseStyle::American);
    let (all, cash) = (american().count(), facts.forwards.cash.as_ref());
    let behind = cash.map_or(0, |cash| american().filter(|s| !cash.before(s.expiry_years).is_empty()).count());
    (all > 0).then(|| {
        let engine = match behind {
            0 if cash.is_none() => "with a continuous yield (cash dividends are approximated by it)",
            0 => "with a continuous yield (no cash dividend lies before an expiry of theirs)",
            behind if behind < all => {
                "on a grid with the cash dividends before expiry, and with a continuous yield where there are none"
            }
            _ => "on a grid with the cash dividends before expiry",
        };
        format!(
            "American rows: volatilities are inverted {engine}, forwards come from pairs with the early-exercise premium taken out, and \
             Greeks are those of the European option at the surface's volatility."
        )
    })
}

fn slices(facts: &Facts<'_>) -> Vec<String> {
    let dates = |wanted: &dyn Fn(&ExpirySummary) -> bool| {
        let dates: Vec<String> =
            facts.summaries.iter().filter(|s| wanted(s)).map(|s| format!("{} {}", s.root, s.expiry_date)).collect();
        (dates.len(), dates.join(", "))
    };
    let all = facts.summaries.len();
    let mut notes = Vec::new();
    let (count, names) = dates(&|summary| summary.slice_source == Some(SliceSource::Ssvi));
    if count > 0 {
        notes.push(format!("{} take their shape from SSVI ({names}).", share(count, all)));
    }
    let (count, names) = dates(&|summary| summary.slice_source == Some(SliceSource::Flat));
    if count > 0 {
        notes.push(format!(
            "{} have one volatility for all strikes: too few quotes for a shape ({names}).",
            share(count, all)
        ));
    }
    if facts.summaries.iter().all(|summary| summary.slice.is_none()) {
        notes.push("No quote has a volatility: there is no surface, and there are no Greeks.".to_owned());
    }
    notes
}

fn wheel(facts: &Facts<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    match facts.history {
        Some(history) => {
            notes.push(format!(
                "The real-world density is made from {} daily returns up to {}.",
                history.returns, history.last_date
            ));
        }
        None if facts.bars.is_some() => notes.push(format!(
            "The price history has fewer than {RETURNS_MIN} returns before {}: no real-world values.",
            facts.chain.quote_date
        )),
        None => notes.push("No price history: candidates have risk-neutral values alone.".to_owned()),
    }
    notes
}
