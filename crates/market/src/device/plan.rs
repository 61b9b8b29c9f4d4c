//! Which features are found on a device, and what the device is told of them.

use crate::event::Side;
use crate::features::{
    FeatureError, FeatureSet, Form, OfBook, OfState, Units,
    integrated_ofi::StreamingWeights,
    microprice::{MicropriceStates, StreamingMicroprice, Workspace},
    registry, streaming_microprice,
};

/// The most features of the book now: each has a bit that says whether it has a value.
const MOST_FEATURES: usize = 62;

/// Numbers that tell a device of one feature: its kind, its side (0 bids, 1 asks), its levels and its ticks. Of a microprice the levels are its buckets
/// of imbalance, and the ticks [`table_code`].
pub(super) const CODE: usize = 4;

pub(super) const MID: u64 = 0;
pub(super) const SPREAD: u64 = 1;
pub(super) const RELATIVE_SPREAD: u64 = 2;
pub(super) const WEIGHTED_MID: u64 = 3;
pub(super) const DEPTH: u64 = 4;
pub(super) const IMBALANCE: u64 = 5;
pub(super) const WALL_DISTANCE: u64 = 6;
pub(super) const WALL_SIZE: u64 = 7;
pub(super) const MICROPRICE: u64 = 8;
pub(super) const EFFECTIVE_SPREAD: u64 = 9;
pub(super) const TRADED: u64 = 10;

/// Rows of the state of an instrument that features of trades share: what was traded, the last price, what is known (of [`trades`](super::trades)),
/// and the bits of the effective spread.
pub(super) const TRADE_ROWS: usize = 4;
/// Rows of the state before the table of a microprice: its grid and its widest spread in ticks.
pub(super) const TABLE_HEAD: usize = 2;
/// In the table of a microprice: the state has no value.
pub(super) const NO_ENTRY: u64 = u64::MAX;

/// Where the table of a microprice begins in the state, and how many spreads it has.
fn table_code(row: usize, spreads: usize) -> u64 {
    row as u64 | (spreads as u64) << 32
}

/// The parts of a [`table_code`].
pub(super) fn table_of(code: u64) -> (usize, usize) {
    (code as u32 as usize, (code >> 32) as usize)
}

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
    /// A parameter that depends on what an instrument's ticks are worth.
    #[error("{feature}: a step of price; allowed on a device: auto, or a whole number of ticks")]
    StepOfPrice {
        /// The feature as it was written.
        feature: String,
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
    /// The flows of several levels in one, by its place among the plan's.
    Integrated(usize),
}

/// A microprice whose table lies on the device.
#[derive(Debug, Clone)]
pub(super) struct TableOfPrices {
    /// Where it begins in the state.
    pub row: usize,
    states: MicropriceStates,
    finds_grid: bool,
}

impl TableOfPrices {
    /// What fits it for one instrument, in a workspace that all share.
    pub fn streaming(&self) -> StreamingMicroprice {
        streaming_microprice(self.states, self.finds_grid).without_workspace()
    }

    /// What fits of it work in.
    pub fn workspace(&self) -> Workspace {
        Workspace::new(self.states)
    }

    /// The most bytes that fitting it takes for one instrument.
    pub fn bytes(&self) -> u64 {
        StreamingMicroprice::bytes_without_workspace(self.states)
    }

    fn rows(&self) -> usize {
        TABLE_HEAD + self.states.count()
    }
}

/// An integrated order flow, of flows that the device finds.
#[derive(Debug, Clone)]
pub(super) struct Integrated {
    /// The window, by its place among the plan's.
    pub window: usize,
    /// Its levels, by their place among [`Plan::resting_levels`].
    pub resting: usize,
    /// How many levels.
    pub levels: usize,
    /// What fits the weights, with nothing seen yet.
    pub weights: StreamingWeights,
}

