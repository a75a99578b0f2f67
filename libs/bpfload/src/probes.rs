//! Probes on functions of programs, one process at a time: a breakpoint in its code, and a program of ours that runs there.
//!
//! Attached by the kernel's own calls, because the loader crate brings a reader of every format of program files along.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::PoisonError;

use aya::maps::{Array, Map, MapData, RingBuf};
use aya::programs::{ProgramError, UProbe};

use crate::drain::{Lost, add_lost, per_cpu, take_entries};
use crate::intf::Plain;
use crate::load::Loaded;
use crate::loader::untyped;
use crate::missing::{Lack, has_capabilities, running_kernel};
use crate::programs::{Hook, Object, PROGRAMS, Spec};
use crate::sys::BatchBuffer;
use crate::{Error, sys};

/// Where a function begins.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its file, by a path that is right for this process.
    pub file: PathBuf,
    /// Its first byte in the file.
    pub offset: u64,
}

/// Why this process could not attach to functions, if so. Attaches nothing.
pub fn lack() -> Option<Lack> {
    let spec = PROGRAMS.iter().find(|spec| matches!(spec.hook, Hook::Function(_)))?;
    if !cfg!(target_arch = "x86_64") {
        let reason = "arguments of functions are read on x86-64 only".to_owned();
        return Some(Lack { reason, would_bring: "nothing yet".to_owned() });
    }
    if !has_capabilities() {
        return Some(Lack::privilege());
    }
    if sys::uprobe_type().is_err() {
        let reason = "this kernel has no probes of functions".to_owned();
        return Some(Lack { reason, would_bring: "a kernel with CONFIG_UPROBE_EVENTS=y".to_owned() });
    }
    Lack::age(spec, running_kernel())
}

/// An object of programs for functions, and what of it is attached. Dropping it, or the death of this process, takes every
/// probe off.
pub(crate) struct Probes {
    loaded: Loaded,
    links: Vec<OwnedFd>,
}

impl Probes {
    /// Loads the object; attaches nothing.
    pub(crate) fn load(object: Object) -> Result<Self, Lack> {
        if let Some(lack) = lack() {
            return Err(lack);
        }
        let ebpf = untyped().lock().unwrap_or_else(PoisonError::into_inner).load(object.code());
        let ebpf = ebpf.map_err(|e| Lack::object(&e))?;
        Ok(Self { loaded: Loaded { object, ebpf }, links: Vec::new() })
    }

    /// Loads the program of that name and attaches it to `points` of the process `pid`, each with a cookie.
    ///
    /// Errors: the first one that the kernel refuses.
    pub(crate) fn attach(&mut self, name: &str, pid: u32, points: &[(Point, u64)]) -> Result<(), Lack> {
        let spec = PROGRAMS.iter().find(|spec| spec.name == name).ok_or_else(Lack::privilege)?;
        self.attach_spec(spec, pid, points).map_err(|error| Lack::program(spec, &error))
    }

    fn attach_spec(&mut self, spec: &Spec, pid: u32, points: &[(Point, u64)]) -> Result<(), ProgramError> {
        let program = self.loaded.ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?;
        let program = <&mut UProbe>::try_from(program)?;
        program.load()?;
        let at_return = spec.hook == Hook::Function("function return");
        for (point, cookie) in points {
            let probe = sys::open_uprobe(pid, &point.file, point.offset, at_return)?;
            self.links.push(sys::link_perf_event(program.fd()?.as_fd(), probe, *cookie)?);
        }
        Ok(())
    }

    /// Takes them all off.
    pub(crate) fn detach(&mut self) {
        self.links.clear();
    }

    /// What the programs send.
    pub(crate) fn take_ring(&mut self, name: &'static str) -> Result<RingBuf<MapData>, Error> {
        let map = self.loaded.ebpf.take_map(name).ok_or_else(|| missing(name))?;
        RingBuf::try_from(map).map_err(|e| broken(name, e))
    }

    /// Sets a map of one value.
    pub(crate) fn set<V: aya::Pod>(&mut self, name: &'static str, value: V) -> Result<(), Error> {
        let map = self.loaded.ebpf.map_mut(name).ok_or_else(|| missing(name))?;
        let set = Array::<_, V>::try_from(map).and_then(|mut array| array.set(0, value, 0));
        set.map_err(|e| broken(name, e))
    }

    /// The first `count` values of an array.
    pub(crate) fn values<V: aya::Pod>(&self, name: &'static str, count: usize) -> Result<Vec<V>, Error> {
        let map = self.loaded.ebpf.map(name).ok_or_else(|| missing(name))?;
        let array = Array::<_, V>::try_from(map).map_err(|e| broken(name, e))?;
        (0..count).map(|index| array.get(&(index as u32), 0).map_err(|e| broken(name, e))).collect()
    }

    /// What stands in a hash map.
    pub(crate) fn entries<V: Plain>(&self, name: &'static str) -> Result<Vec<(u64, V)>, Error> {
        let mut entries = Vec::new();
        let Some(Map::HashMap(map)) = self.loaded.ebpf.map(name) else { return Err(missing(name)) };
        take_entries(map.fd().as_fd(), &mut BatchBuffer::default(), &mut entries)
            .map_err(|source| Error::Map { map: name, source })?;
        Ok(entries)
    }

    /// The sum of one value over all processors.
    pub(crate) fn sum(&self, name: &'static str) -> Result<u64, Error> {
        let map = per_cpu::<u64>(&self.loaded, name)?.ok_or_else(|| missing(name))?;
        Ok(map.get(&0, 0).map_err(|e| broken(name, e))?.iter().sum())
    }

    /// What there was no room for, and runs of programs that the kernel skipped.
    pub(crate) fn lost(&self) -> Result<u64, Error> {
        let mut lost = Lost::default();
        add_lost(&self.loaded, &mut lost)?;
        Ok(lost.map_full + lost.ring_full + lost.skipped)
    }
}

fn missing(name: &'static str) -> Error {
    Error::NotLoaded(name.to_owned())
}

fn broken(map: &'static str, error: aya::maps::MapError) -> Error {
    Error::Map { map, source: std::io::Error::other(error) }
}
