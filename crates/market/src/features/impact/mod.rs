//! Price impact: by how much trading moves the price, and what that costs.

pub mod almgren_chriss;
pub mod propagator;
pub mod square_root;
