//! The modified Craig–Sneyd scheme.
//!
//! Formula   Y₀ = U + dt F(U); (1 − θ dt Aₖ) Yₖ = Yₖ₋₁ − θ dt Aₖ U, k = 1, 2; Z₀ = Y₀ + θ dt A₀(Y₂ − U) + (½ − θ) dt (F(Y₂) − F(U)), and
//!           the same two solutions from Z₀; θ = 1/3
//! Method    After expiry and after every event one step is six of Douglas's with θ = 1, which damp, short ones first: where the payoff
//!           jumps at a barrier they would else leave an error of first order.
//!           American exercise by splitting: the step runs with the Lagrange multiplier λ as a source, then U = max(U − dt λ, payoff) and λ
//!           takes up what was cut.
//! Source    K. J. in 't Hout and B. D. Welfert (2009) for the scheme; S. Ikonen and J. Toivanen, "Operator splitting methods for American
//!           option pricing" (2004), and T. Haentjens and K. J. in 't Hout (2015) for the splitting

use super::operator::{Operator, Weights};
use crate::finite_difference::events::{Event, Stretch};
use crate::finite_difference::jump::before_dividend;
use crate::finite_difference::payoff::Affine;
use crate::finite_difference::solve::{Estimate, Level, near};
use crate::finite_difference::stepper::{Edge, Unit, cell};
use crate::fourier::Heston;

/// θ of the modified Craig–Sneyd scheme.
const THETA: f64 = 1.0 / 3.0;
/// The shares of the step after expiry, or after an event, that damp it.
const DAMPING: [f64; 6] = [1.0 / 32.0, 1.0 / 32.0, 1.0 / 16.0, 0.125, 0.25, 0.5];

/// Grid, values and scratch. Fields over the grid are rows of equal variance, spots within.
#[derive(Default)]
pub(super) struct Adi {
    pub spots: Vec<f64>,
    pub variances: Vec<f64>,
    values: Vec<f64>,
    payoff: Vec<f64>,
    multiplier: Vec<f64>,
    operator: Operator,
    edges: Vec<Edge>,
    /// Slopes S ∂U/∂S, and the parts of the operator on U.
    slopes: Vec<f64>,
    parts: [Vec<f64>; 3],
    first: Vec<f64>,
    work: Vec<f64>,
    after: [Vec<f64>; 3],
    spot_factors: [Vec<f64>; 3],
    variance_factors: Vec<Weights>,
    third: f64,
    factored: f64,
}

impl Adi {
    /// Fills `values` with those of now.
    pub fn roll_back(&mut self, unit: &Unit<'_>, parameters: &Heston, stretches: &[Stretch], refinement: usize) {
        self.start(unit, parameters);
        let mut fresh = true;
        for stretch in stretches {
            let steps = stretch.steps * refinement;
            let step = stretch.length / steps.max(1) as f64;
            for _ in 0..steps {
                if fresh {
                    DAMPING.iter().for_each(|share| self.step(unit, share * step, true));
                } else {
                    self.step(unit, step, false);
                }
                fresh = false;
            }
            if let Some(event) = stretch.event {
                self.happen(unit, event);
                fresh = true;
            }
        }
    }

