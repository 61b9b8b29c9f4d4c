//! What a row's contract says beyond option type, strike and exercise style: payoff, barrier, dates, cash dividends.

use std::sync::Arc;

use zomma_base::Status;

use crate::{finite_difference::CashDividend, monte_carlo::MOST_STEPS};

/// What is paid, by the name that files give it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PayoffName {
    /// max(ω(S − K), 0).
    #[default]
    Vanilla,
    /// An amount where ω(S − K) > 0.
    CashOrNothing,
    /// The share where ω(S − K) > 0.
    AssetOrNothing,
    /// max(ω(A − K), 0) of the arithmetic mean at the observation dates.
    ArithmeticAsian,
    /// The same of the geometric mean, at the observation dates or always.
    GeometricAsian,
    /// max(greatest − K, 0), or max(K − least, 0).
    FixedLookback,
    /// S − least (call), or greatest − S (put).
    FloatingLookback,
}

impl PayoffName {
    /// Every payoff.
    pub const ALL: [Self; 7] = [
        Self::Vanilla,
        Self::CashOrNothing,
        Self::AssetOrNothing,
        Self::ArithmeticAsian,
        Self::GeometricAsian,
        Self::FixedLookback,
        Self::FloatingLookback,
    ];

    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vanilla => "vanilla",
            Self::CashOrNothing => "cash_or_nothing",
            Self::AssetOrNothing => "asset_or_nothing",
            Self::ArithmeticAsian => "arithmetic_asian",
            Self::GeometricAsian => "geometric_asian",
            Self::FixedLookback => "fixed_lookback",
            Self::FloatingLookback => "floating_lookback",
        }
    }

    /// The payoff of a name, in letters of any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|payoff| text.eq_ignore_ascii_case(payoff.as_str()))
    }

    /// Whether it depends on the spot at expiry (or exercise) alone.
    pub fn is_of_spot(self) -> bool {
        matches!(self, Self::Vanilla | Self::CashOrNothing | Self::AssetOrNothing)
    }

    /// Whether it depends on the greatest or least spot.
    pub fn is_lookback(self) -> bool {
        matches!(self, Self::FixedLookback | Self::FloatingLookback)
    }
}

/// Side and effect of a barrier, by the name that files give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarrierType {
    /// Below the spot; a touch ends the option.
    DownAndOut,
    /// Below the spot; a touch starts it.
    DownAndIn,
    /// Above the spot; a touch ends it.
    UpAndOut,
    /// Above the spot; a touch starts it.
    UpAndIn,
    /// One on each side; a touch of either ends it.
    DoubleOut,
    /// One on each side; a touch of either starts it.
    DoubleIn,
}

impl BarrierType {
    /// Every type.
    pub const ALL: [Self; 6] =
        [Self::DownAndOut, Self::DownAndIn, Self::UpAndOut, Self::UpAndIn, Self::DoubleOut, Self::DoubleIn];

    /// The name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DownAndOut => "down_and_out",
            Self::DownAndIn => "down_and_in",
            Self::UpAndOut => "up_and_out",
            Self::UpAndIn => "up_and_in",
            Self::DoubleOut => "double_out",
            Self::DoubleIn => "double_in",
        }
    }

    /// The type of a name, in letters of any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| text.eq_ignore_ascii_case(kind.as_str()))
    }

    /// Whether a touch ends the option.
    pub fn is_out(self) -> bool {
        matches!(self, Self::DownAndOut | Self::UpAndOut | Self::DoubleOut)
    }

    /// Whether there are two levels.
    pub fn is_double(self) -> bool {
        matches!(self, Self::DoubleOut | Self::DoubleIn)
    }

    /// Whether the level, where there is one, is above the spot.
    pub fn is_up(self) -> bool {
        matches!(self, Self::UpAndOut | Self::UpAndIn)
    }
}

/// A barrier of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarrierTerms {
    /// Side and effect.
    pub kind: BarrierType,
    /// The level, or the lower of two: currency per share.
    pub level: f64,
    /// The upper of two; not read where there is one.
    pub upper: f64,
    /// Paid at the touch that ends the option, or at expiry where nothing started it: currency per share.
    pub rebate: f64,
}

