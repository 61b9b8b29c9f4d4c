//! Options against the underlying: put-call parity, and what an option is worth at least and at most.
//!
//! European    C − P = D (F − K) in the forward; S e^{−qT} − K D in the stock. Conversions and reversals take the executable side of each.
//! American    S e^{−qT} − K ≤ C − P ≤ S − K D (Stoll 1969, Merton 1973): a conversion holds one whole share, since the sold call may take it at
//!             any time, and dividends only help; a reversal keeps the strike at hand, since the sold put may ask for it at any time.
//! Bounds      C ≥ S e^{−qT} − K D and, American, C ≥ S − K at once; puts likewise; C ≤ S.
//! A forward hedges European options alone: an early exercise asks for the underlying itself.

use zomma_base::{ExerciseStyle, OptionType};

use super::{
    finding::{Assumption, Finding, Kind, Setting},
    leg::{Leg, Side},
    quotes::{CashQuote, Hedge, Ladder, Pair, Rung},
};

/// Everything that a hedge is needed for.
pub(super) struct Hedged<'a> {
    pub setting: Setting<'a>,
    pub cash: CashQuote,
    pub hedge: Hedge,
}

impl Hedged<'_> {
    /// Looks for all of it.
    pub fn scan(&self, ladder: &Ladder, found: &mut Vec<Finding>) {
        let is_american = self.setting.style == ExerciseStyle::American;
        if is_american && matches!(self.hedge, Hedge::Forward { .. }) {
            return;
        }
        for pair in ladder.pairs() {
            found.extend(self.conversion(&pair));
            found.extend(self.reversal(&pair));
        }
        for rung in ladder.calls.iter().chain(&ladder.puts) {
            let held = self.lower_bound(rung, false);
            let now = if is_american { self.lower_bound(rung, true) } else { None };
            let edge = |finding: &Option<Finding>| finding.as_ref().map_or(0.0, |finding| finding.edge);
            found.extend(if edge(&now) > edge(&held) { now } else { held });
        }
        for call in &ladder.calls {
            found.extend(self.call_upper_bound(call));
        }
    }

    fn option(&self, rung: &Rung, side: Side) -> Option<Leg> {
        Leg::option(rung, side, 1.0, self.setting.expiry)
    }

    /// The underlying bought or sold so that one share is there at expiry; `whole` shares keep their dividends.
    fn underlying(&self, side: Side, whole: bool) -> Leg {
        let multiplier = self.setting.costs.multiplier;
        match self.hedge {
            Hedge::Forward { bid, ask } => {
                let level = if side == Side::Buy { ask } else { bid };
                Leg::forward(level, side, self.setting.expiry, multiplier)
            }
            Hedge::Stock { bid, ask, dividend_yield } => {
                let level = if side == Side::Buy { ask } else { bid };
                let shares = if whole { 1.0 } else { (-dividend_yield * self.setting.years).exp() };
                Leg::stock(level, side, shares, 1.0, multiplier)
            }
        }
    }

    /// Cash so that the package owes nothing at expiry: `face` borrowed where the rest pays it, lent where the rest costs it.
    fn money(&self, face: f64, on_demand: bool) -> Option<Leg> {
        let (side, price) = if face >= 0.0 { (Side::Sell, self.cash.borrow) } else { (Side::Buy, self.cash.lend) };
        let price = if on_demand { 1.0 } else { price };
        (face != 0.0).then(|| Leg::cash(side, face.abs(), price, self.setting.expiry))
    }

    /// What a share bought by forward costs at expiry; zero for stock, which is paid now.
    fn paid_later(&self, underlying: &Leg) -> f64 {
        match self.hedge {
            Hedge::Forward { .. } => underlying.side.sign() * underlying.price,
            Hedge::Stock { .. } => 0.0,
        }
    }

    fn assumes(&self, whole: bool, on_demand: bool) -> Vec<Assumption> {
        let mut assumes = vec![if on_demand { Assumption::RatesNotNegative } else { Assumption::Rate }];
        if matches!(self.hedge, Hedge::Stock { .. }) && !whole {
            assumes.push(Assumption::DividendYield);
        }
        assumes
    }

    /// Sells the call, buys put and underlying: the strike comes in at expiry or before.
    fn conversion(&self, pair: &Pair) -> Option<Finding> {
        let whole = self.setting.style == ExerciseStyle::American;
        let underlying = self.underlying(Side::Buy, whole);
        let money = self.money(pair.call.strike - self.paid_later(&underlying), false);
        let legs = [
            Some(self.option(&pair.call, Side::Sell)?),
            Some(self.option(&pair.put, Side::Buy)?),
            Some(underlying),
            money,
        ];
        let mut assumes = self.assumes(whole, false);
        if whole {
            assumes.push(Assumption::RatesNotNegative);
        }
        self.setting.finding(Kind::Conversion, legs.into_iter().flatten().collect(), assumes)
    }

    /// Buys the call, sells put and underlying: the strike goes out at expiry, or before where the put is exercised.
    fn reversal(&self, pair: &Pair) -> Option<Finding> {
        let on_demand = self.setting.style == ExerciseStyle::American;
        let underlying = self.underlying(Side::Sell, false);
        let money = self.money(-pair.call.strike - self.paid_later(&underlying), on_demand);
        let legs = [
            Some(self.option(&pair.call, Side::Buy)?),
            Some(self.option(&pair.put, Side::Sell)?),
            Some(underlying),
            money,
        ];
        self.setting.finding(Kind::Reversal, legs.into_iter().flatten().collect(), self.assumes(false, on_demand))
    }

    /// Buys an option below its forward value, or below what its exercise brings at once.
    fn lower_bound(&self, rung: &Rung, at_once: bool) -> Option<Finding> {
        let (side, sign) = match rung.option_type {
            OptionType::Call => (Side::Sell, -1.0),
            OptionType::Put => (Side::Buy, 1.0),
        };
        let underlying = self.underlying(side, at_once);
        let money = self.money(sign * rung.strike - self.paid_later(&underlying), at_once);
        let legs = [Some(self.option(rung, Side::Buy)?), Some(underlying), money];
        let assumes = if at_once { Vec::new() } else { self.assumes(false, false) };
        self.setting.finding(Kind::LowerBound, legs.into_iter().flatten().collect(), assumes)
    }

    /// Sells a call above the underlying.
    fn call_upper_bound(&self, call: &Rung) -> Option<Finding> {
        let whole = self.setting.style == ExerciseStyle::American;
        let underlying = self.underlying(Side::Buy, whole);
        let money = self.money(-self.paid_later(&underlying), false);
        let legs = [Some(self.option(call, Side::Sell)?), Some(underlying), money];
        self.setting.finding(Kind::UpperBound, legs.into_iter().flatten().collect(), self.assumes(whole, false))
    }
}
