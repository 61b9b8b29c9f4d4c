//! The fit of one slice: the smoothest density that its quotes, the slice before and the asks of the slices after allow.

use crate::surface::smile::VolatilitySurface;

use super::{
    basis::Basis,
    interior_point::{Constraint, Outcome, Programme, Solver},
    knots,
    quotes::Quote,
    reference::Reference,
    smile::PriceSpline,
    surface::PriceSplines,
};

/// Weight of a mid that is missed by one against the roughness of a density that turns by itself within one deviation.
const PULL: f64 = 0.3;
/// What it costs to miss bid or ask by a half-spread, on the same scale.
const MISS: f64 = 1e3;
/// Least density over the reference's.
const LEAST_DENSITY: f64 = 1e-3;
/// Share of the half-spread that prices keep from bid and ask.
const MARGIN: f64 = 1e-3;
/// A price above later asks by this share of itself costs as much as a quote missed by a half-spread.
const CEILING: f64 = 0.1;
/// No price is measured against less.
const LEAST_PRICE: f64 = 1e-300;
/// A calendar constraint keeps the price above the earlier slice's by this share of it, least and most.
const CALENDAR_MARGIN: [f64; 2] = [1e-6, 1e-3];
/// Between its points the price must be above by this share.
const CALENDAR_SLACK: f64 = 1e-9;
/// Rounds of added calendar constraints.
const ROUNDS: usize = 12;

/// What a slice is fitted to.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) quotes: &'a [Quote],
    pub(super) reference: &'a Reference,
    pub(super) previous: Option<&'a PriceSpline>,
    /// Moneyness of the knots.
    pub(super) knots: &'a [f64],
    /// Upper bounds of the out-of-the-money price at the knots.
    pub(super) ceiling: &'a [f64],
    /// Powers of the tails: of the put's and of the call's price.
    pub(super) powers: [f64; 2],
    /// Weight of the pull to the prior's density, or to the reference's.
    pub(super) tikhonov: f64,
    /// Yesterday's surface, and the expiry to read it at.
    pub(super) prior: Option<(&'a PriceSplines, f64)>,
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
    /// Density over the reference's at each knot.
    bends: Vec<Row>,
    /// The reference's density at each knot.
    unit: Vec<f64>,
    /// Where the knots lie in deviations.
    deviations: Vec<f64>,
    x: Vec<f64>,
    density: Vec<f64>,
    points: Vec<f64>,
    /// Steps of the last programme, where it did not settle.
    pub(super) unsettled: Option<usize>,
}

