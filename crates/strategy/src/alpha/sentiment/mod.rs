//! Sentiment of news: a score for a headline, and what the headlines of an instrument say as of a time.

mod aggregate;
mod lexicon;

pub use aggregate::{DecayedSentiment, as_of};
pub use lexicon::{Category, Lexicon, LexiconError};

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sentiment {
    /// From −1 (bad) to 1 (good); none where the model found nothing to go by.
    pub score: Option<f64>,
    /// Words or marks that spoke for good.
    pub positive: u32,
    /// For bad.
    pub negative: u32,
    /// Of uncertainty.
    pub uncertain: u32,
    /// Of lawsuits.
    pub litigious: u32,
}

/// Something that reads a text and says how good it is; a net may stand here instead of the lexicon.
pub trait SentimentModel {
    /// Its name, for what is written.
    fn name(&self) -> &str;
    /// Scores one text. The same text has the same score.
    fn score(&self, text: &str) -> Sentiment;
}
