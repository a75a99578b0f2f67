//! Loading: object by object, program by program, and what became of each.

use aya::programs::raw_trace_point::RawTracePointLink;
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, Program as AyaProgram, ProgramError, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};

use crate::drainer::Drainer;
use crate::events::Events;
use crate::intf::Kind;
use crate::loader::untyped;
use crate::missing::{Lack, has_capabilities};
use crate::programs::{Hook, Object, PROGRAMS, Spec};
use crate::{Error, sys};

/// What to load, and how large.
#[derive(Clone, Debug)]
pub struct Options {
    /// Objects to load. Default: all but what stands on functions, which [`crate::Functions`] and [`crate::Allocations`]
    /// load.
    pub objects: Vec<Object>,
    /// Processes that can run between two drains. fsync and reclaim have room for an eighth of them.
    pub processes: u32,
    /// Size of the ring buffer: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Kinds of events that wake the reader at once. A process that ends badly always does.
    pub wake: Vec<Kind>,
    /// Signals to report.
    pub signals: Vec<u32>,
    /// Objects to load without attaching them: the caller does, now and then, with
    /// [`Kernel::set_attached`]. Default: software interrupts, which cost a busy network too much, and system calls, which
    /// [`Kernel::watch_calls`] attaches.
    pub sampled: Vec<Object>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            objects: Object::ALL.into_iter().filter(|o| !matches!(o, Object::Api | Object::Alloc)).collect(),
            processes: 2048,
            ring_bytes: 256 * 1024,
            wake: Kind::ALL.into_iter().filter(|k| !matches!(k, Kind::Exec | Kind::Exit)).collect(),
            // All that end, stop or continue a process, and no SIGCHLD, SIGURG, SIGWINCH, SIGALRM.
            signals: vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 18, 19, 20, 24, 25, 31],
            sampled: vec![Object::Softirq, Object::Syscalls],
        }
    }
}

/// Whether a program works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Attached,
    /// It is loaded and does not run.
    Detached,
    /// It could not be had.
    Missing(Lack),
}

/// One program and what became of it.
pub struct Program {
    /// Its row of the table of programs.
    pub spec: &'static Spec,
    /// Whether it works.
    pub state: State,
    link: Option<Link>,
}

/// Held for its drop, which detaches.
enum Link {
    Typed { _link: BtfTracePointLink },
    Raw { _link: RawTracePointLink },
}

/// One object whose maps exist.
pub(crate) struct Loaded {
    pub(crate) object: Object,
    pub(crate) ebpf: Ebpf,
}

/// The loaded programs. Dropping it detaches them all.
pub struct Kernel {
    pub(crate) loaded: Vec<Loaded>,
    pub(crate) drainer: Drainer,
    pub(crate) tasks_buffer: Vec<u8>,
    programs: Vec<Program>,
    events: Option<Events>,
}

impl Kernel {
    /// Loads what this machine allows and says of the rest why not.
    ///
    /// Call it on the main thread, before memory is locked: reading the kernel's types takes some 25 MiB
    /// for a moment, and glibc gives only the main thread's heap back whole.
    pub fn load(options: &Options) -> Self {
        let mut kernel = Self {
            loaded: Vec::new(),
            drainer: Drainer::default(),
            tasks_buffer: Vec::new(),
            programs: Vec::new(),
            events: None,
        };
        if has_capabilities() {
            kernel.load_objects(options);
        } else {
            options.objects.iter().for_each(|object| kernel.lose(*object, &Lack::privilege()));
        }
        sys::release_heap();
        kernel
    }

