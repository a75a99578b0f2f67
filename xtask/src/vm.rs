//! The scenes of `scenarios/vm` in a virtual machine with systemd and cgroup v2: right or wrong, never how fast.
//!
//! The machine is driven through the program that [`VMCTL`] names; `scenarios/vm/README.md` says what it must do.
//! Without one the scenes are skipped, and a line says so.
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::ci::cargo;
use crate::root;

/// Environment variable: the program that boots, drives and stops machines.
const VMCTL: &str = "HOMEOSTAT_VMCTL";

/// Environment variable: folder of a saved machine to load for every scene; absent: each boots its own.
const SAVED: &str = "HOMEOSTAT_VM_SAVED";

/// Name of the machine; the scenes run one after the other.
const MACHINE: &str = "homeostat-scene";

/// Each scene and the time it may take in a slow machine. Unit: s.
const SCENES: &[(&str, u32)] = &[
    ("heal", 1_200),
    ("hands", 600),
    ("install", 300),
    ("kernel", 1_800),
    ("memory", 1_200),
    ("quiet", 1_200),
];

/// The scene that plays tests of this workspace on another kernel, and the crates whose tests they are.
const KERNEL: (&str, [&str; 3]) = ("kernel", ["bpfload", "observe", "stacks"]);

/// Runs the scenes that are named, or all.
///
/// # Errors
/// There is no such scene, the program cannot be built, or a scene does not end well.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let (names, more) = split(arguments)?;
    let Some(vmctl) = std::env::var_os(VMCTL).map(PathBuf::from) else {
        println!("skipped: {VMCTL} names no program that drives a virtual machine (scenarios/vm/README.md)");
        return Ok(());
    };
    cargo(&["build", "--release", "--quiet", "-p", "homeostat"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let binary = target.join("release/homeostat");
    let mut failed = Vec::new();
    for (name, limit_s) in SCENES.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        println!("==> {name}");
        let tests = if *name == KERNEL.0 { test_programs()? } else { Vec::new() };
        let carried = tests.iter().map(PathBuf::as_path).chain([binary.as_path()]).collect::<Vec<_>>();
        let (is_good, said) = play(&vmctl, &carried, name, *limit_s, &more)?;
        println!("{}", table(&said).unwrap_or(said));
        if !is_good {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("scenes that did not end well: {}", failed.join(", ")))
    }
}

/// Names of scenes, and the arguments that follow a single one.
fn split<'a>(arguments: &[&'a str]) -> Result<(Vec<&'a str>, Vec<&'a str>), String> {
    let is_scene = |word: &&str| SCENES.iter().any(|(name, _)| name == word);
    let (names, more): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| is_scene(word));
    let is_number = |word: &&str| word.parse::<u32>().is_ok();
    if !more.iter().all(is_number) || more.len() > usize::from(names.len() == 1) {
        let known = SCENES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" | ");
        return Err(format!(
            "usage: cargo xtask vm [{known}]...; heal takes a seed, memory rounds, quiet seconds"
        ));
    }
    Ok((names, more))
}

/// The programs that the tests of those crates are built as.
fn test_programs() -> Result<Vec<PathBuf>, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["test", "--no-run", "--quiet", "--message-format=json"]);
    cargo.args(KERNEL.1.iter().flat_map(|name| ["-p", name]));
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let built = messages.filter(|one| one["profile"]["test"] == true);
    let programs = built.filter_map(|one| one["executable"].as_str().map(PathBuf::from)).collect::<Vec<_>>();
    if output.status.success() && !programs.is_empty() {
        Ok(programs)
    } else {
        Err("the tests for another kernel cannot be built".to_owned())
    }
}

/// One scene in a machine of its own, with the files it carries, the program last: whether it ended well, and what it said.
fn play(
    vmctl: &Path,
    carried: &[&Path],
    name: &str,
    limit_s: u32,
    more: &[&str],
) -> Result<(bool, String), String> {
    match std::env::var_os(SAVED) {
        Some(folder) => order(vmctl, &["load", MACHINE, &folder.to_string_lossy()])?,
        None => order(vmctl, &["boot", MACHINE])?,
    }
    let scenes = root().join("scenarios/vm");
    let files = ["scene.py", "service.unit", &format!("{name}.py")].map(|file| scenes.join(file));
    let mut run = Command::new(vmctl);
    run.args(["run", MACHINE, "-t", &limit_s.to_string()]);
    for file in files.iter().map(PathBuf::as_path).chain(carried.iter().copied()) {
        run.arg("-f").arg(file);
    }
    let names = carried.iter().filter_map(|file| file.file_name()?.to_str()).rev();
    let words = names.skip(1).chain(more.iter().copied()).collect::<Vec<_>>().join(" ");
    run.arg(format!("chmod 755 *; python3 {name}.py \"$PWD/homeostat\" {words}"));
    let output = run.stderr(Stdio::inherit()).output();
    order(vmctl, &["off", MACHINE])?;
    let output = output.map_err(|error| format!("{}: {error}", vmctl.display()))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn order(vmctl: &Path, arguments: &[&str]) -> Result<(), String> {
    let status = Command::new(vmctl).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} {}: {status}", vmctl.display(), arguments.join(" "))),
        Err(error) => Err(format!("{}: {error}", vmctl.display())),
    }
}

/// The scene's object, its last line, for a person; `None` if it printed none.
fn table(said: &str) -> Option<String> {
    let object: Json = said.lines().rev().find_map(|line| serde_json::from_str(line).ok())?;
    let mut text = String::new();
    for fault in object["faults"].as_array().into_iter().flatten() {
        let seconds = |name: &str| fault[name].as_f64().map_or("never".to_owned(), |s| format!("{s:.0} s"));
        let culprit = if fault["culprit_right"] == true { "right" } else { "WRONG" };
        let actions = fault["actions"].as_array().into_iter().flatten().filter_map(Json::as_str);
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "{:<16} {:<20} {:<5} detected {:<6} culprit {culprit}  verified {:<6} {}",
            word(fault, "kind"),
            word(fault, "unit"),
            word(fault, "runtime"),
            seconds("seconds_to_detect"),
            seconds("seconds_to_verified"),
            actions.collect::<Vec<_>>().join(" | ")
        );
    }
    for (name, count) in [
        ("passed", "programs that passed"),
        ("innocents", "innocents accused"),
        ("failed", "checks failed"),
        ("incidents", "incidents"),
    ] {
        if let Some(list) = object[name].as_array() {
            let _ = writeln!(text, "{count}: {}", list.len());
            list.iter().for_each(|one| text.push_str(&format!("  {one}\n")));
        }
    }
    for (name, figures) in object["figures"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "{name}: {figures}");
    }
    Some(text)
}

fn word<'a>(object: &'a Json, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_are_told_from_their_arguments() {
        assert_eq!(split(&["heal", "7"]), Ok((vec!["heal"], vec!["7"])));
        assert_eq!(split(&["heal", "quiet"]), Ok((vec!["heal", "quiet"], vec![])));
        for wrong in [&["nosuch"][..], &["heal", "quiet", "7"], &["heal", "x"], &["7"]] {
            assert!(split(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_last_object_becomes_a_table() {
        let said = "noise\n{\"faults\":[{\"kind\":\"deadlock\",\"culprit_right\":true,\"seconds_to_detect\":4.2,\
                    \"actions\":[\"restart\"]}],\"innocents\":[]}\n";
        let table = table(said).unwrap_or_default();
        assert!(table.contains("detected 4 s") && table.contains("verified never"), "{table}");
        assert!(table.contains("innocents accused: 0"), "{table}");
        assert_eq!(super::table("no object"), None);
    }
}
