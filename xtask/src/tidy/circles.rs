//! Direction inside a crate: no two files may need each other, but for a module and those below it.
use std::collections::{BTreeMap, BTreeSet};

use super::files::{Tree, shipped_part};

/// Modules of a crate by their path, `[]` for its root, with the file that each stands in.
type Modules = BTreeMap<Vec<String>, String>;

/// The circles of files, a line each.
pub(super) fn check(tree: &Tree) -> Vec<String> {
    let mut crates = BTreeMap::<&str, Vec<(&str, &str)>>::new();
    for (path, text) in &tree.0 {
        if let (Some((root, _)), true) = (path.split_once("/src/"), path.ends_with(".rs")) {
            crates.entry(root).or_default().push((path, text));
        }
    }
    crates.values().filter_map(|files| circle(files)).collect()
}

/// The files of one crate that need each other, if there are any.
fn circle(files: &[(&str, &str)]) -> Option<String> {
    let modules = files.iter().map(|(path, _)| (module(path), (*path).to_owned())).collect::<Modules>();
    let mut needs = files
        .iter()
        .map(|(path, text)| (module(path), needed(&module(path), shipped_part(path, text), &modules)))
        .collect::<BTreeMap<_, _>>();
    // What needs nobody, or whom nobody needs, stands in no circle.
    loop {
        let needed = needs.values().flatten().cloned().collect::<BTreeSet<_>>();
        let before = needs.len();
        needs.retain(|one, others| !others.is_empty() && needed.contains(one));
        let left = needs.keys().cloned().collect::<BTreeSet<_>>();
        needs.values_mut().for_each(|others| others.retain(|other| left.contains(other)));
        if needs.len() == before {
            break;
        }
    }
    let names = needs.keys().filter_map(|one| modules.get(one)).cloned().collect::<Vec<_>>();
    (!names.is_empty())
        .then(|| format!("{} need each other; move what both need into a file of its own", names.join(", ")))
}

/// `loop/x/src/a/b.rs` is `[a, b]`.
fn module(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside).trim_end_matches(".rs");
    let mut module = inside.split('/').map(str::to_owned).collect::<Vec<_>>();
    if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
        module.pop();
    }
    module
}

/// The modules that a file names, but for those above and below it.
fn needed(own: &[String], text: &str, modules: &Modules) -> BTreeSet<Vec<String>> {
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let starts = ["crate::", "super::"].iter().flat_map(|word| code.match_indices(word));
    let mut needed = BTreeSet::new();
    for (at, word) in starts {
        let is_inside =
            code[..at].ends_with(|letter: char| letter == ':' || letter == '_' || letter.is_alphanumeric());
        if is_inside {
            continue;
        }
        let base = if word == "crate::" { &[] } else { &own[..own.len().saturating_sub(1)] };
        for path in paths(base, &code[at + word.len()..]) {
            let found =
                (0..=path.len()).rev().map(|n| path[..n].to_vec()).find(|one| modules.contains_key(one));
            needed.extend(found.filter(|one| !own.starts_with(one) && !one.starts_with(own)));
        }
    }
    needed
}

/// The paths that begin at `base` and go on as `text` says: `a::{b, c::d}` is two.
fn paths(base: &[String], text: &str) -> Vec<Vec<String>> {
    let mut path = base.to_vec();
    let mut rest = text;
    loop {
        let end = rest.find(|letter: char| letter != '_' && !letter.is_alphanumeric()).unwrap_or(rest.len());
        match &rest[..end] {
            "" => break,
            "super" => drop(path.pop()),
            word => path.push(word.to_owned()),
        }
        rest = &rest[end..];
        let Some(next) = rest.strip_prefix("::") else { break };
        rest = next;
    }
    match rest.strip_prefix('{') {
        Some(group) => members(group).into_iter().flat_map(|one| paths(&path, one.trim_start())).collect(),
        None => vec![path],
    }
}

/// The members of a group that was opened just before `text`.
fn members(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            '}' => {
                found.push(&text[from..at]);
                break;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()))
    }

    #[test]
    fn one_direction_passes() {
        let files = [
            ("loop/x/src/lib.rs", "mod a; mod b; pub use a::A;"),
            ("loop/x/src/a.rs", "use crate::b::B;\nmod c;"),
            ("loop/x/src/a/c.rs", "use super::A;\nuse crate::b;"),
            ("loop/x/src/b.rs", "// crate::a is no need\n#[cfg(test)]\nuse crate::a;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }

    #[test]
    fn two_files_that_need_each_other_are_named_however_they_say_it() {
        let other = ("loop/x/src/b.rs", "use crate::a;");
        for text in
            ["use crate::b::B;", "use crate::{z, b::{self, B}};", "use super::b;", "fn f() { crate::b::f() }"]
        {
            let found = circles(&[("loop/x/src/a.rs", text), other]);
            assert!(
                found.len() == 1 && found[0].starts_with("loop/x/src/a.rs, loop/x/src/b.rs"),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn a_circle_of_three_is_found_and_what_leans_on_it_is_not_named() {
        let files = [
            ("loop/x/src/a.rs", "use crate::b;"),
            ("loop/x/src/b.rs", "use crate::c::d;"),
            ("loop/x/src/c/d.rs", "use crate::a;\nuse super::super::ground;"),
            ("loop/x/src/ground.rs", ""),
            ("loop/x/src/roof.rs", "use crate::a;"),
        ];
        let found = circles(&files);
        let named = "loop/x/src/a.rs, loop/x/src/b.rs, loop/x/src/c/d.rs need each other";
        assert!(found.len() == 1 && found[0].starts_with(named), "{found:?}");
    }
}
