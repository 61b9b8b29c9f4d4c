//! A set of features that take the stream of books and trades together, chosen by name.

use super::{Depth, FeatureError, Trade, arguments::Arguments, registry};

/// One feature of a stream.
pub trait Feature: Send {
    /// Takes the next book.
    fn on_depth(&mut self, depth: &Depth<'_>);

    /// Takes the next trade, given before the book that it left behind.
    fn on_trade(&mut self, trade: &Trade);

    /// The value now; `None` where there is none yet, or the book has none.
    fn value(&self) -> Option<f64>;
}

/// What happened next.
#[derive(Debug, Clone, Copy)]
pub enum Update<'a> {
    /// The book is this from now on.
    Book(Depth<'a>),
    /// A trade took place.
    Trade(Trade),
}

/// One feature of a set.
struct Member {
    name: String,
    info: &'static registry::FeatureInfo,
    feature: Box<dyn Feature>,
}

/// Features chosen by name, evaluated event by event.
///
/// ```
/// use zomma_market::features::{Depth, FeatureSet, Level};
///
/// let mut set = FeatureSet::parse("spread,imbalance:5,ofi:10s")?;
/// let bids = [Level { price_ticks: 100, size: 30 }];
/// let asks = [Level { price_ticks: 102, size: 10 }];
/// set.on_depth(&Depth { time_ns: 0, bids: &bids, asks: &asks });
/// assert_eq!(set.values(), [Some(2.0), Some(0.5), Some(0.0)]);
/// # Ok::<(), zomma_market::features::FeatureError>(())
/// ```
pub struct FeatureSet {
    members: Vec<Member>,
    values: Vec<Option<f64>>,
}

impl FeatureSet {
    /// The features named, with commas between them, each with its parameters behind colons: `spread,imbalance:5,ofi:10s`. Parameters left out
    /// have the defaults that [`registry::features`] tells.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for a name that no feature has (with those there are), parameters out of range, a feature twice or none at all.
    pub fn parse(features: &str) -> Result<Self, FeatureError> {
        let mut members: Vec<Member> = Vec::new();
        for written in features.split(',').map(str::trim) {
            let (name, mut arguments) = Arguments::split(written);
            let info = registry::find(name)?;
            let in_feature =
                |problem| FeatureError::InFeature { feature: written.to_owned(), problem: Box::new(problem) };
            let feature = info.build(&mut arguments).map_err(in_feature)?;
            arguments.finish().map_err(in_feature)?;
            if members.iter().any(|member| member.name == written) {
                return Err(in_feature(super::error::bad("name", "given twice", "each feature once")));
            }
            members.push(Member { name: written.to_owned(), info, feature });
        }
        let values = vec![None; members.len()];
        Ok(Self { members, values })
    }

    /// How many features there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none; a parsed set has one at least.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The features as they were written, in their order: the names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// What is known of each feature, in their order.
    pub fn infos(&self) -> impl Iterator<Item = &'static registry::FeatureInfo> {
        self.members.iter().map(|member| member.info)
    }

    /// Takes the next book, and brings every value up to date.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        for (member, value) in self.members.iter_mut().zip(&mut self.values) {
            member.feature.on_depth(depth);
            *value = member.feature.value();
        }
    }

    /// Takes the next trade, given before the book that it left behind. The values stay as they were after the last book.
    #[inline]
    pub fn on_trade(&mut self, trade: &Trade) {
        self.members.iter_mut().for_each(|member| member.feature.on_trade(trade));
    }

    /// The values after the last book, in the order of the features. Never NaN.
    #[inline]
    pub fn values(&self) -> &[Option<f64>] {
        &self.values
    }

    /// Batch form: a row of values after each book.
    pub fn columns<'a>(mut self, updates: impl IntoIterator<Item = Update<'a>>) -> Columns {
        let mut columns = Columns { time_ns: Vec::new(), values: vec![Vec::new(); self.len()] };
        for update in updates {
            match update {
                Update::Trade(trade) => self.on_trade(&trade),
                Update::Book(depth) => {
                    self.on_depth(&depth);
                    columns.push(depth.time_ns, &self);
                }
            }
        }
        columns
    }
}

/// Values by feature, a row for each book.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Columns {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: Vec<u64>,
    /// The values of each feature, in the order of the set.
    pub values: Vec<Vec<Option<f64>>>,
}

impl Columns {
    /// Adds what a set says now as a row.
    pub fn push(&mut self, time_ns: u64, set: &FeatureSet) {
        self.time_ns.push(time_ns);
        self.values.resize_with(set.len(), Vec::new);
        self.values.iter_mut().zip(set.values()).for_each(|(column, value)| column.push(*value));
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
