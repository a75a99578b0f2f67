//! What the tests act on: a child that may be hurt, services and a journal in memory.
use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use vocab::action::{ActionState, Effect, Intent};
use vocab::capability::Capability;
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId, Timestamp};

use crate::guard::GuardConfig;
use crate::machine::Machine;
use crate::services::{Durable, NoServices, ServiceStatus, Services};
use crate::{Act, ActConfig, Order, Ring};

/// A process of a session of its own that sleeps; killed when dropped.
pub(crate) struct Victim {
    child: Child,
    pub(crate) id: ProcessId,
}

impl Victim {
    pub(crate) fn new() -> Self {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: setsid and prctl alone are called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            })
        };
        let child = command.spawn().unwrap();
        let id = on_machine(|machine| machine.identify(child.id())).unwrap();
        Self { child, id }
    }

    pub(crate) fn nice(&self) -> i32 {
        rustix::process::getpriority_process(crate::machine::raw_pid(self.id.pid)).unwrap()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state() == b'T'
    }

    pub(crate) fn state(&self) -> u8 {
        on_machine(|machine| machine.proc.stat(self.id.pid).unwrap().state)
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn on_machine<T>(look: impl FnOnce(&mut Machine<'_>) -> T) -> T {
    look(&mut Machine::open(&mut NoServices).unwrap())
}

/// Services in memory, and what was done to them.
#[derive(Clone, Default)]
pub(crate) struct FakeServices {
    pub(crate) all: Arc<Mutex<BTreeMap<String, ServiceStatus>>>,
}

impl FakeServices {
    pub(crate) fn with(name: &str, main: Option<ProcessId>) -> Self {
        let services = Self::default();
        let status = ServiceStatus { main, starts: 1, back_off_min_s: 0.0 };
        services.all.lock().unwrap().insert(name.to_owned(), status);
        services
    }

    pub(crate) fn get(&self, name: &str) -> ServiceStatus {
        self.all.lock().unwrap()[name].clone()
    }

    fn change(&self, name: &str, how: impl FnOnce(&mut ServiceStatus)) -> io::Result<()> {
        let mut all = self.all.lock().unwrap();
        all.get_mut(name).map(how).ok_or_else(|| io::Error::other("no such service"))
    }
}

impl Services for FakeServices {
    fn status(&mut self, name: &str) -> io::Result<Option<ServiceStatus>> {
        Ok(self.all.lock().unwrap().get(name).cloned())
    }

    fn restart(&mut self, name: &str) -> io::Result<()> {
        self.change(name, |status| status.starts += 1)
    }

    fn set_back_off_min(&mut self, name: &str, seconds: f64) -> io::Result<()> {
        self.change(name, |status| status.back_off_min_s = seconds)
    }
}

/// A journal in memory; it refuses while `is_full`.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) intents: Arc<Mutex<Vec<u64>>>,
    pub(crate) ends: Arc<Mutex<Vec<(u64, ActionState)>>>,
    pub(crate) is_full: bool,
}

impl Durable for Journal {
    fn intent(&mut self, intent: &Intent) -> io::Result<()> {
        if self.is_full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        self.intents.lock().unwrap().push(intent.action_id);
        Ok(())
    }

    fn ended(&mut self, effect: &Effect) {
        self.ends.lock().unwrap().push((effect.action_id, effect.state));
    }
}

/// Every actuator, said to work.
pub(crate) fn all_capabilities() -> Vec<Capability> {
    let row = |kind: &ActuatorKind| Capability {
        name: kind.as_str().to_owned(),
        kind: "actuator".to_owned(),
        is_available: true,
        can_apply: Some(true),
        can_undo: Some(true),
        lost: None,
        reason: None,
        remedy: None,
    };
    ActuatorKind::ALL.iter().map(row).collect()
}

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_000_000);

pub(crate) fn config(services: &FakeServices, journal: &Journal) -> ActConfig {
    let guard = GuardConfig { actions_per_minute: 1_000, ..GuardConfig::default() };
    let (services, durable) = (Box::new(services.clone()), Box::new(journal.clone()));
    ActConfig { guard, capabilities: all_capabilities(), services, durable }
}

pub(crate) fn open(ring: Ring, services: &FakeServices) -> (Act, Vec<Effect>) {
    Act::open(ring, config(services, &Journal::default()), NOW).unwrap()
}

/// Another process's view of the same ring.
pub(crate) fn same(act: &Act) -> Ring {
    Ring::from_file(act.ring().file().try_clone().unwrap()).unwrap()
}

pub(crate) fn intent(action_id: u64, kind: ActuatorKind, target: Entity) -> Intent {
    let process = match target {
        Entity::Process(id) => Some(id),
        _ => None,
    };
    let (decision_id, amount) = (1, None);
    Intent { action_id, decision_id, kind, target, process, amount, lease_s: 60.0, undo_on_death: false }
}

pub(crate) fn on(victim: &Victim, kind: ActuatorKind) -> Intent {
    intent(1, kind, Entity::Process(victim.id))
}

/// Carries out one order that has one effect.
pub(crate) fn one(act: &mut Act, order: Order) -> Effect {
    let mut effects = act.run(NOW, vec![order]);
    assert_eq!(effects.len(), 1, "{effects:#?}");
    effects.remove(0)
}
