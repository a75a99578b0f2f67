//! Any bytes as a chunk.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| store::fuzzing::codec(bytes));
