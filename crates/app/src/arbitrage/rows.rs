//! What was found on one day, with names in place of indices.

use std::collections::BTreeMap;

use serde::Serialize;
use zomma_market::chain::Chain;
use zomma_strategy::{
    alpha::arbitrage::{Assumption, BoxRate, ChainScan, Costs, Finding, Instrument, Kind, Leg, Side, Standing},
    analysis::{ExpiryTerms, RateSource},
};

/// One day of one underlying.
#[derive(Clone, Debug, Serialize)]
pub struct DayFindings {
    /// File.
    pub source: String,
    /// Date of the quotes.
    pub quote_date: String,
    /// Ticker.
    pub underlying: String,
    /// Rows read.
    pub rows_read: usize,
    /// Options that had a side to trade.
    pub options: usize,
    /// Whether the data say how much is there.
    pub has_sizes: bool,
    /// Findings by standing.
    pub by_standing: BTreeMap<Standing, usize>,
    /// Tradable findings by kind: those that fees leave something of, from live quotes.
    pub tradable_by_kind: BTreeMap<Kind, usize>,
    /// What boxes lend and borrow at, by expiry.
    pub box_rates: Vec<BoxRow>,
    /// Findings, the tradable ones first, by edge after fees.
    pub findings: Vec<FindingRow>,
}

/// One finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRow {
    /// Which inequality the quotes break.
    pub kind: Kind,
    /// Whether it can be traded.
    pub standing: Standing,
    /// Root and expiry.
    pub root: String,
    /// Instant of expiry.
    pub expiry: String,
    /// Of a calendar, the far one.
    pub far_expiry: Option<String>,
    /// Exercise style.
    pub exercise_style: &'static str,
    /// What one unit brings now, currency a share.
    pub edge: f64,
    /// The same less fees.
    pub edge_after_fees: f64,
    /// The same in currency, a contract's shares over.
    pub profit_per_unit: f64,
    /// Units that the sizes allow.
    pub units: Option<f64>,
    /// Units whose legs are whole contracts.
    pub lot: Option<u32>,
    /// The least that a unit pays later.
    pub worst_payoff: f64,
    /// Rate a year at which money is locked.
    pub locked_rate: Option<f64>,
    /// How much better that is than the stated rate.
    pub excess_rate: Option<f64>,
    /// What must hold beside the quotes.
    pub assumes: Vec<Assumption>,
    /// The trades.
    pub legs: Vec<LegRow>,
}

/// One trade.
#[derive(Clone, Debug, Serialize)]
pub struct LegRow {
    /// Bought or sold.
    pub side: Side,
    /// What.
    pub instrument: &'static str,
    /// Strike of an option.
    pub strike: Option<f64>,
    /// OCC symbol, where the file has one.
    pub symbol: Option<String>,
    /// Row of the file, from 1.
    pub row: Option<u32>,
    /// Price, currency a share.
    pub price: f64,
    /// Of each unit.
    pub quantity: f64,
    /// Contracts that are there.
    pub size: Option<f64>,
}

/// Box rates of one expiry.
#[derive(Clone, Debug, Serialize)]
pub struct BoxRow {
    /// Root.
    pub root: String,
    /// Instant of expiry.
    pub expiry: String,
    /// Years to expiry.
    pub expiry_years: f64,
    /// The rate that findings are held against.
    pub rate: Option<f64>,
    /// Where it came from.
    pub rate_source: Option<RateSource>,
    /// Highest rate at which a long box lends, after fees.
    pub lend: Option<f64>,
    /// Its strikes.
    pub lend_strikes: Option<[f64; 2]>,
    /// Lowest rate at which a short box borrows, after fees.
    pub borrow: Option<f64>,
    /// Its strikes.
    pub borrow_strikes: Option<[f64; 2]>,
}

