//! Which features are found on a device, and what the device is told of them.

use crate::event::Side;
use crate::features::{FeatureError, FeatureSet, Form, OfBook, Units, registry};

/// The most features of the book now: each has a bit that says whether it has a value.
const MOST_FEATURES: usize = 62;

/// Numbers that tell a device of one feature: its kind, its side (0 bids, 1 asks), its levels and its ticks.
pub(super) const CODE: usize = 4;

pub(super) const MID: u64 = 0;
pub(super) const SPREAD: u64 = 1;
pub(super) const RELATIVE_SPREAD: u64 = 2;
pub(super) const WEIGHTED_MID: u64 = 3;
pub(super) const DEPTH: u64 = 4;
pub(super) const IMBALANCE: u64 = 5;
pub(super) const WALL_DISTANCE: u64 = 6;
pub(super) const WALL_SIZE: u64 = 7;

/// Why features cannot be found on a device.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The features are none.
    #[error(transparent)]
    Feature(#[from] FeatureError),
    /// A feature that has no form for a device.
    #[error("{feature}: has no form for a device; allowed: {allowed}")]
    NoForm {
        /// The feature as it was written.
        feature: String,
        /// Those that have one.
        allowed: String,
    },
    /// A window that is not a whole number of rows.
    #[error(
        "{feature}: a window of {window_ns} ns; allowed on a device: whole multiples of the rows' pace, {every_ns} ns"
    )]
    Window {
        /// The feature as it was written.
        feature: String,
        /// Its window.
        window_ns: u64,
        /// Time from row to row.
        every_ns: u64,
    },
    /// More features than a device is asked for at once.
    #[error("{found} features of the book; allowed on a device: {MOST_FEATURES}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Where a column's values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// The device's matrix, at this place.
    OfBook(usize),
    /// The sum over a window (by its place among the plan's) of the flow at a level, from 0.
    Flow { window: usize, level: usize },
}

/// The features that are found on a device, in the order of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    names: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// [`CODE`] numbers a feature.
    pub(super) codes: Vec<u64>,
    pub(super) windows_ns: Vec<u64>,
    pub(super) flow_levels: usize,
    levels: usize,
}

impl Plan {
    /// The features named, as [`FeatureSet::parse`] reads them, for rows at a pace of `every_ns`.
    ///
    /// # Errors
    ///
    /// Those of [`FeatureSet::parse`], and where one has no form for a device, or its window is not a whole number of rows.
    pub fn parse(features: &str, every_ns: u64) -> Result<Self, PlanError> {
        let levels = FeatureSet::parse(features)?.levels();
        let mut plan = Self {
            names: Vec::new(),
            columns: Vec::new(),
            codes: Vec::new(),
            windows_ns: Vec::new(),
            flow_levels: 0,
            levels,
        };
        for (name, form) in FeatureSet::forms(features, Units::default())? {
            let column = match form {
                Form::OfBook(of_book) => match code(of_book) {
                    Some(code) => {
                        plan.codes.extend(code);
                        Column::OfBook(plan.codes.len() / CODE - 1)
                    }
                    None => return Err(no_form(name)),
                },
                Form::FlowSum { window_ns, level } => {
                    if every_ns == 0 || !window_ns.is_multiple_of(every_ns) {
                        return Err(PlanError::Window { feature: name, window_ns, every_ns });
                    }
                    plan.flow_levels = plan.flow_levels.max(level + 1);
                    let known = plan.windows_ns.iter().position(|known| *known == window_ns);
                    let window = known.unwrap_or_else(|| {
                        plan.windows_ns.push(window_ns);
                        plan.windows_ns.len() - 1
                    });
                    Column::Flow { window, level }
                }
                Form::Own(_) => return Err(no_form(name)),
            };
            plan.names.push(name);
            plan.columns.push(column);
        }
        match plan.features() {
            found if found > MOST_FEATURES => Err(PlanError::TooMany { found }),
            _ => Ok(plan),
        }
    }

    /// The features as they were written, in the order of their columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// How many levels of a side are looked at, and kept on the device.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// How many features are of the book now.
    pub(super) fn features(&self) -> usize {
        self.codes.len() / CODE
    }