impl Workspace {
    /// Fits the slice; none where the programme does not come to a smile that is free of arbitrage.
    pub(super) fn fit(&mut self, task: &Task<'_>) -> Option<PriceSpline> {
        self.lay(task);
        self.objective(task);
        self.constrain(task);
        for _ in 0..ROUNDS {
            self.begin(task);
            let Outcome { steps, settled } = self.solver.solve(&self.programme, &mut self.x);
            self.unsettled = (!settled).then_some(steps);
            let spline = self.spline(task);
            if !spline.is_sound() {
                return None;
            }
            match task.previous {
                Some(previous) if self.cut(&spline, previous, task) > 0 => {}
                _ => return Some(spline),
            }
        }
        None
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
        self.unit.clear();
        self.deviations.clear();
        for (i, &knot) in t.iter().enumerate() {
            let bend = self.basis.bend(i);
            let unit = task.reference.density(knot.ln());
            let row = self.fold(i, [bend[0] / unit, bend[1] / unit, bend[2] / unit, 0.0], knot < 1.0);
            self.bends.push(row);
            self.unit.push(unit);
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

    /// ½ ∫ n(u)(r″)² du over the deviations u, where r is the density over the reference's and n falls as a normal density does; the pull of the
    /// mids; and that of the prior.
    fn objective(&mut self, task: &Task<'_>) {
        let n = self.variables();
        self.programme.reset(n);
        for i in 1..self.bends.len() - 1 {
            let [low, u, high] = [self.deviations[i - 1], self.deviations[i], self.deviations[i + 1]];
            let start = self.bends[i - 1].start;
            let (left, right) = (2.0 / ((high - low) * (u - low)), 2.0 / ((high - low) * (high - u)));
            // Bends i − 1 to i + 1 touch five coefficients, which the folding of the ends makes fewer.
            let mut row = [0.0; 8];
            let mut constant = 0.0;
            for (bend, weight) in self.bends[i - 1..=i + 1].iter().zip([left, -(left + right), right]) {
                for r in 0..4 {
                    row[bend.start - start + r] += weight * bend.row[r];
                }
                constant += weight * bend.constant;
            }
            let weight = 0.5 * (high - low) * (-0.5 * u * u).exp();
            self.programme.add_square(start, &row[..(n - start).min(8)], constant, weight);
        }
        for quote in task.quotes {
            let row = self.price(quote.x);
            let scale = 1.0 / quote.unit;
            self.programme.add_square(row.start, &row.row.map(|a| a * scale), (row.constant - quote.mid) * scale, PULL);
        }
        if task.tikhonov > 0.0 {
            for i in 1..self.bends.len() - 1 {
                let (row, u) = (&self.bends[i], self.deviations[i]);
                let target = task.prior.map_or(1.0, |(surface, expiry_years)| {
                    let x = task.knots[i];
                    surface.density(x.ln(), expiry_years) / (x * self.unit[i])
                });
                let weight =
                    task.tikhonov * 0.5 * (self.deviations[i + 1] - self.deviations[i - 1]) * (-0.5 * u * u).exp();
                if target.is_finite() {
                    self.programme.add_square(row.start, &row.row, row.constant - target, weight);
                }
            }
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

    fn constrain(&mut self, task: &Task<'_>) {
        for quote in task.quotes {
            let row = self.price(quote.x);
            let half = quote.half_spread();
            let margin = MARGIN * half;
            if quote.bid.is_finite() {
                self.add(&row, 1.0, quote.bid + margin, 1.0 / half, MISS);
            }
            if quote.ask.is_finite() {
                self.add(&row, -1.0, quote.ask - margin, 1.0 / half, MISS);
            }
        }
        for i in 0..self.bends.len() {
            let row = self.bends[i];
            self.add(&row, 1.0, LEAST_DENSITY, 1.0, f64::INFINITY);
        }
        for (i, &x) in task.knots.iter().enumerate() {
            if task.ceiling[i].is_finite() {
                let row = self.price(x);
                let scale = task.reference.price(x.ln()).max(LEAST_PRICE);
                self.add(&row, -1.0, task.ceiling[i], 1.0 / (CEILING * scale), MISS);
            }
            if let Some(previous) = task.previous {
                self.keep_above(previous, x, task.reference, CALENDAR_MARGIN[0]);
            }
        }
    }

    fn keep_above(&mut self, previous: &PriceSpline, x: f64, reference: &Reference, margin: f64) {
        let row = self.price(x);
        let floor = previous.out_of_the_money(x)[0];
        let scale = reference.price(x.ln()).max(floor).max(LEAST_PRICE);
        self.add(&row, 1.0, floor * (1.0 + margin), 1.0 / scale, f64::INFINITY);
    }

    /// Starts from the reference's prices: convex where the reference is.
    fn begin(&mut self, task: &Task<'_>) {
        let n = self.basis.len();
        self.x.clear();
        for j in 2..n - 2 {
            let j = if j == 2 {
                0
            } else if j == n - 3 {
                n - 1
            } else {
                j
            };
            self.x.push(task.reference.price((1.0 + self.beyond[j]).ln()));
        }
    }

    fn spline(&mut self, task: &Task<'_>) -> PriceSpline {
        self.density.clear();
        for (row, unit) in self.bends.iter().zip(&self.unit) {
            let window = &self.x[row.start..row.start + 4];
            let share: f64 = row.row.iter().zip(window).map(|(a, x)| a * x).sum();
            self.density.push((share + row.constant) * unit);
        }
        PriceSpline::new(task.knots, &self.density, [self.x[0], self.x[self.x.len() - 1]], task.powers)
    }

    /// Adds calendar constraints where `spline` falls below `previous` at the knots of either or between them; how many.
    fn cut(&mut self, spline: &PriceSpline, previous: &PriceSpline, task: &Task<'_>) -> usize {
        let mut points = std::mem::take(&mut self.points);
        points.clear();
        points.extend_from_slice(task.knots);
        points.extend_from_slice(previous.knots());
        points.push(1.0);
        points.sort_by(f64::total_cmp);
        points.dedup();
        // The rise of the price, as a share of the earlier, and the first two derivatives of the rise.
        let rise = |x: f64| {
            let (own, other) = (spline.out_of_the_money(x), previous.out_of_the_money(x));
            [(own[0] - other[0]) / other[0], own[1] - other[1], own[2] - other[2]]
        };
        let ends = [previous.knots()[0], previous.knots()[previous.knots().len() - 1]];
        let mut added = 0;
        let mut see = |workspace: &mut Self, x: f64, share: f64| {
            if share < CALENDAR_SLACK {
                // A margin as deep as the fall, so that the minimum that the next round finds beside it is still above.
                let margin = (-share).clamp(CALENDAR_MARGIN[0], CALENDAR_MARGIN[1]);
                workspace.keep_above(previous, x, task.reference, margin);
                added += 1;
            }
        };
        let mut before: Option<(f64, [f64; 3])> = None;
        let mut look = |workspace: &mut Self, x: f64, at: [f64; 3], before: &mut Option<(f64, [f64; 3])>| {
            if let Some((low, at_low)) = *before
                && at_low[1] < 0.0
                && at[1] > 0.0
            {
                let [mut low, mut high] = [low, x];
                for _ in 0..30 {
                    let middle = 0.5 * (low + high);
                    if rise(middle)[1] < 0.0 { low = middle } else { high = middle }
                }
                see(workspace, low, rise(low)[0]);
            }
            see(workspace, x, at[0]);
            *before = Some((x, at));
        };
        for &x in &points {
            let at = rise(x);
            if let Some((low, at_low)) = before {
                // Beyond its knots the earlier price is no cubic. Within them the rise is one, and between the turn of its second derivative
                // and either end its slope is monotone.
                let beyond = low < ends[0] || x > ends[1];
                let turns = at_low[2] * at[2] < 0.0;
                let turn = at_low[2] / (at_low[2] - at[2]);
                let shares: &[f64] = if beyond {
                    &[0.2, 0.4, 0.6, 0.8]
                } else if turns {
                    &[turn]
                } else {
                    &[]
                };
                for share in shares {
                    let inner = low + share * (x - low);
                    look(self, inner, rise(inner), &mut before);
                }
            }
            look(self, x, at, &mut before);
        }
        self.points = points;
        added
    }
}
