//! The wheel: cash-secured puts and covered calls that pass the filters, sold at the bid (formulae: docs/analysis.md).
//!
//! Profit a share at expiry, in excess of what the cash or the share costs to carry:
//!   put    bid e^{rT} − (K − S_T)⁺        secured by K − bid
//!   call   bid e^{rT} + min(S_T, K) − F   secured by S − bid
//! A row that would be sold at a zero or empty bid earns nothing and is no candidate.

mod density;
mod growth;
mod touch;

use zomma_base::{ExerciseStyle, OptionType, Status};
use zomma_market::chain::Chain;
use zomma_pricing::{black::Greek, surface::Surface};

use self::{density::Distribution, growth::Payoff};
use super::{
    AnalysisError, Candidate, CandidateKind, WheelFilters,
    clean::bid_or_zero,
    deamericanize::EarlyExercise,
    expiries::Expiries,
    forwards::Forwards,
    greeks::RowGreeks,
    history::{History, Horizon},
    smile::Slices,
};

/// What candidates are drawn from.
#[derive(Clone, Copy)]
pub(super) struct Board<'a> {
    pub chain: &'a Chain,
    pub status: &'a [Status],
    pub expiries: &'a Expiries,
    pub forwards: &'a Forwards,
    pub slices: &'a Slices,
    pub surface: &'a Surface,
    pub volatility: &'a [f64],
    pub greeks: &'a RowGreeks,
    pub history: Option<&'a History>,
}

/// Refuses a filter whose column the chain does not have.
pub(super) fn check_columns(chain: &Chain, filters: &WheelFilters) -> Result<(), AnalysisError> {
    let needs = [
        (filters.min_open_interest.is_some(), "min-open-interest", "open_interest"),
        (filters.max_spread.is_some(), "max-spread", "bid"),
        (filters.max_spread.is_some(), "max-spread", "ask"),
    ];
    for (is_set, filter, column) in needs {
        if is_set && !chain.quotes.present.contains(&column) {
            return Err(AnalysisError::FilterWithoutColumn { filter, column, source_name: chain.source.clone() });
        }
    }
    Ok(())
}

/// Scans every usable row; the candidates, best first.
pub(super) fn scan(board: &Board<'_>, filters: &WheelFilters) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    for index in 0..board.expiries.alive.len() {
        scan_expiry(board, filters, index, &mut candidates);
    }
    // Best first; without history by the risk-neutral expected value a year on what secures it. Ties by row.
    let key = |candidate: &Candidate| {
        let expiry = &board.expiries.alive[candidate.expiry];
        let secured = match candidate.kind {
            CandidateKind::CashSecuredPut => candidate.strike - candidate.bid,
            CandidateKind::CoveredCall => board.forwards.spot - candidate.bid,
        };
        if candidate.status.is_ok() { candidate.score } else { candidate.expected_value_rn / secured / expiry.years }
    };
    candidates.sort_by(|a, b| key(b).total_cmp(&key(a)).then_with(|| a.row.cmp(&b.row)));
    candidates
}

fn scan_expiry(board: &Board<'_>, filters: &WheelFilters, index: usize, candidates: &mut Vec<Candidate>) {
    let expiry = &board.expiries.alive[index];
    let [days_min, days_max] = filters.days_to_expiry;
    if !(days_min..=days_max).contains(&expiry.calendar_days) {
        return;
    }
    let Some(carry) = &board.forwards.carries[index] else { return };
    let spot = board.forwards.spot;
    let quotes = &board.chain.quotes;
    let Some(distribution) = Distribution::new(board, index, carry.forward) else { return };
    let growth = 1.0 / carry.discount_factor;
    // Sampled once an expiry, and only where a row needs it.
    let mut sample: Option<growth::Sample> = None;
    for entry in &expiry.strikes {
        for row in [entry.call, entry.put].map(|row| row as usize) {
            if row >= board.status.len() || !board.greeks.status[row].is_ok() {
                continue;
            }
            let bid = bid_or_zero(quotes, row);
            let delta = board.greeks.greeks.column(Greek::Delta)[row];
            if !passes(filters, delta, bid, quotes.ask[row], quotes.open_interest[row]) {
                continue;
            }
            let strike = entry.strike;
            let (kind, secured, break_even) = match quotes.option_type[row] {
                OptionType::Put => (CandidateKind::CashSecuredPut, strike - bid, strike - bid),
                OptionType::Call => (CandidateKind::CoveredCall, spot - bid, spot - bid),
            };
            if secured.is_nan() || secured <= 0.0 {
                continue;
            }
            let volatility = board.volatility[row];
            // What the buyer of an American option may do early is part of what is sold.
            let european = board.greeks.greeks.column(Greek::Price)[row];
            let early = EarlyExercise::new(spot, carry, expiry.years, board.forwards.cash.as_ref());
            let model_price = match expiry.style {
                ExerciseStyle::European => european,
                ExerciseStyle::American => early.price(quotes.option_type[row], strike, volatility).unwrap_or(european),
            };
            let days = expiry.calendar_days.max(1) as f64;
            let payoff = Payoff { kind, strike, premium: bid * growth, forward: carry.forward, secured, growth };
            let real_world = board.history.map(|history| {
                sample
                    .get_or_insert_with(|| {
                        growth::Sample::new(history.prices(&Horizon {
                            quote_date: board.chain.quote_date,
                            expiry_date: expiry.date,
                            years: expiry.years,
                            forward: carry.forward,
                            rate: carry.rate,
                        }))
                    })
                    .outcome(&payoff)
            });
            let diffusion = touch::Diffusion {
                spot,
                volatility,
                drift: (carry.forward / spot).ln() / expiry.years,
                years: expiry.years,
            };
            candidates.push(Candidate {
                kind,
                row,
                expiry: index,
                strike,
                bid,
                delta,
                volatility,
                probability_of_profit: 1.0 - distribution.below(break_even),
                probability_of_touch: diffusion.probability_of_touch(strike),
                expected_value_rn: (bid - model_price) * growth,
                expected_value_p: real_world.map_or(f64::NAN, |outcome| outcome.expected_value),
                annualized_yield: bid / secured * 365.0 / days,
                break_even,
                kelly_fraction: real_world.map_or(f64::NAN, |outcome| outcome.kelly_fraction),
                score: real_world.map_or(f64::NAN, |outcome| outcome.log_growth / expiry.years),
                status: if real_world.is_some() { Status::Ok } else { Status::NoHistory },
            });
        }
    }
}

/// Whether a row passes the filters that look at the row. An empty bid is zero.
fn passes(filters: &WheelFilters, delta: f64, bid: f64, ask: f64, open_interest: f64) -> bool {
    let [delta_min, delta_max] = filters.delta;
    let has_delta = delta.abs() >= delta_min && delta.abs() <= delta_max;
    let has_interest = filters.min_open_interest.is_none_or(|least| open_interest >= least);
    let has_spread = filters.max_spread.is_none_or(|greatest| (ask - bid) <= greatest * 0.5 * (ask + bid));
    has_delta && has_interest && has_spread
}
