//! The quotes of one underlying at one time, as slices.

use zomma_pricing::surface::{SliceQuotes, fitted::Quoted};
use zomma_strategy::analysis::SurfaceQuotes;

use crate::chain_days::ChainDay;

/// What a surface is fitted to.
#[derive(Clone, Debug, Default)]
pub struct Quotes {
    /// The file.
    pub source: String,
    /// Whether the file is a member of a directory or tar.
    pub one_of_many: bool,
    /// Date of the quotes, where it is known; with the time or a number behind a second snapshot of the date.
    pub label: Option<String>,
    /// The quotes.
    pub quoted: Quoted,
    /// What the user should know of how they were read.
    pub notes: Vec<String>,
}

impl Quotes {
    /// Of the chain of a day.
    pub fn of_chain(day: ChainDay<'_>, quotes: SurfaceQuotes) -> Self {
        let rejected: usize = quotes.rejected.values().sum();
        let reasons: Vec<String> = quotes.rejected.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut notes = quotes.notes;
        if rejected > 0 {
            notes.insert(0, format!("{rejected} of {} rows take no part: {}", quotes.rows_read, reasons.join(", ")));
        }
        let expiries = quotes.terms.iter().map(|terms| Some(terms.expiry.to_string())).collect();
        Self {
            source: day.chain.source.clone(),
            one_of_many: day.one_of_many,
            label: Some(day.label.into()),
            quoted: Quoted {
                underlying: Some(quotes.underlying),
                quote_time: Some(quotes.quote_instant.to_string()),
                expiries,
                ..Quoted::of_slices(quotes.slices, Some(quotes.spot))
            },
            notes,
        }
    }

    /// What the surface is of, in words.
    pub fn title(&self) -> String {
        let words = [self.quoted.underlying.as_deref(), self.label.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        if words.is_empty() { self.source.clone() } else { words.join(" ") }
    }

    /// Every third quote of each slice left out, and those left out: (kept, held out).
    pub fn split(&self) -> (Self, Vec<SliceQuotes>) {
        let part = |slice: &SliceQuotes, keep: bool| {
            let picked = |column: &Vec<f64>| -> Vec<f64> {
                let is_picked = |i: usize| (i % 3 != 1) == keep;
                column.iter().enumerate().filter(|(i, _)| is_picked(*i)).map(|(_, value)| *value).collect()
            };
            SliceQuotes {
                expiry_years: slice.expiry_years,
                forward: slice.forward,
                log_moneyness: picked(&slice.log_moneyness),
                bid_volatility: picked(&slice.bid_volatility),
                mid_volatility: picked(&slice.mid_volatility),
                ask_volatility: picked(&slice.ask_volatility),
                open_interest: picked(&slice.open_interest),
            }
        };
        let slices = &self.quoted.slices;
        let kept = slices.iter().map(|slice| part(slice, true)).collect();
        let held = slices.iter().map(|slice| part(slice, false)).collect();
        let quoted = Quoted { slices: kept, ..self.quoted.clone() };
        (Self { quoted, ..self.clone() }, held)
    }
}

/// The name of a day's file.
pub fn file_name(quotes: &Quotes) -> String {
    let words = [quotes.quoted.underlying.as_deref(), quotes.label.as_deref()];
    let name = words.into_iter().flatten().collect::<Vec<_>>().join("-");
    crate::analyze::file_name(&name) + ".json"
}
