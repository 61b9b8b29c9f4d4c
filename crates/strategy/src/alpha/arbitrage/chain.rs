//! A chain's quotes as they can be traded.

use zomma_base::Status;
use zomma_market::chain::{Chain, Quotes};

use super::{
    boxes::{BoxRates, box_rates},
    costs::Costs,
    finding::Finding,
    quotes::{CashQuote, ExpiryQuotes, Hedge, Level, OptionQuote, QuoteState},
    scan,
};
use crate::analysis::{AnalysisConfig, AnalysisError, ChainTerms, ExpiryTerms, chain_terms};

/// What the underlying can be traded at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum HedgeRule {
    /// It cannot: parity is looked for between strikes (boxes) alone.
    #[default]
    None,
    /// The stock at a bid and an ask.
    Stock {
        /// Where it can be sold.
        bid: f64,
        /// Where it can be bought.
        ask: f64,
    },
    /// The stock around its last price, in the chain or given: a spread that is assumed.
    AroundLast {
        /// Ask less bid over the last price, as a decimal.
        spread: f64,
        /// The last price where the chain has none.
        last: Option<f64>,
    },
}

/// What [`scan_chain`] is told.
#[derive(Clone, Debug)]
pub struct ScanConfig {
    /// Exercise style, rates, dividend yield. A given rate stands for all expiries; without one each has the rate that parity gives.
    pub analysis: AnalysisConfig,
    /// Fees and contract size.
    pub costs: Costs,
    /// Difference of the rates that money is borrowed and lent at.
    pub rate_spread: f64,
    /// What the underlying can be traded at.
    pub hedge: HedgeRule,
}

/// What was found in one chain.
#[derive(Clone, Debug)]
pub struct ChainScan {
    /// Statuses, expiries, carry.
    pub terms: ChainTerms,
    /// By expiry of `terms`: the quotes that were looked at.
    pub quotes: Vec<ExpiryQuotes>,
    /// By expiry of `terms`: what boxes lend and borrow at.
    pub box_rates: Vec<BoxRates>,
    /// Findings, the tradable ones first, by edge after fees; expiries are indices into `terms`.
    pub findings: Vec<Finding>,
}

/// Looks through a chain. `previous` is the chain of the date before, where there is one (what repeats it is stale).
///
/// Errors: a chain without a usable row.
pub fn scan_chain(chain: &Chain, previous: Option<&Chain>, config: &ScanConfig) -> Result<ChainScan, AnalysisError> {
    let terms = chain_terms(chain, previous, &config.analysis)?;
    let quotes: Vec<ExpiryQuotes> =
        terms.expiries.iter().map(|expiry| expiry_quotes(chain, &terms, expiry, config)).collect();
    let box_rates = quotes.iter().map(|expiry| box_rates(expiry, &config.costs)).collect();
    let findings = scan::scan(&quotes, &config.costs);
    Ok(ChainScan { terms, quotes, box_rates, findings })
}

fn expiry_quotes(chain: &Chain, terms: &ChainTerms, expiry: &ExpiryTerms, config: &ScanConfig) -> ExpiryQuotes {
    let parity_rate = expiry.carry.map(|[_, discount]| -discount.ln() / expiry.years);
    let rate = expiry.given_rate.or(parity_rate).filter(|rate| rate.is_finite());
    let years = expiry.years;
    let carry = expiry.carry.zip(rate).map(|([forward, _], rate)| [forward, (-rate * years).exp()]);
    let yield_from_forward =
        carry.map(|[forward, discount]| -(discount * forward / terms.spot).ln() / years).filter(|q| q.is_finite());
    let options = expiry.rows.iter().filter_map(|&row| option_quote(&chain.quotes, row as usize, &terms.status));
    ExpiryQuotes {
        years,
        exercise_style: expiry.exercise_style,
        cash: rate.map(|rate| CashQuote::at(rate, config.rate_spread, years)),
        hedge: hedge(config, chain.underlying_last, config.analysis.dividend_yield.or(yield_from_forward)),
        carry,
        options: options.collect(),
    }
}

fn hedge(config: &ScanConfig, last: Option<f64>, dividend_yield: Option<f64>) -> Option<Hedge> {
    let (bid, ask) = match config.hedge {
        HedgeRule::None => return None,
        HedgeRule::Stock { bid, ask } => (bid, ask),
        HedgeRule::AroundLast { spread, last: given } => {
            let last = last.filter(|last| last.is_finite() && *last > 0.0).or(given)?;
            (last * (1.0 - 0.5 * spread), last * (1.0 + 0.5 * spread))
        }
    };
    let level = |price: f64| Level { price, size: None };
    Some(Hedge::Stock { bid: level(bid), ask: level(ask), dividend_yield: dividend_yield.unwrap_or(0.0) })
}

/// The market of a row; `None` where its contract or quote could not be read.
fn option_quote(quotes: &Quotes, row: usize, status: &[Status]) -> Option<OptionQuote> {
    let state = match status[row] {
        Status::Ok | Status::ZeroBid | Status::NoQuote | Status::NoForward => QuoteState::Live,
        Status::StaleQuote => QuoteState::Stale,
        Status::CrossedQuote => QuoteState::Crossed,
        _ => return None,
    };
    let level = |price: &[f64], size: &[f64]| {
        let is_there = price[row].is_finite() && price[row] > 0.0;
        let size = size.get(row).copied().filter(|size| size.is_finite() && *size >= 0.0);
        is_there.then_some(Level { price: price[row], size })
    };
    Some(OptionQuote {
        row,
        option_type: quotes.option_type[row],
        strike: quotes.strike[row],
        bid: level(&quotes.bid, &quotes.bid_size),
        ask: level(&quotes.ask, &quotes.ask_size),
        state,
    })
}
