//! Stoikov's microprice: the mid that the book is on its way to.
//!
//! Source: Stoikov, "The micro-price: a high-frequency estimator of future prices", Quantitative Finance 18 (2018), sections 2 and 3. The state
//! of the book is its imbalance I = B/(A + B) at the best prices, in n buckets, and its spread, 1 to m steps of the price grid (a wider one counts
//! as m). From one book to the next the mid M stays or moves, and the states with it form a Markov chain:
//!
//! - Q(x, y): to y, the mid staying; R²(x, y): to y, the mid moving; r(x): the mean of the move, moves of 0 included (R¹K in the paper),
//! - G¹ = (1 − Q)⁻¹ r, the mean of the first move; B = (1 − Q)⁻¹ R², the state that it leads to,
//! - G* = G¹ + B·G¹ + B²·G¹ + …, and the microprice is M + G*(I, S).
//!
//! The chain is made symmetric before it is fitted (section 3.2): each step counts once more with bids and asks exchanged, which makes the sum
//! converge and the table odd in the imbalance.
//!
//! States from which no move of the mid can be reached, by what was seen, have no G¹: a state seen once, at the end, is one. They get no
//! adjustment, and steps to them without a move are left out of the shares of the states that have one; after a move to such a state no more is
//! expected. The paper has no such states, since it fits a whole month.

mod stream;

pub use stream::StreamingMicroprice;

use super::{Depth, FeatureError, error::bad, matrix::solve};

/// The sum has converged when its last term changes no state by more than this share of the largest mean first move: moves may be many ticks
/// each, and what rounding leaves of them never goes.
const TOLERANCE: f64 = 1e-9;

/// Terms of the sum that may be tried.
const MOST_TERMS: usize = 20_000;

/// The most states that a table may have.
const MOST_STATES: usize = 400;

/// How the book is cut into states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MicropriceStates {
    imbalances: usize,
    spreads: usize,
    grid_ticks: i64,
    widest_ticks: i64,
}

impl MicropriceStates {
    /// `imbalances` buckets of one width (2 or more), spreads of 1 to `spreads` steps of `grid_ticks` each: the least distance between two quotes,
    /// 100 where ticks are 10⁻⁴ dollars and quotes are in cents.
    ///
    /// # Errors
    ///
    /// [`FeatureError::BadParameter`] for less than that, or more than 400 states in all.
    pub fn new(imbalances: usize, spreads: usize, grid_ticks: i64) -> Result<Self, FeatureError> {
        if !(2..=MOST_STATES).contains(&imbalances) {
            return Err(bad("imbalances", imbalances, "2 to 400"));
        }
        if spreads == 0 || spreads > MOST_STATES / imbalances {
            return Err(bad("spreads", spreads, "1 or more, and imbalances × spreads no more than 400"));
        }
        if grid_ticks < 1 {
            return Err(bad("grid_ticks", grid_ticks, "1 or more"));
        }
        let widest_ticks = grid_ticks.saturating_mul(spreads as i64 - 1);
        Ok(Self { imbalances, spreads, grid_ticks, widest_ticks })
    }

    /// How many states there are.
    pub fn count(&self) -> usize {
        self.imbalances * self.spreads
    }

    /// How many buckets of imbalance there are, and how many spreads.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.imbalances, self.spreads)
    }

    /// The least distance between two quotes, and the spread beyond which every one counts as the widest, in ticks.
    pub(crate) fn ticks(&self) -> [i64; 2] {
        [self.grid_ticks, self.widest_ticks]
    }

    /// The state of a book, spread by spread and within each from all asks to all bids; `None` where a side is empty, nothing rests, or the book is
    /// locked or crossed.
    #[inline]
    pub fn of(&self, depth: &Depth<'_>) -> Option<usize> {
        let (bid, ask) = depth.best()?;
        let spread = ask.price_ticks.saturating_sub(bid.price_ticks);
        let resting = bid.size as f64 + ask.size as f64;
        if spread <= 0 || resting <= 0.0 {
            return None;
        }
        // Where spreads are wide, most are wider than the widest: no division is needed to tell.
        let widest = self.spreads - 1;
        let steps = if spread > self.widest_ticks { widest } else { ((spread - 1) / self.grid_ticks) as usize };
        let bucket = (bid.size as f64 / resting * self.imbalances as f64) as usize;
        Some(steps.min(widest) * self.imbalances + bucket.min(self.imbalances - 1))
    }

    /// The state with bids and asks exchanged.
    fn mirror(&self, state: usize) -> usize {
        let (spread, bucket) = (state / self.imbalances, state % self.imbalances);
        spread * self.imbalances + (self.imbalances - 1 - bucket)
    }
}

