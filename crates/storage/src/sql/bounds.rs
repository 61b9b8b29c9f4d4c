//! Which times the rows can have that a query's predicates let through: what decides which days are read.

use arrow_schema::{DataType, TimeUnit};
use datafusion::{
    common::ScalarValue,
    logical_expr::{BinaryExpr, Expr, Operator, expr::InList},
};

use crate::table::TIME;

/// Column of the partition, the UTC day of `time`.
pub(super) const DATE: &str = "date";

/// Nanoseconds of a day of UTC.
pub(super) const DAY_NS: i128 = 86_400_000_000_000;

/// Times in nanoseconds since the Unix epoch, both ends among them. No row outside can pass; rows inside may or may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first time.
    pub first_ns: i128,
    /// The last time.
    pub last_ns: i128,
}

impl Bounds {
    /// Every time.
    pub(super) const ALL: Self = Self { first_ns: i128::MIN, last_ns: i128::MAX };

    /// Of predicates that all must hold.
    pub(super) fn of<'a>(predicates: impl IntoIterator<Item = &'a Expr>) -> Self {
        predicates.into_iter().fold(Self::ALL, |bounds, predicate| bounds.and(Self::of_one(predicate)))
    }

    /// Whether the UTC day that begins then has a time of them.
    pub(super) fn meets_day(self, begin_ns: i128) -> bool {
        self.first_ns < begin_ns + DAY_NS && self.last_ns >= begin_ns
    }

    fn and(self, other: Self) -> Self {
        Self { first_ns: self.first_ns.max(other.first_ns), last_ns: self.last_ns.min(other.last_ns) }
    }

    /// The least bounds around both; one that holds no time counts for nothing.
    fn or(self, other: Self) -> Self {
        match (self.first_ns > self.last_ns, other.first_ns > other.last_ns) {
            (true, _) => other,
            (_, true) => self,
            _ => Self { first_ns: self.first_ns.min(other.first_ns), last_ns: self.last_ns.max(other.last_ns) },
        }
    }

    fn of_one(predicate: &Expr) -> Self {
        match predicate {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Self::of_one(left).and(Self::of_one(right))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Self::of_one(left).or(Self::of_one(right))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let straight = Measure::of(left).zip(literal_ns(right)).map(|(measure, value)| (measure, *op, value));
                let turned = || Some((Measure::of(right)?, op.swap()?, literal_ns(left)?));
                straight.or_else(turned).map_or(Self::ALL, |(measure, op, value)| measure.compared(op, value))
            }
            Expr::Between(between) if !between.negated => {
                let ends = literal_ns(&between.low).zip(literal_ns(&between.high));
                match Measure::of(&between.expr).zip(ends) {
                    Some((measure, (low, high))) => {
                        measure.compared(Operator::GtEq, low).and(measure.compared(Operator::LtEq, high))
                    }
                    None => Self::ALL,
                }
            }
            Expr::InList(InList { expr, list, negated: false }) => {
                let Some(measure) = Measure::of(expr) else { return Self::ALL };
                let none = Self { first_ns: i128::MAX, last_ns: i128::MIN };
                list.iter().fold(none, |bounds, item| {
                    bounds.or(literal_ns(item).map_or(Self::ALL, |value| measure.compared(Operator::Eq, value)))
                })
            }
            _ => Self::ALL,
        }
    }
}

/// A literal in nanoseconds since the Unix epoch: an instant, or when a day begins.
fn literal_ns(expression: &Expr) -> Option<i128> {
    let Expr::Literal(value, _) = expression else { return None };
    let (count, unit_ns) = match value {
        ScalarValue::TimestampNanosecond(Some(count), _) => (i128::from(*count), 1),
        ScalarValue::TimestampMicrosecond(Some(count), _) => (i128::from(*count), 1_000),
        ScalarValue::TimestampMillisecond(Some(count), _) => (i128::from(*count), 1_000_000),
        ScalarValue::TimestampSecond(Some(count), _) => (i128::from(*count), 1_000_000_000),
        ScalarValue::Date32(Some(days)) => (i128::from(*days), DAY_NS),
        _ => return None,
    };
    Some(count * unit_ns)
}

/// What of a row's time a predicate compares: the last multiple of a width at or before it.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// 1 is the time itself; none where the width is not known.
    width_ns: Option<i128>,
}

