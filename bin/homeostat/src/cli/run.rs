//! `homeostat run`, also without a word: the keeper and, below it, the daemon.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Global;
use super::context::Context;
use crate::config;
use crate::daemon::{self, Settings};
use crate::error::UserError;
use crate::keeper;
use crate::options::RunOptions;
use crate::wire::SOCKET_ENV;

/// Options of `run`.
#[derive(Args, Clone, Default)]
pub struct Run {
    /// How far it may go: observe, advise or heal
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Act on services of our own supervisor only
    #[arg(long)]
    own_services_only: bool,
    /// Port of the page on loopback; one that is taken is an error
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Record every turn, for `homeostat replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Runs the keeper; in the process that the keeper starts with the same words, the daemon.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(args: &Run, global: &Global) -> Result<ExitCode, UserError> {
    let Context { paths, config, .. } = Context::new(global)?;
    let mode = args.mode.as_deref().map(|word| config::mode(word, "--mode")).transpose()?;
    let options = RunOptions {
        mode,
        own_services_only: args.own_services_only,
        port: args.port,
        record: args.record.clone(),
    };
    let settings = Settings { options, config: config?, paths };
    if std::env::var_os(SOCKET_ENV).is_some() {
        return daemon::run(&settings);
    }
    keeper::run(&settings.paths)
}