/// The features that are found on a device, in the order of their columns.
#[derive(Debug, Clone)]
pub struct Plan {
    names: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// [`CODE`] numbers a feature.
    pub(super) codes: Vec<u64>,
    pub(super) windows_ns: Vec<u64>,
    pub(super) flow_levels: usize,
    pub(super) tables: Vec<TableOfPrices>,
    pub(super) integrated: Vec<Integrated>,
    /// Numbers of levels of which it is summed up what rests there.
    pub(super) resting_levels: Vec<usize>,
    pub(super) has_trades: bool,
    /// 64-bit numbers of an instrument's state: that of trades first, then the tables.
    pub(super) state_rows: usize,
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
            tables: Vec::new(),
            integrated: Vec::new(),
            resting_levels: Vec::new(),
            has_trades: false,
            state_rows: 0,
            levels,
        };
        let forms = FeatureSet::forms(features, Units::default())?;
        let of_trades = |form: &Form| matches!(form, Form::OfState(OfState::EffectiveSpread | OfState::Traded));
        if forms.iter().any(|(_, form)| of_trades(form)) {
            (plan.has_trades, plan.state_rows) = (true, TRADE_ROWS);
        }
        for (name, form) in forms {
            let column = match form {
                Form::OfBook(of_book) => code(of_book).map(|code| plan.coded(code)),
                Form::FlowSum { window_ns, level } => {
                    Some(Column::Flow { window: plan.window(&name, (window_ns, level + 1), every_ns)?, level })
                }
                Form::OfState(of_state) => Some(plan.of_state(&name, of_state, every_ns)?),
                Form::Own(_) => None,
            };
            let Some(column) = column else { return Err(no_form(name)) };
            plan.names.push(name);
            plan.columns.push(column);
        }
        match plan.features() {
            found if found > MOST_FEATURES => Err(PlanError::TooMany { found }),
            _ => Ok(plan),
        }
    }

    fn coded(&mut self, code: [u64; CODE]) -> Column {
        self.codes.extend(code);
        Column::OfBook(self.features() - 1)
    }

    /// The place of a window of flows of so many levels.
    fn window(&mut self, name: &str, (window_ns, levels): (u64, usize), every_ns: u64) -> Result<usize, PlanError> {
        if every_ns == 0 || !window_ns.is_multiple_of(every_ns) {
            return Err(PlanError::Window { feature: name.to_owned(), window_ns, every_ns });
        }
        self.flow_levels = self.flow_levels.max(levels);
        Ok(place_of(&mut self.windows_ns, window_ns))
    }

    fn of_state(&mut self, name: &str, of_state: OfState, every_ns: u64) -> Result<Column, PlanError> {
        Ok(match of_state {
            OfState::Microprice { states, finds_grid } => {
                if name.split(':').nth(3).is_some_and(|step| step.trim().ends_with("price")) {
                    return Err(PlanError::StepOfPrice { feature: name.to_owned() });
                }
                let table = TableOfPrices { row: self.state_rows, states, finds_grid };
                let (imbalances, spreads) = states.shape();
                let code = [MICROPRICE, 0, imbalances as u64, table_code(table.row, spreads)];
                self.state_rows += table.rows();
                self.tables.push(table);
                self.coded(code)
            }
            OfState::IntegratedFlow { window_ns, levels } => {
                let window = self.window(name, (window_ns, levels), every_ns)?;
                let resting = place_of(&mut self.resting_levels, levels);
                let weights = StreamingWeights::new(levels, window_ns)?;
                self.integrated.push(Integrated { window, resting, levels, weights });
                Column::Integrated(self.integrated.len() - 1)
            }
            OfState::EffectiveSpread => self.coded([EFFECTIVE_SPREAD, 0, 0, 0]),
            OfState::Traded => self.coded([TRADED, 0, 0, 0]),
        })
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

    /// 64-bit numbers that come down for one instrument: the features, the flows, what rested and in how many books, and which features are there.
    pub(super) fn outputs(&self) -> usize {
        let resting = self.resting_levels.len();
        self.features() + self.flow_levels + resting + usize::from(resting > 0) + 1
    }

    /// The numbers that a device is told of all of this: [`CODE`] a feature, then the numbers of levels of which it is summed up what rests there.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.codes.iter().copied().chain(self.resting_levels.iter().map(|levels| *levels as u64)).collect()
    }

    /// The features that have a form for a device, as a list to choose from.
    pub fn with_a_form() -> String {
        let has_form = |name: &str| {
            let forms = FeatureSet::forms(name, Units::default()).unwrap_or_default();
            forms.iter().all(|(_, form)| match form {
                Form::OfBook(of_book) => code(*of_book).is_some(),
                Form::FlowSum { .. } | Form::OfState(_) => true,
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

/// The place of an element, which is put at the end where it is not there yet.
fn place_of<T: PartialEq>(elements: &mut Vec<T>, wanted: T) -> usize {
    let known = elements.iter().position(|known| *known == wanted);
    known.unwrap_or_else(|| {
        elements.push(wanted);
        elements.len() - 1
    })
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
        let no_form = told("mid,vpin:5000:50");
        assert!(no_form.starts_with("vpin:5000:50: has no form for a device; allowed: mid, spread, "), "{no_form}");
        assert!(no_form.contains("microprice, ofi, ofi_level, ofi_integrated, effective_spread, traded"), "{no_form}");
        assert!(
            told("ofi_integrated:10s:3").contains("a window of 10000000000 ns; allowed on a device: whole multiples")
        );
        let step = told("microprice:10:5:0.01price");
        assert_eq!(
            step,
            "microprice:10:5:0.01price: a step of price; allowed on a device: auto, or a whole number of ticks"
        );
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
        assert_eq!(Plan::of_those_with_a_form("mid, kyle:10s,ofi:10s"), "mid,ofi:10s");
    }

    #[test]
    fn states_tables_and_what_rests_have_their_places() {
        let features = "microprice:4:2:1,traded,ofi_integrated:3s:2,microprice:10:5,ofi_integrated:6s:2,ofi:6s,ofi_integrated:3s:4";
        let plan = Plan::parse(features, 3 * SECOND_NS).unwrap();
        assert_eq!((plan.resting_levels.as_slice(), plan.flow_levels, plan.levels()), ([2, 4].as_slice(), 4, 4));
        let rows: Vec<usize> = plan.tables.iter().map(|table| table.row).collect();
        // Behind the four numbers of trades: eight states with two numbers before them, then fifty.
        assert_eq!((rows.as_slice(), plan.state_rows), ([4, 14].as_slice(), 4 + 10 + 52));
        assert_eq!(table_of(plan.codes[2 * CODE + 3]), (14, 5));
        assert_eq!((plan.features(), plan.outputs(), plan.numbers().len()), (3, 3 + 4 + 2 + 1 + 1, 3 * CODE + 2));
        let integrated: Vec<_> = plan.integrated.iter().map(|it| (it.window, it.resting, it.levels)).collect();
        assert_eq!((integrated, plan.windows_ns.len()), (vec![(0, 0, 2), (1, 0, 2), (0, 1, 4)], 2));
    }
}