    /// 64-bit numbers that come down for one instrument: the features, the flows, and which of them are there.
    pub(super) fn outputs(&self) -> usize {
        self.features() + self.flow_levels + 1
    }

    /// The features that have a form for a device, as a list to choose from.
    pub fn with_a_form() -> String {
        let has_form = |name: &str| {
            let forms = FeatureSet::forms(name, Units::default()).unwrap_or_default();
            forms.iter().all(|(_, form)| match form {
                Form::OfBook(of_book) => code(*of_book).is_some(),
                Form::FlowSum { .. } => true,
                Form::Own(_) => false,
            })
        };
        let names: Vec<&str> = registry::features().map(|info| info.name).filter(|name| has_form(name)).collect();
        names.join(", ")
    }

    /// Those of a list that have a form for a device.
    pub fn of_those_with_a_form(features: &str) -> String {
        let allowed = Self::with_a_form();
        let names: Vec<&str> = features
            .split(',')
            .map(str::trim)
            .filter(|written| {
                let name = written.split(':').next().unwrap_or_default();
                allowed.split(", ").any(|allowed| allowed == name)
            })
            .collect();
        names.join(",")
    }
}

fn no_form(feature: String) -> PlanError {
    PlanError::NoForm { feature, allowed: Plan::with_a_form() }
}

/// What a device is told of a feature.
fn code(of_book: OfBook) -> Option<[u64; CODE]> {
    let levels = |levels: usize| levels as u64;
    let number = |side: Side| side as u64;
    Some(match of_book {
        OfBook::Mid => [MID, 0, 0, 0],
        OfBook::Spread => [SPREAD, 0, 0, 0],
        OfBook::RelativeSpread => [RELATIVE_SPREAD, 0, 0, 0],
        OfBook::WeightedMid => [WEIGHTED_MID, 0, 0, 0],
        // A distance of 2⁶⁴ − 1 ticks is every price.
        OfBook::SideDepth { side, levels: count } => [DEPTH, number(side), levels(count), u64::MAX],
        OfBook::DepthWithin { side, ticks, levels: count } => [DEPTH, number(side), levels(count), ticks],
        OfBook::Imbalance { levels: count } => [IMBALANCE, 0, levels(count), u64::MAX],
        OfBook::WallDistance { side, levels: count } => [WALL_DISTANCE, number(side), levels(count), 0],
        OfBook::WallSize { side, levels: count } => [WALL_SIZE, number(side), levels(count), 0],
        OfBook::FlowSum { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn features_without_a_form_and_windows_between_rows_are_told() {
        let told = |features| Plan::parse(features, 3 * SECOND_NS).unwrap_err().to_string();
        let no_form = told("mid,microprice:10:5");
        assert!(no_form.starts_with("microprice:10:5: has no form for a device; allowed: mid, spread, "), "{no_form}");
        assert!(told("ofi:10s").contains("a window of 10000000000 ns; allowed on a device: whole multiples"));
        assert!(told("ouch").contains("unknown feature \"ouch\""));
        let many = (1..=70).map(|ticks| format!("bid_depth_within:{ticks}")).collect::<Vec<_>>().join(",");
        assert_eq!(told(&many), "70 features of the book; allowed on a device: 62");
    }

    #[test]
    fn a_plan_has_the_columns_in_their_order() {
        let features = "ofi_level:9s:3,imbalance:4,ofi:3s,mid,ofi:9s";
        let plan = Plan::parse(features, 3 * SECOND_NS).unwrap();
        assert_eq!(plan.names().collect::<Vec<_>>().join(","), features);
        assert_eq!((plan.levels(), plan.flow_levels, plan.features(), plan.outputs()), (4, 3, 2, 6));
        assert_eq!(plan.windows_ns, [9 * SECOND_NS, 3 * SECOND_NS]);
        assert_eq!(plan.columns[0], Column::Flow { window: 0, level: 2 });
        assert_eq!((plan.columns[3], plan.columns[4]), (Column::OfBook(1), Column::Flow { window: 0, level: 0 }));
        assert_eq!(Plan::of_those_with_a_form("mid, microprice:10:5,ofi:10s"), "mid,ofi:10s");
    }
}