    fn start(&mut self, unit: &Unit<'_>, parameters: &Heston) {
        let (n, m) = (self.spots.len(), self.variances.len());
        let growth = [unit.rate, unit.rate - unit.dividend_yield];
        self.operator.assemble(&self.spots, &self.variances, parameters, growth);
        self.payoff.clear();
        let best = |s: f64| if unit.american { unit.payoff.at_best(s) } else { unit.payoff.at(s) };
        self.payoff.extend(self.spots.iter().map(|&s| best(s)));
        self.values.clear();
        for i in 0..n {
            self.values.push(unit.payoff.mean(self.spots[i], cell(&self.spots, i)));
        }
        let one = self.values.clone();
        for _ in 1..m {
            self.values.extend_from_slice(&one);
        }
        let zeros = |column: &mut Vec<f64>| {
            column.clear();
            column.resize(n * m, 0.0);
        };
        let fields = [&mut self.multiplier, &mut self.slopes, &mut self.first, &mut self.work];
        fields.into_iter().chain(&mut self.parts).chain(&mut self.after).chain(&mut self.spot_factors).for_each(zeros);
        self.factored = f64::NAN;
        let far =
            |s: f64, knocked: Option<f64>| knocked.map_or_else(|| Edge::Far(unit.payoff.affine(s)), Edge::Knocked);
        self.edges.clear();
        self.edges.extend([far(self.spots[0], unit.knocked[0]), far(self.spots[n - 1], unit.knocked[1])]);
        if unit.watched_at_expiry {
            self.watch(unit);
        }
        self.set_ends(false);
    }

    /// A step of the scheme, or one of Douglas's with θ = 1.
    fn step(&mut self, unit: &Unit<'_>, step: f64, douglas: bool) {
        let k = if douglas { step } else { THETA * step };
        if self.factored != k {
            self.factor(k);
        }
        self.discount_edges(unit, step);
        self.operator.apply(&self.values, &mut self.slopes, &mut self.parts);
        let [mixed, spot, variance] = &self.parts;
        let source = if unit.american { step } else { 0.0 };
        for i in 0..self.values.len() {
            let whole = mixed[i] + spot[i] + variance[i];
            self.first[i] = self.values[i] + step * whole + source * self.multiplier[i];
            self.work[i] = self.first[i] - k * spot[i];
        }
        self.invert(k);
        if !douglas {
            self.operator.apply(&self.work, &mut self.slopes, &mut self.after);
            for i in 0..self.values.len() {
                let changes = [0, 1, 2].map(|part| self.after[part][i] - self.parts[part][i]);
                let whole = changes[0] + changes[1] + changes[2];
                let corrected = self.first[i] + k * changes[0] + (0.5 - THETA) * step * whole;
                self.work[i] = corrected - k * self.parts[1][i];
            }
            self.invert(k);
        }
        std::mem::swap(&mut self.values, &mut self.work);
        if unit.american {
            self.exercise(step);
        }
        self.set_ends(false);
    }

    /// Solves both directions in `work`, which holds the right side of the first.
    fn invert(&mut self, k: f64) {
        self.set_ends(true);
        let n = self.spots.len();
        let [weight, inverse, back] = &self.spot_factors;
        for (((row, weight), inverse), back) in self
            .work
            .chunks_exact_mut(n)
            .zip(weight.chunks_exact(n))
            .zip(inverse.chunks_exact(n))
            .zip(back.chunks_exact(n))
        {
            let mut before = 0.0;
            for (value, weight) in row.iter_mut().zip(weight) {
                before = *value + weight * before;
                *value = before;
            }
            let mut next = 0.0;
            for ((value, inverse), back) in row.iter_mut().zip(inverse).zip(back).rev() {
                next = *value * inverse + back * next;
                *value = next;
            }
        }
        let along = &self.parts[2];
        self.work.iter_mut().zip(along).for_each(|(value, along)| *value -= k * along);
        self.set_ends(true);
        let m = self.variances.len();
        for j in 1..m {
            let (done, rest) = self.work.split_at_mut(j * n);
            let weight = self.variance_factors[j][0];
            let before = &done[(j - 1) * n..];
            rest[..n].iter_mut().zip(before).for_each(|(value, before)| *value += weight * before);
        }
        for j in (0..m).rev() {
            let [_, inverse, back] = self.variance_factors[j];
            let (rest, done) = self.work.split_at_mut((j + 1) * n);
            let row = &mut rest[j * n..];
            if j == m - 1 {
                row.iter_mut().for_each(|value| *value *= inverse);
            } else if j == 0 {
                let (next, third) = (&done[..n], &done[n..2 * n]);
                for ((value, next), third) in row.iter_mut().zip(next).zip(third) {
                    *value = *value * inverse + back * next + self.third * third;
                }
            } else {
                row.iter_mut().zip(&done[..n]).for_each(|(value, next)| *value = *value * inverse + back * next);
            }
        }
    }

