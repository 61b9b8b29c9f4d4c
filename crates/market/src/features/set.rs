//! A set of features that take the stream of books and trades together, chosen by name.

pub use super::shared::{Asked, Book, Moment};
use super::{
    Depth, FeatureError, Next, Trade, Units,
    arguments::Arguments,
    registry,
    shared::{Form, OfBook, Shared},
};

/// One feature of a stream.
pub trait Feature: Send {
    /// Takes the next book, and gives the value after it; `None` where there is none yet, or the book has none.
    fn on_book(&mut self, book: &Book<'_>) -> Option<f64>;

    /// What it asks of a [`Book`].
    fn asked(&self) -> Asked {
        Asked::default()
    }

    /// Takes the next trade, given before the book that it left behind.
    fn on_trade(&mut self, trade: &Trade);

    /// Moves on to a moment at which nothing is told, and gives the value then; `latest` is that after the last book, which stands where time alone
    /// changes nothing. What follows has the values that it would have without this.
    fn on_time(&mut self, moment: &Moment<'_>, latest: Option<f64>) -> Option<f64> {
        let _ = moment;
        latest
    }

    /// Told when the feed lost something or begins anew from a snapshot: what differs between the last book and the next one did not happen in
    /// one event. A feature of differences forgets the last book, and keeps its window.
    fn on_break(&mut self) {}
}

/// What happened next.
#[derive(Debug, Clone, Copy)]
pub enum Update<'a> {
    /// The book is this from now on.
    Book(Depth<'a>),
    /// A trade took place.
    Trade(Trade),
    /// Nothing happened until now.
    Time(u64),
}

/// One feature of a set.
struct Member {
    name: String,
    info: &'static registry::FeatureInfo,
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
    /// What is found once a book for all features.
    shared: Shared,
    /// Features that are a value of the book, each with its place among the members: most of a set, and no call through a table each.
    of_book: Vec<(usize, OfBook)>,
    /// Features with a state of their own, each with its place.
    own: Vec<(usize, Box<dyn Feature>)>,
    has_book: bool,
}

impl FeatureSet {
    /// The features named, with commas between them, each with its parameters behind colons: `spread,imbalance:5,ofi:10s`. Parameters left out
    /// have the defaults that [`registry::features`] tells. Ticks and lots are worth what [`Units::default`] says.
    ///
    /// # Errors
    ///
    /// [`FeatureError`] for a name that no feature has (with those there are), parameters out of range, a feature twice or none at all.
    pub fn parse(features: &str) -> Result<Self, FeatureError> {
        Self::parse_in(features, Units::default())
    }

    /// As [`FeatureSet::parse`], for a feed whose ticks and lots are worth this: parameters can be told in the currency and in shares then, as
    /// `vpin:250units` and `microprice:10:5:0.01price`.
    ///
    /// # Errors
    ///
    /// Those of [`FeatureSet::parse`].
    pub fn parse_in(features: &str, units: Units) -> Result<Self, FeatureError> {
        Self::of(Self::made(features, units)?)
    }

    /// How each of the features named is found, with its name as it was written.
    pub(crate) fn forms(features: &str, units: Units) -> Result<Vec<(String, Form)>, FeatureError> {
        Ok(Self::made(features, units)?.into_iter().map(|(member, form)| (member.name, form)).collect())
    }

    fn made(features: &str, units: Units) -> Result<Vec<(Member, Form)>, FeatureError> {
        let mut members: Vec<(Member, Form)> = Vec::new();
        for written in features.split(',').map(str::trim) {
            let (name, mut arguments) = Arguments::split(written, units);
            let info = registry::find(name)?;
            let in_feature =
                |problem| FeatureError::InFeature { feature: written.to_owned(), problem: Box::new(problem) };
            let form = info.build(&mut arguments).map_err(in_feature)?;
            arguments.finish().map_err(in_feature)?;
            if members.iter().any(|(member, _)| member.name == written) {
                return Err(in_feature(super::error::bad("name", "given twice", "each feature once")));
            }
            members.push((Member { name: written.to_owned(), info }, form));
        }
        Ok(members)
    }

