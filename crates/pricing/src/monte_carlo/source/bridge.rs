//! The Brownian bridge: the first number of a path sets its end, the next its middle, and so on, so that the first and best coordinates of a
//! quasi-random point decide most of the path.
//!
//! Source   P. Jäckel, Monte Carlo Methods in Finance (2002), section 10.8.3; P. Glasserman (2003), section 3.1

use crate::math::MultiplyAdd;
use crate::monte_carlo::lanes::Lanes;

/// One point to set between two that are set.
#[derive(Clone, Copy, Debug)]
pub(in crate::monte_carlo) struct Rung {
    /// The point, from 0.
    pub at: usize,
    /// The last point set before it; none is the start.
    pub left: Option<usize>,
    /// The first point set after it; none for the end.
    pub right: Option<usize>,
    pub left_weight: f64,
    pub right_weight: f64,
    pub deviation: f64,
}

/// A bridge over steps of one unit of time.
#[derive(Clone, Debug)]
pub(in crate::monte_carlo) struct Bridge {
    rungs: Vec<Rung>,
}

impl Bridge {
    /// Over `steps` equal steps.
    pub(in crate::monte_carlo) fn new(steps: usize) -> Self {
        let mut rungs = Vec::with_capacity(steps);
        if steps > 0 {
            rungs.push(Rung {
                at: steps - 1,
                left: None,
                right: None,
                left_weight: 0.0,
                right_weight: 0.0,
                deviation: (steps as f64).sqrt(),
            });
        }
        // Gaps between set points, breadth first: the widest are halved first.
        let mut gaps = std::collections::VecDeque::from([(None, steps.saturating_sub(1))]);
        while let Some((left, right)) = gaps.pop_front() {
            let start = left.map_or(0, |left: usize| left + 1);
            if start >= right {
                continue;
            }
            let at = start + (right - start - 1) / 2;
            // Times are one more than places; the start is at 0.
            let (before, after) = ((at + 1 - start) as f64, (right - at) as f64);
            let whole = before + after;
            rungs.push(Rung {
                at,
                left,
                right: Some(right),
                left_weight: after / whole,
                right_weight: before / whole,
                deviation: (before * after / whole).sqrt(),
            });
            gaps.push_back((left, at));
            gaps.push_back((Some(at), right));
        }
        Self { rungs }
    }

    /// The rungs in the order of the numbers.
    pub(in crate::monte_carlo) fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// The place in time that each number sets, in the order of the numbers.
    pub(in crate::monte_carlo) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.rungs.iter().map(|rung| rung.at)
    }

    /// Independent normal steps in the order of time, from the numbers in the order of time's places (`path[at]` holds the number that
    /// sets `at`).
    #[inline(always)]
    pub(in crate::monte_carlo) fn steps<M: MultiplyAdd>(&self, path: &mut [Lanes]) {
        for rung in &self.rungs {
            let mut point = path[rung.at];
            for x in &mut point {
                *x *= rung.deviation;
            }
            for (end, weight) in [(rung.left, rung.left_weight), (rung.right, rung.right_weight)] {
                if let Some(end) = end {
                    for (x, end) in point.iter_mut().zip(&path[end]) {
                        *x = M::multiply_add(weight, *end, *x);
                    }
                }
            }
            path[rung.at] = point;
        }
        for at in (1..path.len()).rev() {
            let (before, rest) = path.split_at_mut(at);
            for (x, before) in rest[0].iter_mut().zip(&before[at - 1]) {
                *x -= before;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Plain;
    use crate::monte_carlo::lanes::LANES;

    #[test]
    fn the_steps_of_a_bridge_are_independent_and_of_one_deviation() {
        // The map from numbers to steps is linear: its matrix is orthogonal.
        for n in [1, 2, 3, 7, 16, 50] {
            let bridge = Bridge::new(n);
            let mut places: Vec<usize> = bridge.places().collect();
            places.sort_unstable();
            assert_eq!(places, (0..n).collect::<Vec<_>>());
            let columns: Vec<Vec<f64>> = (0..n)
                .map(|j| {
                    let mut path = vec![[0.0; LANES]; n];
                    path[j] = [1.0; LANES];
                    bridge.steps::<Plain>(&mut path);
                    path.iter().map(|lanes| lanes[5]).collect()
                })
                .collect();
            for (i, a) in columns.iter().enumerate() {
                for (j, b) in columns.iter().enumerate() {
                    let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    let wanted = if i == j { 1.0 } else { 0.0 };
                    assert!((product - wanted).abs() <= 1e-13, "{n}: {i} {j} {product}");
                }
            }
        }
    }
}
