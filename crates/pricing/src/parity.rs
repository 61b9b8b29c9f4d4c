//! The discount factor and forward of an expiry from put-call parity.

use zomma_base::Status;

/// One strike quoted on both sides. Prices are of European (or de-Americanised) options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParityPair {
    /// Strike, currency per share.
    pub strike: f64,
    /// Call mid.
    pub call_mid: f64,
    /// Put mid.
    pub put_mid: f64,
    /// Half the call's bid-ask spread.
    pub call_half_spread: f64,
    /// Half the put's bid-ask spread.
    pub put_half_spread: f64,
}

/// What parity says of one expiry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParityFit {
    /// Forward price.
    pub forward: f64,
    /// Discount factor to expiry.
    pub discount_factor: f64,
    /// One standard error of the forward.
    pub forward_error: f64,
    /// One standard error of −ln(discount factor).
    pub log_discount_error: f64,
    /// Pairs used.
    pub pairs: usize,
    /// Share of pairs whose residual is inside the combined half-spreads.
    pub inside_share: f64,
}

/// Fits `C − P = D (F − K)` robustly, weighted by spread. With `discount_factor` given, finds the forward alone.
///
/// Errors: `NoForward` where fewer than two usable pairs (one, with the discount factor given) are there.
pub fn fit(pairs: &[ParityPair], discount_factor: Option<f64>) -> Result<ParityFit, Status> {
    let _ = (pairs, discount_factor);
    todo!()
}
