//! Measurements, side by side with a peer or a floor. Those that need the product's crates are packages or
//! examples of their own, so that this tool stays small.
mod apt;
mod faults;
mod figures;
mod folder;
mod http;
mod observe;
mod peers;
mod processes;
mod replay;
mod sampler;
mod started;
mod subjects;

use crate::ci::cargo;

pub(crate) use figures::{Figure, median, report};
pub(crate) use folder::Folder;
pub(crate) use sampler::watch;
pub(crate) use started::{Started, end_tree};

/// Benches that are packages of their own, by name.
const PACKAGES: &[(&str, &str)] = &[
    ("log", "bench-store"),
    ("history", "bench-store"),
    ("detect", "bench-detect"),
    ("bpf", "bench-bpf"),
    ("reflex", "bench-bpf"),
    ("memory", "bench-bpf"),
    ("storm", "bench-bpf"),
    ("profile", "bench-bpf"),
];

/// Runs one bench with its own arguments.
///
/// # Errors
/// There is no such bench, or it failed.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Result<(), String> {
    match name {
        "faults" => return faults::run(arguments),
        "heal" => return faults::heal::run(arguments),
        "observe" => return observe::run(arguments),
        "peers" => return peers::run(arguments),
        "replay" => return replay::run(arguments),
        _ => {}
    }
    let Some((_, package)) = PACKAGES.iter().find(|(bench, _)| *bench == name) else {
        return Err(format!("there is no bench `{name}`; see `cargo xtask`"));
    };
    if ["memory", "storm"].contains(&name) {
        // It measures the daemon itself.
        release_binary(None)?;
    }
    let mut all = vec!["run", "--release", "--quiet", "-p", package, "--", name];
    all.extend(arguments);
    cargo(&all)
}

/// The options that all benches here share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    /// File for the figures.
    json: Option<String>,
    /// Length of the measurement. Unit: s.
    seconds: Option<u64>,
    /// Whether peers are to be installed.
    install: bool,
    /// The release binary, if it is not to be built.
    binary: Option<String>,
    /// Parts of names, joined by commas, of the cases to run.
    only: Option<String>,
    /// File for recordings, one a round.
    record: Option<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            let mut value =
                || rest.next().map(|one| (*one).to_owned()).ok_or(format!("{flag} wants a value"));
            match *flag {
                "--json" => options.json = Some(value()?),
                "--binary" => options.binary = Some(value()?),
                "--only" => options.only = Some(value()?),
                "--record" => options.record = Some(value()?),
                "--install" => options.install = true,
                "--seconds" => {
                    let seconds = value()?.parse().ok().filter(|seconds| *seconds > 0);
                    options.seconds = Some(seconds.ok_or("--seconds wants a whole number above 0")?);
                }
                _ => return Err(format!("there is no option `{flag}`; see `cargo xtask`")),
            }
        }
        Ok(options)
    }
}

/// The release binary: the one named, else built now.
pub(crate) fn release_binary(named: Option<&str>) -> Result<std::path::PathBuf, String> {
    if let Some(path) = named {
        return Ok(path.into());
    }
    cargo(&["build", "--release", "--quiet", "-p", "homeostat"])?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), Into::into);
    Ok(target.join("release/homeostat"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused() {
        let options = Options::parse(&["--seconds", "30", "--install", "--json", "x"]).unwrap();
        assert_eq!((options.seconds, options.install, options.json.as_deref()), (Some(30), true, Some("x")));
        assert!(Options::parse(&["--seconds", "0"]).is_err());
        assert!(Options::parse(&["--seconds"]).is_err());
        assert!(Options::parse(&["--fast"]).is_err());
    }
}
