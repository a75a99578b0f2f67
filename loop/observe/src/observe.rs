//! One tick of observation, one line a collector. Start at [`Observe::collect`].
use kernfs::ProcFs;
use vocab::Timestamp;
use vocab::probe::Probe;
use vocab::sample::Sample;

use crate::config::{Bounds, ObserveConfig};
use crate::ledger::Ledger;
use crate::machine::MachineReader;
use crate::mask::mask_line;
use crate::own;
use crate::pressure;
use crate::processes::Processes;
use crate::services::ServiceSource;

/// The eyes of the loop.
pub struct Observe {
    proc: ProcFs,
    bounds: Bounds,
    keeper_pid: Option<u32>,
    services: Box<dyn ServiceSource>,
    shed_level: u8,
    ledger: Ledger,
    machine: MachineReader,
    processes: Processes,
}

impl Observe {
    /// Opens what is read every tick.
    ///
    /// # Errors
    /// There is no proc file system at the place named; nothing can be observed without one.
    pub fn open(config: ObserveConfig) -> Result<Self, kernfs::Error> {
        Ok(Self {
            proc: ProcFs::open(&config.proc_root)?,
            bounds: config.bounds,
            keeper_pid: config.keeper_pid,
            services: config.services,
            shed_level: 0,
            ledger: Ledger::default(),
            machine: MachineReader::default(),
            processes: Processes::default(),
        })
    }

    /// Takes one sample: what is cheap of everything, what is dear of that whose turn it is, and the answers to
    /// `probes`. Waits for nothing that may hang.
    pub fn collect(&mut self, at: Timestamp, turn: u64, missed_ticks: u32, probes: &[Probe]) -> Sample {
        let mut sample = Sample { at, turn, missed_ticks, ..Sample::default() };
        let stretch = self.stretch();
        let Self { proc, ledger, bounds, .. } = self;
        sample.services = self.services.services();
        ledger.run("machine", |report| sample.machine = self.machine.read(proc, report));
        ledger.run("pressure", |report| pressure::read(proc, &mut sample.pressures, report));
        ledger.run("processes", |report| self.processes.read(proc, (bounds, stretch), &mut sample, report));
        ledger.run("services", |report| {
            take_events(self.services.events(), bounds.events, &mut sample, report);
            report.rows = sample.services.len();
        });
        let _ = probes;
        sample.own = own::read(proc, self.keeper_pid, self.shed_level);
        sample.collectors = ledger.take();
        sample
    }

    /// Sheds work: 0 nothing; 1 looks at idle processes and slow collectors come half as often; 2 a fifth as
    /// often; 3 probes are refused as well.
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
}

/// Adds events with their lines masked and cut, up to the bound of a tick.
fn take_events(
    events: Vec<vocab::event::Event>,
    bound: usize,
    sample: &mut Sample,
    report: &mut crate::ledger::Report,
) {
    for mut event in events {
        if sample.events.len() >= bound {
            report.dropped += 1;
            continue;
        }
        event.message = mask_line(&event.message);
        sample.events.push(event);
    }
}
