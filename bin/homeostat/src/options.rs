//! What `homeostat run` was asked for.
use std::path::PathBuf;

use vocab::rule::Mode;

/// Options of one run; what is absent comes from the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// How far it may go.
    pub mode: Option<Mode>,
    /// Act on services of our own supervisor only.
    pub own_services_only: bool,
    /// Port of the page.
    pub port: Option<u16>,
    /// File to record every turn in.
    pub record: Option<PathBuf>,
}
