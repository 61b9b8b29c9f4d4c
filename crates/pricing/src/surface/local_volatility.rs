//! Dupire's local volatility of any surface, on a grid, with a word about every node that has none.

use serde::{Deserialize, Serialize};

use super::smile::{VolatilitySurface, durrleman_g};

/// What a node's local volatility is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalVolatilityStatus {
    /// Dupire's.
    Ok,
    /// Dupire's is below the least allowed, which stands in.
    BelowLeast,
    /// Dupire's is above the greatest allowed, which stands in.
    AboveGreatest,
    /// Total variance falls with expiry here. The nearest node of the same expiry that has a volatility stands in.
    CalendarArbitrage,
    /// The density is zero or negative here. The nearest node of the same expiry stands in.
    ButterflyArbitrage,
    /// The surface has no value here. The nearest node of the same expiry stands in.
    NoValue,
}

impl LocalVolatilityStatus {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BelowLeast => "below_least",
            Self::AboveGreatest => "above_greatest",
            Self::CalendarArbitrage => "calendar_arbitrage",
            Self::ButterflyArbitrage => "butterfly_arbitrage",
            Self::NoValue => "no_value",
        }
    }
}

/// Why there is no grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalVolatilityError {
    /// Nodes that are none, not finite, do not rise, or expiries not above zero.
    #[error("{column} must be finite, rise, and have at least one node (expiries above zero)")]
    Nodes {
        /// Which.
        column: &'static str,
    },
    /// Bounds that bound nothing.
    #[error("bounds {low} to {high}: 0 <= low < high <= 10 is wanted")]
    Bounds {
        /// Least volatility.
        low: f64,
        /// Greatest volatility.
        high: f64,
    },
    /// An expiry at which no node has a volatility.
    #[error("no node at expiry_years {expiry_years} has a local volatility")]
    Empty {
        /// The expiry.
        expiry_years: f64,
    },
}

/// Local volatilities by expiry and log-moneyness k = ln(S/F_t), per square root of a year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalVolatilityGrid {
    expiry_years: Vec<f64>,
    log_moneyness: Vec<f64>,
    volatilities: Vec<f64>,
    statuses: Vec<LocalVolatilityStatus>,
}

impl LocalVolatilityGrid {
    /// √(∂w/∂t / g) of `surface` at each node (Gatheral, The Volatility Surface, 2006, equation 1.10), held within `bounds`. Every value is
    /// finite; its status says whether it is Dupire's.
    ///
    /// # Errors
    /// See [`LocalVolatilityError`].
    pub fn new(
        surface: &(impl VolatilitySurface + ?Sized),
        log_moneyness: &[f64],
        expiry_years: &[f64],
        bounds: [f64; 2],
    ) -> Result<Self, LocalVolatilityError> {
        let rise = |xs: &[f64]| {
            !xs.is_empty() && xs.iter().all(|x| x.is_finite()) && xs.windows(2).all(|pair| pair[0] < pair[1])
        };
        if !rise(log_moneyness) {
            return Err(LocalVolatilityError::Nodes { column: "log_moneyness" });
        }
        if !rise(expiry_years) || expiry_years[0] <= 0.0 {
            return Err(LocalVolatilityError::Nodes { column: "expiry_years" });
        }
        let [low, high] = bounds;
        if !(0.0 <= low && low < high && high <= 10.0) {
            return Err(LocalVolatilityError::Bounds { low, high });
        }
        let count = expiry_years.len() * log_moneyness.len();
        let (mut volatilities, mut statuses) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for &t in expiry_years {
            let start = volatilities.len();
            for &k in log_moneyness {
                let (volatility, status) = node(surface, k, t, bounds);
                volatilities.push(volatility);
                statuses.push(status);
            }
            fill(&mut volatilities[start..], log_moneyness).ok_or(LocalVolatilityError::Empty { expiry_years: t })?;
        }
        Ok(Self { expiry_years: expiry_years.to_vec(), log_moneyness: log_moneyness.to_vec(), volatilities, statuses })
    }

    /// Expiries, ascending.
    pub fn expiry_years(&self) -> &[f64] {
        &self.expiry_years
    }

    /// Log-moneyness, ascending.
    pub fn log_moneyness(&self) -> &[f64] {
        &self.log_moneyness
    }

    /// Volatilities, a row an expiry.
    pub fn volatilities(&self) -> &[f64] {
        &self.volatilities
    }

    /// What each volatility is.
    pub fn statuses(&self) -> &[LocalVolatilityStatus] {
        &self.statuses
    }

