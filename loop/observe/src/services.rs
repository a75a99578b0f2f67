//! The services of our own supervisor, and which processes belong to them. Start at [`ServiceSource`].
use std::sync::Arc;

use vocab::ProcessId;
use vocab::event::Event;
use vocab::sample::ServiceSample;

/// Where the state of our own supervisor's services comes from: in the daemon, the connection to the keeper.
///
/// Both are called once a tick and must return at once with what is known.
pub trait ServiceSource: Send {
    /// Every service, in order of name.
    fn services(&mut self) -> Vec<ServiceSample>;
    /// Starts, ends and lines of output since the call before.
    fn events(&mut self) -> Vec<Event>;
}

/// No services.
pub struct NoServices;

impl ServiceSource for NoServices {
    fn services(&mut self) -> Vec<ServiceSample> {
        Vec::new()
    }

    fn events(&mut self) -> Vec<Event> {
        Vec::new()
    }
}

/// The main processes of our own services, by which their descendants are found.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mains(Vec<(ProcessId, Arc<str>)>);

impl Mains {
    /// Takes the main processes of `services`; true if they differ from those before.
    pub(crate) fn update(&mut self, services: &[ServiceSample]) -> bool {
        let mains = || services.iter().filter_map(|one| Some((one.main?, &one.name)));
        let is_same = mains().eq(self.0.iter().map(|(id, name)| (*id, name)));
        if !is_same {
            self.0 = mains().map(|(id, name)| (id, name.clone())).collect();
        }
        !is_same
    }

    /// The service whose main process this is.
    pub(crate) fn of(&self, id: ProcessId) -> Option<&Arc<str>> {
        self.0.iter().find(|(main, _)| *main == id).map(|(_, name)| name)
    }

    /// The service whose main process leads that session; a descendant keeps its session when its parent ends.
    pub(crate) fn of_session(&self, session: i32) -> Option<&Arc<str>> {
        let session = u32::try_from(session).ok().filter(|session| *session != 0)?;
        self.0.iter().find(|(main, _)| main.pid == session).map(|(_, name)| name)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
