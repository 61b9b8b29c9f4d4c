//! The fit of one slice: the smoothest density that its quotes, the slice before and the asks of the slices after allow.

use super::{
    basis::Basis,
    interior_point::{Constraint, Outcome, Programme, Solver},
    knots,
    quotes::Quote,
    reference::Reference,
    smile::PriceSpline,
};

/// What a fit is tuned by.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Order of the differences.
    pub order: usize,
    /// Weight of roughness.
    pub rough: f64,
    /// Weight of mids.
    pub pull: f64,
    /// Weight of a miss.
    pub miss: f64,
    /// Least density.
    pub density: f64,
    /// Share of the half-spread kept from the sides.
    pub margin: f64,
    /// power of q0-weighting
    pub power: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { order: 2, rough: 1.0, pull: 0.01, miss: 1e3, density: 1e-3, margin: 1e-3, power: 0.0 }
    }
}

/// A calendar constraint holds the price above the earlier slice's by this share.
const CALENDAR_MARGIN: f64 = 1e-7;
/// Rounds of added calendar constraints.
const ROUNDS: usize = 4;

/// What a slice is fitted to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) quotes: &'a [Quote],
    pub(super) reference: &'a Reference,
    pub(super) previous: Option<&'a PriceSpline>,
    /// Moneyness of the knots.
    pub(super) knots: &'a [f64],
    /// Upper bounds of the out-of-the-money price at the knots.
    pub(super) ceiling: &'a [f64],
    pub(super) powers: [f64; 2],
}

/// A row of the spline's coefficients: what it makes of the variables, and a constant.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: usize,
    row: [f64; 4],
    constant: f64,
}

/// Memory kept from slice to slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    basis: Basis,
    solver: Solver,
    programme: Programme,
    /// Greville abscissa less one of each coefficient.
    beyond: Vec<f64>,
    /// What each coefficient is of its variable.
    share: Vec<f64>,
    bends: Vec<Row>,
    deviations: Vec<f64>,
    x: Vec<f64>,
    /// Outcome of the last fit.
    pub(super) steps: usize,
    pub(super) rounds: usize,
    pub(super) settled: bool,
}

impl Workspace {
    pub(super) fn fit(&mut self, task: &Task<'_>, tuning: &Tuning) -> PriceSpline {
        self.lay(task);
        self.objective(task, tuning);
        self.constrain(task, tuning);
        self.begin(task);
        (self.steps, self.rounds) = (0, 0);
        loop {
            let Outcome { steps, settled } = self.solver.solve(&self.programme, &mut self.x);
            self.steps += steps;
            self.rounds += 1;
            self.settled = settled;
            let spline = self.spline(task);
            let Some(previous) = task.previous else { return spline };
            let added = self.cut(&spline, previous, task);
            if added == 0 || self.rounds == ROUNDS {
                return spline;
            }
        }
    }

    fn variables(&self) -> usize {
        self.basis.len() - 4
    }

    fn lay(&mut self, task: &Task<'_>) {
        self.basis.lay(task.knots);
        let n = self.basis.len();
        self.beyond.clear();
        self.beyond.extend((0..n).map(|j| self.basis.abscissa(j) - 1.0));
        self.share.clear();
        self.share.resize(n, 1.0);
        let t = task.knots;
        let m = t.len();
        let [p, q] = task.powers;
        let end = |near: f64, next: f64, after: f64, slope: f64, bend: f64| {
            // Coefficients at an end whose price is one: h and h' are the widths of its two intervals, slope away from the end.
            let (h, both) = ((next - near).abs(), (after - near).abs());
            let first = 1.0 + slope * h / 3.0;
            [1.0, first, first + (slope + 0.5 * bend * h) * both / 3.0]
        };
        let left = end(t[0], t[1], t[2], p / t[0], p * (p - 1.0) / (t[0] * t[0]));
        let right = end(t[m - 1], t[m - 2], t[m - 3], q / t[m - 1], q * (q + 1.0) / (t[m - 1] * t[m - 1]));
        for i in 0..3 {
            self.share[i] = left[i];
            self.share[n - 1 - i] = right[i];
        }
        self.bends.clear();
        self.deviations.clear();
        for (i, &knot) in t.iter().enumerate() {
            let bend = self.basis.bend(i);
            let row = self.fold(i, [bend[0], bend[1], bend[2], 0.0], knot < 1.0);
            self.bends.push(row);
            let before = self.deviations.last().copied().unwrap_or(f64::NEG_INFINITY);
            self.deviations.push(task.reference.deviations(knot.ln()).max(before + 0.5 * knots::LEAST_GAP));
        }
    }

