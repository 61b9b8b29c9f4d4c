//! What happens between now and expiry, in the order in which it is met going back in time, and the steps between.

use super::contract::{CashDividend, Contract, Exercise, Monitoring};

/// Something that changes the value at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    /// The spot falls by this amount (in units of the strike) just after the instant.
    Dividend(f64),
    /// The holder may exercise.
    Exercise,
    /// The barrier is watched.
    Watch,
}

impl Event {
    /// Going back: the dividend falls after the instant, and who was knocked out cannot exercise.
    fn rank(self) -> u8 {
        match self {
            Self::Dividend(_) => 0,
            Self::Exercise => 1,
            Self::Watch => 2,
        }
    }
}

/// A stretch of time without events, and what happens at its beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Years from now at which it begins; time runs back to here.
    pub begin: f64,
    /// Its length in years.
    pub length: f64,
    /// Steps on the coarsest grid; 0 where it has no length.
    pub steps: usize,
    /// What happens at `begin`.
    pub event: Option<Event>,
}

/// More dividend dates than this are pooled, neighbours together at their mean date weighted by amount.
const MOST_DIVIDENDS: usize = 1024;

/// The stretches from expiry back to now, with about `steps` steps in all. `events` is scratch.
pub(super) fn plan(contract: &Contract<'_>, steps: usize, events: &mut Vec<(f64, Event)>, out: &mut Vec<Stretch>) {
    let expiry = contract.row.expiry_years;
    let unit = contract.row.strike;
    events.clear();
    let inside = |t: f64| (0.0..expiry).contains(&t);
    let paid = |d: &&CashDividend| inside(d.time_years) && d.amount > 0.0;
    events
        .extend(contract.dividends.iter().filter(paid).map(|d| (d.time_years.abs(), Event::Dividend(d.amount / unit))));
    if events.len() > MOST_DIVIDENDS {
        pool(events);
    }
    if let Exercise::Bermudan(dates) = contract.exercise {
        events.extend(dates.iter().filter(|t| inside(**t)).map(|t| (t.abs(), Event::Exercise)));
    }
    if let Some(barrier) = &contract.barrier
        && let Monitoring::Dates(dates) = barrier.monitoring
    {
        events.extend(dates.iter().filter(|t| inside(**t)).map(|t| (t.abs(), Event::Watch)));
    }
    events.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.rank().cmp(&b.1.rank())));
    out.clear();
    let mut end = expiry;
    let mut stretch = |begin: f64, event: Option<Event>| {
        let length = end - begin;
        let count = if length > 0.0 { ((steps as f64 * length / expiry).round() as usize).max(1) } else { 0 };
        end = begin;
        Stretch { begin, length, steps: count, event }
    };
    out.extend(events.iter().map(|&(time, event)| stretch(time, Some(event))));
    out.push(stretch(0.0, None));
}

/// Pools neighbouring dividends until there are few enough.
fn pool(events: &mut Vec<(f64, Event)>) {
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let group = events.len().div_ceil(MOST_DIVIDENDS);
    let pooled = events.chunks(group).map(|chunk| {
        let amount = |event: Event| if let Event::Dividend(amount) = event { amount } else { 0.0 };
        let total: f64 = chunk.iter().map(|e| amount(e.1)).sum();
        let share = |e: &(f64, Event)| if total.is_finite() { amount(e.1) / total } else { 1.0 / chunk.len() as f64 };
        let time: f64 = chunk.iter().map(|e| e.0 * share(e)).sum();
        (time.clamp(chunk[0].0, chunk[chunk.len() - 1].0), Event::Dividend(total))
    });
    *events = pooled.collect();
}