    /// The volatility at any point: bilinear in k and t, constant beyond the edges. NaN where k or t is not finite.
    pub fn volatility(&self, k: f64, expiry_years: f64) -> f64 {
        if !(k.is_finite() && expiry_years.is_finite()) {
            return f64::NAN;
        }
        let n = self.log_moneyness.len();
        let ([row, next_row], down) = place(&self.expiry_years, expiry_years);
        let ([column, next_column], right) = place(&self.log_moneyness, k);
        let at = |row: usize| {
            let row = &self.volatilities[row * n..][..n];
            row[column] + right * (row[next_column] - row[column])
        };
        let (above, below) = (at(row), at(next_row));
        above + down * (below - above)
    }

    /// Volatilities at `spots`, a row an expiry, where the forward to the years t is `forward(t)`: what a Monte Carlo or finite-difference
    /// grid in spot and time takes beside [`expiry_years`](Self::expiry_years) and the spots. NaN at a spot or forward not above zero.
    pub fn on_spots(&self, spots: &[f64], forward: impl Fn(f64) -> f64) -> Vec<f64> {
        let mut values = Vec::with_capacity(self.expiry_years.len() * spots.len());
        for &t in &self.expiry_years {
            let forward = forward(t);
            values.extend(spots.iter().map(|spot| self.volatility((spot / forward).ln(), t)));
        }
        values
    }
}

/// The local volatility at one point, NaN where another node must stand in.
fn node(
    surface: &(impl VolatilitySurface + ?Sized),
    k: f64,
    t: f64,
    [low, high]: [f64; 2],
) -> (f64, LocalVolatilityStatus) {
    use LocalVolatilityStatus as Is;
    let at = surface.variance(k, t);
    if !(at.total > 0.0 && at.by_t.is_finite() && at.by_k.is_finite() && at.by_kk.is_finite()) {
        return (f64::NAN, Is::NoValue);
    }
    if at.by_t < 0.0 {
        return (f64::NAN, Is::CalendarArbitrage);
    }
    let g = durrleman_g(k, at.smile());
    // Where variance stands still over time a zero density is no contradiction, but says nothing either.
    if g <= 0.0 || g.is_nan() {
        return (f64::NAN, Is::ButterflyArbitrage);
    }
    let volatility = (at.by_t / g).sqrt();
    if volatility < low {
        (low, Is::BelowLeast)
    } else if volatility > high {
        (high, Is::AboveGreatest)
    } else {
        (volatility, Is::Ok)
    }
}

/// Puts the nearest finite value of a row in place of each NaN; none where there is no finite value.
fn fill(row: &mut [f64], log_moneyness: &[f64]) -> Option<()> {
    let known: Vec<(f64, f64)> = log_moneyness
        .iter()
        .zip(row.iter())
        .filter(|(_, value)| value.is_finite())
        .map(|(k, value)| (*k, *value))
        .collect();
    for (k, value) in log_moneyness.iter().zip(row.iter_mut()).filter(|(_, value)| !value.is_finite()) {
        let nearest = known.iter().min_by(|x, y| (x.0 - k).abs().total_cmp(&(y.0 - k).abs()))?;
        *value = nearest.1;
    }
    Some(())
}

