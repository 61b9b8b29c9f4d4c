//! What a trade costs beside its price.

/// Fees and the size of a contract.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Currency for each option contract bought or sold.
    pub fee_per_contract: f64,
    /// Currency for each share (or unit of the forward) bought or sold.
    pub fee_per_share: f64,
    /// Shares in a contract.
    pub multiplier: f64,
}

impl Default for Costs {
    /// No fees, and a hundred shares a contract.
    fn default() -> Self {
        Self { fee_per_contract: 0.0, fee_per_share: 0.0, multiplier: 100.0 }
    }
}

impl Costs {
    /// The fee of one contract, in currency a share.
    #[inline]
    pub fn option_fee(&self) -> f64 {
        self.fee_per_contract / self.multiplier
    }
}
