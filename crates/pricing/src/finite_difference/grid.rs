//! Nodes in spot, in units of the strike.
//!
//! Formula   S(ξ) = m + c sinh ξ, m = (S₀ + 1)/2, c² = (w σ√T)² + ((S₀ − 1)/2)²: dense between spot and strike, exponential far out. Where
//!           w σ√T > 1: m = 0, c = min(S₀, 1) e^(−σ√T), which is even in ln S
//! Method    Spot, strike and watched barriers are anchors: between two of them ξ is divided evenly into a whole number of cells, so that
//!           each is a node. Where another anchor would be nearer to the spot than half a cell it is left out: the payoff's mean over
//!           cells does not need it. Refining halves every cell in ξ, so that grids are nested and their errors comparable.
//! Source    D. Tavella and C. Randall, "Pricing Financial Instruments: The Finite Difference Method" (2000), section 5

/// Where the grid ends and what must be on it.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Lower end, at least 0.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Between the ends.
    pub spot: f64,
    /// σ√T as a share of the strike.
    pub width: f64,
}

/// The map from ξ to spot, and how ξ is divided on the coarsest grid.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    centre: f64,
    scale: f64,
    /// Ends of the pieces of ξ, spot they stand for, and cells in the piece that ends there (0 for the first).
    pieces: Vec<(f64, f64, usize)>,
}

/// σ√T from which on a spot may fall to a small part of itself: cells are even in its logarithm then, down to a deviation below spot and strike.
const WIDE: f64 = 1.0;
/// Beyond this nothing is left to see so far below.
const MOST_WIDTH: f64 = 20.0;

/// Cells to the spot, from which on an anchor is on the grid that must be.
const NEAREST: f64 = 1e-3;

impl Map {
    /// Whether `anchor` is on the grid for its own sake.
    pub fn has(&self, anchor: f64) -> bool {
        self.pieces.iter().any(|piece| piece.1 == anchor)
    }

    /// Divides the extent into `cells` (or one for each piece, if that is more), with nodes at the spot and at `anchors` inside; the first of
    /// them is one however near to the spot, but for rounding, where it `must` be.
    pub fn new(extent: &Extent, anchors: &[f64], cells: usize, must: bool) -> Self {
        let Extent { low, high, spot, width } = *extent;
        let is_wide = width > WIDE;
        let centre = if is_wide { 0.0 } else { 0.5 * (spot + 1.0) };
        let scale = if is_wide {
            spot.min(1.0) * (-width.min(MOST_WIDTH)).exp()
        } else {
            width.hypot(0.5 * (spot - 1.0)).max(1e-9 * centre)
        };
        let xi = |s: f64| ((s - centre) / scale).asinh();
        let cell = (xi(high) - xi(low)) / cells.max(1) as f64;
        let mut fixed: Vec<f64> = vec![low, spot, high];
        for (i, &a) in anchors.iter().enumerate() {
            let nearest = if must && i == 0 { NEAREST } else { 0.5 };
            if a > low && a < high && fixed.iter().all(|&f| (xi(a) - xi(f)).abs() > nearest * cell) {
                fixed.push(a);
            }
        }
        fixed.sort_by(f64::total_cmp);
        let mut pieces = vec![(xi(low), low, 0)];
        for pair in fixed.windows(2) {
            let count = ((xi(pair[1]) - xi(pair[0])) / cell).round();
            pieces.push((xi(pair[1]), pair[1], (count as usize).clamp(1, 2 * cells.max(1))));
        }
        // Rounding may have made one too many or too few: the longest piece takes the difference.
        let total: usize = pieces.iter().map(|piece| piece.2).sum();
        if let Some(longest) = pieces.iter_mut().max_by_key(|piece| piece.2) {
            longest.2 = (longest.2 + cells).saturating_sub(total).max(1);
        }
        Self { centre, scale, pieces }
    }

    /// Writes the nodes of the grid whose cells are the coarsest ones divided by `refinement`; returns the index of `spot`.
    pub fn nodes(&self, refinement: usize, spot: f64, out: &mut Vec<f64>) -> usize {
        out.clear();
        let mut spot_index = 0;
        out.push(self.pieces[0].1);
        for pair in self.pieces.windows(2) {
            let ((from, ..), (to, end, count)) = (pair[0], pair[1]);
            let count = count * refinement;
            let step = (to - from) / count as f64;
            out.extend((1..count).map(|i| {
                // sinh, whose rounding matters next to the centre alone and there against the centre.
                let e = (from + step * i as f64).exp();
                self.centre + 0.5 * self.scale * (e - 1.0 / e)
            }));
            out.push(end);
            if end == spot {
                spot_index = out.len() - 1;
            }
        }
        spot_index
    }
}
