//! All that must hold before a change lands, in the order in which it fails fastest.
use std::process::Command;

use crate::root;

/// Each step: what it checks, and the arguments of cargo.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]),
    (
        "lints of features",
        &["clippy", "-p", "homeostat", "--features", "parquet,onnx", "--quiet", "--", "-D", "warnings"],
    ),
    ("tests", &["test", "--workspace", "--features", "homeostat/parquet,homeostat/onnx"]),
];

/// Runs every step.
///
/// # Errors
/// The first step that fails.
pub(crate) fn run() -> Result<(), String> {
    crate::tidy::run()?;
    for (name, arguments) in STEPS {
        eprintln!("==> {name}: cargo {}", arguments.join(" "));
        cargo(arguments)?;
    }
    Ok(())
}

/// Runs `cargo` with these arguments.
///
/// # Errors
/// It cannot be started or does not succeed.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    let status = Command::new("cargo").args(arguments).current_dir(root()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`cargo {}` failed: {status}", arguments.join(" "))),
        Err(error) => Err(format!("cargo cannot be run: {error}")),
    }
}
