//! Whole analyses: of the generated market, of real chains, of chains that are wrong in every way.

mod adversarial;
mod cleaning;
mod demo;
mod dividends;
mod properties;
mod real;
mod support;
mod surfaces;
