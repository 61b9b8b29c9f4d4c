//! The one table of tolerances: (function, oracle) to what is allowed. Tests and docs quote it.
