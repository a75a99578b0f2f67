//! `homeostat completions`: the command line as a shell completes it.
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::context::Context;
use crate::error::{Exit, UserError};

/// Print completions for a shell.
#[derive(Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Completions, context: &mut Context) -> Result<Exit, UserError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "homeostat", &mut script);
    context.out.line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
