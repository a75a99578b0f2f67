//! Documents name what is there: files by their path, tests by the command that runs them.
use super::files::Tree;

/// Endings of what a document may name in backticks.
const ENDINGS: [&str; 8] = [".rs", ".md", ".c", ".h", ".js", ".py", ".sh", ".txt"];

/// What documents name and nobody has.
pub(super) fn check(tree: &Tree) -> Vec<String> {
    let documents = tree.0.iter().filter(|(path, _)| path.ends_with(".md"));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<String> {
    let words = text.split('`').skip(1).step_by(2);
    let missing = words.clone().filter(|word| is_path(word) && !exists(tree, word));
    let missing = missing.map(|word| format!("{path}: there is no `{word}`"));
    let commands = text.match_indices("cargo test -p ").map(|(at, _)| command(&text[at..]));
    let runs_nothing = commands.filter(|command| !runs_something(tree, command));
    missing.chain(runs_nothing.map(|command| format!("{path}: `{command}` runs no test"))).collect()
}

/// Whether a word is the path of a file of ours, and no command, pattern or file of the machine.
fn is_path(word: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/_-.".contains(letter);
    word.contains('/')
        && !word.starts_with(['/', '.'])
        && word.chars().all(is_plain)
        && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether a file has that path, or one that ends so.
fn exists(tree: &Tree, word: &str) -> bool {
    tree.0
        .iter()
        .any(|(path, _)| path == word || path.strip_suffix(word).is_some_and(|rest| rest.ends_with('/')))
}

/// The command at the beginning of `text`.
fn command(text: &str) -> &str {
    let end = text.find(['`', '\n', '|', ',', ')', '#']).unwrap_or(text.len());
    text[..end].trim()
}

/// Whether `cargo test -p PACKAGE [--test FILE] [WORD]` finds a test, as far as names tell.
fn runs_something(tree: &Tree, command: &str) -> bool {
    let mut words = command.split_whitespace().skip(3);
    let package = words.next().unwrap_or_default();
    let name = format!("name = \"{package}\"");
    let is_manifest =
        |text: &str| text.lines().take_while(|line| !line.starts_with("[[")).any(|line| line == name);
    let manifests = tree.0.iter().filter_map(|(path, text)| Some((path.strip_suffix("Cargo.toml")?, text)));
    let Some((folder, manifest)) = manifests.into_iter().find(|(_, text)| is_manifest(text)) else {
        return false;
    };
    let mut files = tree.0.iter().filter(|(path, _)| path.starts_with(folder) && path.ends_with(".rs"));
    match words.next() {
        None => files.any(|(_, text)| has_test(text, "")),
        Some("--test") => {
            let test = words.next().unwrap_or_default();
            let inside = [format!("{folder}tests/{test}.rs"), format!("{folder}tests/{test}/")];
            let is_there = files.clone().any(|(path, _)| inside.iter().any(|one| path.starts_with(one)))
                || manifest.contains(&format!("[[test]]\nname = \"{test}\""));
            is_there && words.next().is_none_or(|word| files.any(|file| is_named(file, word)))
        }
        Some(word) => files.any(|file| is_named(file, word)),
    }
}

/// Whether a test of that file has `word` in its name, or all of its tests have by the name of the file.
fn is_named((path, text): &(String, String), word: &str) -> bool {
    has_test(text, word) || (has_test(text, "") && path.trim_end_matches(".rs").contains(word))
}

/// Whether a function with `word` in its name follows a mark of a test.
fn has_test(text: &str, word: &str) -> bool {
    let mut after = text.split("#[test]").skip(1);
    after.any(|rest| {
        rest.split_once("fn ")
            .is_some_and(|(_, name)| name.split(['(', '<']).next().is_some_and(|name| name.contains(word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(document: &str) -> Vec<String> {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        check(&Tree(vec![
            file("A.md", document),
            file("loop/x/Cargo.toml", "[package]\nname = \"x\"\n[[test]]\nname = \"kill\"\n"),
            file("loop/x/src/lib.rs", "//! X.\n#[test]\nfn it_holds() {}\n"),
            file("loop/x/src/hold.rs", "//! Hold.\n#[test]\nfn is_kept() {}\n"),
            file("loop/x/tests/film.rs", "//! Film.\n#[test]\nfn it_runs() {}\n"),
        ]))
    }

    #[test]
    fn what_is_there_may_be_named() {
        let text = "`loop/x/src/lib.rs` and `src/hold.rs`; `cargo test -p x`, `cargo test -p x hold`, \
                    `cargo test -p x --test film runs`, `cargo test -p x --test kill`; `/etc/x/config.rs`";
        assert_eq!(broken(text), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_told() {
        for text in [
            "`loop/x/src/gone.rs`",
            "`cargo test -p y`",
            "`cargo test -p x gone`",
            "`cargo test -p x --test gone`",
            "`cargo test -p x --test film gone`",
            "    cargo test -p x gone\n",
        ] {
            assert_eq!(broken(text).len(), 1, "{text}");
        }
    }
}
