//! `homeostat man`: the manual page, made from the same declaration as the command line.
use std::io::{self, Write};

use clap::{Args, Command, CommandFactory};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::Cli;
use super::context::Context;
use crate::error::{Exit, UserError};

/// Print the manual page
#[derive(Args)]
pub struct Man {}

/// Prints it.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(context: &mut Context) -> Result<Exit, UserError> {
    context.out.line(page().trim_end())?;
    Ok(Exit::Ok)
}

/// The page, in roff.
pub fn page() -> String {
    let mut page = Vec::new();
    // A vector takes whatever is written.
    let _ = write(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

fn write(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let man = clap_mangen::Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    section(page, "DESCRIPTION", &[DESCRIPTION])?;
    man.render_options_section(page)?;
    commands(&command, page)?;
    section(page, "EXIT STATUS", &EXIT_STATUS)?;
    section(page, "OUTPUT", &[OUTPUT])?;
    let environment = crate::config::ENVIRONMENT.iter().map(|(name, what)| format!("{name}: {what}"));
    section(page, "ENVIRONMENT", &environment.collect::<Vec<_>>())?;
    section(page, "FILES", &FILES)?;
    page.flush()
}

const DESCRIPTION: &str = "Homeostat shows a Linux machine as SQL tables, finds what is wrong, explains it, and repairs \
it under rules that a person can read. Every change is measured and taken back unless it proves itself. Without a \
command it runs in mode advise and changes nothing.";

const EXIT_STATUS: [&str; 5] = [
    "0: yes, healthy, done",
    "1: the answer is no: an incident is open (status, incidents)",
    "2: an error, in what was said or in doing it",
    "3: no daemon answers",
    "4: a guard refused it",
];

const OUTPUT: &str = "Standard output is the answer, standard error everything else. With --json a command prints one \
object a line, each with a member schema; sql prints one array of objects, demo one object. Fields are added, never \
renamed, while schema stays the same.";

const FILES: [&str; 6] = [
    "/etc/homeostat/config.toml, ~/.config/homeostat/config.toml: configuration",
    "/var/lib/homeostat, ~/.local/state/homeostat: the state folder",
    "homeostat.db in it: what was found, decided and done",
    "intents.log in it: the journal that actions without an undo wait for",
    "services.json in it: what a keeper that is killed leaves to the next one",
    "/run/homeostat/homeostat.sock: the socket of a daemon that root runs",
];

fn section(page: &mut Vec<u8>, title: &str, lines: &[impl AsRef<str>]) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        roff.text([roman(line.as_ref())]);
    }
    roff.to_writer(page)
}

/// Each command with its arguments; the options that all understand are not said again.
fn commands(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
        describe(one, one.get_name(), &mut roff);
        let nested = one.get_subcommands().filter(|nested| nested.get_name() != "help");
        nested.for_each(|nested| {
            describe(nested, &format!("{} {}", one.get_name(), nested.get_name()), &mut roff)
        });
    }
    roff.to_writer(page)
}

fn describe(command: &Command, name: &str, roff: &mut Roff) {
    roff.control("TP", []);
    let own = || command.get_arguments().filter(|one| !one.is_global_set() && one.get_id() != "help");
    let mut title = vec![bold(name)];
    title.extend(
        own().filter(|one| one.is_positional()).flat_map(|one| [roman(" "), italic(one.to_string())]),
    );
    roff.text(title);
    roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
    for option in own().filter(|one| !one.is_positional()) {
        roff.control("br", []);
        let help = option.get_help().map(ToString::to_string).unwrap_or_default();
        let words: [Inline; 3] = [bold(option.to_string()), roman(": "), roman(help)];
        roff.text(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_exit_code_is_in_it() {
        let page = page();
        for command in Cli::command().get_subcommands() {
            assert!(page.contains(command.get_name()), "{}", command.get_name());
        }
        for section in ["NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
            let quoted = format!(".SH \"{section}\"");
            assert!(page.contains(&format!(".SH {section}")) || page.contains(&quoted), "{section}: {page}");
        }
    }
}
