//! Thousands of slices fitted at once, on all cores or on a device: raw SVI by itself for each (underlying, date, expiry).
//!
//! Columns in, columns and a status a slice out ([`SliceColumns`], [`SliceFits`]). Slices know nothing of each other here: there is no
//! calendar constraint, and butterfly arbitrage is not prevented but told, by the least of Durrleman's g. [`surface::fit`](super::fit) is
//! for the surface of one day that must be free of both.
//!
//! [`fit_slices`] works on all cores; [`launch::fit_slices`] on a device, with the CPU to fall back on.
//!
//! ```
//! use zomma_base::Status;
//! use zomma_pricing::surface::{Svi, batch::{SliceColumns, fit_slices}};
//!
//! let svi = Svi { a: 0.01, b: 0.1, rho: -0.5, m: 0.0, sigma: 0.2 };
//! let k: Vec<f64> = (-10..=10).map(|i| 0.05 * f64::from(i)).collect();
//! let total_variance: Vec<f64> = k.iter().map(|&k| svi.total_variance(k)).collect();
//! let inverse_half_width = vec![1000.0; k.len()];
//! // One slice of 21 quotes, and one of none.
//! let columns = SliceColumns { log_moneyness: k, total_variance, inverse_half_width, offsets: vec![0, 21, 21] };
//! let fits = fit_slices(&columns);
//! assert_eq!(fits.status, [Status::Ok, Status::NoQuote]);
//! assert!((fits.sigma[0] - 0.2).abs() < 1e-6 && fits.least_g[0] > 0.0);
//! ```

mod columns;
mod explicit;
mod explicit_kernel;
mod frame;
pub(crate) mod kernel;
mod lanes;
pub mod launch;
mod parallel;
mod start;
mod step_kernel;
#[cfg(test)]
mod tests;
mod twin;

pub use columns::{SliceColumns, SliceFits};
pub use parallel::fit_slices;
