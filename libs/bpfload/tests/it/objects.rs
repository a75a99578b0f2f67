//! The committed objects are what the pinned compiler makes of the source.

use std::path::Path;
use std::process::Command;

use bpfload::Object;

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
