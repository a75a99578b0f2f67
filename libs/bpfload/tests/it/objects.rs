//! The committed objects are what the pinned compiler makes of the source, and the document is true.

use std::path::Path;
use std::process::Command;

use bpfload::{Object, PROGRAMS};

/// The compiler whose output is committed, as its first line names it.
const PINNED: &str = "Debian clang version 14.0.6";

#[test]
fn the_pinned_compiler_makes_the_committed_objects() {
    let bpf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bpf");
    let version = Command::new("clang").arg("--version").output();
    let version = version.map_or(String::new(), |o| String::from_utf8_lossy(&o.stdout).into_owned());
    let first = version.lines().next().unwrap_or("no clang");
    if first != PINNED || !bpf.join("rebuild").exists() {
        eprintln!("skipped: the objects are compared with `{PINNED}`, and this machine has `{first}`");
        return;
    }
    let out = std::env::temp_dir().join(format!("bpfload-rebuild-{}", std::process::id()));
    assert!(Command::new(bpf.join("rebuild")).arg(&out).status().unwrap().success());
    for object in Object::ALL {
        let name = object.name();
        let built = std::fs::read(out.join(name).join(format!("{name}.bpf.o"))).unwrap();
        assert!(built == object.code(), "bpf/{name}/{name}.bpf.o is stale: run bpf/rebuild");
    }
    std::fs::remove_dir_all(&out).unwrap();
}

#[test]
fn the_document_has_a_row_for_every_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kernel.md");
    let Ok(document) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: the source tree is not on this machine");
        return;
    };
    for spec in PROGRAMS {
        let (major, minor) = spec.min_kernel;
        let row = document.lines().find(|line| line.starts_with(&format!("| `{}` |", spec.name)));
        let row = row.unwrap_or_else(|| panic!("docs/kernel.md lacks `{}`", spec.name));
        for part in [spec.hook.name(), &format!("| {major}.{minor} |"), spec.brings] {
            assert!(row.contains(part), "docs/kernel.md: `{}` lacks `{part}`", spec.name);
        }
    }
    let rows = document.lines().skip_while(|line| *line != "## Programs");
    let rows =
        rows.take_while(|line| !line.starts_with("What the hooks")).filter(|line| line.starts_with("| `"));
    assert_eq!(rows.count(), PROGRAMS.len(), "docs/kernel.md has rows of programs that are gone");
}
