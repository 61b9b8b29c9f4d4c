//! The cash dividends that a caller gives for chains: by underlying, or of the one underlying that the chains are of.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use jiff::Timestamp;

/// When a share first trades without a dividend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExTime {
    /// At this instant.
    At(Timestamp),
    /// So many ACT/365F years after the quotes.
    YearsFromQuotes(f64),
}

/// One cash dividend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduledDividend {
    /// When.
    pub ex: ExTime,
    /// Currency per share, of the shares that the quotes are for.
    pub amount: f64,
}

/// The dividends of one underlying, and whether a chain had it.
#[derive(Debug, Default)]
struct OfUnderlying {
    dividends: Vec<ScheduledDividend>,
    asked: AtomicBool,
}

/// Cash dividends by underlying, or of every chain.
#[derive(Debug, Default)]
pub struct DividendCalendar {
    by_underlying: BTreeMap<String, OfUnderlying>,
    of_all: Option<Vec<ScheduledDividend>>,
}

impl DividendCalendar {
    /// The same dividends for every chain.
    pub fn of_all(dividends: Vec<ScheduledDividend>) -> Self {
        Self { by_underlying: BTreeMap::new(), of_all: Some(dividends) }
    }

    /// Dividends by the ticker of the chain's underlying, letter by letter.
    pub fn by_underlying(dividends: impl IntoIterator<Item = (String, ScheduledDividend)>) -> Self {
        let mut calendar = Self::default();
        for (underlying, dividend) in dividends {
            calendar.by_underlying.entry(underlying).or_default().dividends.push(dividend);
        }
        calendar
    }

    /// The dividends of an underlying; none where the calendar does not know it.
    pub fn of(&self, underlying: &str) -> Option<&[ScheduledDividend]> {
        if let Some(dividends) = &self.of_all {
            return Some(dividends);
        }
        let found = self.by_underlying.get(underlying)?;
        found.asked.store(true, Ordering::Relaxed);
        Some(&found.dividends)
    }

    /// The underlyings that [`Self::of`] was not asked for.
    pub fn unread(&self) -> Vec<&str> {
        let unread = self.by_underlying.iter().filter(|(_, of)| !of.asked.load(Ordering::Relaxed));
        unread.map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlyings_that_no_chain_had_are_known() {
        let dividend = ScheduledDividend { ex: ExTime::YearsFromQuotes(0.1), amount: 1.0 };
        let named = ["AAPL", "XYZ"].map(|name| (name.to_owned(), dividend));
        let calendar = DividendCalendar::by_underlying(named);
        assert_eq!(calendar.of("AAPL"), Some([dividend].as_slice()));
        assert_eq!(calendar.of("aapl"), None);
        assert_eq!(calendar.unread(), ["XYZ"]);
        let all = DividendCalendar::of_all(vec![dividend]);
        assert!(all.of("ANY").is_some() && all.unread().is_empty());
    }
}
