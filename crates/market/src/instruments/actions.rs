//! What companies do to their shares: splits, dividends, new names; each from its time on.
//!
//! Source of the back-adjustment for dividends: CRSP, "Data Definitions & Coding Schemes", factor to adjust prices: a price before the ex-date is
//! multiplied by 1 − D/P, P the last price before it.

/// What happened to a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// So many new shares for so many old ones, both above 0: 4 for 1, or 1 for 10.
    Split {
        /// New shares.
        new_shares: u32,
        /// Old shares.
        old_shares: u32,
    },
    /// Cash a share.
    CashDividend {
        /// The amount in billionths of the currency.
        amount_nanos: i64,
        /// The last price before the ex-date in billionths, which the adjustment is by; above the amount.
        close_nanos: i64,
    },
    /// The instrument is called otherwise.
    SymbolChange {
        /// How.
        to: String,
    },
}

/// An action and when it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedAction {
    /// From when on prices are after it, in nanoseconds since the Unix epoch: the opening of the ex-date.
    pub from_ns: u64,
    /// What happened.
    pub action: Action,
}

/// By which actions prices are adjusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustFor {
    /// Splits: prices beside each other.
    Splits,
    /// Splits and dividends: returns of who holds the share and buys more for its dividends.
    SplitsAndDividends,
}

/// What prices and sizes of one time are to be multiplied by to stand beside those of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adjustment {
    /// Of a price.
    pub price: f64,
    /// Of a number of shares: splits alone.
    pub size: f64,
}

impl Adjustment {
    /// The factors from a time to another of actions in the order of their times. Towards the past they are the inverse.
    pub(super) fn over(actions: &[DatedAction], from_ns: u64, to_ns: u64, what: AdjustFor) -> Self {
        let (first, last) = (from_ns.min(to_ns), from_ns.max(to_ns));
        let mut forward = Self { price: 1.0, size: 1.0 };
        for DatedAction { action, .. } in actions.iter().filter(|dated| first < dated.from_ns && dated.from_ns <= last)
        {
            match *action {
                Action::Split { new_shares, old_shares } => {
                    forward.price *= f64::from(old_shares) / f64::from(new_shares);
                    forward.size *= f64::from(new_shares) / f64::from(old_shares);
                }
                Action::CashDividend { amount_nanos, close_nanos } if what == AdjustFor::SplitsAndDividends => {
                    forward.price *= 1.0 - amount_nanos as f64 / close_nanos as f64;
                }
                Action::CashDividend { .. } | Action::SymbolChange { .. } => {}
            }
        }
        if from_ns <= to_ns { forward } else { Self { price: 1.0 / forward.price, size: 1.0 / forward.size } }
    }
}

impl Action {
    /// What is wrong with it, where something is: factors must be finite and above 0.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::Split { new_shares, old_shares } if *new_shares == 0 || *old_shares == 0 => {
                Some(format!("a split of {new_shares} for {old_shares}; allowed: both above 0"))
            }
            Self::CashDividend { amount_nanos, close_nanos } if !(0..*close_nanos).contains(amount_nanos) => {
                Some(format!("a dividend of {amount_nanos}e-9; allowed: 0 to below the last price, {close_nanos}e-9"))
            }
            Self::SymbolChange { to } if to.is_empty() => Some("a change to a symbol without letters".into()),
            _ => None,
        }
    }
}
