//! Whole analyses: of the generated market, of real chains, of chains that are wrong in every way.

mod adversarial;
mod demo;
mod properties;
mod real;
mod support;
