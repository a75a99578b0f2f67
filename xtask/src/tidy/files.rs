//! What every source file keeps to: a first sentence, a size, names without a machine in them.
use std::path::{Path, PathBuf};

/// Lines a source file may have; tests and declared tables may be longer.
const LINES_MAX: usize = 500;

/// Lines of `main.rs` and of the loop itself.
const SHORT: &[(&str, usize)] = &[("bin/homeostat/src/main.rs", 100), ("loop/cycle/src/cycle.rs", 400)];

/// Files that were longer than the limit when the rule came: this list may only shrink.
const LONG_KNOWN: &[&str] = &[];

/// `unwrap()`, `expect(` and `panic!` a thousand lines of shipped code may have.
const PANICS_PER_1000: usize = 3;

/// The texts of a checkout by path below its root.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree(pub Vec<(String, String)>);

impl Tree {
    /// Every Rust, C, TOML, Markdown and page source below `root`.
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(root.join(&folder))
                .map_err(|error| format!("{}: {error}", folder.display()))?;
            for entry in entries.filter_map(Result::ok) {
                let path = folder.join(entry.file_name());
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("target") || name == ".git" {
                    continue;
                }
                if entry.path().is_dir() {
                    folders.push(path);
                } else if let Ok(text) = std::fs::read_to_string(entry.path()) {
                    tree.0.push((path.to_string_lossy().into_owned(), text));
                }
            }
        }
        tree.0.sort();
        Ok(tree)
    }
}

/// What breaks the rules for files.
pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    let mut lines = 0;
    let mut panics = 0;
    for (path, text) in &tree.0 {
        if !path.ends_with(".rs") {
            continue;
        }
        broken.extend(check_source(path, text));
        if path.starts_with("loop/") || path.starts_with("libs/") || path.starts_with("bin/") {
            let shipped = shipped_part(path, text);
            lines += shipped.lines().count();
            panics += ["unwrap()", ".expect(", "panic!("]
                .iter()
                .map(|word| shipped.matches(word).count())
                .sum::<usize>();
        }
    }
    if panics * 1000 > lines * PANICS_PER_1000 {
        broken.push(format!(
            "{panics} unwrap, expect or panic in {lines} shipped lines: return an error instead"
        ));
    }
    broken
}

/// The part before the tests; nothing of a file that is all tests.
pub(super) fn shipped_part<'a>(path: &str, text: &'a str) -> &'a str {
    let is_test =
        ["/tests", "/benches/", "/examples/", "testkit", "fixture"].iter().any(|part| path.contains(part));
    if is_test { "" } else { text.split("#[cfg(test)]").next().unwrap_or(text) }
}

fn check_source(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !text.starts_with("//!") && !text.starts_with("#!") {
        broken.push(format!("{path}: begins without `//!`; say in a sentence what it is for"));
    }
    let count = shipped_part(path, text).lines().count();
    let limit = SHORT.iter().find(|(short, _)| *short == path).map_or(LINES_MAX, |(_, limit)| *limit);
    if count > limit && !LONG_KNOWN.contains(&path) {
        broken.push(format!("{path}: {count} lines, at most {limit}; split it by purpose"));
    }
    let marker = concat!("TO", "DO");
    if text.contains(marker) && !text.contains(concat!("TO", "DO(#")) {
        broken.push(format!("{path}: a {marker} names its issue: {marker}(#12)"));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> usize {
        check(&Tree(vec![(path.to_owned(), text.to_owned())])).len()
    }

    #[test]
    fn a_sound_file_passes() {
        assert_eq!(broken("loop/x/src/lib.rs", "//! What it is for.\nfn f() {}\n"), 0);
    }

    #[test]
    fn each_rule_bites() {
        assert_eq!(broken("loop/x/src/lib.rs", "fn f() {}\n"), 1, "no first sentence");
        let long = format!("//! Long.\n{}", "\n".repeat(LINES_MAX));
        assert_eq!(broken("loop/x/src/lib.rs", &long), 1, "too long");
        let main = format!("//! Long.\n{}", "\n".repeat(100));
        assert_eq!(broken("bin/homeostat/src/main.rs", &main), 1, "main too long");
        assert_eq!(broken("libs/x/src/lib.rs", &format!("//! X.\n// {} later\n", concat!("TO", "DO"))), 1);
        assert_eq!(broken("libs/x/src/lib.rs", "//! X.\nfn f() { g().unwrap() }\n"), 1, "panics");
    }

    #[test]
    fn tests_may_be_long_and_may_panic() {
        let text = format!(
            "//! X.\n{}#[cfg(test)]\nmod t {{ fn f() {{ g().unwrap() }} }}\n{}",
            "fn a() {}\n",
            "\n".repeat(LINES_MAX)
        );
        assert_eq!(broken("libs/x/src/lib.rs", &text), 0);
    }
}