/// The nodes either side of x and how far it is to the second; an edge twice beyond it.
fn place(nodes: &[f64], x: f64) -> ([usize; 2], f64) {
    let after = nodes.partition_point(|node| *node <= x);
    if after == 0 || after == nodes.len() {
        let edge = after.saturating_sub(1);
        return ([edge, edge], 0.0);
    }
    ([after - 1, after], (x - nodes[after - 1]) / (nodes[after] - nodes[after - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::{Clock, Slices, Svi, andreasen_huge::reprice};

    fn nodes(low: f64, high: f64, count: usize) -> Vec<f64> {
        (0..count).map(|i| low + (high - low) * i as f64 / (count - 1) as f64).collect()
    }

    fn surface(smiles: Vec<Svi>, expiry_years: Vec<f64>) -> Slices<Svi> {
        Slices { expiry_years, smiles, clock: Clock::default() }
    }

    fn skewed() -> Slices<Svi> {
        let smile =
            |level: f64| Svi { a: 0.5 * level, b: 0.25 * level.sqrt(), rho: -0.5, m: 0.01, sigma: 2.0 * level.sqrt() };
        surface(vec![smile(0.004), smile(0.012), smile(0.045)], vec![0.1, 0.25, 1.0])
    }

    #[test]
    fn a_flat_surface_has_one_local_volatility() {
        let flat = surface(vec![Svi::flat(0.02), Svi::flat(0.08)], vec![0.5, 2.0]);
        let grid =
            LocalVolatilityGrid::new(&flat, &nodes(-1.0, 1.0, 21), &[0.1, 0.5, 1.0, 3.0], [0.0, 5.0]).expect("sound");
        assert!(grid.volatilities().iter().all(|v| (v - 0.2).abs() < 1e-12));
        assert!(grid.statuses().iter().all(|status| *status == LocalVolatilityStatus::Ok));
        assert!((grid.volatility(0.33, 0.77) - 0.2).abs() < 1e-12 && grid.volatility(f64::NAN, 1.0).is_nan());
        let on_spots = grid.on_spots(&[50.0, 100.0, 150.0], |t| 100.0 * (0.05 * t).exp());
        assert_eq!(on_spots.len(), 12);
        assert!(on_spots.iter().all(|v| (v - 0.2).abs() < 1e-12));
    }

    /// The forward equation under Dupire's volatilities gives back the surface that they came from: an independent check of ∂w/∂t, ∂w/∂k
    /// and ∂²w/∂k² together.
    #[test]
    fn vanillas_are_repriced_by_the_forward_equation() {
        let surface = skewed();
        let expiries = [0.1, 0.2, 0.25, 0.7, 1.0];
        let found = reprice(|k, t| surface.local_vol(k, t), &expiries, 400);
        for (smile, t) in found.iter().zip(expiries) {
            for x in [-2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0] {
                let k = x * surface.total_variance(0.0, t).sqrt();
                let (ours, theirs) = ((smile(k) / t).sqrt(), surface.implied_vol(k, t));
                assert!((ours - theirs).abs() < 5e-4, "{ours} and {theirs} at {k}, {t}");
            }
        }
    }

    #[test]
    fn nodes_with_arbitrage_say_so_and_have_a_neighbours_value() {
        // Vogt's smile (Gatheral and Jacquier 2014, section 5.1) has a negative density about 0.88.
        let vogt = Svi { a: -0.0410, b: 0.1331, m: 0.3586, rho: 0.3060, sigma: 0.4153 };
        let grid =
            LocalVolatilityGrid::new(&surface(vec![vogt], vec![1.0]), &nodes(-1.0, 1.0, 201), &[1.0], [0.0, 10.0])
                .expect("sound");
        let bad: Vec<usize> =
            (0..201).filter(|&i| grid.statuses()[i] == LocalVolatilityStatus::ButterflyArbitrage).collect();
        assert!(bad.len() > 5 && bad.iter().all(|&i| (0.6..=1.0).contains(&grid.log_moneyness()[i])));
        assert!(grid.volatilities().iter().all(|v| v.is_finite()));
        let smile = |a: f64, rho: f64| Svi { a, b: 0.05, rho, m: 0.0, sigma: 0.3 };
        let crossing = surface(vec![smile(0.04, -0.8), smile(0.04, 0.0)], vec![1.0, 2.0]);
        let grid = LocalVolatilityGrid::new(&crossing, &nodes(-0.5, 0.5, 11), &[1.5], [0.0, 10.0]).expect("sound");
        assert_eq!(grid.statuses()[0], LocalVolatilityStatus::CalendarArbitrage);
        assert_eq!(grid.statuses()[10], LocalVolatilityStatus::Ok);
        let bounded = LocalVolatilityGrid::new(&skewed(), &nodes(-0.5, 0.5, 11), &[0.5], [0.15, 0.25]).expect("sound");
        assert!(bounded.volatilities().iter().all(|v| (0.15..=0.25).contains(v)));
        assert!(bounded.statuses().contains(&LocalVolatilityStatus::AboveGreatest));
    }

    #[test]
    fn no_grid_of_bad_nodes_or_bounds() {
        let surface = skewed();
        let make = |k: &[f64], t: &[f64], bounds| LocalVolatilityGrid::new(&surface, k, t, bounds);
        assert!(make(&[], &[1.0], [0.0, 1.0]).is_err() && make(&[0.0], &[0.0], [0.0, 1.0]).is_err());
        assert!(make(&[0.0, f64::NAN], &[1.0], [0.0, 1.0]).is_err() && make(&[0.0], &[1.0, 0.5], [0.0, 1.0]).is_err());
        assert!(make(&[0.0], &[1.0], [1.0, 1.0]).is_err() && make(&[0.0], &[1.0], [0.0, f64::NAN]).is_err());
        let empty = Slices::<Svi> { expiry_years: vec![], smiles: vec![], clock: Clock::default() };
        let none = LocalVolatilityGrid::new(&empty, &[0.0], &[1.0], [0.0, 1.0]);
        assert_eq!(none, Err(LocalVolatilityError::Empty { expiry_years: 1.0 }));
    }
}
