//! Errors as a person meets them: what is wrong, and the next command. Start at [`UserError`].
use std::fmt;
use std::io;

/// How a command ended; the numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Yes, healthy, done.
    Ok = 0,
    /// The answer is no: an incident is open.
    No = 1,
    /// Wrong usage, or the operation failed.
    Error = 2,
    /// No daemon answers.
    Unreachable = 3,
    /// A guard refused it.
    Refused = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error with its way out. Written as `error: …`, a blank line, `hint: …`.
#[derive(Debug)]
pub struct UserError {
    /// What is wrong, with what: lower case, values in backticks, no full stop.
    pub what: String,
    /// The next command, or what to change.
    pub hint: String,
    /// How the command ends.
    pub exit: Exit,
    /// Whether whoever read our output went away: no error at all.
    pub is_broken_pipe: bool,
}

impl UserError {
    /// Wrong usage, or an operation that failed.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), exit: Exit::Error, is_broken_pipe: false }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, "\n\nhint: {}", self.hint) }
    }
}

impl std::error::Error for UserError {}

/// What could not be done on this machine, and why: an error of the system in words.
pub fn cannot(what: &str, error: &dyn std::fmt::Display) -> UserError {
    let error = without_number(&error.to_string());
    UserError::new(format!("cannot {what}: {error}"), "`homeostat doctor` shows what this machine allows")
}

impl From<io::Error> for UserError {
    /// An error of our own output: the only thing that is written without a path.
    fn from(error: io::Error) -> Self {
        let is_broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        let what = format!("the output cannot be written: {}", words(&error));
        Self { what, hint: "check where the output goes".to_owned(), exit: Exit::Error, is_broken_pipe }
    }
}

/// An operating-system error without its number: `permission denied`.
pub fn words(error: &io::Error) -> String {
    let text = without_number(&error.to_string());
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A sentence without the numbers of the system's errors in it.
pub fn without_number(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| match part.split_once(')') {
        Some((_, rest)) => all + rest,
        None => all,
    })
}

/// The one of `known` that was most likely meant by `word`, if any is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|one| (distance(word, one), one)).min()?;
    (best.0 <= 1 + word.chars().count() / 3).then_some(best.1)
}

/// Edits (insert, remove, replace) that turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other = other.chars().collect::<Vec<_>>();
    let mut row = (0..=other.len()).collect::<Vec<_>>();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, wanted) in other.iter().enumerate() {
            let above = row[column + 1];
            let replaced = diagonal + usize::from(letter != *wanted);
            row[column + 1] = replaced.min(above + 1).min(row[column] + 1);
            diagonal = above;
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word_and_nonsense_finds_none() {
        let known = ["mode", "port", "protected", "on_incident"];
        assert_eq!(nearest("mod", known), Some("mode"));
        assert_eq!(nearest("protcted", known), Some("protected"));
        assert_eq!(nearest("on-incident", known), Some("on_incident"));
        assert_eq!(nearest("zebra", known), None);
    }

    #[test]
    fn an_error_is_followed_by_its_hint() {
        let error = UserError::new("no such table `x`", "run `homeostat tables`");
        assert_eq!(error.to_string(), "error: no such table `x`\n\nhint: run `homeostat tables`");
    }

    #[test]
    fn a_system_error_loses_its_number() {
        assert_eq!(words(&io::Error::from_raw_os_error(13)), "permission denied");
        let text = "the folder (No such file or directory (os error 2)) is of no use";
        assert_eq!(without_number(text), "the folder (No such file or directory) is of no use");
    }
}