    fn of(made: Vec<(Member, Form)>) -> Result<Self, FeatureError> {
        let asked: Vec<Asked> = made.iter().map(|(_, form)| form.asked()).collect();
        let shared = Shared::new(&asked)?;
        let (mut members, mut of_book, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (member, form)) in made.into_iter().enumerate() {
            members.push(member);
            match form {
                Form::OfBook(value) => of_book.push((place, value)),
                // What was asked for is there.
                Form::FlowSum { window_ns, level } => {
                    of_book.extend(shared.place(window_ns, level).map(|sum| (place, OfBook::FlowSum { place: sum })));
                }
                Form::OfState(of_state) => own.push((place, of_state.feature()?)),
                Form::Own(feature) => own.push((place, feature)),
            }
        }
        Ok(Self { values: vec![None; members.len()], members, shared, of_book, own, has_book: false })
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

    /// How many levels of the book the features look at: more change no value.
    pub fn levels(&self) -> usize {
        let of_one = |member: &Member| {
            let mut parameters = member.info.parameters.split(':');
            let place = parameters.position(|parameter| parameter.starts_with("level"))?;
            let written = member.name.split(':').nth(place + 1).filter(|written| !written.is_empty());
            let default = member.info.parameters.split(':').nth(place)?.split_once('=')?.1;
            written.unwrap_or(default).parse().ok()
        };
        self.members.iter().filter_map(of_one).max().unwrap_or(1)
    }

    /// Takes the next book, and brings every value up to date.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) {
        self.has_book = true;
        let Self { values, shared, of_book, own, .. } = self;
        let book = shared.on_depth(depth);
        for (place, value) in of_book {
            values[*place] = value.value(&book);
        }
        for (place, feature) in own {
            values[*place] = feature.on_book(&book);
        }
    }

    /// Takes what came next of a [`DepthStream`](super::DepthStream); whether it brought the values up to date.
    #[inline]
    pub fn take(&mut self, next: Next<'_>) -> bool {
        match next {
            Next::Break => self.on_break(),
            Next::Trade(trade) => self.on_trade(&trade),
            Next::Book(depth) => self.on_depth(&depth),
        }
        matches!(next, Next::Book(_))
    }

    /// Moves on to a time at which nothing is told: windows of time run on, and intervals and bars that are over by then end. Trades that were given
    /// since the last book count too. The values after the next book are those that it would have had without this. Nothing before the first book.
    pub fn advance(&mut self, time_ns: u64) {
        if !self.has_book {
            return;
        }
        let Self { values, shared, of_book, own, .. } = self;
        let moment = shared.advance(time_ns);
        for (place, value) in of_book {
            values[*place] = value.at(&moment, values[*place]);
        }
        for (place, feature) in own {
            values[*place] = feature.on_time(&moment, values[*place]);
        }
    }

    /// Takes the next trade, given before the book that it left behind. The values stay as they were after the last book.
    #[inline]
    pub fn on_trade(&mut self, trade: &Trade) {
        self.own.iter_mut().for_each(|(_, feature)| feature.on_trade(trade));
    }

    /// Forgets the last book where features are of differences, as after a loss; windows are kept. The values stay as they were.
    pub fn on_break(&mut self) {
        self.shared.on_break();
        self.own.iter_mut().for_each(|(_, feature)| feature.on_break());
    }

    /// The values after the last book, in the order of the features. Never NaN.
    #[inline]
    pub fn values(&self) -> &[Option<f64>] {
        &self.values
    }

    /// Batch form: a row of values after each book, and at each [`Update::Time`].
    pub fn columns<'a>(mut self, updates: impl IntoIterator<Item = Update<'a>>) -> Columns {
        let mut columns = Columns { time_ns: Vec::new(), values: vec![Vec::new(); self.len()] };
        for update in updates {
            match update {
                Update::Trade(trade) => self.on_trade(&trade),
                Update::Time(time_ns) => {
                    self.advance(time_ns);
                    columns.push(time_ns, &self);
                }
                Update::Book(depth) => {
                    self.on_depth(&depth);
                    columns.push(depth.time_ns, &self);
                }
            }
        }
        columns
    }
}

/// Values by feature, a row for each book or moment.
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
