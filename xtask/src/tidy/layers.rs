//! Direction: which room may lean on which, read from `cargo metadata`.
use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::root;

/// The layers and the layers each may depend on. What is not listed is forbidden.
const MAY: &[(&str, &[&str])] = &[
    ("vocab", &[]),
    ("thinking", &["vocab", "models"]),
    ("models", &[]),
    ("libs", &["libs"]),
    ("observe", &["vocab", "libs"]),
    ("tables", &["vocab", "libs"]),
    ("act", &["vocab", "libs"]),
    ("cycle", &["vocab", "thinking", "observe", "tables", "act", "libs"]),
    ("bin", &["vocab", "thinking", "observe", "tables", "act", "cycle", "libs"]),
    ("xtask", &["libs", "models", "vocab"]),
    // What is measured as the product does it: from an event to its effect.
    ("bench", &["libs", "models", "vocab", "act"]),
];

/// Layers that compute and nothing else: no clock, file or thread can appear in them.
const PURE: &[&str] = &["vocab", "thinking", "models"];

/// Crates from outside that a thinking crate or vocab may use: none of them has a clock, a file or a thread.
const PURE_OUTSIDE: &[&str] = &["serde", "postcard", "libm"];

/// The stages in the order of the loop, as `Cargo.toml`, the README and cycle tell it.
const STAGES: &[&str] = &["observe", "tables", "detect", "explain", "decide", "act", "verify", "learn"];

/// One crate of ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    pub layer: String,
    pub dependencies: Vec<String>,
    pub root_source: String,
}

/// All crates of ours by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace(pub BTreeMap<String, Package>);

impl Workspace {
    pub(super) fn read() -> Result<Self, String> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(root())
            .output()
            .map_err(|error| format!("`cargo metadata` cannot be run: {error}"))?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`cargo metadata` gave no JSON: {error}"))?;
        let packages = metadata["packages"].as_array().ok_or("`cargo metadata` lists no packages")?;
        Ok(Self(packages.iter().map(|package| (text(&package["name"]), read_package(package))).collect()))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn read_package(package: &Value) -> Package {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    // Tests may use what they like: only what ships is bound.
    let normal = list(&package["dependencies"]).into_iter().filter(|one| one["kind"].is_null());
    let source = list(&package["targets"]).iter().map(|target| text(&target["src_path"])).next();
    Package {
        layer: text(&package["metadata"]["homeostat"]["layer"]),
        dependencies: normal.map(|one| text(&one["name"])).collect(),
        root_source: source.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default(),
    }
}

/// What breaks the direction of the house.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, package) in &workspace.0 {
        let Some((_, may)) = MAY.iter().find(|(layer, _)| *layer == package.layer) else {
            broken.push(format!(
                "{name}: layer `{}` is unknown; set package.metadata.homeostat.layer",
                package.layer
            ));
            continue;
        };
        for dependency in &package.dependencies {
            broken.extend(check_edge(workspace, name, package, dependency, may));
        }
        let is_pure = PURE.contains(&package.layer.as_str());
        if is_pure && !package.root_source.contains("#![no_std]") {
            broken.push(format!("{name}: a thinking crate is #![no_std]; hand in what it needs"));
        }
    }
    for stage in STAGES {
        if !workspace.0.contains_key(*stage) {
            broken.push(format!("stage {stage} has no crate"));
        }
    }
    broken
}

fn check_edge(
    workspace: &Workspace,
    name: &str,
    package: &Package,
    dependency: &str,
    may: &[&str],
) -> Option<String> {
    match workspace.0.get(dependency) {
        Some(other) if may.contains(&other.layer.as_str()) => None,
        Some(other) => Some(format!(
            "{name} ({}) leans on {dependency} ({}): see ARCHITECTURE.md, Direction",
            package.layer, other.layer
        )),
        None if PURE.contains(&package.layer.as_str()) && !PURE_OUTSIDE.contains(&dependency) => {
            Some(format!("{name} thinks and may use {PURE_OUTSIDE:?} from outside, not {dependency}"))
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Workspace {
        let package = |layer: &str, dependencies: &[&str]| Package {
            layer: layer.to_owned(),
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            root_source: "#![no_std]".to_owned(),
        };
        let mut workspace = Workspace::default();
        workspace.0.insert("vocab".to_owned(), package("vocab", &["serde"]));
        for stage in STAGES {
            let layer = match *stage {
                "observe" | "tables" | "act" => stage,
                _ => "thinking",
            };
            workspace.0.insert((*stage).to_owned(), package(layer, &["vocab"]));
        }
        workspace
    }

    #[test]
    fn a_sound_house_passes() {
        assert_eq!(check(&sound()), Vec::<String>::new());
    }

    #[test]
    fn each_rule_bites() {
        let spoil = |change: fn(&mut Workspace)| {
            let mut workspace = sound();
            change(&mut workspace);
            check(&workspace).len()
        };
        assert_eq!(spoil(|house| house.0.get_mut("detect").unwrap().dependencies.push("act".into())), 1);
        assert_eq!(spoil(|house| house.0.get_mut("detect").unwrap().dependencies.push("rand".into())), 1);
        assert_eq!(spoil(|house| house.0.get_mut("learn").unwrap().root_source.clear()), 1);
        assert_eq!(spoil(|house| house.0.get_mut("act").unwrap().layer = "attic".into()), 1);
        assert_eq!(spoil(|house| drop(house.0.remove("verify"))), 1);
    }
}
