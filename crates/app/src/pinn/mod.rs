//! Physics-informed networks from the command line: who watches, what it took against finite differences and series, plots and words.

mod plot;
mod report;
mod speed;
mod study;
mod watcher;

pub use plot::svg;
pub use report::{Report, json, table};
pub use speed::{Speed, measure};
pub use study::{Studied, study};
pub use watcher::Watcher;
