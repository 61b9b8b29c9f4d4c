//! `zomma export` and `zomma onnx`: where the library and the domain are found, what is compared, what is told.

mod domain;
mod export_report;
mod network;
mod run;
mod run_report;
mod runtime;
mod verify;

pub use domain::domain_of;
pub use export_report::{Exported, json as export_json, text as export_text};
pub use network::Network;
pub use run::{Job, run};
pub use run_report::{json as run_json, text as run_text};
pub use runtime::RuntimeArgs;
pub use verify::{Tested, verify};
