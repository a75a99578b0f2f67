//! One tick of observation, one line a collector. Start at [`Observe::collect`].
use std::path::{Path, PathBuf};

use kernfs::ProcFs;
use vocab::capability::Capability;
use vocab::event::{Event, EventKind};
use vocab::probe::Probe;
use vocab::sample::Sample;
use vocab::{Entity, ProcessId, Timestamp};

use crate::calls::CallWatch;
use crate::capabilities::{self, Found};
use crate::config::{Bounds, ObserveConfig};
use crate::endings::Endings;
use crate::journal::Journal;
use crate::kernel::{KernelSide, could_load};
use crate::kernel_events::{Clocks, Known, Reading, of_note};
use crate::kernel_log::KernelLog;
use crate::ledger::{Ledger, Report};
use crate::machine::MachineReader;
use crate::mask::mask_line;
use crate::probes::Later;
use crate::processes::Processes;
use crate::profiles::Who;
use crate::purse::Purse;
use crate::services::ServiceSource;
use crate::slow::{Slow, members};
use crate::{fresh, own, pressure, probes};

/// The level of shedding from which on probes are carried out in one tick of so many.
const SHED_PROBES: u8 = 3;
const SHED_PROBES_EVERY: u64 = 5;
/// Probes that wait for such a tick at most.
const POSTPONED_MAX: usize = 64;
/// What closer looks may cost in the long run, and at one go: a machine full of suspects is looked at in turn. Unit:
/// share of a core, us.
const LOOKS_SHARE: f64 = 0.000_5;
const LOOKS_AT_ONCE_US: f64 = 60_000.0;

/// The program that tells how processes end.
const EXITS: &str = "process_exit";

/// The eyes of the loop.
pub struct Observe {
    proc: ProcFs,
    proc_root: PathBuf,
    bounds: Bounds,
    keeper_pid: Option<u32>,
    services: Box<dyn ServiceSource>,
    shed_level: u8,
    postponed: Vec<Probe>,
    looks: Purse,
    turn: u64,
    ledger: Ledger,
    machine: MachineReader,
    processes: Processes,
    slow: Slow,
    kernel_log: Option<KernelLog>,
    journal: Option<Journal>,
    kernel: Option<KernelSide>,
    /// Without programs in the kernel that tell of ends.
    endings: Option<Endings>,
    reading: Reading,
    calls: CallWatch,
    later: Later,
}

impl Observe {
    /// Opens what is read every tick.
    ///
    /// # Errors
    /// There is no proc file system at the place named; nothing can be observed without one.
    pub fn open(config: ObserveConfig) -> Result<Self, kernfs::Error> {
        let mut proc = ProcFs::open(&config.proc_root)?;
        let counts_tcp = !config.kernel.as_ref().is_some_and(|one| one.runs("tcp_retransmit_skb"));
        Ok(Self {
            slow: Slow::open(&config, &mut proc),
            endings: asks_for_endings(&config).then(Endings::default),
            proc,
            bounds: config.bounds,
            keeper_pid: config.keeper_pid,
            shed_level: 0,
            postponed: Vec::new(),
            looks: Purse::new(LOOKS_SHARE, LOOKS_AT_ONCE_US),
            turn: 0,
            ledger: Ledger::default(),
            machine: MachineReader::new(counts_tcp),
            processes: Processes::new(&config.proc_root),
            kernel_log: config.kernel_log.as_deref().map(KernelLog::open),
            journal: config.journal.as_deref().map(Journal::new),
            kernel: config.kernel,
            reading: Reading::default(),
            calls: CallWatch::default(),
            later: Later::default(),
            services: config.services,
            proc_root: config.proc_root,
        })
    }