impl Measure {
    fn of(expression: &Expr) -> Option<Self> {
        const EXACT: Measure = Measure { width_ns: Some(1) };
        const DAY: Measure = Measure { width_ns: Some(DAY_NS) };
        match expression {
            Expr::Column(column) if column.name == TIME => Some(EXACT),
            Expr::Column(column) if column.name == DATE => Some(DAY),
            Expr::Cast(cast) => {
                let inner = Self::of(&cast.expr)?;
                match cast.field.data_type() {
                    DataType::Date32 => Some(DAY),
                    // In another zone a later cast to a date would give another day.
                    DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                        zone.as_deref().is_none_or(|zone| matches!(zone, "UTC" | "+00:00")).then_some(inner)
                    }
                    _ => None,
                }
            }
            Expr::ScalarFunction(call) if call.name() == "date_trunc" => {
                // The width is in the arguments, and of months and years it is not one.
                call.args.iter().find_map(Self::of).map(|_| Self { width_ns: None })
            }
            _ => None,
        }
    }

    /// The times whose measure compares so with `value_ns`.
    fn compared(self, op: Operator, value_ns: i128) -> Bounds {
        let all = Bounds::ALL;
        let from = |first_ns: i128| Bounds { first_ns, ..all };
        let Some(width) = self.width_ns else {
            // Whatever the width, the measure is not after the time.
            return match op {
                Operator::Eq | Operator::GtEq => from(value_ns),
                Operator::Gt => from(value_ns + 1),
                _ => all,
            };
        };
        let before = value_ns.div_euclid(width) * width;
        let after = if before == value_ns { before } else { before + width };
        let to = |last_ns: i128| Bounds { last_ns, ..all };
        match op {
            Operator::Eq => from(after).and(to(before + width - 1)),
            Operator::GtEq => from(after),
            Operator::Gt => from(before + width),
            Operator::LtEq => to(before + width - 1),
            Operator::Lt => to(after - 1),
            _ => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{cast, col, lit};

    use super::*;

    fn at(ns: i64) -> Expr {
        lit(ScalarValue::TimestampNanosecond(Some(ns), Some("UTC".into())))
    }

    fn day(days: i32) -> Expr {
        lit(ScalarValue::Date32(Some(days)))
    }

    fn of(predicate: Expr) -> (i128, i128) {
        let bounds = Bounds::of([&predicate]);
        (bounds.first_ns, bounds.last_ns)
    }

    #[test]
    fn comparisons_of_time_bound_it_from_either_side() {
        let (min, max) = (i128::MIN, i128::MAX);
        assert_eq!(of(col(TIME).gt_eq(at(5))), (5, max));
        assert_eq!(of(col(TIME).lt(at(5))), (min, 4));
        assert_eq!(of(at(5).gt(col(TIME))), (min, 4));
        assert_eq!(of(col(TIME).eq(at(5))), (5, 5));
        assert_eq!(of(col(TIME).between(at(5), at(9))), (5, 9));
        assert_eq!(of(col(TIME).gt_eq(at(5)).and(col(TIME).lt_eq(at(9)))), (5, 9));
        assert_eq!(of(col(TIME).eq(at(5)).or(col(TIME).eq(at(9)))), (5, 9));
        assert_eq!(of(col(TIME).in_list(vec![at(9), at(5), at(7)], false)), (5, 9));
    }

    #[test]
    fn what_says_nothing_of_time_bounds_nothing() {
        for predicate in [
            col("price").gt(lit(5.0)),
            col(TIME).not_eq(at(5)),
            col(TIME).in_list(vec![at(5)], true),
            col(TIME).eq(at(5)).or(col("price").gt(lit(5.0))),
            col(TIME).between(at(5), at(9)).is_not_true(),
            col(TIME).gt(col("receive_time")),
        ] {
            assert_eq!(of(predicate.clone()), (i128::MIN, i128::MAX), "{predicate}");
        }
    }

    #[test]
    fn a_day_stands_for_all_its_times() {
        for predicate in [col(DATE).eq(day(2)), cast(col(TIME), DataType::Date32).eq(day(2))] {
            assert_eq!(of(predicate), (2 * DAY_NS, 3 * DAY_NS - 1));
        }
        let noon = DAY_NS / 2;
        let at = |ns: i128| at(i64::try_from(ns).unwrap());
        let begin = || cast(col(DATE), DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())));
        assert_eq!(of(begin().gt_eq(at(noon))), (DAY_NS, i128::MAX));
        assert_eq!(of(begin().lt_eq(at(noon))), (i128::MIN, DAY_NS - 1));
        let range = col(DATE).gt(day(2)).and(col(DATE).lt(day(5)));
        let bounds = Bounds::of([&range]);
        let met: Vec<i128> = (0..8).filter(|day| bounds.meets_day(day * DAY_NS)).collect();
        assert_eq!(met, [3, 4]);
    }
}