/// The steps from state to state seen so far.
#[derive(Debug, Clone)]
pub struct MicropriceCounts {
    states: MicropriceStates,
    stayed: Vec<u64>,
    moved: Vec<u64>,
    half_ticks: Vec<i64>,
    steps: usize,
    last: Option<(usize, i64)>,
}

impl MicropriceCounts {
    /// Nothing seen yet.
    pub fn new(states: MicropriceStates) -> Self {
        let (count, square) = (states.count(), states.count() * states.count());
        Self {
            states,
            stayed: vec![0; square],
            moved: vec![0; square],
            half_ticks: vec![0; count],
            steps: 0,
            last: None,
        }
    }

    /// Takes the next book, and gives its state. A book without one breaks the chain: no step leads from it or to it.
    #[inline]
    pub fn on_depth(&mut self, depth: &Depth<'_>) -> Option<usize> {
        let now = self.states.of(depth).zip(depth.mid_half_ticks());
        if let (Some((from, before)), Some((to, mid))) = (self.last, now) {
            self.count(from, to, mid.saturating_sub(before));
        }
        self.last = now;
        now.map(|(state, _)| state)
    }

    #[inline]
    fn count(&mut self, from: usize, to: usize, half_ticks: i64) {
        let place = from * self.states.count() + to;
        if half_ticks == 0 {
            self.stayed[place] += 1;
        } else {
            self.moved[place] += 1;
            self.half_ticks[from] = self.half_ticks[from].saturating_add(half_ticks);
        }
        self.steps += 1;
    }

    /// Forgets the last book, across which nothing is a difference: what led from it to the next is not known.
    pub fn on_break(&mut self) {
        self.last = None;
    }

    /// How many steps have been counted.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Of each state, whether a move of the mid was seen from it or from one that steps lead to, in the symmetric chain.
    fn leading_to_move(&self, leads: &mut [bool], found: &mut Vec<usize>) {
        let count = self.states.count();
        let mirror = |state| self.states.mirror(state);
        let was = |counts: &[u64], from: usize, to: usize| {
            counts[from * count + to] + counts[mirror(from) * count + mirror(to)] > 0
        };
        for (from, leads) in leads.iter_mut().enumerate() {
            *leads = (0..count).any(|to| was(&self.moved, from, to));
        }
        found.clear();
        found.extend((0..count).filter(|state| leads[*state]));
        while let Some(to) = found.pop() {
            for (from, leads) in leads.iter_mut().enumerate().filter(|(_, leads)| !**leads) {
                if was(&self.stayed, from, to) {
                    *leads = true;
                    found.push(from);
                }
            }
        }
    }

    /// Fits the table from what has been seen.
    ///
    /// # Errors
    ///
    /// [`FeatureError::TooFew`] with fewer steps than states, [`FeatureError::Degenerate`] where the mid has never moved,
    /// [`FeatureError::NotConverged`] where the sum has not come to rest.
    pub fn fit(&self) -> Result<Microprice, FeatureError> {
        let mut fitted = Microprice::empty(self.states);
        self.fit_into(&mut Workspace::new(self.states), &mut fitted)?;
        Ok(fitted)
    }

