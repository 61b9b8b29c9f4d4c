//! Rows of the closed forms of `exotic`: barriers, digitals of both exercise styles, geometric Asians and lookbacks.

use zomma_base::{ExerciseStyle, Status};

use super::{
    Order, PayoffName, Terms,
    contracts::{knock_of, times_of},
    engines::{self, NOTHING, Quantities},
};
use crate::{
    black::{Greek, Row},
    exotic::{self, Direction, Jet, Number, SingleBarrier},
};

/// Price, and Greeks up to the second order where they are wanted: the formula's own derivatives, with the contract's level, extreme and dates
/// where they are. Lambda is absent where the price is zero.
///
/// Errors: those of the formula; `BadMethod` where there is none; `Overflow` where a Greek is not representable.
pub(super) fn by_formula(
    row: &Row,
    terms: &Terms,
    exercise: ExerciseStyle,
    order: Order,
) -> Result<Quantities, Status> {
    if order == Order::None {
        return value::<f64>(row, terms, exercise).map(engines::price_alone);
    }
    let jet = value::<Jet>(row, terms, exercise)?;
    let mut quantities = NOTHING;
    for greek in Order::Second.quantities().filter(|&greek| greek != Greek::Lambda) {
        let x = jet.greek(greek);
        if !x.is_finite() {
            return Err(Status::Overflow);
        }
        quantities[greek as usize] = x;
    }
    if jet.value() != 0.0 {
        quantities[Greek::Lambda as usize] = row.spot * jet.greek(Greek::Delta) / jet.value();
    }
    Ok(quantities)
}

fn value<N: Number>(row: &Row, terms: &Terms, exercise: ExerciseStyle) -> Result<N, Status> {
    let extreme = terms.extreme.unwrap_or(row.spot);
    match (terms.payoff, &terms.barrier, exercise) {
        (PayoffName::CashOrNothing, _, ExerciseStyle::American) => exotic::american_cash_or_nothing_in(row, terms.cash),
        (PayoffName::AssetOrNothing, _, ExerciseStyle::American) => exotic::american_asset_or_nothing_in(row),
        (_, _, ExerciseStyle::American) => Err(Status::BadMethod),
        (PayoffName::Vanilla, Some(barrier), _) => exotic::barrier_in(
            row,
            &SingleBarrier {
                level: barrier.level,
                direction: if barrier.kind.is_up() { Direction::Up } else { Direction::Down },
                knock: knock_of(barrier.kind),
                rebate: barrier.rebate,
            },
        ),
        (PayoffName::CashOrNothing, _, _) => exotic::cash_or_nothing_in(row, terms.cash),
        (PayoffName::AssetOrNothing, _, _) => exotic::asset_or_nothing_in(row),
        (PayoffName::GeometricAsian, _, _) => match terms.observation_dates {
            None => exotic::geometric_asian_in(row),
            Some(dates) => exotic::geometric_asian_at_in(row, &times_of(dates, row.expiry_years)),
        },
        (PayoffName::FloatingLookback, _, _) => exotic::floating_lookback_in(row, extreme),
        (PayoffName::FixedLookback, _, _) => exotic::fixed_lookback_in(row, extreme),
        (PayoffName::Vanilla | PayoffName::ArithmeticAsian, _, _) => Err(Status::BadMethod),
    }
}
