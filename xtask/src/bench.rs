//! Measurements, side by side with a peer or a floor.
use crate::ci::cargo;

/// Benches that are packages of their own, by name.
const PACKAGES: &[(&str, &str)] = &[
    ("log", "bench-store"),
    ("history", "bench-store"),
    ("detect", "bench-detect"),
    ("bpf", "bench-bpf"),
    ("reflex", "bench-bpf"),
];

/// Runs one bench with its own arguments.
///
/// # Errors
/// There is no such bench, or it failed.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<(), String> {
    let Some((_, package)) = PACKAGES.iter().find(|(bench, _)| *bench == name) else {
        return Err(format!("there is no bench `{name}`; see `cargo xtask`"));
    };
    let mut all = vec!["run", "--release", "--quiet", "-p", package, "--", name];
    all.extend(arguments);
    cargo(&all)
}