    /// The same into memory that there is; where it fails, what is in the table says nothing.
    fn fit_into(&self, work: &mut Workspace, fitted: &mut Microprice) -> Result<(), FeatureError> {
        const WHAT: &str = "microprice";
        let count = self.states.count();
        if self.steps < count {
            return Err(FeatureError::TooFew { what: WHAT, found: self.steps, needed: count });
        }
        let mirror = |state| self.states.mirror(state);
        let both_ways = |counts: &[u64], from: usize, to: usize| {
            (counts[from * count + to] + counts[mirror(from) * count + mirror(to)]) as f64
        };
        let Workspace { left, right, leads_to_move, found, term, next, sum } = work;
        self.leading_to_move(leads_to_move, found);
        if !leads_to_move.contains(&true) {
            return Err(FeatureError::Degenerate { what: WHAT, problem: "from no state the mid has ever moved" });
        }
        left.fill(0.0);
        right.fill(0.0);
        for from in 0..count {
            left[from * count + from] = 1.0;
            if leads_to_move[from] {
                let stayed = |to: usize| if leads_to_move[to] { both_ways(&self.stayed, from, to) } else { 0.0 };
                let steps: f64 = (0..count).map(|to| stayed(to) + both_ways(&self.moved, from, to)).sum();
                for to in 0..count {
                    left[from * count + to] -= stayed(to) / steps;
                    right[from * (count + 1) + 1 + to] = both_ways(&self.moved, from, to) / steps;
                }
                right[from * (count + 1)] =
                    (self.half_ticks[from] as f64 - self.half_ticks[mirror(from)] as f64) / steps;
            }
        }
        if !solve(left, count, right, count + 1) {
            return Err(FeatureError::Degenerate { what: WHAT, problem: "from some states the mid moves too rarely" });
        }
        let ticks = |half_ticks: &[f64], into: &mut [Option<f64>]| {
            let of_state = half_ticks.iter().zip(&*leads_to_move);
            into.iter_mut().zip(of_state).for_each(|(into, (g, leads))| *into = leads.then_some(g * 0.5));
        };
        term.iter_mut().enumerate().for_each(|(state, term)| *term = right[state * (count + 1)]);
        let largest = |term: &[f64]| term.iter().fold(0.0_f64, |most, term| most.max(term.abs()));
        let tolerance = TOLERANCE * largest(term);
        sum.copy_from_slice(term);
        ticks(term, &mut fitted.first);
        for terms in 2..=MOST_TERMS {
            for (state, next) in next.iter_mut().enumerate() {
                let onward = &right[state * (count + 1) + 1..(state + 1) * (count + 1)];
                *next = onward.iter().zip(&*term).map(|(share, term)| share * term).sum();
            }
            std::mem::swap(term, next);
            sum.iter_mut().zip(&*term).for_each(|(sum, term)| *sum += term);
            if largest(term) <= tolerance {
                ticks(sum, &mut fitted.adjustment);
                fitted.terms = terms;
                return Ok(());
            }
        }
        let change = largest(term);
        Err(FeatureError::NotConverged { what: WHAT, iterations: MOST_TERMS, change, tolerance })
    }
}

/// What a fit works in; by state, or by state and state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace {
    /// 1 − Q.
    left: Vec<f64>,
    /// r before R²: the first column becomes G¹, the others B.
    right: Vec<f64>,
    leads_to_move: Vec<bool>,
    found: Vec<usize>,
    term: Vec<f64>,
    next: Vec<f64>,
    sum: Vec<f64>,
}

impl Workspace {
    pub(crate) fn new(states: MicropriceStates) -> Self {
        let count = states.count();
        let zeros = |size| vec![0.0; size];
        Self {
            left: zeros(count * count),
            right: zeros(count * (count + 1)),
            leads_to_move: vec![false; count],
            found: Vec::with_capacity(count),
            term: zeros(count),
            next: zeros(count),
            sum: zeros(count),
        }
    }
}

/// A fitted table G*, in ticks by state.
#[derive(Debug, Clone, PartialEq)]
pub struct Microprice {
    states: MicropriceStates,
    adjustment: Vec<Option<f64>>,
    first: Vec<Option<f64>>,
    terms: usize,
}

