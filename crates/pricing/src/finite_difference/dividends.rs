//! American options on a share that pays cash dividends: value and Greeks, one at a time.
//!
//! Model     Between dividends the spot is lognormal with the row's yield; at each date it falls by the amount, not below zero
//! Source    E. G. Haug, J. Haug and A. Lewis, "Back to basics: a new approach to the discrete dividend problem" (2003);
//!           M. H. Vellekoop and J. W. Nieuwenhuis, "Efficient pricing of derivatives on assets with discrete dividends" (2006)
//! Accuracy  tolerance.rs: finite_difference

use zomma_base::Status;

use super::contract::{CashDividend, Contract};
use super::settings::Settings;
use super::solve::{Estimate, solve, solve_checked, with_scratch};
use crate::black::Row;

/// Value of an American option on a share whose spot falls by each cash dividend, floored at zero.
///
/// Errors: those of [`solve`].
pub fn american_with_dividends(row: &Row, dividends: &[CashDividend], settings: &Settings) -> Result<Estimate, Status> {
    solve(&Contract::american(*row, dividends), settings)
}

/// Value of a European option on the same share. Errors: those of [`solve`].
pub fn european_with_dividends(row: &Row, dividends: &[CashDividend], settings: &Settings) -> Result<Estimate, Status> {
    solve(&Contract { dividends, ..Contract::european(*row) }, settings)
}

/// An estimate with the Greeks that a grid does not hold: by central differences on one grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivities {
    /// Value, delta, gamma and theta.
    pub estimate: Estimate,
    /// ∂V/∂σ per 1.00. With a local volatility the row's own does nothing: 0.
    pub vega: f64,
    /// ∂V/∂r per 1.00.
    pub rho: f64,
    /// ∂V/∂q per 1.00.
    pub phi: f64,
}

/// Change of a rate or yield; of the volatility, relative to it.
const BUMPS: [f64; 2] = [1e-4, 1e-2];

/// Two rows beside one, and the weights of its value and theirs in a slope.
pub(super) struct Bump {
    pub rows: [Row; 2],
    weights: [f64; 3],
}

impl Bump {
    /// Central differences; to one side where the other is below zero, since exercise is another problem there.
    fn new(at: f64, h: f64, moved: impl Fn(f64) -> Row) -> Self {
        let share = 0.5 / h;
        if at >= 0.0 && at < h {
            return Self { rows: [moved(at + h), moved(at + 2.0 * h)], weights: [-3.0, 4.0, -1.0].map(|w| w * share) };
        }
        Self { rows: [moved(at + h), moved(at - h)], weights: [0.0, share, -share] }
    }

    /// The slope, from the value of the row and of the two.
    pub fn slope(&self, value: f64, others: [f64; 2]) -> f64 {
        self.weights[0] * value + self.weights[1] * others[0] + self.weights[2] * others[1]
    }
}

/// For vega, rho and phi. Without volatility the first means nothing.
pub(super) fn bumps(row: &Row) -> [Bump; 3] {
    let [rate, relative] = BUMPS;
    [
        Bump::new(row.volatility, relative * row.volatility, |volatility| Row { volatility, ..*row }),
        Bump::new(row.risk_free_rate, rate, |risk_free_rate| Row { risk_free_rate, ..*row }),
        Bump::new(row.dividend_yield, rate, |dividend_yield| Row { dividend_yield, ..*row }),
    ]
}

impl Sensitivities {
    /// From the value and the slopes of [`bumps`].
    pub(super) fn new(estimate: Estimate, [vega, rho, phi]: [f64; 3]) -> Result<Self, Status> {
        let finite = [vega, rho, phi].iter().all(|x| x.is_finite());
        if finite { Ok(Self { estimate, vega, rho, phi }) } else { Err(Status::Overflow) }
    }
}

/// Value and first-order Greeks of any contract: seven solutions on one grid.
///
/// Errors: those of [`solve`]. Without volatility vega is 0.
pub fn sensitivities(contract: &Contract<'_>, settings: &Settings) -> Result<Sensitivities, Status> {
    settings.check()?;
    contract.check()?;
    with_scratch(|scratch| {
        let shape = contract.row;
        let mut at = |row: Row| solve_checked(&Contract { row, ..*contract }, settings, &shape, scratch);
        let estimate = at(shape)?;
        let mut slopes = [0.0; 3];
        let still = contract.local_volatility.is_some() || shape.volatility == 0.0;
        for (which, bump) in bumps(&shape).iter().enumerate().skip(usize::from(still)) {
            let [first, second] = bump.rows;
            slopes[which] = bump.slope(estimate.value, [at(first)?.value, at(second)?.value]);
        }
        Sensitivities::new(estimate, slopes)
    })
}
