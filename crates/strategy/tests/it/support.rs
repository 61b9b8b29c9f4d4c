//! Chains to analyse.

use jiff::civil::{Date, DateTime};
use zomma_base::{ExerciseStyle, OptionType, Settlement, Status};
use zomma_market::{
    bars::DailyBars,
    chain::{Chain, Layout, Member, Quotes, ReadOptions, parse},
};
use zomma_strategy::{
    analysis::{AnalysisConfig, WheelFilters},
    demo,
};

/// Nothing given, a wide wheel.
pub fn config() -> AnalysisConfig {
    AnalysisConfig {
        exercise_style: None,
        quote_time: None,
        rate_curve: Vec::new(),
        dividend_yield: None,
        dividends: None,
        wheel: WheelFilters { delta: [0.05, 0.45], days_to_expiry: [1, 70], min_open_interest: None, max_spread: None },
    }
}

/// The generated chain, through the reader: the session before, and the session.
pub fn demo_chains() -> [Chain; 2] {
    let mut bytes = Vec::new();
    demo::write_chain_csv(&demo::demo_chain(demo::SEED, demo::QUOTE_DATE), &mut bytes).unwrap();
    let member = Member { name: "demo.csv".to_owned(), bytes, one_of_many: false };
    let chains = parse(&member, &ReadOptions::default()).unwrap();
    chains.try_into().unwrap_or_else(|chains: Vec<Chain>| panic!("two sessions, found {}", chains.len()))
}

/// The generated history.
pub fn demo_bars() -> DailyBars {
    let bars = demo::demo_history(demo::SEED, demo::QUOTE_DATE);
    let column = |of: fn(&demo::DemoBar) -> f64| bars.iter().map(of).collect::<Vec<f64>>();
    DailyBars {
        date: bars.iter().map(|bar| bar.date).collect(),
        open: column(|bar| bar.open),
        high: column(|bar| bar.high),
        low: column(|bar| bar.low),
        close: column(|bar| bar.close),
        adjusted_close: column(|bar| bar.close),
        dividend: vec![0.0; bars.len()],
        notes: Vec::new(),
    }
}

/// One quote of a chain made by hand.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub option_type: OptionType,
    pub strike: f64,
    pub expiry: DateTime,
    pub bid: f64,
    pub ask: f64,
}

/// A chain made by hand: European, PM-settled.
pub fn chain(quote_date: Date, underlying_last: Option<f64>, made: &[Made]) -> Chain {
    let rows = made.len();
    Chain {
        source: "made by hand".to_owned(),
        layout: Layout::Zomma,
        underlying: "TST".to_owned(),
        quote_date,
        quote_time: None,
        underlying_last,
        notes: Vec::new(),
        quotes: Quotes {
            source_row: (1..=rows as u32).collect(),
            symbol: vec![""; rows].into_iter().collect(),
            root: vec![0; rows],
            roots: vec!["TST".to_owned()],
            option_type: made.iter().map(|row| row.option_type).collect(),
            strike: made.iter().map(|row| row.strike).collect(),
            expiry: made.iter().map(|row| row.expiry).collect(),
            settlement: vec![Settlement::Pm; rows],
            exercise_style: vec![Some(ExerciseStyle::European); rows],
            bid: made.iter().map(|row| row.bid).collect(),
            ask: made.iter().map(|row| row.ask).collect(),
            bid_size: vec![f64::NAN; rows],
            ask_size: vec![f64::NAN; rows],
            last: vec![f64::NAN; rows],
            volume: vec![f64::NAN; rows],
            open_interest: vec![f64::NAN; rows],
            vendor_implied_volatility: vec![f64::NAN; rows],
            status: vec![Status::Ok; rows],
            present: vec!["bid", "ask"],
        },
    }
}
