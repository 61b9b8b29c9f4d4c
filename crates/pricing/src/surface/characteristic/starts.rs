//! Where descents start.

use super::market::Market;

/// Heston: levels from the money, with an index's usual skew; fast and steep; slow and mild; the other way.
pub(super) fn heston(market: &Market) -> Vec<[f64; 5]> {
    let [short, long] = market.levels();
    [[1.5, 0.5, -0.6], [6.0, 1.5, -0.7], [0.4, 0.3, -0.3], [2.0, 0.6, 0.4]]
        .map(|[kappa, sigma, rho]| [short, kappa, long, sigma, rho])
        .to_vec()
}

/// Jumps as intensity, mean and deviation: rare crashes, frequent small ones, very rare deep ones, upward ones.
const JUMPS: [[f64; 3]; 4] = [[0.3, -0.12, 0.12], [2.0, -0.04, 0.06], [0.08, -0.35, 0.2], [0.5, 0.08, 0.1]];

/// Bates: Heston's optimum, with jumps that take some of its work.
pub(super) fn bates(heston: &[f64; 5]) -> Vec<[f64; 8]> {
    let &[v0, kappa, theta, sigma, rho] = heston;
    JUMPS.map(|[intensity, mean, std]| [0.9 * v0, kappa, 0.9 * theta, 0.8 * sigma, rho, intensity, mean, std]).to_vec()
}

/// Merton: most of the level by diffusion.
pub(super) fn merton(market: &Market) -> Vec<[f64; 4]> {
    let volatility = 0.75 * market.levels()[0].sqrt();
    let quiet = [volatility, 5.0, -0.02, 0.04];
    JUMPS.map(|[intensity, mean, std]| [volatility, intensity, mean, std]).into_iter().chain([quiet]).collect()
}

/// Kou: the same as Merton, by the share of upward jumps and the two rates.
pub(super) fn kou(market: &Market) -> Vec<[f64; 5]> {
    let volatility = 0.75 * market.levels()[0].sqrt();
    [
        [0.5, 0.2, 15.0, 6.0],
        [3.0, 0.3, 30.0, 20.0],
        [0.1, 0.1, 10.0, 3.0],
        [1.0, 0.7, 10.0, 20.0],
        [8.0, 0.4, 50.0, 40.0],
    ]
    .map(|[intensity, up, up_rate, down_rate]| [volatility, intensity, up, up_rate, down_rate])
    .to_vec()
}
