//! How large a scheme is on a device: where its tables lie in one buffer, and what a block of threads holds of it.

use crate::american::accuracy::{Points, Tables};
use crate::math::grid::BLOCK_THREADS;

/// Threads of a block.
pub(super) const THREADS: usize = BLOCK_THREADS as usize;
/// Points of the boundary's integrals that a block holds at a time: eight a thread.
const POINTS_AT_ONCE: usize = 8 * THREADS;

/// A scheme, as the kernel's compiler knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub nodes: usize,
    /// Of an integral of the boundary's equation.
    pub points: usize,
    /// The same in the first Newton step.
    pub first_points: usize,
    pub premium_points: usize,
    /// Newton steps.
    pub steps: u32,
}

impl Shape {
    pub fn of(tables: &Tables) -> Self {
        Self {
            nodes: tables.root.len(),
            points: tables.integral.points.sin.len(),
            first_points: tables.integral_of(0).points.sin.len(),
            premium_points: tables.premium.sin.len(),
            steps: tables.scheme.newton_steps as u32,
        }
    }

    /// The tables in one buffer, in the order of the offsets below.
    pub fn packed(tables: &Tables) -> Vec<f64> {
        let rule = |points: &Points| [points.sin.as_slice(), &points.cos, &points.weight].concat();
        let integrals = [&tables.integral, tables.integral_of(0)]
            .map(|integral| [rule(&integral.points), integral.weight.clone()].concat());
        [tables.root.clone(), integrals.concat(), rule(&tables.premium), tables.premium_weight.clone()].concat()
    }

    /// The boundary's integrals: sines, cosines and weights of the points, one after the other, then the weights of the nodes.
    pub fn integral(self) -> usize {
        self.nodes
    }

    /// Those of the first step, in the same order.
    pub fn first_integral(self) -> usize {
        self.integral() + self.integral_len(self.points)
    }

    fn integral_len(self, points: usize) -> usize {
        3 * points + self.nodes * points * self.nodes
    }

    pub fn premium_sin(self) -> usize {
        self.first_integral() + self.integral_len(self.first_points)
    }

    pub fn premium_cos(self) -> usize {
        self.premium_sin() + self.premium_points
    }

    pub fn premium_weight(self) -> usize {
        self.premium_cos() + self.premium_points
    }

    pub fn premium_node_weight(self) -> usize {
        self.premium_weight() + self.premium_points
    }

    /// Numbers of all tables together.
    pub fn tables_len(self) -> usize {
        self.premium_node_weight() + self.premium_points * self.nodes
    }

    /// Rows of Newton's matrix whose points are held together.
    pub fn rows_at_once(self) -> usize {
        (POINTS_AT_ONCE / (self.points + 1)).clamp(1, self.nodes)
    }

    /// Their points, and the terms at their nodes.
    pub fn added_at_once(self) -> usize {
        self.rows_at_once() * (self.points + 1)
    }

    /// Bytes of shared memory of a block, at most.
    pub fn shared_bytes(self) -> usize {
        let numbers = 3 * self.nodes + self.nodes * (self.nodes + 1) + 3 * self.added_at_once() + 3 * THREADS;
        numbers * size_of::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::american::Accuracy;

    #[test]
    fn tables_lie_where_the_offsets_say() {
        for accuracy in [Accuracy::fast(), Accuracy::accurate()] {
            for tables in [&accuracy.at_strike, &accuracy.below_strike] {
                let (shape, packed) = (Shape::of(tables), Shape::packed(tables));
                assert_eq!(packed[shape.nodes - 1], 1.0);
                for (offset, part) in [
                    (shape.integral(), &tables.integral.points.sin),
                    (shape.integral() + shape.points, &tables.integral.points.cos),
                    (shape.integral() + 2 * shape.points, &tables.integral.points.weight),
                    (shape.integral() + 3 * shape.points, &tables.integral.weight),
                    (shape.first_integral(), &tables.first_integral.points.sin),
                    (shape.first_integral() + 3 * shape.first_points, &tables.first_integral.weight),
                    (shape.premium_sin(), &tables.premium.sin),
                    (shape.premium_cos(), &tables.premium.cos),
                    (shape.premium_weight(), &tables.premium.weight),
                    (shape.premium_node_weight(), &tables.premium_weight),
                ] {
                    assert_eq!(&packed[offset..offset + part.len()], part.as_slice());
                }
                assert_eq!(packed.len(), shape.tables_len());
                // What every Vulkan device has in the field, and lavapipe.
                assert!(shape.shared_bytes() <= 32 << 10, "{shape:?}: {}", shape.shared_bytes());
            }
        }
    }
}
