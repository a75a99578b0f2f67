//! Wrong usage, in our own words: one line and the next command.
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{Exit, UserError, nearest};

/// Prints help where it was asked for, else the error; gives the exit code.
pub fn report(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever asked may have gone away meanwhile: nothing is left to tell.
            let _ = error.print();
            Exit::Ok.into()
        }
        _ => {
            eprintln!("{}", explain(error));
            Exit::Error.into()
        }
    }
}

fn explain(error: &clap::Error) -> UserError {
    let text = error.to_string();
    let what = text.strip_prefix("error: ").unwrap_or(&text);
    let what = what.split("\n\n").next().unwrap_or_default();
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ").replace('\'', "`");
    let what = what.replace("invalid digit found in string", "it is no number");
    let suggested =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let wrong = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg, ContextKind::InvalidValue];
    let wrong =
        wrong.into_iter().filter_map(|kind| error.get(kind)).flat_map(word_list).next().unwrap_or_default();
    let offered =
        suggested.into_iter().filter_map(|kind| error.get(kind)).flat_map(word_list).collect::<Vec<_>>();
    let meant = nearest(&wrong, offered.iter().map(String::as_str)).or(offered.last().map(String::as_str));
    let help = match text.split("Usage: ").nth(1) {
        Some(usage) if error.kind() != ErrorKind::InvalidSubcommand => {
            let words = usage.lines().next().unwrap_or_default().split(' ');
            let command =
                words.take_while(|word| word.starts_with(|letter: char| letter.is_ascii_lowercase()));
            format!("`{} --help` shows what can be said", command.collect::<Vec<_>>().join(" "))
        }
        _ => "`homeostat --help` shows what can be said".to_owned(),
    };
    let hint = match meant {
        Some(word) => format!("did you mean `{word}`? {help}"),
        None => help,
    };
    UserError::new(what, hint)
}

fn word_list(value: &ContextValue) -> Vec<String> {
    match value {
        ContextValue::String(word) => vec![word.clone()],
        ContextValue::Strings(words) => words.clone(),
        _ => Vec::new(),
    }
}
