//! What act needs from outside: the services that Homeostat supervises itself, and the durable journal.
use std::io;

use vocab::ProcessId;
use vocab::action::{Effect, Intent};

/// What the supervisor says of one of its services.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceStatus {
    /// Its main process, while it runs.
    pub main: Option<ProcessId>,
    /// Times it was started.
    pub starts: u64,
    /// Least wait before its next start after a failure, as set from outside; 0 if none is set. Unit: s.
    pub back_off_min_s: f64,
}

/// The supervisor of our own services: a call to the keeper, or the keeper itself.
///
/// No call may wait for a service to end or to start: acceptance is the answer.
pub trait Services {
    /// State of a service; `None` if the supervisor has none of that name.
    ///
    /// # Errors
    /// The supervisor does not answer.
    fn status(&mut self, name: &str) -> io::Result<Option<ServiceStatus>>;

    /// Stops and starts a service.
    ///
    /// # Errors
    /// The supervisor does not answer or refuses.
    fn restart(&mut self, name: &str) -> io::Result<()>;

    /// Sets the least wait before the next start after a failure; 0 takes it away. Unit: s.
    ///
    /// # Errors
    /// The supervisor does not answer or refuses.
    fn set_back_off_min(&mut self, name: &str, seconds: f64) -> io::Result<()>;
}

/// No supervisor of our own, as in `homeostat undo --all` on a machine without a keeper: with the keeper its
/// services' settings are gone, too.
pub struct NoServices;

impl Services for NoServices {
    fn status(&mut self, _: &str) -> io::Result<Option<ServiceStatus>> {
        Ok(None)
    }

    fn restart(&mut self, _: &str) -> io::Result<()> {
        Err(io::Error::other("there is no supervisor"))
    }

    fn set_back_off_min(&mut self, _: &str, _: f64) -> io::Result<()> {
        Err(io::Error::other("there is no supervisor"))
    }
}

/// The journal on disk, which an action that cannot be undone waits for.
pub trait Durable {
    /// Returns once the intent would survive a power cut.
    ///
    /// # Errors
    /// It would not; the action then does not happen.
    fn intent(&mut self, intent: &Intent) -> io::Result<()>;

    /// Notes how such an action ended. It need not be durable: a start settles what has no end.
    fn ended(&mut self, _: &Effect) {}
}

/// No journal: what cannot be undone is refused.
pub struct NotDurable;

impl Durable for NotDurable {
    fn intent(&mut self, _: &Intent) -> io::Result<()> {
        Err(io::Error::other("there is no journal"))
    }
}
