//! The limited-memory quasi-Newton method of Liu and Nocedal (1989) with a line search that ends under the strong Wolfe conditions.
//!
//! Source  J. Nocedal and S. Wright, Numerical Optimization, 2nd ed., algorithms 7.4 and 7.5 (direction), 3.5 and 3.6 (line search, with
//!         cubic interpolation kept within the middle of the bracket)

/// Sufficient decrease.
const ARMIJO: f64 = 1e-4;
/// Curvature.
const CURVATURE: f64 = 0.9;
/// Evaluations of a line search.
const SEARCHED: usize = 25;

/// Where a minimisation stands.
#[derive(Clone, Debug)]
pub struct Lbfgs {
    memory: usize,
    steps: Vec<Vec<f64>>,
    changes: Vec<Vec<f64>>,
    /// The last point's value.
    pub value: f64,
    /// And its gradient.
    pub gradient: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A point of a line search.
#[derive(Clone, Copy)]
struct Trial {
    step: f64,
    value: f64,
    slope: f64,
}

impl Lbfgs {
    /// At a point of this value and gradient, remembering so many steps.
    pub fn new(memory: usize, value: f64, gradient: Vec<f64>) -> Self {
        Self { memory, steps: Vec::new(), changes: Vec::new(), value, gradient }
    }

    /// Moves `at` by one step of `objective` (value, with the gradient into its second argument); false where no step makes it better.
    pub fn step(&mut self, at: &mut Vec<f64>, objective: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> bool {
        let mut direction = self.direction();
        let mut slope = dot(&direction, &self.gradient);
        if slope >= 0.0 || !slope.is_finite() {
            self.steps.clear();
            self.changes.clear();
            direction = self.direction();
            slope = dot(&direction, &self.gradient);
        }
        let first =
            if self.steps.is_empty() { (1.0 / dot(&self.gradient, &self.gradient).sqrt()).min(1.0) } else { 1.0 };
        let mut search =
            Search { at, direction: &direction, objective, place: at.clone(), gradient: vec![0.0; at.len()] };
        let start = Trial { step: 0.0, value: self.value, slope };
        let Some(found) = search.run(start, first) else { return false };
        let Search { place, gradient, .. } = search;
        let moved: Vec<f64> = place.iter().zip(&*at).map(|(new, old)| new - old).collect();
        let change: Vec<f64> = gradient.iter().zip(&self.gradient).map(|(new, old)| new - old).collect();
        let decreased = found.value < self.value;
        if dot(&moved, &change) > 1e-300 {
            if self.steps.len() == self.memory {
                self.steps.remove(0);
                self.changes.remove(0);
            }
            self.steps.push(moved);
            self.changes.push(change);
        }
        *at = place;
        self.value = found.value;
        self.gradient = gradient;
        decreased
    }

    /// The two loops of algorithm 7.4.
    fn direction(&self) -> Vec<f64> {
        let mut direction: Vec<f64> = self.gradient.iter().map(|g| -g).collect();
        let mut shares = vec![0.0; self.steps.len()];
        for (i, (s, y)) in self.steps.iter().zip(&self.changes).enumerate().rev() {
            shares[i] = dot(s, &direction) / dot(s, y);
            direction.iter_mut().zip(y).for_each(|(d, y)| *d -= shares[i] * y);
        }
        if let (Some(s), Some(y)) = (self.steps.last(), self.changes.last()) {
            let scale = dot(s, y) / dot(y, y);
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for (i, (s, y)) in self.steps.iter().zip(&self.changes).enumerate() {
            let back = dot(y, &direction) / dot(s, y);
            direction.iter_mut().zip(s).for_each(|(d, s)| *d += (shares[i] - back) * s);
        }
        direction
    }
}

struct Search<'a, F> {
    at: &'a [f64],
    direction: &'a [f64],
    objective: &'a mut F,
    place: Vec<f64>,
    gradient: Vec<f64>,
}

impl<F: FnMut(&[f64], &mut [f64]) -> f64> Search<'_, F> {
    fn look(&mut self, step: f64) -> Trial {
        for ((place, at), d) in self.place.iter_mut().zip(self.at).zip(self.direction) {
            *place = at + step * d;
        }
        let value = (self.objective)(&self.place, &mut self.gradient);
        let slope = dot(&self.gradient, self.direction);
        // A value that is no number is worse than any.
        if value.is_finite() && slope.is_finite() {
            Trial { step, value, slope }
        } else {
            Trial { step, value: f64::INFINITY, slope: f64::INFINITY }
        }
    }

