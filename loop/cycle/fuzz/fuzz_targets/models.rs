//! Any bytes as exported models.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cycle::fuzzing::models(bytes));
