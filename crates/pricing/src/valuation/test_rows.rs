//! What the tests of contracts share: a row as a table, where a Greek stands, and numbers that look random.

use std::sync::Arc;

use zomma_base::{ExerciseStyle, OptionType, Status};

use super::{ModelName, Order, Table, Terms};
use crate::black::Greek;

/// Numbers in (0, 1) that look random, the same each time from one `state`.
pub fn shares(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// Spot, strike, years, rate, yield, volatility of one row under Black and Scholes.
pub fn table(terms: &Terms, exercise: ExerciseStyle, option_type: OptionType, row: [f64; 6]) -> Table {
    let [spot, strike, years, rate, dividend_yield, volatility] = row;
    Table {
        model: vec![ModelName::Bsm],
        exercise: vec![exercise],
        on_forward: vec![false],
        option_type: vec![option_type],
        spot: vec![spot],
        strike: vec![strike],
        expiry_years: vec![years],
        risk_free_rate: vec![rate],
        dividend_yield: vec![dividend_yield],
        volatility: vec![volatility],
        status: vec![Status::Ok],
        terms: vec![Some(Arc::new(terms.clone()))],
        ..Table::default()
    }
}

/// The place of a Greek among the quantities up to the second order.
pub fn place(greek: Greek) -> usize {
    // Each Greek that the tests name is of the second order at most.
    Order::Second.quantities().position(|quantity| quantity == greek).unwrap()
}
