//! Whether each GPU can be trusted: a state machine with hysteresis over what telemetry reads.
