#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| zomma_market::fuzzing::run("capture", bytes));