    /// The row of the variables for the coefficients of the put, or the call, from number `first` on. The variables are the coefficients of
    /// the out-of-the-money price: all positive.
    fn fold(&self, first: usize, coefficients: [f64; 4], put: bool) -> Row {
        let variables = self.variables();
        let place = |j: usize| j.saturating_sub(2).min(variables - 1);
        let mut row = Row { start: place(first).min(variables - 4), ..Row::default() };
        for (r, &a) in coefficients.iter().enumerate() {
            if a == 0.0 {
                continue;
            }
            let j = first + r;
            row.row[place(j) - row.start] += a * self.share[j];
            // A call's coefficient of an abscissa below one, where the variable is the put's, is greater by 1 − x.
            row.constant += a * (if put { self.beyond[j] } else { -self.beyond[j] }).max(0.0);
        }
        row
    }

    /// The row of the out-of-the-money price at `x`.
    fn price(&self, x: f64) -> Row {
        let interval = self.basis.interval(x);
        self.fold(interval, self.basis.values(x, interval), x < 1.0)
    }

    fn objective(&mut self, task: &Task<'_>, tuning: &Tuning) {
        let n = self.variables();
        self.programme.reset(n);
        let densities: Vec<f64> = task.knots.iter().map(|x| task.reference.density(x.ln())).collect();
        for (row, q) in self.bends.iter_mut().zip(&densities) {
            row.row = row.row.map(|a| a / q);
            row.constant /= q;
        }
        let order = tuning.order;
        for i in 0..self.bends.len() - order {
            let u = &self.deviations[i..=i + order];
            let start = self.bends[i].start;
            let mut row = [0.0; 8];
            let mut constant = 0.0;
            for (l, bend) in self.bends[i..=i + order].iter().enumerate() {
                let mut weight = (1..=order).product::<usize>() as f64;
                for q in 0..=order {
                    if q != l {
                        weight /= u[l] - u[q];
                    }
                }
                for r in 0..4 {
                    row[bend.start - start + r] += weight * bend.row[r];
                }
                constant += weight * bend.constant;
            }
            let width = (u[order] - u[0]) / order as f64;
            let mid = 0.5 * (u[order] + u[0]);
            let weight = tuning.rough * width * (-0.5 * tuning.power * mid * mid).exp();
            self.programme.add_square(start, &row[..(n - start).min(8)], constant, weight);
        }
        for quote in task.quotes {
            let row = self.price(quote.x);
            let scale = 1.0 / quote.unit;
            self.programme.add_square(
                row.start,
                &row.row.map(|a| a * scale),
                (row.constant - quote.mid) * scale,
                tuning.pull,
            );
        }
    }

    fn add(&mut self, row: &Row, sign: f64, bound: f64, scale: f64, weight: f64) {
        self.programme.constraints.push(Constraint {
            start: row.start,
            row: row.row.map(|a| sign * a * scale),
            bound: (sign * (bound - row.constant)) * scale,
            weight,
        });
    }

