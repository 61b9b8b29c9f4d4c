//! A package that brings money now and owes none later.

use zomma_base::ExerciseStyle;

use super::{
    costs::Costs,
    leg::{Instrument, Leg, Side},
    payoff::{self, FarCarry},
    quotes::QuoteState,
};

/// Which inequality the quotes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call of a higher strike bid above the ask of a lower one; a put of a lower strike above a higher one.
    Vertical,
    /// A vertical bid above the present value of the distance of its strikes.
    VerticalWidth,
    /// An option bid above the line between the asks of two strikes around it.
    Butterfly,
    /// Call sold, put and underlying bought.
    Conversion,
    /// Call bought, put and underlying sold.
    Reversal,
    /// Two synthetic forwards of one expiry, against cash.
    Box,
    /// An option offered below what its forward (or its exercise now) is worth.
    LowerBound,
    /// An option bid above the most that it can pay.
    UpperBound,
    /// An option of a near expiry bid above one of a far expiry that is worth more then.
    Calendar,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Vertical,
        Self::VerticalWidth,
        Self::Butterfly,
        Self::Conversion,
        Self::Reversal,
        Self::Box,
        Self::LowerBound,
        Self::UpperBound,
        Self::Calendar,
    ];

    /// The name that outputs print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vertical => "vertical",
            Self::VerticalWidth => "vertical_width",
            Self::Butterfly => "butterfly",
            Self::Conversion => "conversion",
            Self::Reversal => "reversal",
            Self::Box => "box",
            Self::LowerBound => "lower_bound",
            Self::UpperBound => "upper_bound",
            Self::Calendar => "calendar",
        }
    }
}

/// Whether a finding can be traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Each leg has a size, and fees leave something.
    Executable,
    /// Fees leave something, and the data do not say how much of a leg is there.
    SizeUnknown,
    /// Fees take all of it.
    BelowFees,
    /// A leg's side has a size of zero.
    ZeroSize,
    /// A leg's quote repeats an older one.
    Stale,
    /// A leg's quote is crossed.
    Crossed,
}

impl Standing {
    /// Every standing, the best first.
    pub const ALL: [Self; 6] =
        [Self::Executable, Self::SizeUnknown, Self::BelowFees, Self::ZeroSize, Self::Stale, Self::Crossed];

    /// The name that outputs print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::SizeUnknown => "size_unknown",
            Self::BelowFees => "below_fees",
            Self::ZeroSize => "zero_size",
            Self::Stale => "stale",
            Self::Crossed => "crossed",
        }
    }

    /// Whether nothing but the quotes' own prices and sizes stands against a trade.
    pub fn is_tradable(self) -> bool {
        matches!(self, Self::Executable | Self::SizeUnknown)
    }
}

/// What must hold beside the quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// Money is borrowed and lent at the stated rates.
    Rate,
    /// The underlying pays the stated yield.
    DividendYield,
    /// The forward of the far expiry stays in the stated ratio to that of the near one.
    Carry,
    /// Rates stay at or above zero.
    RatesNotNegative,
}

impl Assumption {
    /// The name that outputs print.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::DividendYield => "dividend_yield",
            Self::Carry => "carry",
            Self::RatesNotNegative => "rates_not_negative",
        }
    }
}

/// A package.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which inequality the quotes break.
    pub kind: Kind,
    /// Index of the expiry, of a calendar the near one.
    pub expiry: usize,
    /// Index of the far expiry of a calendar.
    pub far_expiry: Option<usize>,
    /// The trades, for one unit.
    pub legs: Vec<Leg>,
    /// What one unit brings now, currency a share, above zero.
    pub edge: f64,
    /// The same less fees.
    pub edge_after_fees: f64,
    /// The least that one unit pays later, computed from the legs; at or above zero but for rounding.
    pub worst_payoff: f64,
    /// Units that the sizes allow; `None` where the data do not say.
    pub units: Option<f64>,
    /// Least number of units whose option legs are whole contracts; `None` where none up to ten thousand is.
    pub lot: Option<u32>,
    /// Rate a year that the legs other than cash lend at (or borrow at), after fees, where money is locked.
    pub locked_rate: Option<f64>,
    /// How much better that is than the stated rate.
    pub excess_rate: Option<f64>,
    /// What must hold beside the quotes.
    pub assumes: Vec<Assumption>,
    /// Whether it can be traded.
    pub standing: Standing,
}

/// Greatest number of units in a lot.
pub const LOT_MAX: u32 = 10_000;
/// An edge below this part of what is traded is rounding.
const EDGE_MIN: f64 = 1e-10;
/// A loss below this part of the strikes is rounding.
const LOSS_MAX: f64 = 1e-9;

