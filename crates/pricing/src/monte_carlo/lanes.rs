//! A block of neighbouring paths side by side: the unit of every vector loop of the engine.

/// Paths of a block: a whole number of antithetic pairs and of vectors.
pub(super) const LANES: usize = 128;

/// A number a path.
pub(super) type Lanes = [f64; LANES];

/// Paths of a tile, a whole number of blocks: one task, whose sum is added to the others in their order.
pub(super) const TILE: usize = 16 * LANES;
