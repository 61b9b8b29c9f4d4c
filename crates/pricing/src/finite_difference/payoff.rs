//! The payoff, and its average over a cell: what is put on the grid at expiry, so that a kink or a jump between two nodes is seen where
//! it is.
//!
//! Source    D. M. Pooley, K. R. Vetzal and P. A. Forsyth, "Convergence remedies for non-smooth payoffs in option pricing" (2003)

use zomma_base::OptionType;

use super::contract::Payoff;

/// A payoff in units of the strike: the strike is at 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnitPayoff {
    pub kind: Payoff,
    pub option_type: OptionType,
    /// What is paid is this ...
    pub constant: f64,
    /// ... plus this times the payoff.
    pub factor: f64,
}

impl UnitPayoff {
    /// Whether it is max(ω(S − 1), 0).
    pub fn is_vanilla(&self) -> bool {
        self.kind == Payoff::Vanilla && self.constant == 0.0 && self.factor == 1.0
    }

    /// At one spot.
    pub fn at(&self, spot: f64) -> f64 {
        self.constant + self.factor * self.plain_at(spot)
    }

    /// What the holder has for exercising at one spot, or as near to it as she likes: a digital pays at the strike too.
    pub fn at_best(&self, spot: f64) -> f64 {
        if spot == 1.0 && !matches!(self.kind, Payoff::Vanilla) {
            let inside = match self.kind {
                Payoff::CashOrNothing(cash) => cash,
                Payoff::Vanilla | Payoff::AssetOrNothing => 1.0,
            };
            return (self.constant + self.factor * inside).max(self.at(spot));
        }
        self.at(spot)
    }

    /// How what a digital pays at once moves with the spot, where it pays; none of a payoff that does not jump.
    pub fn paid_slope(&self, spot: f64) -> Option<f64> {
        match self.kind {
            Payoff::Vanilla => None,
            _ if self.at_best(spot) == self.constant => None,
            Payoff::CashOrNothing(_) => Some(0.0),
            Payoff::AssetOrNothing => Some(self.factor),
        }
    }

    /// Mean over the cell \[from, to\] of a node, brought from the cell's middle to the node along the payoff's slope: what is affine
    /// stays as it is where nodes are uneven.
    pub fn mean(&self, node: f64, [from, to]: [f64; 2]) -> f64 {
        self.constant + self.factor * self.plain_mean(node, from, to)
    }

    /// Slope and intercept beyond the kink: payoff = slope·S + intercept at and around `spot`.
    pub fn affine(&self, spot: f64) -> Affine {
        let plain = self.plain_affine(spot);
        Affine { slope: self.factor * plain.slope, intercept: self.constant + self.factor * plain.intercept }
    }

    fn plain_at(&self, spot: f64) -> f64 {
        let inside = self.option_type.sign() * (spot - 1.0);
        match self.kind {
            Payoff::Vanilla => inside.max(0.0),
            Payoff::CashOrNothing(cash) => {
                if inside > 0.0 {
                    cash
                } else {
                    0.0
                }
            }
            Payoff::AssetOrNothing => {
                if inside > 0.0 {
                    spot
                } else {
                    0.0
                }
            }
        }
    }

    fn plain_mean(&self, node: f64, from: f64, to: f64) -> f64 {
        if !(from < 1.0 && 1.0 < to) {
            return self.plain_at(node);
        }
        let (near, far) = match self.option_type {
            OptionType::Call => (1.0, to),
            OptionType::Put => (from, 1.0),
        };
        let share = (far - near) / (to - from);
        let aside = node - 0.5 * (from + to);
        match self.kind {
            Payoff::Vanilla => share * (0.5 * (far - near) + self.option_type.sign() * aside),
            Payoff::CashOrNothing(cash) => share * cash,
            Payoff::AssetOrNothing => share * (0.5 * (far + near) + aside),
        }
    }

    fn plain_affine(&self, spot: f64) -> Affine {
        let sign = self.option_type.sign();
        if sign * (spot - 1.0) <= 0.0 {
            return Affine { slope: 0.0, intercept: 0.0 };
        }
        match self.kind {
            Payoff::Vanilla => Affine { slope: sign, intercept: -sign },
            Payoff::CashOrNothing(cash) => Affine { slope: 0.0, intercept: cash },
            Payoff::AssetOrNothing => Affine { slope: 1.0, intercept: 0.0 },
        }
    }
}

/// A value slope·S + intercept far from where anything is decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    pub slope: f64,
    pub intercept: f64,
}

impl Affine {
    pub fn at(&self, spot: f64) -> f64 {
        self.slope * spot + self.intercept
    }

    /// A step back in time: the slope decays with the yield, the intercept with the rate.
    pub fn discount(&mut self, growth: [f64; 2]) {
        let [spot, cash] = growth;
        self.slope *= spot;
        self.intercept *= cash;
    }
}
