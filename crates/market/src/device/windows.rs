//! Sums of flows over windows, of whole numbers, from the flows between moments.

use std::collections::VecDeque;

use super::books::Matrix;

/// The flows of a batch, and the moment that they count at: the first row at or after them.
#[derive(Debug)]
struct Held {
    slot_ns: u64,
    /// [instrument][level]
    flows: Vec<i128>,
}

impl Held {
    fn add(&mut self, flows: &[i128]) {
        if self.flows.len() < flows.len() {
            self.flows.resize(flows.len(), 0);
        }
        self.flows.iter_mut().zip(flows).for_each(|(held, flow)| *held += flow);
    }
}

/// Sums over the last flows, a window each.
#[derive(Debug)]
pub(super) struct FlowWindows {
    levels: usize,
    held: VecDeque<Held>,
    /// How many batches have left the ring.
    gone: u64,
    windows: Vec<Window>,
}

#[derive(Debug)]
struct Window {
    window_ns: u64,
    /// Batches before this one are out of the window.
    first: u64,
    /// [instrument][level]
    sums: Vec<i128>,
}

impl FlowWindows {
    pub(super) fn new(windows_ns: &[u64], levels: usize) -> Self {
        let window = |window_ns: &u64| Window { window_ns: *window_ns, first: 0, sums: Vec::new() };
        Self { levels, held: VecDeque::new(), gone: 0, windows: windows_ns.iter().map(window).collect() }
    }

    /// Adds the flows of a batch, whose times are up to and at most a row's pace before `slot_ns`.
    pub(super) fn add(&mut self, slot_ns: u64, matrix: &Matrix) {
        if self.windows.is_empty() {
            return;
        }
        let (instruments, levels) = (matrix.instruments(), self.levels);
        let of_instrument = |at: usize| (0..levels).map(move |level| i128::from(matrix.flow(level, at)));
        let flows: Vec<i128> = (0..instruments).flat_map(of_instrument).collect();
        for window in &mut self.windows {
            if window.sums.len() < flows.len() {
                window.sums.resize(flows.len(), 0);
            }
            window.sums.iter_mut().zip(&flows).for_each(|(sum, flow)| *sum += flow);
        }
        // One instrument's books may be late where another's are not: moments stay in order. None that a window has left comes back, since no flow
        // counts before the last row.
        let place = self.held.iter().rposition(|held| held.slot_ns <= slot_ns);
        match place {
            Some(place) if self.held[place].slot_ns == slot_ns => self.held[place].add(&flows),
            Some(place) => self.held.insert(place + 1, Held { slot_ns, flows }),
            None => self.held.push_front(Held { slot_ns, flows }),
        }
    }

    /// Moves on to a row's time.
    pub(super) fn advance(&mut self, time_ns: u64) {
        for window in &mut self.windows {
            while let Some(held) = self.held.get((window.first - self.gone) as usize) {
                if time_ns.saturating_sub(held.slot_ns) < window.window_ns {
                    break;
                }
                window.sums.iter_mut().zip(&held.flows).for_each(|(sum, flow)| *sum -= flow);
                window.first += 1;
            }
        }
        let needed = self.windows.iter().map(|window| window.first).min().unwrap_or(0);
        while self.gone < needed {
            self.held.pop_front();
            self.gone += 1;
        }
    }

    /// The sum of a window at a level, in lots.
    pub(super) fn sum(&self, window: usize, level: usize, instrument: usize) -> f64 {
        let sums = self.windows.get(window).map_or(&[][..], |window| &window.sums);
        let sum = sums.get(instrument * self.levels + level).copied().unwrap_or(0);
        i64::try_from(sum).map_or_else(|_| sum as f64, |sum| sum as f64)
    }
}
