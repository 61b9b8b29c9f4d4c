//! `zomma alpha report|signals|sentiment`: tables of signals, what they told, and where they come from.

mod news;
mod report;
mod sentiment;
mod signals;
mod table;
mod text;

pub use report::{CombineBy, Combining, Job, run};
pub use sentiment::{Joined, SentimentJob, run as run_sentiment};
pub use signals::{SignalsJob, run as run_signals};
pub use text::{in_words, json};
