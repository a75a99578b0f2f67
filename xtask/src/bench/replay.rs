//! How much faster than the machine lived it a recording is thought through again.
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::figures::{Figure, median, report};
use super::folder::Folder;
use super::{Options, release_binary};

/// Length of the recording without `--seconds`. Unit: s.
const SECONDS: u64 = 60;
/// Adjacent replays of it; the median of them counts.
const RUNS: usize = 5;

/// Runs the bench.
///
/// # Errors
/// We cannot be built, nothing can be recorded, or the replay thinks otherwise than was thought then.
pub(super) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let binary = release_binary(options.binary.as_deref())?;
    let seconds = options.seconds.unwrap_or(SECONDS);
    let dir = Folder::make()?;
    let file = dir.path().join("recording");
    homeostat(&binary, &["record", "--for", &seconds.to_string()], &file)?;
    let mut speeds = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        homeostat(&binary, &["replay", "--diff"], &file)?;
        speeds.push(seconds as f64 / start.elapsed().as_secs_f64());
    }
    let value = median(&speeds).unwrap_or(0.0);
    let (case, subject) = (format!("{seconds} s of this machine"), "homeostat".to_owned());
    let figure = Figure { figure: "times_real_time", case, subject, value, unit: "x" };
    report("replay", &[figure], options.json.as_deref())
}

/// Start of the process included: what a person waits for.
fn homeostat(binary: &Path, arguments: &[&str], file: &Path) -> Result<(), String> {
    let output = Command::new(binary).args(arguments).arg(file).output();
    let output = output.map_err(|error| format!("cannot run {}: {error}", binary.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("homeostat {}: {}: {said}", arguments.join(" "), output.status))
}