    fn load_objects(&mut self, options: &Options) {
        #[expect(
            clippy::needless_late_init,
            reason = "declared first so that it is dropped after the loader"
        )]
        let types;
        // For later, while the heap is at its largest anyway.
        let _ = untyped();
        let mut loader = EbpfLoader::new();
        // The loader has just read the kernel's types for itself: drop them, or they stand twice.
        loader.btf(None);
        types = match Btf::from_sys_fs() {
            Ok(types) => types,
            Err(e) => return options.objects.iter().for_each(|object| self.lose(*object, &Lack::types(&e))),
        };
        let wake = options.wake.iter().fold(0u64, |set, kind| set | 1 << *kind as u32);
        let signals = options.signals.iter().filter(|s| **s < 64).fold(0u64, |set, s| set | 1 << s);
        loader.btf(Some(&types)).allow_unsupported_maps();
        loader.override_global("wake_kinds", &wake, false).override_global("signals", &signals, false);
        loader.map_max_entries("sched_by_process", options.processes);
        // Few processes sync or reclaim within one tick.
        for map in ["fs_by_process", "reclaim_by_process"] {
            loader.map_max_entries(map, (options.processes / 8).max(16));
        }
        loader.map_max_entries("events", options.ring_bytes);
        for &object in &options.objects {
            match loader.load(object.code()) {
                Ok(ebpf) => self.adopt(object, ebpf, &types, !options.sampled.contains(&object)),
                Err(e) => self.lose(object, &Lack::object(&e)),
            }
        }
    }

    /// Loads the programs of an object whose maps exist.
    fn adopt(&mut self, object: Object, mut ebpf: Ebpf, types: &Btf, attach: bool) {
        for spec in PROGRAMS.iter().filter(|spec| spec.object == object) {
            if let Some(lack) = Lack::here(spec) {
                self.programs.push(Program { spec, state: State::Missing(lack), link: None });
                continue;
            }
            let (state, link) = match load_program(&mut ebpf, spec, types) {
                Err(e) => (State::Missing(Lack::program(spec, &e)), None),
                // Nothing to attach: it runs when it is read.
                Ok(()) if spec.hook.iterates().is_some() => (State::Attached, None),
                Ok(()) if !attach => (State::Detached, None),
                Ok(()) => match attach_program(&mut ebpf, spec) {
                    Ok(link) => (State::Attached, Some(link)),
                    Err(e) => (State::Missing(Lack::program(spec, &e)), None),
                },
            };
            self.programs.push(Program { spec, state, link });
        }
        if object == Object::Events {
            self.events = Events::take(&mut ebpf);
        }
        self.loaded.push(Loaded { object, ebpf });
    }

    /// Marks all programs of an object as missing.
    fn lose(&mut self, object: Object, lack: &Lack) {
        let specs = PROGRAMS.iter().filter(|spec| spec.object == object);
        self.programs.extend(specs.map(|spec| Program {
            spec,
            state: State::Missing(lack.clone()),
            link: None,
        }));
    }

    /// Every program that was asked for, with its state.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// The reader of the ring buffer; `None` where the object is missing or after it was taken.
    pub fn take_events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// Whether a program of this object runs.
    pub(crate) fn runs(&self, object: Object) -> bool {
        self.programs.iter().any(|one| one.spec.object == object && one.state == State::Attached)
    }

    /// Detaches a program; it stays loaded. Nothing happens if it does not run.
    pub fn detach(&mut self, name: &str) {
        for program in self.programs.iter_mut().filter(|p| p.spec.name == name) {
            if program.link.take().is_some() {
                program.state = State::Detached;
            }
        }
    }

    /// Attaches or detaches all programs of an object that are there.
    ///
    /// Errors: the first one that the kernel refuses.
    pub fn set_attached(&mut self, object: Object, attached: bool) -> Result<(), Error> {
        let there = |p: &&Program| p.spec.object == object && !matches!(p.state, State::Missing(_));
        let names: Vec<_> = self.programs.iter().filter(there).map(|p| p.spec.name).collect();
        for name in names {
            if attached {
                self.attach(name)?;
            } else {
                self.detach(name);
            }
        }
        Ok(())
    }

    /// Attaches a detached program. Nothing happens if it runs.
    ///
    /// Errors: the program is missing, or the kernel refuses.
    pub fn attach(&mut self, name: &str) -> Result<(), Error> {
        let missing = || Error::NotLoaded(name.to_owned());
        let program = self.programs.iter_mut().find(|p| p.spec.name == name).ok_or_else(missing)?;
        match program.state {
            State::Attached => return Ok(()),
            State::Missing(_) => return Err(missing()),
            State::Detached => {}
        }
        let object = program.spec.object;
        let loaded = self.loaded.iter_mut().find(|l| l.object == object).ok_or_else(missing)?;
        let link = attach_program(&mut loaded.ebpf, program.spec)
            .map_err(|e| Error::Attach { name: program.spec.name, reason: e.to_string() })?;
        program.link = Some(link);
        program.state = State::Attached;
        Ok(())
    }
}

fn load_program(ebpf: &mut Ebpf, spec: &Spec, types: &Btf) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?;
    match spec.hook {
        Hook::Typed(hook) => <&mut BtfTracePoint>::try_from(program)?.load(hook, types),
        Hook::Raw(_) => <&mut RawTracePoint>::try_from(program)?.load(),
        Hook::TaskIterator | Hook::FileIterator => {
            let over = spec.hook.iterates().unwrap_or_default();
            <&mut aya::programs::Iter>::try_from(program)?.load(over, types)
        }
        Hook::Function(_) => <&mut aya::programs::UProbe>::try_from(program)?.load(),
    }
}

fn attach_program(ebpf: &mut Ebpf, spec: &Spec) -> Result<Link, ProgramError> {
    match ebpf.program_mut(spec.name) {
        Some(AyaProgram::BtfTracePoint(p)) => {
            let id = p.attach()?;
            Ok(Link::Typed { _link: p.take_link(id)? })
        }
        Some(AyaProgram::RawTracePoint(p)) => {
            let id = p.attach(spec.hook.name())?;
            Ok(Link::Raw { _link: p.take_link(id)? })
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