/// What a row's contract says beyond option type, strike and exercise style. The default says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// What is paid.
    pub payoff: PayoffName,
    /// Amount of a cash-or-nothing option: currency per share.
    pub cash: f64,
    /// None without one.
    pub barrier: Option<BarrierTerms>,
    /// On so many dates, equally spaced and the last at expiry, the barrier, the average or the extreme is looked at; none is always.
    pub observation_dates: Option<usize>,
    /// The least or greatest spot so far of a lookback; none is the spot.
    pub extreme: Option<f64>,
    /// Years from now at which a Bermudan option may be exercised beside its expiry; none for the row's own style.
    pub exercise_times: Option<Vec<f64>>,
    /// In any order; those at expiry and after do nothing.
    pub dividends: Arc<[CashDividend]>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            payoff: PayoffName::Vanilla,
            cash: 1.0,
            barrier: None,
            observation_dates: None,
            extreme: None,
            exercise_times: None,
            dividends: Arc::from([]),
        }
    }
}

impl Terms {
    /// Whether it is a vanilla option, but for its dividends.
    pub fn is_vanilla(&self) -> bool {
        self.payoff == PayoffName::Vanilla && self.barrier.is_none() && self.exercise_times.is_none()
    }

    /// Whether it says nothing.
    pub fn is_plain(&self) -> bool {
        self.is_vanilla() && self.dividends.is_empty()
    }

    /// What the dividends before `expiry_years` are worth now.
    pub fn dividends_worth(&self, risk_free_rate: f64, expiry_years: f64) -> f64 {
        let before = self.dividends.iter().filter(|dividend| dividend.time_years < expiry_years);
        before.map(|dividend| dividend.amount * (-risk_free_rate * dividend.time_years).exp()).sum()
    }
}

/// Most dividends or exercise times of a cell.
pub const MOST_TIMES: usize = 4096;

/// Reads `0.25:1.2;0.5:1.2`: years from now and amounts of cash dividends.
///
/// Errors: `BadDividend` where it cannot be read, or a number is not finite or below zero; `DividendAfterExpiry` where one falls at
/// `expiry_years` or later.
pub fn parse_dividends(text: &str, expiry_years: f64) -> Result<Arc<[CashDividend]>, Status> {
    let mut dividends = Vec::new();
    for cell in text.split(';').map(str::trim).filter(|cell| !cell.is_empty()) {
        let (time, amount) = cell.split_once(':').ok_or(Status::BadDividend)?;
        let number = |text: &str| {
            text.trim().parse().ok().filter(|x: &f64| x.is_finite() && *x >= 0.0).ok_or(Status::BadDividend)
        };
        let dividend = CashDividend { time_years: number(time)?, amount: number(amount)? };
        if dividends.len() == MOST_TIMES {
            return Err(Status::BadDividend);
        }
        dividends.push(dividend);
    }
    if dividends.iter().any(|dividend| dividend.time_years >= expiry_years) {
        return Err(Status::DividendAfterExpiry);
    }
    Ok(dividends.into())
}

/// Reads `0.25;0.5`: years from now to the exercise dates of a Bermudan option.
///
/// Errors: `BadExerciseTimes` where there is none, or one cannot be read or is not within 0 and `expiry_years`.
pub fn parse_exercise_times(text: &str, expiry_years: f64) -> Result<Vec<f64>, Status> {
    let cells = text.split(';').map(str::trim).filter(|cell| !cell.is_empty());
    let number = |cell: &str| cell.parse().ok().filter(|x: &f64| (0.0..=expiry_years).contains(x));
    let times: Option<Vec<f64>> = cells.take(MOST_TIMES + 1).map(number).collect();
    times.filter(|times| (1..=MOST_TIMES).contains(&times.len())).ok_or(Status::BadExerciseTimes)
}

/// Reads a number of observation dates.
///
/// Errors: `BadObservationDates` where it is no whole number from 1 to 16,384.
pub fn observation_dates(number: f64) -> Result<usize, Status> {
    let whole = number.fract() == 0.0 && (1.0..=MOST_STEPS as f64).contains(&number);
    if whole { Ok(number as usize) } else { Err(Status::BadObservationDates) }
}