    /// Takes one sample: what is cheap of everything, what is dear of that whose turn it is, and the answers to
    /// `probes`. Waits for nothing that may hang.
    pub fn collect(&mut self, at: Timestamp, turn: u64, missed_ticks: u32, probes: &[Probe]) -> Sample {
        let mut sample = Sample { at, turn, missed_ticks, ..Sample::default() };
        self.turn = turn;
        let stretch = self.stretch();
        // Before the processes are read anew: whoever ended is still known.
        self.read_kernel(&mut sample);
        self.read_endings(&mut sample);
        let Self { proc, ledger, bounds, processes, kernel, .. } = self;
        sample.services = self.services.services();
        ledger.run("machine", |report| {
            sample.machine = self.machine.read(proc, report);
            kernel.iter_mut().for_each(|one| one.rest(at, &sample.machine, report));
        });
        ledger.run("pressure", |report| pressure::read(proc, &mut sample.pressures, report));
        ledger.run("processes", |report| {
            processes.read((proc, kernel.as_mut()), (bounds, stretch), &mut sample, report);
        });
        if let Some(endings) = &mut self.endings {
            endings.watch(processes.all(), Clocks::now(sample.at, proc.ticks_per_s()));
        }
        self.slow.read((proc, kernel.as_mut()), processes, (bounds, stretch), &mut sample, ledger);
        self.read_events(&mut sample);
        self.read_journal(&mut sample);
        self.answer(at, probes, &mut sample);
        self.watch_calls(&mut sample);
        sample.own = own::read(&mut self.proc, self.keeper_pid, self.shed_level);
        sample.collectors = self.ledger.take();
        sample
    }

    /// Takes a sample out of turn, right before an action: every cheap counter of the machine and of every
    /// process, and all there is of the processes, services and cgroups in `entities`.
    ///
    /// It bears the number of the last turn. What the next tick delivers does not depend on it.
    pub fn fresh(&mut self, at: Timestamp, entities: &[Entity]) -> Sample {
        let mut sample = Sample { at, turn: self.turn, ..Sample::default() };
        let Self { proc, ledger, bounds, processes, kernel, .. } = self;
        sample.services = self.services.services();
        ledger.run("machine", |report| sample.machine = self.machine.read(proc, report));
        ledger.run("pressure", |report| pressure::read(proc, &mut sample.pressures, report));
        ledger.run("fresh", |report| fresh::read(proc, processes, bounds, entities, &mut sample, report));
        if entities.iter().any(|one| matches!(one, Entity::Process(_) | Entity::Service(_))) {
            let sockets = &mut self.slow.sockets;
            let (from, asked) = ((proc, kernel.as_mut()), (&*bounds, at));
            ledger.run("sockets", |report| sample.sockets = sockets.read(from, processes, asked, report));
        }
        if entities.iter().any(|one| matches!(one, Entity::Cgroup(_) | Entity::Service(_))) {
            let members = members(processes);
            let (cgroups, pressures) = (&mut self.slow.cgroups, &mut sample.pressures);
            ledger.run("cgroups", |report| {
                sample.cgroups = cgroups.read(bounds.cgroups, &members, pressures, report);
            });
        }
        sample.own = own::read(&mut self.proc, self.keeper_pid, self.shed_level);
        sample.collectors = self.ledger.take();
        sample
    }

    /// What can be seen here, what is lost and what would bring it.
    pub fn capabilities(&mut self) -> Vec<Capability> {
        let refusal = match &self.kernel_log {
            Some(log) => log.refusal().map(|error| error.to_string()),
            None => Some("it is switched off".to_owned()),
        };
        let kernel = self.kernel.as_ref().map_or_else(|| vec![could_load()], KernelSide::capabilities);
        let found = Found { kernel, cgroup_versions: self.slow.cgroups.versions(), kernel_log: refusal };
        capabilities::list(&mut self.proc, &found)
    }

    /// Sheds work in this order: 1 looks at idle processes and slow collectors come half as often, 2 a fifth as
    /// often, 3 probes are carried out in every fifth tick only: without them some troubles could not be told at all.
    /// From 4 on the ticks themselves come less often ([`vocab::budget::tick_s`]).
    /// 0 sheds nothing.
    pub fn shed(&mut self, level: u8) {
        self.shed_level = level;
    }

    fn stretch(&self) -> f64 {
        match self.shed_level {
            0 => 1.0,
            1 => 2.0,
            _ => 5.0,
        }
    }

    /// What programs in the kernel counted and saw.
    fn read_kernel(&mut self, sample: &mut Sample) {
        let Self { kernel: Some(kernel), reading, processes, ledger, proc, .. } = self else { return };
        let ticks_per_s = proc.ticks_per_s();
        let find = |pid: u32| {
            let known = processes.get(pid)?;
            Some(Known {
                id: known.stat.id(),
                service: known.service().cloned(),
                exe: known.info.exe.clone(),
            })
        };
        ledger.run("kernel", |report| {
            sample.kernel = Some(kernel.read(sample.at, ticks_per_s, report));
            let (raw, dropped) = kernel.queue.take();
            report.dropped += dropped;
            report.rows += raw.len();
            let clocks = Clocks::now(sample.at, ticks_per_s);
            for one in &raw {
                let event = reading.of_process(one, clocks, find);
                sample.events.extend(of_note(one, event.as_ref(), clocks, |device| kernel.disk(device)));
                sample.kernel_events.extend(event);
            }
        });
    }

