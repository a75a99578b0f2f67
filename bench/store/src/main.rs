//! Measures the store beside its peers.
mod record;
fn main() {}
