//! Takes the time: spans of stages on any thread, laps of layers within them.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{Stage, trace::Event};

/// Layers that are told apart; what lies deeper counts with the last.
pub(super) const LAYERS: usize = 64;
/// Steps that are traced, from the first.
const TRACED_STEPS: u64 = 40;
/// Events of a trace.
const TRACED_EVENTS: usize = 200_000;

/// What was asked of the allocator, by all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// How often.
    pub count: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl std::ops::Sub for Allocations {
    type Output = Self;

    fn sub(self, from: Self) -> Self {
        Self { count: self.count.saturating_sub(from.count), bytes: self.bytes.saturating_sub(from.bytes) }
    }
}

/// What a profile is measured with: the clock and the allocator are the program's, not this crate's.
pub trait Meter: Send + Sync {
    /// Nanoseconds since some moment, never less than before.
    fn nanoseconds(&self) -> u64;

    /// What was allocated so far.
    fn allocations(&self) -> Allocations {
        Allocations::default()
    }

    /// A stage begins on this thread: for tools that look from outside.
    fn begins(&self, _stage: &'static str) {}

    /// The stage that began last on this thread ends.
    fn ends(&self) {}
}

/// Sums of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTotals {
    /// How often.
    pub count: u64,
    /// Nanoseconds, of all threads.
    pub nanoseconds: u64,
    /// Allocated while it lasted, by all threads.
    pub allocations: Allocations,
}

/// Sums of a stage in a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerTotals {
    /// Nanoseconds in matrix products, of all threads.
    pub product_ns: u64,
    /// Nanoseconds in all else, of all threads.
    pub rest_ns: u64,
    /// Multiplications and additions of the products.
    pub flops: u64,
}

#[derive(Default)]
struct Counted {
    count: AtomicU64,
    nanoseconds: AtomicU64,
    allocated: AtomicU64,
    allocated_bytes: AtomicU64,
}

#[derive(Default)]
struct Layer {
    product_ns: AtomicU64,
    rest_ns: AtomicU64,
    flops: AtomicU64,
}

/// A profile in the making.
pub struct Profiler {
    meter: Box<dyn Meter>,
    begun: u64,
    stages: [Counted; Stage::ALL.len()],
    layers: Vec<Layer>,
    steps: AtomicU64,
    events: Mutex<Vec<Event>>,
}

impl std::fmt::Debug for Profiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profiler").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Profiler {
    /// With the program's clock.
    pub fn new(meter: Box<dyn Meter>) -> Self {
        Self {
            begun: meter.nanoseconds(),
            meter,
            stages: Default::default(),
            layers: (0..Stage::ALL.len() * LAYERS).map(|_| Layer::default()).collect(),
            steps: AtomicU64::new(0),
            events: Mutex::new(Vec::new()),
        }
    }

    /// Its clock.
    pub fn nanoseconds(&self) -> u64 {
        self.meter.nanoseconds()
    }

    /// What was allocated so far.
    pub fn allocations(&self) -> Allocations {
        self.meter.allocations()
    }

    /// A stage, until the span is dropped.
    pub fn span(&self, stage: Stage) -> Span<'_> {
        self.meter.begins(stage.as_str());
        Span { profiler: self, stage, before: self.meter.allocations(), from: self.meter.nanoseconds() }
    }

    /// What a stage came to.
    pub fn totals(&self, stage: Stage) -> StageTotals {
        let Counted { count, nanoseconds, allocated, allocated_bytes } = &self.stages[stage.index()];
        let of = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let allocations = Allocations { count: of(allocated), bytes: of(allocated_bytes) };
        StageTotals { count: of(count), nanoseconds: of(nanoseconds), allocations }
    }

    /// What a stage came to in a layer; 0 is the first.
    pub fn layer(&self, stage: Stage, layer: usize) -> LayerTotals {
        let Layer { product_ns, rest_ns, flops } = &self.layers[place(stage, layer)];
        let of = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        LayerTotals { product_ns: of(product_ns), rest_ns: of(rest_ns), flops: of(flops) }
    }

    /// The trace of the first steps, as Chrome and Perfetto read it.
    pub fn trace(&self) -> String {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        super::trace::json(&events)
    }

    fn add(&self, stage: Stage, from: u64, to: u64, allocations: Allocations) {
        let counted = &self.stages[stage.index()];
        counted.count.fetch_add(1, Ordering::Relaxed);
        counted.nanoseconds.fetch_add(to.saturating_sub(from), Ordering::Relaxed);
        counted.allocated.fetch_add(allocations.count, Ordering::Relaxed);
        counted.allocated_bytes.fetch_add(allocations.bytes, Ordering::Relaxed);
        if stage == Stage::Step {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }
        self.event(stage, None, from, to);
    }

    fn event(&self, stage: Stage, layer: Option<usize>, from: u64, to: u64) {
        if self.steps.load(Ordering::Relaxed) > TRACED_STEPS {
            return;
        }
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() < TRACED_EVENTS {
            let thread = rayon::current_thread_index().map_or(0, |index| index + 1);
            let (from, to) = (from.saturating_sub(self.begun), to.saturating_sub(self.begun));
            events.push(Event { stage, layer, thread, from, to });
        }
    }
}

