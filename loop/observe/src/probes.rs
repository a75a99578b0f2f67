//! Carries out the closer looks that the thinking stages ask for, each within its budget.
use std::path::Path;

use kernfs::ProcFs;
use vocab::probe::{Probe, ProbeAnswer, ProbeKind, ProbeResult};
use vocab::{Entity, ProcessId, Timestamp};

use crate::calls::CallWatch;
use crate::ledger::Report;
use crate::look;
use crate::profiles::{self, Profiles, Who};
use crate::sockets::Tcp;
use crate::units::Units;
use crate::waits_on::Descriptors;

/// Probes that are carried out in one tick.
const PROBES_MAX: usize = 64;

/// What answers in the sample of a later tick.
#[derive(Default)]
pub(crate) struct Later {
    /// What a unit's manager says.
    pub(crate) units: Units,
    /// Stacks.
    pub(crate) profiles: Profiles,
}

impl Later {
    /// Whether an answer is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.units.is_busy() || self.profiles.is_busy()
    }
}

/// Answers `probes`, and those of earlier ticks whose answer has come. `who` knows a process by its pid, `threads` what
/// was told of its threads in this tick; `calls` is `None` where no program sees system calls.
pub(crate) fn answer(
    (proc, root): (&mut ProcFs, &Path),
    (later, mut calls): (&mut Later, Option<&mut CallWatch>),
    (tcp, who, threads): (
        impl Fn(u64) -> Option<Tcp>,
        impl Fn(ProcessId) -> Option<Who>,
        impl Fn(ProcessId) -> Vec<kernfs::Thread>,
    ),
    (at, probes): (Timestamp, &[Probe]),
    report: &mut Report,
) -> Vec<ProbeAnswer> {
    let Later { units, profiles } = later;
    let mut answers = units.poll(at, report);
    answers.extend(profiles.poll(at, report));
    for probe in probes.iter().take(PROBES_MAX) {
        if let Some(id) = profiles::asked(probe) {
            let who = who(id).ok_or_else(|| format!("process {} ended", id.pid));
            if let Err(why) = who.and_then(|who| profiles.ask(probe, who, at)) {
                answers.push(ProbeAnswer { probe: probe.clone(), at, result: Err(why) });
            }
            continue;
        }
        let result = match (&probe.kind, &probe.entity) {
            (ProbeKind::Unit, Entity::Service(name)) => {
                if units.ask(probe, name) {
                    continue;
                }
                Err("too many units are being asked".to_owned())
            }
            (ProbeKind::Unit, _) => Err("only a service has a unit".to_owned()),
            (ProbeKind::Calls, Entity::Process(_)) => match calls.as_mut().map(|calls| calls.ask(probe)) {
                Some(true) => continue,
                Some(false) => Err("too many processes are to be watched".to_owned()),
                None => Err("no program in the kernel sees system calls here".to_owned()),
            },
            (_, Entity::Process(id)) => of_process((proc, root), *id, probe, (&tcp, &threads), report),
            _ => Err("only a process can be looked at so".to_owned()),
        };
        answers.push(ProbeAnswer { probe: probe.clone(), at, result });
    }
    report.dropped += probes.len().saturating_sub(PROBES_MAX) as u64;
    report.rows = answers.len();
    answers
}

fn of_process(
    (proc, root): (&mut ProcFs, &Path),
    id: ProcessId,
    probe: &Probe,
    (tcp, threads): (impl Fn(u64) -> Option<Tcp>, impl Fn(ProcessId) -> Vec<kernfs::Thread>),
    report: &mut Report,
) -> Result<ProbeResult, String> {
    let is_same = |proc: &mut ProcFs| proc.stat(id.pid).is_ok_and(|stat| stat.start_ticks == id.start_ticks);
    let ended = || format!("process {} ended", id.pid);
    if !is_same(proc) {
        return Err(ended());
    }
    let budget = look::Budget::new(probe.budget_us);
    let result = match probe.kind {
        ProbeKind::Threads => {
            let mut descriptors = Descriptors::new(root, id.pid, |inode| Some(tcp(inode)?.state));
            let seen = look::threads(proc, id.pid, &threads(id), &budget, |call| descriptors.class(call));
            seen.map(ProbeResult::Threads).map_err(|error| error.to_string())
        }
        ProbeKind::Descriptors => look::open_files(proc, id.pid, tcp)
            .map(ProbeResult::Descriptors)
            .map_err(|error| error.to_string()),
        ProbeKind::Maps => look::maps(root, id.pid).map(ProbeResult::Maps).map_err(|error| error.to_string()),
        ProbeKind::Unit | ProbeKind::Calls | ProbeKind::Profile(_) | ProbeKind::GpuCalls => {
            Err("it is answered in a later turn".to_owned())
        }
    };
    report.dropped += budget.left_out();
    if !is_same(proc) {
        return Err(ended());
    }
    result
}
