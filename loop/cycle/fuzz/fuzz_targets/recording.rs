//! Any bytes as a recording.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cycle::fuzzing::recording(bytes));