impl DayFindings {
    /// Of a chain that was looked through.
    pub fn of(chain: &Chain, scan: &ChainScan, costs: &Costs) -> Self {
        let mut by_standing = BTreeMap::new();
        let mut tradable_by_kind = BTreeMap::new();
        for finding in &scan.findings {
            *by_standing.entry(finding.standing).or_insert(0) += 1;
            if finding.standing.is_tradable() {
                *tradable_by_kind.entry(finding.kind).or_insert(0) += 1;
            }
        }
        let expiries = &scan.terms.expiries;
        let tradable = |expiry: &zomma_strategy::alpha::arbitrage::ExpiryQuotes| {
            expiry.options.iter().filter(|quote| quote.bid.is_some() || quote.ask.is_some()).count()
        };
        Self {
            source: chain.source.clone(),
            quote_date: chain.quote_date.to_string(),
            underlying: chain.underlying.clone(),
            rows_read: chain.quotes.len(),
            options: scan.quotes.iter().map(tradable).sum(),
            has_sizes: chain.quotes.has("bid_size") && chain.quotes.has("ask_size"),
            by_standing,
            tradable_by_kind,
            box_rates: (0..expiries.len()).map(|expiry| box_row(scan, expiry)).collect(),
            findings: scan.findings.iter().map(|finding| finding_row(chain, expiries, finding, costs)).collect(),
        }
    }
}

fn box_row(scan: &ChainScan, index: usize) -> BoxRow {
    let (terms, rates) = (&scan.terms.expiries[index], scan.box_rates[index]);
    let rate = |side: Option<BoxRate>| side.map(|side| side.rate);
    let strikes = |side: Option<BoxRate>| side.map(|side| side.strikes);
    let parity_rate = terms.carry.map(|[_, discount]| -discount.ln() / terms.years);
    BoxRow {
        root: terms.root.clone(),
        expiry: terms.expiry.to_string(),
        expiry_years: terms.years,
        rate: terms.given_rate.or(parity_rate),
        rate_source: if terms.given_rate.is_some() { Some(RateSource::Given) } else { terms.rate_source },
        lend: rate(rates.lend),
        lend_strikes: strikes(rates.lend),
        borrow: rate(rates.borrow),
        borrow_strikes: strikes(rates.borrow),
    }
}

fn finding_row(chain: &Chain, expiries: &[ExpiryTerms], finding: &Finding, costs: &Costs) -> FindingRow {
    let terms = &expiries[finding.expiry];
    FindingRow {
        kind: finding.kind,
        standing: finding.standing,
        root: terms.root.clone(),
        expiry: terms.expiry.to_string(),
        far_expiry: finding.far_expiry.map(|far| expiries[far].expiry.to_string()),
        exercise_style: terms.exercise_style.as_str(),
        edge: finding.edge,
        edge_after_fees: finding.edge_after_fees,
        profit_per_unit: finding.edge_after_fees * costs.multiplier,
        units: finding.units,
        lot: finding.lot,
        worst_payoff: finding.worst_payoff,
        locked_rate: finding.locked_rate,
        excess_rate: finding.excess_rate,
        assumes: finding.assumes.clone(),
        legs: finding.legs.iter().map(|leg| leg_row(chain, leg)).collect(),
    }
}

fn leg_row(chain: &Chain, leg: &Leg) -> LegRow {
    let (instrument, option) = match leg.instrument {
        Instrument::Option { row, option_type, strike, .. } => (option_type.as_str(), Some((row, strike))),
        Instrument::Stock => ("stock", None),
        Instrument::Forward { .. } => ("forward", None),
        Instrument::Cash { .. } => ("cash", None),
    };
    let quotes = &chain.quotes;
    LegRow {
        side: leg.side,
        instrument,
        strike: option.map(|(_, strike)| strike),
        symbol: option.map(|(row, _)| quotes.symbol.get(row).to_owned()).filter(|symbol| !symbol.is_empty()),
        row: option.map(|(row, _)| quotes.source_row[row]),
        price: leg.price,
        quantity: leg.quantity,
        size: leg.size.filter(|size| size.is_finite()),
    }
}

impl LegRow {
    /// The trade in words, for so many units.
    pub fn words(&self, units: f64) -> String {
        let number = |value: f64| {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        let strike = self.strike.map(|strike| format!(" {}", number(strike))).unwrap_or_default();
        let (side, quantity) = (self.side.as_str(), number(self.quantity * units));
        format!("{side} {quantity} {}{strike} at {}", self.instrument, number(self.price))
    }
}

impl FindingRow {
    /// All trades in words: of a lot, where there is one.
    pub fn words(&self) -> String {
        let units = f64::from(self.lot.unwrap_or(1));
        let legs: Vec<String> = self.legs.iter().map(|leg| leg.words(units)).collect();
        legs.join("; ")
    }
}
