//! The one binary: keeper, daemon and command line.
fn main() {}
