//! Up to which order Greeks are wanted.

use crate::black::Greek;

/// Up to which order Greeks are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The price alone.
    #[default]
    None,
    /// Delta, vega, theta, rho, phi, dual delta and lambda.
    First,
    /// These, and gamma, vanna, charm, vomma, veta, vera and dual gamma.
    Second,
    /// All 18.
    All,
}

impl Order {
    /// The order from which a quantity is among those wanted.
    pub fn of(greek: Greek) -> Self {
        match greek {
            Greek::Price => Self::None,
            Greek::Delta | Greek::Vega | Greek::Theta | Greek::Rho | Greek::Phi | Greek::DualDelta | Greek::Lambda => {
                Self::First
            }
            Greek::Gamma
            | Greek::Vanna
            | Greek::Charm
            | Greek::Vomma
            | Greek::Veta
            | Greek::Vera
            | Greek::DualGamma => Self::Second,
            Greek::Speed | Greek::Zomma | Greek::Color | Greek::Ultima => Self::All,
        }
    }

    /// The quantities, in the order of [`Greek::ALL`].
    pub fn quantities(self) -> impl Iterator<Item = Greek> {
        Greek::ALL.into_iter().filter(move |&greek| Self::of(greek) <= self)
    }

    /// The Greeks of which a simulation of a European option under Black–Scholes states a standard error, and the names of the columns of those.
    pub fn simulated(self) -> impl Iterator<Item = (Greek, &'static str)> {
        const SIMULATED: [(Greek, &str); 7] = [
            (Greek::Delta, "delta_standard_error"),
            (Greek::Gamma, "gamma_standard_error"),
            (Greek::Vega, "vega_standard_error"),
            (Greek::Theta, "theta_standard_error"),
            (Greek::Rho, "rho_standard_error"),
            (Greek::Phi, "phi_standard_error"),
            (Greek::DualDelta, "dual_delta_standard_error"),
        ];
        SIMULATED.into_iter().filter(move |(greek, _)| Self::of(*greek) <= self)
    }
}