    fn constrain(&mut self, task: &Task<'_>, tuning: &Tuning) {
        for quote in task.quotes {
            let row = self.price(quote.x);
            let half = quote.half_spread();
            let margin = tuning.margin * half;
            if quote.bid.is_finite() {
                self.add(&row, 1.0, quote.bid + margin, 1.0 / half, tuning.miss);
            }
            if quote.ask.is_finite() {
                self.add(&row, -1.0, quote.ask - margin, 1.0 / half, tuning.miss);
            }
        }
        for i in 0..self.bends.len() {
            let row = self.bends[i];
            self.add(&row, 1.0, tuning.density, 1.0, f64::INFINITY);
        }
        for (i, &x) in task.knots.iter().enumerate() {
            if task.ceiling[i].is_finite() {
                let row = self.price(x);
                let scale = task.reference.price(x.ln()).max(1e-300);
                self.add(&row, -1.0, task.ceiling[i], 10.0 / scale, tuning.miss);
            }
            if let Some(previous) = task.previous {
                self.keep_above(previous, x, task.reference);
            }
        }
    }

    fn keep_above(&mut self, previous: &PriceSpline, x: f64, reference: &Reference) {
        let row = self.price(x);
        let floor = previous.out_of_the_money(x)[0];
        let scale = reference.price(x.ln()).max(floor).max(1e-300);
        self.add(&row, 1.0, floor * (1.0 + CALENDAR_MARGIN), 1.0 / scale, f64::INFINITY);
    }

    /// The reference's prices: convex where the reference is.
    fn begin(&mut self, task: &Task<'_>) {
        let n = self.basis.len();
        self.x.clear();
        for j in 2..n - 2 {
            let j = if j == 2 { 0 } else if j == n - 3 { n - 1 } else { j };
            self.x.push(task.reference.price((1.0 + self.beyond[j]).ln()));
        }
    }

    fn spline(&self, task: &Task<'_>) -> PriceSpline {
        let densities: Vec<f64> = self
            .bends
            .iter()
            .zip(task.knots)
            .map(|(row, x)| {
                let window = &self.x[row.start..row.start + 4];
                let share: f64 = row.row.iter().zip(window).map(|(a, x)| a * x).sum();
                (share + row.constant) * task.reference.density(x.ln())
            })
            .collect();
        if std::env::var("RTRACE").is_ok() {
            for ((x, d), u) in task.knots.iter().zip(&densities).zip(&self.deviations) {
                println!("R k {:.4} u {u:.3} gamma {d:.3e} r {:.4}", x.ln(), d / task.reference.density(x.ln()));
            }
        }
        PriceSpline::new(task.knots, &densities, [self.x[0], self.x[self.x.len() - 1]], task.powers)
    }

    /// Adds calendar constraints where `spline` falls below `previous` between the knots; how many.
    fn cut(&mut self, spline: &PriceSpline, previous: &PriceSpline, task: &Task<'_>) -> usize {
        let mut added = 0;
        let mut points: Vec<f64> = task.knots.to_vec();
        points.extend(previous.knots.iter().copied());
        points.push(1.0);
        points.sort_by(f64::total_cmp);
        let excess = |x: f64| {
            let (own, other) = (spline.out_of_the_money(x), previous.out_of_the_money(x));
            (own[0] - other[0], own[1] - other[1], other[0])
        };
        for pair in points.windows(2) {
            let [mut low, mut high] = [pair[0], pair[1]];
            if high <= low {
                continue;
            }
            let inside = high - 1e-12 * (high - low);
            let (at_low, at_high) = (excess(low), excess(if high == 1.0 { inside } else { high }));
            if at_low.0 < 1e-9 * at_low.2 {
                self.keep_above(previous, low, task.reference);
                added += 1;
            }
            if at_low.1 < 0.0 && at_high.1 > 0.0 {
                for _ in 0..30 {
                    let middle = 0.5 * (low + high);
                    if excess(middle).1 < 0.0 { low = middle } else { high = middle }
                }
                let at = excess(low);
                if at.0 < 1e-9 * at.2 {
                    self.keep_above(previous, low, task.reference);
                    added += 1;
                }
            }
        }
        added
    }
}
