//! American exercise by a Leisen–Reimer tree with a continuous yield: price, implied volatility, and the early-exercise premium that
//! turns an American quote into a European one.
