//! `homeostat run`: the keeper, and below it the daemon.
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::context::Context;
use crate::daemon::{self, Settings};
use crate::error::UserError;
use crate::keeper;
use crate::options::RunOptions;

/// Options of `run`.
#[derive(Args, Clone, Default)]
pub struct Run {
    /// How far it may go: observe, advise or heal
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Port of the page on loopback
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Record every turn, for `homeostat replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Runs until asked to end.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(arguments: &Run, context: Context) -> Result<ExitCode, UserError> {
    let config = context.config?;
    let mode = arguments.mode.as_deref().map(|word| crate::config::mode(word, "--mode")).transpose()?;
    let options = RunOptions { mode, port: arguments.port, record: arguments.record.clone() };
    let settings = Settings { options, config, paths: context.paths };
    if std::env::var_os(keeper::SOCKET_ENV).is_some() {
        return daemon::run(&settings);
    }
    keeper::run(&ring_name(&settings.paths.state_dir))
}

/// A name for the intent ring of this state folder: every folder has its own.
fn ring_name(state_dir: &std::path::Path) -> String {
    let bytes = state_dir.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
