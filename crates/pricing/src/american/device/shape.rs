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
    pub premium_points: usize,
    /// Newton steps.
    pub steps: u32,
}

impl Shape {
    pub fn of(tables: &Tables) -> Self {
        Self {
            nodes: tables.root.len(),
            points: tables.integral.sin.len(),
            premium_points: tables.premium.sin.len(),
            steps: tables.scheme.newton_steps as u32,
        }
    }

    /// The tables in one buffer, in the order of the offsets below.
    pub fn packed(tables: &Tables) -> Vec<f64> {
        let rule = |points: &Points| [points.sin.as_slice(), &points.cos, &points.weight].concat();
        [tables.root.clone(), rule(&tables.integral), tables.integral_weight.clone()]
            .into_iter()
            .chain([rule(&tables.premium), tables.premium_weight.clone()])
            .flatten()
            .collect()
    }

    pub fn sin(self) -> usize {
        self.nodes
    }

    pub fn cos(self) -> usize {
        self.sin() + self.points
    }

    pub fn weight(self) -> usize {
        self.cos() + self.points
    }

    pub fn integral_weight(self) -> usize {
        self.weight() + self.points
    }

    pub fn premium_sin(self) -> usize {
        self.integral_weight() + self.nodes * self.points * self.nodes
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
                    (shape.sin(), &tables.integral.sin),
                    (shape.cos(), &tables.integral.cos),
                    (shape.weight(), &tables.integral.weight),
                    (shape.integral_weight(), &tables.integral_weight),
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
