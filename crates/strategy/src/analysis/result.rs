//! What an analysis gives back.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};
use zomma_base::{ExerciseStyle, Settlement, Status};
use zomma_pricing::{
    black::GreekColumns,
    surface::{FitQuality, SliceSource, Surface},
};

/// One day of one underlying, analysed.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// Ticker.
    pub underlying: String,
    /// Date of the quotes.
    pub quote_date: Date,
    /// Instant of the quotes.
    pub quote_instant: Timestamp,
    /// Where the instant came from, in words.
    pub quote_time_source: &'static str,
    /// Spot used: the parity forward's, discounted back; else what the file said.
    pub spot: f64,
    /// What the file said.
    pub underlying_last: Option<f64>,
    /// Rows read.
    pub rows_read: usize,
    /// Rejected rows by reason.
    pub rejected: BTreeMap<Status, usize>,
    /// Every row of the chain, in order.
    pub quotes: AnalyzedQuotes,
    /// Every living expiry (root, instant and exercise style), ascending; a row that expired has none.
    pub expiries: Vec<ExpirySummary>,
    /// The surface that the Greeks use; slice i belongs to the i-th expiry whose `slice` is Some(i).
    pub surface: Surface,
    /// Quality counted as the acceptance does: every unexpired out-of-the-money row with 0 < bid ≤ ask; rejected rows and rows without a
    /// slice count as outside.
    pub quality: FitQuality,
    /// Wheel candidates, best first.
    pub candidates: Vec<Candidate>,
    /// What a reader should know, in sentences (approximations made, fallbacks taken).
    pub notes: Vec<String>,
    /// Wall time by stage.
    pub timings: StageTimings,
}

/// Columns of one length: row i is row i of the chain.
#[derive(Clone, Debug, Default)]
pub struct AnalyzedQuotes {
    /// Why the row was rejected, or `Ok`.
    pub status: Vec<Status>,
    /// Index into `Analysis::expiries`, `u32::MAX` where the row has none.
    pub expiry: Vec<u32>,
    /// Exercise style used.
    pub exercise_style: Vec<ExerciseStyle>,
    /// Years to expiry.
    pub expiry_years: Vec<f64>,
    /// Forward used.
    pub forward: Vec<f64>,
    /// Volatility of the bid; NaN with a status.
    pub bid_volatility: Vec<f64>,
    /// Status of the bid's volatility.
    pub bid_volatility_status: Vec<Status>,
    /// Volatility of the mid.
    pub mid_volatility: Vec<f64>,
    /// Status of the mid's volatility.
    pub mid_volatility_status: Vec<Status>,
    /// Volatility of the ask.
    pub ask_volatility: Vec<f64>,
    /// Status of the ask's volatility.
    pub ask_volatility_status: Vec<Status>,
    /// Volatility of the surface at the row's strike and expiry.
    pub surface_volatility: Vec<f64>,
    /// Price and Greeks at the surface's volatility.
    pub greeks: GreekColumns,
    /// Status of the Greeks.
    pub greeks_status: Vec<Status>,
}

/// Where an expiry's forward came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardSource {
    /// Put-call parity of the expiry's own pairs.
    Parity,
    /// Put-call parity of de-Americanised pairs.
    ParityDeAmericanized,
    /// Spot, yield and rate: the expiry has no pairs.
    SpotAndCarry,
}

/// Where an expiry's discount factor came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSource {
    /// Put-call parity of the expiry's own pairs.
    Parity,
    /// The curve through the parity rates of longer (or neighbouring) expiries.
    ParityCurve,
    /// `--rate`.
    Given,
    /// Nothing said: zero.
    AssumedZero,
}

/// One expiry: a date-time and a root.
#[derive(Clone, Debug)]
pub struct ExpirySummary {
    /// Instant of expiry.
    pub expiry: Timestamp,
    /// Local date of expiry.
    pub expiry_date: Date,
    /// Option root.
    pub root: String,
    /// AM or PM.
    pub settlement: Settlement,
    /// Exercise style of its rows.
    pub exercise_style: ExerciseStyle,
    /// ACT/365F years.
    pub expiry_years: f64,
    /// Calendar days from the quote date.
    pub calendar_days: i64,
    /// Forward.
    pub forward: f64,
    /// Standard error of the forward, where parity gave one.
    pub forward_error: Option<f64>,
    /// Discount factor.
    pub discount_factor: f64,
    /// Where the forward came from.
    pub forward_source: ForwardSource,
    /// Where the discount factor came from.
    pub rate_source: RateSource,
    /// Pairs that parity used.
    pub parity_pairs: usize,
    /// Quotes kept.
    pub quotes: usize,
    /// Index of its slice in the surface.
    pub slice: Option<usize>,
    /// Where its shape came from.
    pub slice_source: Option<SliceSource>,
    /// Quality, counted as `Analysis::quality` is.
    pub quality: FitQuality,
    /// Quality of the unconstrained SVI slice, counted likewise.
    pub unconstrained: FitQuality,
    /// Volatility of the surface at the forward; NaN where there is none.
    pub atm_volatility: f64,
}

/// Cash-secured put or covered call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CandidateKind {
    /// Sell a put against cash.
    CashSecuredPut,
    /// Sell a call against the shares.
    CoveredCall,
}

/// One strike that passes the filters, sold at the bid.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Kind.
    pub kind: CandidateKind,
    /// Row of the chain.
    pub row: usize,
    /// Index into `Analysis::expiries`.
    pub expiry: usize,
    /// Strike.
    pub strike: f64,
    /// Bid: the premium taken.
    pub bid: f64,
    /// Delta at the surface's volatility.
    pub delta: f64,
    /// Volatility of the surface.
    pub volatility: f64,
    /// P(profit at expiry) under the surface's own density.
    pub probability_of_profit: f64,
    /// P(spot touches the strike before expiry), under the surface.
    pub probability_of_touch: f64,
    /// Expected profit a share at expiry under the surface's density, over what cash or share cost to carry.
    pub expected_value_rn: f64,
    /// The same under the real-world density; NaN without history.
    pub expected_value_p: f64,
    /// bid/(strike − bid) × 365/calendar days (a covered call: bid/(spot − bid)).
    pub annualized_yield: f64,
    /// Break-even price at expiry.
    pub break_even: f64,
    /// Kelly fraction under the real-world density; NaN without history.
    pub kelly_fraction: f64,
    /// What candidates are ranked by: expected log growth a year over cash, at the Kelly fraction, under the real-world density; NaN
    /// without history.
    pub score: f64,
    /// `Ok`, or `NoHistory`.
    pub status: Status,
}

/// Wall time by stage, in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct StageTimings {
    /// (stage, milliseconds), in order.
    pub stages: Vec<(&'static str, f64)>,
}
