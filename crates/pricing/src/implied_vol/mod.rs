//! Implied volatility under Black's formula, after P. Jäckel, "Let's Be Rational" (2015): a rational guess in four branches, then two
//! Householder(3) steps; machine precision wherever the price determines the volatility, and a status where it does not.

use zomma_base::{OptionType, Status};

/// A batch of prices as columns of one length. `price` is discounted: price = discount_factor · Black(forward, strike, vol·√T).
#[derive(Clone, Copy, Debug)]
pub struct PriceColumns<'a> {
    /// Call or put.
    pub option_type: &'a [OptionType],
    /// Forward to expiry.
    pub forward: &'a [f64],
    /// Strike.
    pub strike: &'a [f64],
    /// Years to expiry.
    pub expiry_years: &'a [f64],
    /// Discount factor to expiry.
    pub discount_factor: &'a [f64],
    /// Discounted option price.
    pub price: &'a [f64],
}

/// The volatility of each row; NaN and a status that is not `Ok` where the price determines none.
pub fn implied_volatility(rows: &PriceColumns<'_>, out: &mut [f64], status: &mut [Status]) {
    let _ = (rows, out, status);
    todo!()
}
