//! Demos of many random seeds, in turn as root and as an ordinary user, beside a load.
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value as Json;

use super::Done;
use super::load::Load;
use crate::bench::{Figure, Folder, median};

/// User and group of the ordinary user: `nobody`, who owns nothing.
const NOBODY: u32 = 65_534;

/// Seconds of one kind of fault as one kind of user, in the order of the runs.
#[derive(Debug, Default)]
struct Times {
    runs: usize,
    healed: usize,
    to_detect: Vec<f64>,
    to_verified: Vec<f64>,
}

/// All runs so far.
#[derive(Debug, Default)]
struct Demos {
    /// By kind of fault and user.
    times: BTreeMap<(String, String), Times>,
    innocents: f64,
    left_behind: f64,
    broken: Vec<String>,
}

/// Runs `seeds` demos as each kind of user there can be here.
pub(super) fn run(binary: &Path, seeds: usize) -> Result<Done, String> {
    let folder = Folder::make()?;
    let program = folder.path().join("homeostat");
    let prepare = || -> std::io::Result<()> {
        std::fs::copy(binary, &program)?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755))?;
        let home = folder.path().join("home");
        std::fs::create_dir(&home)?;
        std::fs::set_permissions(&home, PermissionsExt::from_mode(0o777))
    };
    prepare().map_err(|error| format!("cannot make {}: {error}", folder.path().display()))?;
    let users: &[&str] = if rustix::process::geteuid().is_root() { &["root", "nobody"] } else { &["user"] };
    let first = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs() % 1_000_000);
    let load = Load::start();
    let mut demos = Demos::default();
    for number in 0..seeds as u64 {
        for user in users {
            one(folder.path(), user, first + number, &mut demos)?;
        }
    }
    eprintln!("{} builds meanwhile", load.end());
    Ok(Done { figures: figures(&demos), broken: demos.broken })
}

/// One demo; what it says is added up.
fn one(folder: &Path, user: &str, seed: u64, demos: &mut Demos) -> Result<(), String> {
    let mut command = Command::new(folder.join("homeostat"));
    command.args(["demo", "--json", "--seed", &seed.to_string()]).stdin(Stdio::null());
    command.env("HOME", folder.join("home")).env("TMPDIR", std::env::temp_dir()).current_dir("/");
    if user == "nobody" {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().map_err(|error| format!("the demo cannot be run: {error}"))?;
    let Ok(said) = serde_json::from_slice::<Json>(&output.stdout) else {
        let why = String::from_utf8_lossy(&output.stderr);
        demos.broken.push(format!("seed {seed} as {user}: {}", why.trim()));
        return Ok(());
    };
    let faults = said["faults"].as_array().cloned().unwrap_or_default();
    let mut line = format!("seed {seed} as {user}:");
    for fault in &faults {
        let kind = fault["kind"].as_str().unwrap_or_default().to_owned();
        let all = demos.times.entry((kind.clone(), user.to_owned())).or_default();
        let is_healed =
            ["detected", "culprit_right", "repaired", "verified"].iter().all(|word| fault[word] == true);
        all.runs += 1;
        all.healed += usize::from(is_healed);
        all.to_detect.extend(fault["seconds_to_detect"].as_f64());
        all.to_verified.extend(fault["seconds_to_verified"].as_f64());
        line += &format!(" {kind} {}/{}", fault["seconds_to_detect"], fault["seconds_to_verified"]);
        if !is_healed {
            demos.broken.push(format!("seed {seed} as {user}: {fault}"));
        }
    }
    eprintln!("{line}");
    let accused = String::from_utf8_lossy(&output.stderr);
    let accused = accused.lines().filter(|line| line.contains("is accused"));
    demos.broken.extend(accused.map(|line| format!("seed {seed} as {user}: {}", line.trim())));
    if said["left_behind"].as_array().is_none_or(|left| !left.is_empty()) {
        demos.broken.push(format!("seed {seed} as {user}: left behind {}", said["left_behind"]));
    }
    demos.innocents += said["innocents_accused"].as_f64().unwrap_or(f64::NAN);
    demos.left_behind += said["left_behind"].as_array().map_or(f64::NAN, |left| left.len() as f64);
    Ok(())
}

fn figures(demos: &Demos) -> Vec<Figure> {
    let mut figures = Vec::new();
    for ((kind, user), all) in &demos.times {
        let mut add = |figure, value: Option<f64>, unit| {
            let (case, subject) = (format!("{kind}/{user}"), "homeostat".to_owned());
            figures.extend(value.map(|value| Figure { figure, case, subject, value, unit }));
        };
        let greatest = |values: &[f64]| values.iter().copied().reduce(f64::max);
        add("runs", Some(all.runs as f64), "");
        add("healed", Some(all.healed as f64), "");
        add("detect_median_s", median(&all.to_detect), "s");
        add("detect_max_s", greatest(&all.to_detect), "s");
        add("verified_median_s", median(&all.to_verified), "s");
        add("verified_max_s", greatest(&all.to_verified), "s");
    }
    let accused = demos.broken.iter().filter(|line| line.contains("innocents accused")).count();
    let (case, subject) = ("all".to_owned(), "homeostat".to_owned());
    figures.push(Figure {
        figure: "runs_with_innocents_or_rest",
        case,
        subject,
        value: accused as f64,
        unit: "",
    });
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_medians_and_greatest() {
        let times = Times { runs: 2, healed: 1, to_detect: vec![1.0, 3.0], to_verified: vec![4.0] };
        let times = BTreeMap::from([(("deadlock".to_owned(), "root".to_owned()), times)]);
        let figures = figures(&Demos { times, ..Demos::default() });
        let value = |name: &str| figures.iter().find(|one| one.figure == name).map(|one| one.value);
        assert_eq!((value("healed"), value("detect_median_s")), (Some(1.0), Some(2.0)));
        assert_eq!((value("detect_max_s"), value("verified_max_s")), (Some(3.0), Some(4.0)));
    }
}
