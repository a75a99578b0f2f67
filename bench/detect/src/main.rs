//! `bench-detect --data DIR [--json FILE]`.
fn main() {}
