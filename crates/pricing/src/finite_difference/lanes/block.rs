//! The storage of sixteen grids: what is set before the passes, and read after them.

use super::{LANES, Lane, descending};
use crate::black::Row;
use crate::finite_difference::grid::Map;
use crate::finite_difference::jump::before_dividend;
use crate::finite_difference::solve::{Estimate, Level, near};

/// Columns over nodes, a number for each lane.
#[derive(Default)]
pub(in crate::finite_difference) struct Block {
    pub sign: f64,
    /// +1 where nodes ascend in storage.
    pub direction: f64,
    pub strike: Lane,
    pub spot: Lane,
    pub rate: Lane,
    pub dividend_yield: Lane,
    pub volatility: Lane,
    /// Slopes and intercepts of the values at the first node of the storage and at the last.
    pub slope: [Lane; 2],
    pub intercept: [Lane; 2],
    pub nodes: Vec<Lane>,
    pub values: Vec<Lane>,
    pub payoff: Vec<Lane>,
    pub lower: Vec<Lane>,
    pub diagonal: Vec<Lane>,
    pub upper: Vec<Lane>,
    pub weight: Vec<Lane>,
    pub inverse: Vec<Lane>,
    pub back: Vec<Lane>,
    pub right: Vec<Lane>,
    pub first: Vec<Lane>,
    /// One lane's nodes and values, ascending.
    lane_nodes: Vec<f64>,
    lane_values: Vec<f64>,
    lane_out: Vec<f64>,
    /// Where each lane's spot is in storage.
    at: [usize; LANES],
}

impl Block {
    pub fn terms(&mut self, rows: &[Row; LANES]) {
        let option_type = rows[0].option_type;
        self.sign = option_type.sign();
        self.direction = if descending(option_type) { -1.0 } else { 1.0 };
        self.strike = rows.map(|row| row.strike);
        self.spot = rows.map(|row| row.spot / row.strike);
        self.rate = rows.map(|row| row.risk_free_rate);
        self.dividend_yield = rows.map(|row| row.dividend_yield);
        self.volatility = rows.map(|row| row.volatility);
    }

    /// Lays the nodes out; false where the lanes' grids differ in size.
    pub fn nodes(&mut self, refinement: usize, maps: &[&Option<(Map, f64)>; LANES]) -> bool {
        let mut size = 0;
        for (lane, map) in maps.iter().enumerate() {
            let Some((map, spot)) = map else { return false };
            let at = map.nodes(refinement, *spot, &mut self.lane_nodes);
            let n = self.lane_nodes.len();
            if lane == 0 {
                size = n;
                let columns = [
                    &mut self.nodes,
                    &mut self.values,
                    &mut self.payoff,
                    &mut self.lower,
                    &mut self.diagonal,
                    &mut self.upper,
                    &mut self.weight,
                    &mut self.inverse,
                    &mut self.back,
                    &mut self.right,
                    &mut self.first,
                ];
                columns.into_iter().for_each(|column| column.resize(n, [0.0; LANES]));
            } else if n != size {
                return false;
            }
            for (i, &node) in self.lane_nodes.iter().enumerate() {
                let i = self.stored(i, n);
                self.nodes[i][lane] = node;
            }
            self.at[lane] = self.stored(at, n);
        }
        true
    }

    fn stored(&self, i: usize, n: usize) -> usize {
        if self.direction < 0.0 { n - 1 - i } else { i }
    }

    /// The values before a dividend of so much currency, and the right to exercise before it.
    pub fn pay(&mut self, amount: f64) {
        let n = self.nodes.len();
        // The lowest spot stands first where nodes ascend.
        let low = if self.direction < 0.0 { 1 } else { 0 };
        self.lane_out.resize(n, 0.0);
        for lane in 0..LANES {
            let amount = amount / self.strike[lane];
            self.lane_nodes.clear();
            self.lane_values.clear();
            for i in 0..n {
                let i = self.stored(i, n);
                self.lane_nodes.push(self.nodes[i][lane]);
                self.lane_values.push(self.values[i][lane]);
            }
            let (slope, intercept) = (self.slope[low][lane], self.intercept[low][lane]);
            let beyond = |s: f64| slope * s + intercept;
            before_dividend(&self.lane_nodes, &self.lane_values, amount, beyond, &mut self.lane_out);
            for i in 0..n {
                let stored = self.stored(i, n);
                self.values[stored][lane] = self.lane_out[i].max(self.payoff[stored][lane]);
            }
            let floored = self.lane_nodes[0] == 0.0;
            for which in 0..2 {
                if !(which == low && floored) {
                    self.intercept[which][lane] -= self.slope[which][lane] * amount;
                }
            }
        }
    }

    /// Value and Greeks at each lane's spot, on a grid with so many times the coarsest one's cells.
    pub fn read(&self, refinement: usize) -> [Level; LANES] {
        let n = self.nodes.len();
        std::array::from_fn(|lane| {
            let at = self.at[lane].clamp(1, n - 2);
            let [s, v] = [&self.nodes, &self.values].map(|column| [at - 1, at, at + 1].map(|i| column[i][lane]));
            let [before, after] = [s[1] - s[0], s[2] - s[1]];
            let [fall, rise] = [(v[1] - v[0]) / before, (v[2] - v[1]) / after];
            let change = self.lower[at][lane] * v[0] + self.diagonal[at][lane] * v[1] + self.upper[at][lane] * v[2];
            let exercised = v[1] <= self.payoff[at][lane];
            let estimate = Estimate {
                value: v[1],
                error: 0.0,
                delta: (fall * after + rise * before) / (before + after),
                gamma: 2.0 * (rise - fall) / (before + after),
                theta: if exercised { 0.0 } else { -change },
            };
            Level { estimate, near: near(at, refinement, n).map(|i| self.values[i][lane]) }
        })
    }
}
