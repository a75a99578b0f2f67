//! What every command needs: folders, configuration, printer, daemon.
use super::Global;
use crate::client::Client;
use crate::config::Config;
use crate::error::UserError;
use crate::output::Printer;
use crate::paths::{Paths, Surroundings};

/// What every command needs.
pub struct Context {
    /// Where things lie.
    pub paths: Paths,
    /// What the person configured, or why that cannot be used.
    pub config: Result<Config, UserError>,
    /// Standard output.
    pub out: Printer,
    /// Whether only the answer is wanted.
    pub is_quiet: bool,
    are_paths_named: bool,
}

impl Context {
    /// Reads the configuration; a broken one stops only the commands that need it, never `undo` or `status`.
    ///
    /// # Errors
    /// There is no place for the state.
    pub fn new(global: &Global) -> Result<Self, UserError> {
        let around = Surroundings::of_this_process();
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let config = Config::load(global.config.as_deref(), &around, variable);
        let configured = config.as_ref().ok().and_then(|config| config.state_dir.clone());
        let state_dir = global.state_dir.clone().or(configured);
        let paths = Paths::find(state_dir.as_deref(), &around)?;
        let out = Printer::new(global.format(), global.color);
        Ok(Self { paths, config, out, is_quiet: global.quiet, are_paths_named: state_dir.is_some() })
    }

    /// The daemon.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn daemon(&self) -> Result<Client, UserError> {
        if let Err(error) = &self.config {
            eprintln!("warning: {}", error.what);
        }
        Client::find(&self.paths, self.are_paths_named)
    }

    /// A remark for the person, on standard error.
    pub fn remark(&self, text: &str) {
        if !self.is_quiet {
            eprintln!("{text}");
        }
    }
}