    /// Factors 1 − kA1 for every variance, and 1 − kA2 with the third weight of its first row eliminated.
    fn factor(&mut self, k: f64) {
        let n = self.spots.len();
        let [weights, inverses, backs] = &mut self.spot_factors;
        for (j, &v) in self.variances.iter().enumerate() {
            let (mut before, mut link) = (0.0, 0.0);
            for i in 0..n {
                let (diffusion, drift) = (self.operator.along_spot.diffusion[i], self.operator.along_spot.drift[i]);
                let [lower, diagonal, upper] = [0, 1, 2].map(|part| k * (v * diffusion[part] + drift[part]));
                let weight = lower * before;
                let inverse = 1.0 / (1.0 - diagonal - weight * link);
                let at = j * n + i;
                (weights[at], inverses[at], backs[at]) = (weight, inverse, upper * inverse);
                (before, link) = (inverse, upper);
            }
        }
        self.variance_factors.clear();
        let (mut before, mut link) = (0.0, 0.0);
        for (j, row) in self.operator.along_variance.rows.iter().enumerate() {
            let [lower, diagonal, mut upper] = row.map(|w| k * w);
            let weight = lower * before;
            if j == 1 {
                upper += weight * k * self.operator.along_variance.third;
            }
            let inverse = 1.0 / (1.0 - diagonal - weight * link);
            if j == 0 {
                self.third = k * self.operator.along_variance.third * inverse;
            }
            self.variance_factors.push([weight, inverse, upper * inverse]);
            (before, link) = (inverse, upper);
        }
        self.factored = k;
    }

    fn exercise(&mut self, step: f64) {
        let n = self.spots.len();
        for (values, multiplier) in self.values.chunks_exact_mut(n).zip(self.multiplier.chunks_exact_mut(n)) {
            for ((value, multiplier), payoff) in values.iter_mut().zip(multiplier).zip(&self.payoff) {
                let free = *value - step * *multiplier;
                *value = free.max(*payoff);
                *multiplier = ((*payoff - free) / step).max(0.0);
            }
        }
    }

    fn at_least_payoff(&mut self) {
        let n = self.spots.len();
        for values in self.values.chunks_exact_mut(n) {
            values.iter_mut().zip(&self.payoff).for_each(|(value, payoff)| *value = value.max(*payoff));
        }
    }

    fn discount_edges(&mut self, unit: &Unit<'_>, step: f64) {
        let growth = [(-unit.dividend_yield * step).exp(), (-unit.rate * step).exp()];
        for edge in &mut self.edges {
            if let Edge::Far(affine) = edge {
                affine.discount(growth);
            }
        }
        if unit.american {
            self.exercise_edges(unit);
        }
    }

    fn exercise_edges(&mut self, unit: &Unit<'_>) {
        let spots = [self.spots[0], self.spots[self.spots.len() - 1]];
        for (edge, spot) in self.edges.iter_mut().zip(spots) {
            if let Edge::Far(affine) = edge
                && unit.payoff.at(spot) > affine.at(spot)
            {
                *affine = unit.payoff.affine(spot);
            }
        }
    }

    /// Puts the given values at both ends of `values`, or of `work`.
    fn set_ends(&mut self, work: bool) {
        let n = self.spots.len();
        let ends = [0, n - 1];
        let given = [0, 1].map(|which| match self.edges[which] {
            Edge::Knocked(value) => value,
            Edge::Far(affine) => affine.at(self.spots[ends[which]]),
        });
        let field = if work { &mut self.work } else { &mut self.values };
        for row in field.chunks_exact_mut(n) {
            (row[0], row[n - 1]) = (given[0], given[1]);
        }
    }

