//! The paths from event to effect: the bare floor, the loader with its full record, what the daemon does, and what the
//! kernel does by itself (`armed.rs`).

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;

use act::{Act, ActConfig, GuardConfig, NoServices, NotDurable, Order, Prepared, Ring};
use aya::maps::{MapData, RingBuf};
use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use bpfload::{Events, Kernel, Kind, Object, Options};
use kernfs::ProcFs;
use vocab::action::{ActionState, Intent};
use vocab::rule::ActuatorKind;
use vocab::{Entity, ProcessId, Timestamp};

use crate::armed::Armed;
use crate::figure::Failure;
use crate::floor::{FLOOR, now_ns};

/// Something that learns of a signal and freezes a cgroup.
pub(crate) enum Path {
    /// One time stamp in a ring buffer, read as it lies there.
    Floor {
        /// Holds the program.
        _ebpf: Box<Ebpf>,
        /// Its events.
        ring: RingBuf<MapData>,
    },
    /// The event programs, the reader and a predicate over the record.
    Loader {
        /// Holds the programs.
        _kernel: Box<Kernel>,
        /// Their events.
        events: Events,
        /// The process that may be frozen.
        victim: u32,
    },
    /// As the daemon does it: the same reader, the guard, the intent ring, the write.
    Homeostat {
        /// Holds the programs.
        _kernel: Box<Kernel>,
        /// Their events.
        events: Events,
        /// Who makes the change.
        act: Box<Act>,
        /// The change, ready.
        prepared: Option<Box<Prepared>>,
        /// Whom it is about.
        victim: ProcessId,
        /// Actions so far.
        number: u64,
    },
    /// The kernel stops the process itself and tells it afterwards.
    Kernel(Armed),
}

impl Path {
    /// The bare floor for `signal`.
    pub(crate) fn floor(signal: u32) -> Result<Self, Failure> {
        let btf = Btf::from_sys_fs()?;
        let only = u64::from(signal);
        let mut ebpf =
            EbpfLoader::new().btf(Some(&btf)).override_global("only_signal", &only, true).load(FLOOR)?;
        let program: &mut BtfTracePoint = ebpf.program_mut("floor_signal").ok_or("no program")?.try_into()?;
        program.load("signal_generate", &btf)?;
        program.attach()?;
        let ring = RingBuf::try_from(ebpf.take_map("floor_events").ok_or("no ring")?)?;
        Ok(Self::Floor { _ebpf: Box::new(ebpf), ring })
    }

    /// The loader's own path for `signal` to `victim`.
    pub(crate) fn loader(signal: u32, victim: u32) -> Result<Self, Failure> {
        let mut kernel = Kernel::load(&Options {
            objects: vec![Object::Events],
            wake: vec![Kind::Signal],
            signals: vec![signal],
            ..Options::default()
        });
        let events = kernel.take_events().ok_or("the events are missing")?;
        Ok(Self::Loader { _kernel: Box::new(kernel), events, victim })
    }

    /// The daemon's path for `signal` to `victim`.
    pub(crate) fn homeostat(signal: u32, victim: u32) -> Result<Self, Failure> {
        let Self::Loader { _kernel, events, .. } = Self::loader(signal, victim)? else {
            return Err("no loader".into());
        };
        let start_ticks = ProcFs::open("/proc".as_ref())?.stat(victim)?.start_ticks;
        let victim = ProcessId { pid: victim, start_ticks };
        let ring = Ring::memfd()?;
        let capabilities = act::capabilities(&ring, &mut NoServices, false);
        let guard = GuardConfig { actions_per_minute: u32::MAX, ..GuardConfig::default() };
        let (services, durable) = (Box::new(NoServices), Box::new(NotDurable));
        let config = ActConfig { guard, capabilities, services, durable };
        let (mut act, _) = Act::open(ring, config, Timestamp::default())?;
        let prepared = Some(Box::new(act.prepare(freeze(victim))?));
        Ok(Self::Homeostat { _kernel, events, act: Box::new(act), prepared, victim, number: 1 })
    }