impl Microprice {
    /// A table of nothing.
    fn empty(states: MicropriceStates) -> Self {
        let none = vec![None; states.count()];
        Self { states, adjustment: none.clone(), first: none, terms: 0 }
    }

    /// Fits a table to a batch of books in order of time.
    ///
    /// # Errors
    ///
    /// Those of [`MicropriceCounts::fit`].
    pub fn fit<'a>(states: MicropriceStates, books: impl IntoIterator<Item = Depth<'a>>) -> Result<Self, FeatureError> {
        let mut counts = MicropriceCounts::new(states);
        for depth in books {
            counts.on_depth(&depth);
        }
        counts.fit()
    }

    /// The microprice of a book in ticks: mid + G*(I, S). `None` where the book has no state, or the fit never saw one like it.
    #[inline]
    pub fn price_ticks(&self, depth: &Depth<'_>) -> Option<f64> {
        let adjustment = self.adjustment[self.states.of(depth)?]?;
        Some(depth.mid_ticks()? + adjustment)
    }

    /// The states.
    pub(crate) fn states(&self) -> MicropriceStates {
        self.states
    }

    /// G* in ticks by state, in the order of [`MicropriceStates::of`]; `None` for states never seen.
    pub fn adjustment_ticks(&self) -> &[Option<f64>] {
        &self.adjustment
    }

    /// G¹, the mean of the first move, in ticks by state.
    pub fn first_move_ticks(&self) -> &[Option<f64>] {
        &self.first
    }

    /// How many terms of the sum it took to converge.
    pub fn terms(&self) -> usize {
        self.terms
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Level, lobster};
    use super::*;

    #[test]
    fn two_states_by_hand() {
        // From "more bids" of every ten steps: five stay there, two go to "more asks", two move up a tick (2 half ticks) and stay more bids, one
        // moves down a tick to more asks. By symmetry G¹ = r/(1 − a + b) with r = (2·2 − 2)/10 = 0.2 half ticks, a = 0.5, b = 0.2; each further
        // term is λ = (c − d)/(1 − a + b) of the one before, c = 0.2, d = 0.1.
        let mut counts = MicropriceCounts::new(MicropriceStates::new(2, 1, 1).unwrap());
        for (times, to, half_ticks) in [(5, 1, 0), (2, 0, 0), (2, 1, 2), (1, 0, -2)] {
            (0..times).for_each(|_| counts.count(1, to, half_ticks));
        }
        let fitted = counts.fit().unwrap();
        let first = 0.5 * 0.2 / 0.7;
        let whole = 0.5 * 0.2 / 0.6;
        for (found, by_hand) in [(fitted.first_move_ticks(), first), (fitted.adjustment_ticks(), whole)] {
            assert!((found[1].unwrap() - by_hand).abs() < 1e-9, "{found:?}, by hand {by_hand}");
            assert!((found[0].unwrap() + by_hand).abs() < 1e-9, "{found:?}, by hand {by_hand}");
        }
    }

    #[test]
    fn moves_of_very_many_ticks_are_summed_as_well() {
        // Where a tick is 10⁻⁸ of a coin a step of the grid is ten million of them; the same chain in units of them has the same sum.
        let fitted = |scale: i64| {
            let mut counts = MicropriceCounts::new(MicropriceStates::new(4, 2, scale).unwrap());
            let mut seed = 7_u64;
            let mut below = |most: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) % most
            };
            let mut from = 0;
            for _ in 0..5_000 {
                let to = below(8) as usize;
                counts.count(from, to, scale * (below(5) as i64 - 2));
                from = to;
            }
            counts.fit().unwrap()
        };
        let (small, large) = (fitted(1), fitted(30_000_000));
        assert_eq!(small.terms(), large.terms());
        for (small, large) in small.adjustment_ticks().iter().zip(large.adjustment_ticks()) {
            let (small, large) = (small.unwrap(), large.unwrap() / 3e7);
            assert!((small - large).abs() < 1e-9, "{small} {large}");
        }
    }

    #[test]
    fn a_book_falls_into_its_state() {
        let states = MicropriceStates::new(10, 3, 100).unwrap();
        let of = |bid: Level, ask: Level| states.of(&Depth { time_ns: 0, bids: &[bid], asks: &[ask] });
        let level = lobster::level;
        assert_eq!(of(level(100, 10), level(200, 90)), Some(1), "a tenth of it bids, one step wide");
        assert_eq!(of(level(100, 10), level(300, 0)), Some(19), "all bids, two steps wide");
        assert_eq!(of(level(100, 0), level(900, 10)), Some(20), "all asks, wider than the widest");
        assert_eq!(of(level(100, 10), level(100, 10)), None, "locked");
        assert_eq!(states.mirror(1), 8);
    }

    #[test]
    fn what_cannot_be_fitted_is_told() {
        let message =
            |imbalances, spreads, grid| MicropriceStates::new(imbalances, spreads, grid).unwrap_err().to_string();
        assert_eq!(message(1, 1, 1), "imbalances 1; allowed: 2 to 400");
        assert_eq!(message(100, 5, 1), "spreads 5; allowed: 1 or more, and imbalances × spreads no more than 400");
        assert_eq!(message(2, 1, 0), "grid_ticks 0; allowed: 1 or more");
        let mut counts = MicropriceCounts::new(MicropriceStates::new(2, 1, 1).unwrap());
        assert_eq!(counts.fit().unwrap_err().to_string(), "microprice: 0 observations; allowed: 2 or more");
        (0..9).for_each(|_| counts.count(1, 0, 0));
        assert_eq!(counts.fit().unwrap_err().to_string(), "microprice: from no state the mid has ever moved");
    }

    #[test]
    fn real_fitted_on_a_morning_it_foretells_the_afternoons_mid_better_than_the_mid_does() {
        for (name, day) in [("AAPL", lobster::aapl()), ("AMZN", lobster::amzn())] {
            let Some(day) = day else { return };
            let half = day.rows() / 2;
            let states = MicropriceStates::new(10, 20, 100).unwrap();
            let fitted = Microprice::fit(states, (0..half).map(|row| day.depth(row))).unwrap();
            assert!(fitted.terms() < 2_000, "{name}: {} terms", fitted.terms());
            for of_spread in fitted.adjustment_ticks().chunks_exact(10) {
                for (bucket, there) in of_spread.iter().enumerate() {
                    let odd = there.unwrap_or(0.0) + of_spread[9 - bucket].unwrap_or(0.0);
                    assert!(odd.abs() < 1e-6, "{name}: {of_spread:?}");
                }
            }
            let (mut by_mid, mut by_microprice) = (0.0, 0.0);
            for row in half..day.rows() - 100 {
                let (now, later) = (day.depth(row), day.depth(row + 100));
                if let (Some(micro), Some(mid), Some(came)) =
                    (fitted.price_ticks(&now), now.mid_ticks(), later.mid_ticks())
                {
                    by_mid += (came - mid).powi(2);
                    by_microprice += (came - micro).powi(2);
                }
            }
            assert!(by_microprice < by_mid, "{name}: squares of errors {by_microprice:e} against the mid's {by_mid:e}");
        }
    }

    #[test]
    fn real_streaming_knows_nothing_of_what_follows() {
        let Some(day) = lobster::amzn() else { return };
        let states = MicropriceStates::new(10, 5, 100).unwrap();
        let mut streaming = StreamingMicroprice::new(states);
        let mut at_3000 = None;
        for row in 0..5_000 {
            streaming.on_depth(&day.depth(row));
            if row == 3_000 {
                at_3000 = streaming.value();
            }
        }
        // The fit in use at row 3,000 was made when 2,000 steps had been seen.
        let fitted = Microprice::fit(states, (0..=2_000).map(|row| day.depth(row))).unwrap();
        assert!(at_3000.is_some());
        assert_eq!(at_3000, fitted.price_ticks(&day.depth(3_000)));
    }
}