    fn happen(&mut self, unit: &Unit<'_>, event: Event) {
        match event {
            Event::Dividend(amount) => self.pay(amount),
            Event::Exercise => {
                self.exercise_edges(unit);
                self.at_least_payoff();
            }
            Event::Watch => self.watch(unit),
        }
        if unit.american {
            self.exercise_edges(unit);
            self.at_least_payoff();
            self.multiplier.fill(0.0);
        }
        self.set_ends(false);
    }

    fn pay(&mut self, amount: f64) {
        let n = self.spots.len();
        let low = self.edges[0];
        let beyond = |s: f64| match low {
            Edge::Knocked(value) => value,
            Edge::Far(affine) => affine.at(s),
        };
        for (after, out) in self.values.chunks_exact(n).zip(self.work.chunks_exact_mut(n)) {
            before_dividend(&self.spots, after, amount, beyond, out);
        }
        std::mem::swap(&mut self.values, &mut self.work);
        let floored = self.spots[0] == 0.0;
        for (i, edge) in self.edges.iter_mut().enumerate() {
            if let Edge::Far(affine) = edge
                && !(i == 0 && floored)
            {
                affine.intercept -= affine.slope * amount;
            }
        }
    }

    fn watch(&mut self, unit: &Unit<'_>) {
        let n = self.spots.len();
        for i in 0..n {
            let [from, to] = cell(&self.spots, i);
            let alive = unit.alive(from, to);
            for row in self.values.chunks_exact_mut(n) {
                row[i] = alive * row[i] + (1.0 - alive) * unit.rebate;
            }
        }
        let spots = [self.spots[0], self.spots[n - 1]];
        for (edge, spot) in self.edges.iter_mut().zip(spots) {
            if unit.knocks(spot) {
                *edge = Edge::Far(Affine { slope: 0.0, intercept: unit.rebate });
            }
        }
    }

    /// Value and Greeks at a node (spot, variance) of a grid with so many times the coarsest one's cells, and the slope in variance.
    pub fn read(&mut self, unit: &Unit<'_>, [at, level]: [usize; 2], refinement: usize) -> (Level, f64) {
        let n = self.spots.len();
        let at = at.clamp(1, n - 2);
        let row = &self.values[level * n..(level + 1) * n];
        let [below, above] = [self.spots[at] - self.spots[at - 1], self.spots[at + 1] - self.spots[at]];
        let value = row[at];
        let [fall, rise] = [(value - row[at - 1]) / below, (row[at + 1] - value) / above];
        let delta = (fall * above + rise * below) / (below + above);
        let gamma = 2.0 * (rise - fall) / (below + above);
        self.operator.apply(&self.values, &mut self.slopes, &mut self.parts);
        let change: f64 = self.parts.iter().map(|part| part[level * n + at]).sum();
        let exercised = unit.american && value <= self.payoff[at];
        let theta = if exercised { 0.0 } else { -change };
        let v = |j: usize| (self.variances[j], self.values[j * n + at]);
        let variance_delta = if level == 0 {
            let [(a, x), (b, y)] = [v(1), v(2)];
            ((x - value) * b / a - (y - value) * a / b) / (b - a)
        } else {
            let [(a, x), (_, _), (b, y)] = [v(level - 1), v(level), v(level + 1)];
            let here = self.variances[level];
            let [fall, rise] = [(value - x) / (here - a), (y - value) / (b - here)];
            (fall * (b - here) + rise * (here - a)) / (b - a)
        };
        let around = near(at, refinement, n).map(|i| self.values[level * n + i]);
        let [delta, gamma] = match unit.payoff.paid_slope(self.spots[at]) {
            Some(slope) if exercised => [slope, 0.0],
            _ => [delta, gamma],
        };
        (Level { estimate: Estimate { value, error: 0.0, delta, gamma, theta }, near: around }, variance_delta)
    }
}
