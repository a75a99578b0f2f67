//! Any bytes as what a film begins with.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cycle::fuzzing::mind(bytes));