    /// Waits for the event, freezes, and says how long that took from the event on.
    ///
    /// `None` when nothing happened for `timeout_ms`. Unit: ns.
    pub(crate) fn react(&mut self, freeze: &File, timeout_ms: u32) -> Result<Option<u64>, Failure> {
        let give_up_ns = now_ns() + u64::from(timeout_ms) * 1_000_000;
        let at_ns = loop {
            wait(self.fd(), timeout_ms)?;
            // What others do on the machine is in the same buffer: it may end the wait for nothing.
            match self.take() {
                Some(at_ns) => break at_ns,
                None if now_ns() > give_up_ns => return Ok(None),
                None => {}
            }
        };
        if let Self::Kernel(armed) = self {
            return armed.finish(at_ns).map(Some);
        }
        let Self::Homeostat { act, prepared, victim, number, .. } = self else {
            freeze.write_all_at(b"1", 0)?;
            return Ok(Some(now_ns() - at_ns));
        };
        let mut ready = prepared.take().ok_or("nothing is prepared")?;
        *number += 1;
        let struck = act.strike(&mut ready, (*number, 0), Timestamp::default())?;
        let took_ns = now_ns() - at_ns;
        let effect = act.look_again(&ready, struck, Timestamp::default());
        let undo = Order::Undo { action_id: *number, because: "measured".to_owned() };
        let ended = act.run(Timestamp::default(), vec![undo]);
        if effect.state != ActionState::Applied
            || ended.first().is_none_or(|one| one.state != ActionState::Undone)
        {
            return Err(format!("the effect did not stand: {effect:?} {ended:?}").into());
        }
        *prepared = Some(Box::new(act.prepare(self::freeze(*victim))?));
        Ok(Some(took_ns))
    }

    fn fd(&self) -> RawFd {
        match self {
            Self::Floor { ring, .. } => ring.as_raw_fd(),
            Self::Loader { events, .. } | Self::Homeostat { events, .. } => events.as_raw_fd(),
            Self::Kernel(armed) => armed.fd(),
        }
    }

    /// Time stamp of the next event that concerns us.
    fn take(&mut self) -> Option<u64> {
        match self {
            Self::Floor { ring, .. } => {
                ring.next().and_then(|item| Some(u64::from_ne_bytes(item.get(..8)?.try_into().ok()?)))
            }
            Self::Loader { events, victim, .. } => next_to(events, *victim),
            Self::Homeostat { events, victim, .. } => next_to(events, victim.pid),
            Self::Kernel(armed) => armed.take(),
        }
    }
}

/// Time stamp of the next signal to `victim` in the buffer.
fn next_to(events: &mut Events, victim: u32) -> Option<u64> {
    loop {
        let event = events.next_event()?;
        if event.kind() == Some(Kind::Signal) && event.pid == victim {
            return Some(event.at_ns);
        }
    }
}

fn freeze(victim: ProcessId) -> Intent {
    Intent {
        action_id: 1,
        decision_id: 0,
        kind: ActuatorKind::Freeze,
        target: Entity::Process(victim),
        process: Some(victim),
        amount: None,
        lease_s: 60.0,
        undo_on_death: true,
    }
}

/// A program on sched_switch that does nothing.
pub(crate) struct Empty {
    ebpf: Ebpf,
    link: Option<BtfTracePointLink>,
}

impl Empty {
    /// Loads it, detached.
    pub(crate) fn load() -> Result<Self, Failure> {
        let btf = Btf::from_sys_fs()?;
        let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(FLOOR)?;
        let program: &mut BtfTracePoint = ebpf.program_mut("floor_switch").ok_or("no program")?.try_into()?;
        program.load("sched_switch", &btf)?;
        Ok(Self { ebpf, link: None })
    }

    /// Attaches or detaches it.
    pub(crate) fn set_attached(&mut self, attached: bool) -> Result<(), Failure> {
        self.link = None;
        if attached {
            let program = self.ebpf.program_mut("floor_switch").ok_or("no program")?;
            let program: &mut BtfTracePoint = program.try_into()?;
            let id = program.attach()?;
            self.link = Some(program.take_link(id)?);
        }
        Ok(())
    }
}

/// Programs on the entry and the return of system calls that do nothing.
pub(crate) struct EmptyCalls {
    ebpf: Ebpf,
    links: Vec<RawTracePointLink>,
}

impl EmptyCalls {
    /// Loads them, detached.
    pub(crate) fn load() -> Result<Self, Failure> {
        let mut ebpf = EbpfLoader::new().load(FLOOR)?;
        for name in ["floor_enter", "floor_exit"] {
            let program: &mut RawTracePoint = ebpf.program_mut(name).ok_or("no program")?.try_into()?;
            program.load()?;
        }
        Ok(Self { ebpf, links: Vec::new() })
    }

    /// Attaches or detaches them.
    pub(crate) fn set_attached(&mut self, attached: bool) -> Result<(), Failure> {
        self.links.clear();
        let hooks = [("floor_enter", "sys_enter"), ("floor_exit", "sys_exit")];
        for (name, hook) in hooks.iter().filter(|_| attached) {
            let program: &mut RawTracePoint = self.ebpf.program_mut(name).ok_or("no program")?.try_into()?;
            let id = program.attach(hook)?;
            self.links.push(program.take_link(id)?);
        }
        Ok(())
    }
}

/// One poll of one descriptor.
fn wait(fd: RawFd, timeout_ms: u32) -> Result<(), Failure> {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    if unsafe { libc::poll(&raw mut poll, 1, timeout_ms as i32) } < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}