fn place(stage: Stage, layer: usize) -> usize {
    stage.index() * LAYERS + layer.min(LAYERS - 1)
}

/// A stage that goes on.
pub struct Span<'a> {
    profiler: &'a Profiler,
    stage: Stage,
    before: Allocations,
    from: u64,
}

impl Drop for Span<'_> {
    fn drop(&mut self) {
        let to = self.profiler.nanoseconds();
        let allocations = self.profiler.allocations() - self.before;
        self.profiler.add(self.stage, self.from, to, allocations);
        self.profiler.meter.ends();
    }
}

/// Laps of one thread through the layers; without a profiler each call is a branch.
pub(crate) struct Laps<'a> {
    profiler: Option<&'a Profiler>,
    stage: Stage,
    begun: u64,
    from: u64,
    /// Where the layer began.
    entered: u64,
}

impl<'a> Laps<'a> {
    /// A stage begins.
    #[inline]
    pub(crate) fn begin(profiler: Option<&'a Profiler>, stage: Stage) -> Self {
        let from = profiler.map_or(0, Profiler::nanoseconds);
        Self { profiler, stage, begun: from, from, entered: from }
    }

    /// A matrix product of a layer is done: m × k by k × n.
    #[inline]
    pub(crate) fn product(&mut self, layer: usize, (m, n, k): (usize, usize, usize)) {
        if let Some(profiler) = self.profiler {
            let taken = self.lap(profiler);
            let totals = &profiler.layers[place(self.stage, layer)];
            totals.product_ns.fetch_add(taken, Ordering::Relaxed);
            totals.flops.fetch_add(2 * (m * n * k) as u64, Ordering::Relaxed);
        }
    }

    /// All else of a layer is done, and with it the layer.
    #[inline]
    pub(crate) fn rest(&mut self, layer: usize) {
        if let Some(profiler) = self.profiler {
            let taken = self.lap(profiler);
            profiler.layers[place(self.stage, layer)].rest_ns.fetch_add(taken, Ordering::Relaxed);
            profiler.event(self.stage, Some(layer), self.entered, self.from);
            self.entered = self.from;
        }
    }

    fn lap(&mut self, profiler: &Profiler) -> u64 {
        let now = profiler.nanoseconds();
        let taken = now.saturating_sub(self.from);
        self.from = now;
        taken
    }
}

impl Drop for Laps<'_> {
    fn drop(&mut self) {
        if let Some(profiler) = self.profiler {
            profiler.add(self.stage, self.begun, profiler.nanoseconds(), Allocations::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that goes on by one at each look.
    #[derive(Default)]
    struct Ticking(AtomicU64);

    impl Meter for Ticking {
        fn nanoseconds(&self) -> u64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    #[test]
    fn spans_and_laps_are_summed_by_stage_and_layer() {
        let profiler = Profiler::new(Box::<Ticking>::default());
        for _ in 0..3 {
            drop(profiler.span(Stage::Look));
        }
        let mut laps = Laps::begin(Some(&profiler), Stage::Forward);
        laps.product(1, (2, 3, 4));
        laps.rest(1);
        laps.rest(1000);
        drop(laps);
        assert_eq!((profiler.totals(Stage::Look).count, profiler.totals(Stage::Look).nanoseconds), (3, 3));
        assert_eq!(profiler.layer(Stage::Forward, 1), LayerTotals { product_ns: 1, rest_ns: 1, flops: 48 });
        assert_eq!(profiler.layer(Stage::Forward, LAYERS - 1).rest_ns, 1);
        assert_eq!(profiler.totals(Stage::Forward).nanoseconds, 4);
        assert_eq!(profiler.totals(Stage::Labels), StageTotals::default());
    }

    #[test]
    fn without_a_profiler_nothing_is_asked_and_a_trace_ends_after_its_steps() {
        let mut laps = Laps::begin(None, Stage::Forward);
        laps.product(0, (1, 1, 1));
        assert_eq!(laps.from, 0);
        let profiler = Profiler::new(Box::<Ticking>::default());
        for _ in 0..1000 {
            drop(profiler.span(Stage::Step));
        }
        let traced = profiler.trace().matches("\"ph\":\"X\"").count();
        assert_eq!(traced as u64, TRACED_STEPS);
    }
}
