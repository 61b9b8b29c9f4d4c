//! How the market moves.

/// A move of the whole market at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// Relative change of every spot and forward: −0.1 is a fall by a tenth. Above −1.
    pub spot_change: f64,
    /// What is added to every volatility, per square root of a year: 0.05 is five points.
    pub volatility_shift: f64,
    /// What is added to every rate, continuously compounded: 0.01 is a hundred basis points.
    pub rate_shift: f64,
    /// Calendar days that pass, at or above zero.
    pub days: f64,
}

impl Scenario {
    /// The market as it is.
    pub const NONE: Self = Self { spot_change: 0.0, volatility_shift: 0.0, rate_shift: 0.0, days: 0.0 };

    /// ACT/365F years that pass.
    pub fn years(&self) -> f64 {
        self.days / 365.0
    }
}

/// Moves to be crossed. No axis is empty: one that does not move holds 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes {
    /// Relative changes of spot.
    pub spot_change: Vec<f64>,
    /// Shifts of volatility.
    pub volatility_shift: Vec<f64>,
    /// Shifts of rate.
    pub rate_shift: Vec<f64>,
    /// Days that pass.
    pub days: Vec<f64>,
}

impl Axes {
    /// Every crossing: spot runs first, then volatility, rate, days.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let mut all = Vec::with_capacity(self.len());
        for &days in &self.days {
            for &rate_shift in &self.rate_shift {
                for &volatility_shift in &self.volatility_shift {
                    for &spot_change in &self.spot_change {
                        all.push(Scenario { spot_change, volatility_shift, rate_shift, days });
                    }
                }
            }
        }
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spot_change.len() * self.volatility_shift.len() * self.rate_shift.len() * self.days.len()
    }

    /// Whether an axis is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