    /// Algorithm 3.5. The point found is the last one looked at.
    fn run(&mut self, start: Trial, first: f64) -> Option<Trial> {
        let (mut before, mut step) = (start, first);
        for looks in 0..SEARCHED {
            let here = self.look(step);
            if here.value > start.value + ARMIJO * step * start.slope || (looks > 0 && here.value >= before.value) {
                return self.zoom(start, before, here, SEARCHED - looks);
            }
            if here.slope.abs() <= -CURVATURE * start.slope {
                return Some(here);
            }
            if here.slope >= 0.0 {
                return self.zoom(start, here, before, SEARCHED - looks);
            }
            before = here;
            step *= 2.5;
        }
        (before.value < start.value).then(|| self.look(before.step))
    }

    /// Algorithm 3.6: `low` is the better end of the bracket.
    fn zoom(&mut self, start: Trial, mut low: Trial, mut high: Trial, looks: usize) -> Option<Trial> {
        for _ in 0..looks {
            let width = high.step - low.step;
            if width.abs() < 1e-16 {
                break;
            }
            let step = cubic(low, high).clamp(
                (low.step + 0.1 * width).min(low.step + 0.9 * width),
                (low.step + 0.1 * width).max(low.step + 0.9 * width),
            );
            let here = self.look(step);
            if here.value > start.value + ARMIJO * step * start.slope || here.value >= low.value {
                high = here;
            } else {
                if here.slope.abs() <= -CURVATURE * start.slope {
                    return Some(here);
                }
                if here.slope * width >= 0.0 {
                    high = low;
                }
                low = here;
            }
        }
        (low.step > 0.0 && low.value < start.value).then(|| self.look(low.step))
    }
}

/// Where the cubic of both values and slopes is least (equation 3.59); the middle where it is nowhere.
fn cubic(a: Trial, b: Trial) -> f64 {
    let middle = 0.5 * (a.step + b.step);
    let one = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.step - b.step);
    let square = one * one - a.slope * b.slope;
    let two = (b.step - a.step).signum() * square.sqrt();
    let step = b.step - (b.step - a.step) * (b.slope + two - one) / (b.slope - a.slope + 2.0 * two);
    if step.is_finite() { step } else { middle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrock_in_twenty_dimensions_is_minimised() {
        let mut looks = 0;
        let mut rosenbrock = |x: &[f64], gradient: &mut [f64]| {
            looks += 1;
            gradient.fill(0.0);
            let mut sum = 0.0;
            for i in 0..x.len() - 1 {
                let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
                sum += 100.0 * a * a + b * b;
                gradient[i] += -400.0 * a * x[i] - 2.0 * b;
                gradient[i + 1] += 200.0 * a;
            }
            sum
        };
        let mut at = vec![-1.2; 20];
        let mut gradient = vec![0.0; 20];
        let value = rosenbrock(&at, &mut gradient);
        let mut state = Lbfgs::new(10, value, gradient);
        let mut steps = 0;
        while state.value > 1e-18 && state.step(&mut at, &mut rosenbrock) {
            steps += 1;
            assert!(steps < 500);
        }
        assert!(at.iter().all(|x| (x - 1.0).abs() < 1e-8), "{} after {steps} steps", state.value);
        assert!(looks < 400, "{looks}");
    }

    #[test]
    fn a_value_that_is_no_number_is_stepped_around() {
        // Minimum at 1, no number beyond 2; the first step of length 1 along the slope would go there from far left.
        let mut f = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = if x[0] < 2.0 { 40.0 * (x[0] - 1.0) } else { f64::NAN };
            if x[0] < 2.0 { 20.0 * (x[0] - 1.0).powi(2) } else { f64::NAN }
        };
        let (mut at, mut gradient) = (vec![0.9], vec![0.0]);
        let value = f(&at, &mut gradient);
        let mut state = Lbfgs::new(5, value, vec![gradient[0]]);
        while state.step(&mut at, &mut f) {}
        assert!((at[0] - 1.0).abs() < 1e-9, "{}", at[0]);
    }
}
