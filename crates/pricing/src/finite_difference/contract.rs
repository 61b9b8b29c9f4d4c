//! What is valued: an option's terms beyond its row.

use zomma_base::Status;

use crate::black::{Model, Row, scalar};

/// A cash dividend: the spot falls by `amount`, not below zero, just after the instant `time_years`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CashDividend {
    /// Years from now to the ex-dividend instant. At 0 the dividend is still to come; at or after expiry it is ignored.
    pub time_years: f64,
    /// Currency per share.
    pub amount: f64,
}

/// What is paid at exercise, of the row's option type and strike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payoff {
    /// max(ω(S − K), 0).
    Vanilla,
    /// This amount where ω(S − K) > 0.
    CashOrNothing(f64),
    /// S where ω(S − K) > 0.
    AssetOrNothing,
}

/// When the holder may exercise. At expiry always.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Exercise<'a> {
    /// At expiry only.
    European,
    /// Also at these years from now; those outside \[0, expiry\] are ignored.
    Bermudan(&'a [f64]),
    /// At any time.
    American,
}

/// Whether a touch of the barrier ends the option or starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// Ends it and pays the rebate at once.
    Out,
    /// Starts it; where it never does, the rebate is paid at expiry. European exercise only.
    In,
}

/// When the barrier is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Monitoring<'a> {
    /// Always.
    Continuous,
    /// At these years from now; those outside \[0, expiry\] are ignored.
    Dates(&'a [f64]),
}

/// One barrier or two around the spot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Barrier<'a> {
    /// Touched at or below.
    pub lower: Option<f64>,
    /// Touched at or above.
    pub upper: Option<f64>,
    /// Out or in.
    pub knock: Knock,
    /// Currency per share.
    pub rebate: f64,
    /// When it is watched.
    pub monitoring: Monitoring<'a>,
}

/// Volatility at (spot, years from now), per square root of a year. Values that are not finite or below zero are read as zero.
pub type LocalVolatility<'a> = &'a (dyn Fn(f64, f64) -> f64 + Sync);

/// An option to be valued by [`solve`](super::solve).
#[derive(Clone, Copy)]
pub struct Contract<'a> {
    /// Type, spot, strike, expiry, rate, yield and volatility. With a local volatility the row's own is the typical one: it sets the
    /// width of the grid.
    pub row: Row,
    /// What is paid.
    pub payoff: Payoff,
    /// When.
    pub exercise: Exercise<'a>,
    /// In any order.
    pub dividends: &'a [CashDividend],
    /// None for an option without one.
    pub barrier: Option<Barrier<'a>>,
    /// None for the row's constant volatility.
    pub local_volatility: Option<LocalVolatility<'a>>,
}

impl<'a> Contract<'a> {
    /// A European vanilla option without dividends in cash.
    pub fn european(row: Row) -> Self {
        let (payoff, exercise) = (Payoff::Vanilla, Exercise::European);
        Self { row, payoff, exercise, dividends: &[], barrier: None, local_volatility: None }
    }

    /// An American vanilla option on a share that pays these dividends.
    pub fn american(row: Row, dividends: &'a [CashDividend]) -> Self {
        Self { exercise: Exercise::American, dividends, ..Self::european(row) }
    }

    /// What is wrong with it: the first bad field, in the order of the row, dividends, exercise dates and barrier.
    pub(super) fn check(&self) -> Result<(), Status> {
        match scalar::check(&self.row, Model::Bsm) {
            Status::Ok => {}
            status => return Err(status),
        }
        let row = &self.row;
        if self.dividends.iter().any(|d| !(not_negative(d.amount) && not_negative(d.time_years))) {
            return Err(Status::BadDividend);
        }
        if let Payoff::CashOrNothing(cash) = self.payoff
            && !not_negative(cash)
        {
            return Err(Status::BadPrice);
        }
        if let Exercise::Bermudan(dates) = self.exercise
            && dates.iter().any(|t| !t.is_finite())
        {
            return Err(Status::BadExerciseStyle);
        }
        if let Some(barrier) = &self.barrier {
            self.check_barrier(barrier)?;
        }
        if (row.risk_free_rate.abs() + row.dividend_yield.abs()) * row.expiry_years > MOST_GROWTH {
            return Err(Status::Overflow);
        }
        let ratio = row.spot / row.strike;
        if (LEAST_RATIO..=1.0 / LEAST_RATIO).contains(&ratio) { Ok(()) } else { Err(Status::Overflow) }
    }

    fn check_barrier(&self, barrier: &Barrier<'_>) -> Result<(), Status> {
        let bad = |level: Option<f64>| level.is_some_and(|b| !(b.is_finite() && b > 0.0));
        let crossed = matches!((barrier.lower, barrier.upper), (Some(l), Some(u)) if l >= u);
        if bad(barrier.lower) || bad(barrier.upper) || crossed || barrier.lower.or(barrier.upper).is_none() {
            return Err(Status::BadBarrier);
        }
        if !not_negative(barrier.rebate) {
            return Err(Status::BadRebate);
        }
        let watched_now = match barrier.monitoring {
            Monitoring::Continuous => true,
            Monitoring::Dates(dates) if dates.iter().any(|t| !t.is_finite()) => return Err(Status::BadBarrier),
            Monitoring::Dates(dates) => dates.contains(&0.0),
        };
        let spot = self.row.spot;
        if watched_now && (barrier.lower.is_some_and(|l| spot <= l) || barrier.upper.is_some_and(|u| spot >= u)) {
            return Err(Status::BarrierHit);
        }
        if barrier.knock == Knock::In && self.exercise != Exercise::European {
            return Err(Status::BadMethod);
        }
        Ok(())
    }
}

/// Greatest (|rate| + |yield|) · expiry: beyond it discount factors leave the range in which a grid means anything.
const MOST_GROWTH: f64 = 600.0;
/// Least spot/strike, or strike/spot.
const LEAST_RATIO: f64 = 1e-100;

fn not_negative(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}