    /// How young processes ended, where no program in the kernel tells.
    fn read_endings(&mut self, sample: &mut Sample) {
        let Self { endings: Some(endings), ledger, proc, .. } = self else { return };
        let clocks = Clocks::now(sample.at, proc.ticks_per_s());
        ledger.run("endings", |report| endings.read(clocks, &mut sample.kernel_events, report));
    }

    fn read_events(&mut self, sample: &mut Sample) {
        let bound = self.bounds.events;
        self.ledger.run("services", |report| {
            take_events(self.services.events(), bound, &mut sample.events, report);
            report.rows = sample.services.len();
        });
        if let Some(log) = &mut self.kernel_log {
            let processes = &self.processes;
            let find = |pid: u32| processes.get(pid).map(|one| Entity::Process(one.stat.id()));
            let told = |kind: EventKind| match (&self.kernel, kind) {
                (Some(kernel), EventKind::OomKill) => kernel.runs("oom_victim"),
                (Some(kernel), EventKind::IoError) => kernel.runs("block_error"),
                _ => false,
            };
            self.ledger.run("kernel_log", |report| {
                log.read(sample.at, bound, (&find, &told), &mut sample.events, report);
            });
        }
    }

    fn read_journal(&mut self, sample: &mut Sample) {
        let Self { journal: Some(journal), processes, ledger, bounds, .. } = self else { return };
        let find = |pid: u32| processes.get(pid).map(|one| Entity::Process(one.stat.id()));
        ledger.run("journal", |report| {
            journal.read(sample.at, bounds.events, find, &mut sample.events, report);
        });
    }

    /// Ends the watch of system calls that began in the last tick, and begins the next.
    fn watch_calls(&mut self, sample: &mut Sample) {
        let may_sample = self.shed_level == 0;
        let Self { kernel: Some(kernel), calls, processes, ledger, .. } = self else { return };
        ledger.run("calls", |report| calls.turn(kernel, processes, may_sample, sample, report));
    }

    fn answer(&mut self, at: Timestamp, probes: &[Probe], sample: &mut Sample) {
        let mut all = std::mem::take(&mut self.postponed);
        all.extend(probes.iter().filter(|one| !all.contains(one)).cloned().collect::<Vec<_>>());
        let is_shed = self.shed_level >= SHED_PROBES && !sample.turn.is_multiple_of(SHED_PROBES_EVERY);
        if is_shed || !self.looks.has(at) {
            all.truncate(POSTPONED_MAX);
            self.postponed = std::mem::take(&mut all);
        }
        let probes = all.as_slice();
        if probes.is_empty() && !self.later.is_busy() {
            return;
        }
        let Self { proc, proc_root, later, slow, processes, ledger, calls, kernel, .. } = self;
        let sees_calls = kernel.as_ref().is_some_and(|one| one.has("calls_exit"));
        let calls = sees_calls.then_some(calls);
        let tcp = |inode: u64| slow.sockets.tcp(inode);
        let who = |id: ProcessId| {
            let known = processes.get(id.pid).filter(|one| one.stat.id() == id)?;
            Some(Who { id, name: known.info.name.clone(), service: known.service().cloned() })
        };
        let ticks_per_s = proc.ticks_per_s();
        let threads = |id: ProcessId| processes.told(id, ticks_per_s);
        let cost_us = ledger.run("probes", |report| {
            let known = (tcp, who, threads);
            sample.answers = probes::answer((proc, proc_root), (later, calls), known, (at, probes), report);
        });
        self.looks.spend(cost_us);
    }
}

/// Whether nothing in the kernel tells how the processes of this machine end.
fn asks_for_endings(config: &ObserveConfig) -> bool {
    let is_told = config.kernel.as_ref().is_some_and(|one| one.runs(EXITS));
    !is_told && config.proc_root == Path::new("/proc")
}

/// Adds events with their lines masked and cut, up to the bound of a tick.
fn take_events(events: Vec<Event>, bound: usize, into: &mut Vec<Event>, report: &mut Report) {
    report.dropped += events.len().saturating_sub(bound) as u64;
    into.extend(events.into_iter().take(bound).map(|mut event| {
        event.message = mask_line(&event.message);
        event
    }));
}
