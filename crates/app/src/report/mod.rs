//! `report.html`: one self-contained page that one wants to look at and send to a colleague. It loads nothing from anywhere.
//!
//! The page is four parts put together: `page.html` (the frame), `page.css`, `page.js` (the drawing) and plotly.js, embedded. The data
//! comes as one JSON object; every text in it reaches the page as text, never as HTML.

mod data;
mod figures;
mod page;

pub use data::data;
pub use figures::figures_page;
pub use page::{escaped, filled, page, prepare};