/// What a package is checked with.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a> {
    pub costs: &'a Costs,
    pub style: ExerciseStyle,
    pub expiry: usize,
    pub years: f64,
    /// Of a calendar.
    pub far: Option<(usize, FarCarry)>,
}

impl Setting<'_> {
    /// The package as a finding; `None` where it brings nothing now or can cost something later.
    pub fn finding(&self, kind: Kind, legs: Vec<Leg>, assumes: Vec<Assumption>) -> Option<Finding> {
        let edge = -legs.iter().map(Leg::cost).sum::<f64>();
        let traded: f64 = legs.iter().map(|leg| (leg.quantity * leg.price).abs()).sum();
        if edge.is_nan() || edge <= EDGE_MIN * traded {
            return None;
        }
        let worst = match self.far {
            Some((_, far)) => payoff::worst_case_calendar(&legs, far),
            None => payoff::worst_case(&legs, self.style),
        };
        let strikes: f64 = legs.iter().map(|leg| leg.delivered.abs() * reach(leg)).sum();
        if worst.value.is_nan() || worst.value < -LOSS_MAX * strikes {
            return None;
        }
        let edge_after_fees = edge - self.fees(&legs);
        let (locked_rate, excess_rate) = self.locked(&legs).unzip();
        Some(Finding {
            kind,
            expiry: self.expiry,
            far_expiry: self.far.map(|(far, _)| far),
            edge,
            edge_after_fees,
            worst_payoff: worst.value,
            units: units(&legs),
            lot: lot(&legs),
            locked_rate,
            excess_rate,
            assumes,
            standing: standing(&legs, edge_after_fees),
            legs,
        })
    }

    fn fees(&self, legs: &[Leg]) -> f64 {
        legs.iter()
            .map(|leg| match leg.instrument {
                Instrument::Option { .. } => leg.quantity * self.costs.option_fee(),
                Instrument::Stock | Instrument::Forward { .. } => leg.quantity * self.costs.fee_per_share,
                Instrument::Cash { .. } => 0.0,
            })
            .sum()
    }

    /// The rate of the legs other than cash, and how much better it is than the cash leg's.
    fn locked(&self, legs: &[Leg]) -> Option<(f64, f64)> {
        let cash = legs.iter().find(|leg| matches!(leg.instrument, Instrument::Cash { .. }))?;
        let others: f64 =
            legs.iter().filter(|leg| !matches!(leg.instrument, Instrument::Cash { .. })).map(Leg::cost).sum();
        let paid = others + self.fees(legs);
        // Sold cash is repaid by the package, which then has lent; bought cash repays the package, which then has borrowed.
        let present = cash.side.sign() * -paid;
        let rate = (cash.quantity / present).ln() / self.years;
        let stated = -cash.price.ln() / self.years;
        let excess = if cash.side == Side::Sell { rate - stated } else { stated - rate };
        (present > 0.0 && rate.is_finite()).then_some((rate, excess))
    }
}

/// How large the numbers are that a leg's payoff is computed from.
fn reach(leg: &Leg) -> f64 {
    match leg.instrument {
        Instrument::Option { strike, .. } => strike,
        Instrument::Stock | Instrument::Forward { .. } => leg.price,
        Instrument::Cash { .. } => 1.0,
    }
}

fn units(legs: &[Leg]) -> Option<f64> {
    legs.iter().try_fold(f64::INFINITY, |units, leg| Some(units.min(leg.size? / leg.quantity)))
}

fn standing(legs: &[Leg], edge_after_fees: f64) -> Standing {
    match legs.iter().map(|leg| leg.state).max().unwrap_or_default() {
        QuoteState::Crossed => Standing::Crossed,
        QuoteState::Stale => Standing::Stale,
        QuoteState::ZeroSize => Standing::ZeroSize,
        QuoteState::Live if edge_after_fees <= 0.0 => Standing::BelowFees,
        QuoteState::Live if legs.iter().any(|leg| leg.size.is_none()) => Standing::SizeUnknown,
        QuoteState::Live => Standing::Executable,
    }
}

/// Least number of units whose option legs are whole contracts.
fn lot(legs: &[Leg]) -> Option<u32> {
    let is_whole = |count: u32| {
        legs.iter().filter(|leg| matches!(leg.instrument, Instrument::Option { .. })).all(|leg| {
            let contracts = leg.quantity * f64::from(count);
            (contracts - contracts.round()).abs() < 1e-7 && contracts > 0.5
        })
    };
    (1..=LOT_MAX).find(|count| is_whole(*count))
}
