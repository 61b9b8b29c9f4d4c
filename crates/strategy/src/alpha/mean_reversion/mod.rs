//! Mean reversion: one series that returns to its level, and pairs whose difference does.

mod dickey_fuller;
mod engle_granger;
mod johansen;
mod ornstein_uhlenbeck;
mod rolling;

pub use dickey_fuller::{CriticalValues, Deterministic, DickeyFuller, augmented_dickey_fuller};
pub use engle_granger::{EngleGranger, engle_granger};
pub use johansen::{Johansen, johansen_trace};
pub use ornstein_uhlenbeck::{Fitted, OrnsteinUhlenbeck, fit};
pub use rolling::{RollingScores, rolling_z_scores};
