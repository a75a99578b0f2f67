//! Calls of functions of libraries, as one process makes them: [`Functions::watch`], then [`Functions::end`].
//!
//! Loaded and attached in between only, to that process only. Dropping it, or the death of this process, takes every
//! probe off: the code of the process is as it was. x86-64.

use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::{Array, Map};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use aya::{Ebpf, EbpfLoader};

use crate::Error;
use crate::drain::{Lost, add_lost, take_entries};
use crate::intf::{API_FUNCTIONS, ApiLive, ApiOpen, ApiStat, Plain};
use crate::load::Loaded;
use crate::missing::{Lack, has_capabilities, running_kernel};
use crate::programs::{Object, PROGRAMS, Spec};
use crate::sys::BatchBuffer;

// SAFETY: repr(C), integers only, no padding.
unsafe impl aya::Pod for ApiStat {}

/// What the arguments of a function say. Values: `bpf/intf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing that is counted.
    Plain = 0,
    /// The third is bytes.
    Copy = 1,
    /// The third is elements, the fourth their type as NCCL numbers them.
    Reduce = 2,
    /// The second is elements, the third their type.
    Send = 3,
    /// The first is where to put an address, the second bytes.
    Allocate = 4,
    /// The first is an address.
    Free = 5,
}

/// Where a function begins.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its file, by a path that is right for this process.
    pub file: PathBuf,
    /// Its first byte in the file.
    pub offset: u64,
    /// What its arguments say.
    pub arguments: Arguments,
}

/// What became of one function's calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Called {
    /// How many, how long, how many bytes.
    pub stat: ApiStat,
    /// Of what it allocated during the watch: not freed. Unit: bytes.
    pub live_bytes: u64,
    /// Calls that began during the watch and have not returned.
    pub open: u64,
}

/// A watch under way.
pub struct Functions {
    loaded: Loaded,
    count: usize,
}

impl Functions {
    /// Why this process could not watch functions, if so. Attaches nothing.
    pub fn lack() -> Option<Lack> {
        let spec = specs().next()?;
        if !cfg!(target_arch = "x86_64") {
            let reason = "arguments of functions are read on x86-64 only".to_owned();
            return Some(Lack { reason, would_bring: "nothing yet".to_owned() });
        }
        if !has_capabilities() {
            return Some(Lack::privilege());
        }
        if !std::path::Path::new("/sys/bus/event_source/devices/uprobe").exists() {
            let reason = "this kernel has no probes of functions".to_owned();
            return Some(Lack { reason, would_bring: "a kernel with CONFIG_UPROBE_EVENTS=y".to_owned() });
        }
        Lack::age(spec, running_kernel())
    }

    /// Attaches to the functions at `places`, the first 64, as the process `pid` calls them.
    ///
    /// Errors: why not; then nothing is attached.
    pub fn watch(pid: u32, places: &[Place]) -> Result<Self, Lack> {
        if let Some(lack) = Self::lack() {
            return Err(lack);
        }
        let mut loader = EbpfLoader::new();
        // No structure of the kernel is read: its types need not be.
        let ebpf = loader.btf(None).load(Object::Api.code()).map_err(|e| Lack::object(&e))?;
        let mut watch =
            Self { loaded: Loaded { object: Object::Api, ebpf }, count: places.len().min(API_FUNCTIONS) };
        let scope = UProbeScope::OneProcess(NonZeroU32::new(pid).ok_or_else(Lack::privilege)?);
        // Returns first: a call whose entry alone were seen would stay open.
        for spec in specs().collect::<Vec<_>>().into_iter().rev() {
            attach(&mut watch.loaded.ebpf, spec, &places[..watch.count], scope)
                .map_err(|error| Lack::program(spec, &error))?;
        }
        Ok(watch)
    }

    /// What was called until now, by place.
    ///
    /// Errors: the map cannot be read.
    pub fn calls(&self) -> Result<Vec<ApiStat>, Error> {
        let broken = |e| Error::Map { map: "api_calls", source: std::io::Error::other(e) };
        let map =
            self.loaded.ebpf.map("api_calls").ok_or_else(|| Error::NotLoaded("api_calls".to_owned()))?;
        let array = Array::<_, ApiStat>::try_from(map).map_err(broken)?;
        (0..self.count).map(|index| array.get(&(index as u32), 0).map_err(broken)).collect()
    }

    /// Takes the probes off; what was called, by place, and how many values there was no room for.
    ///
    /// Errors: the first map that cannot be read.
    pub fn end(mut self) -> Result<(Vec<Called>, u64), Error> {
        let mut lost = Lost::default();
        add_lost(&self.loaded, &mut lost)?;
        for (_, program) in self.loaded.ebpf.programs_mut() {
            // What cannot be taken off here goes with the object, in a moment.
            if let Ok(probe) = <&mut UProbe>::try_from(program) {
                let _ = probe.unload();
            }
        }
        let called = |stat| Called { stat, ..Called::default() };
        let mut calls = self.calls()?.into_iter().map(called).collect::<Vec<_>>();
        for (_, one) in self.entries::<ApiLive>("api_live")? {
            if let Some(call) = usize::try_from(one.function).ok().and_then(|index| calls.get_mut(index)) {
                call.live_bytes = call.live_bytes.saturating_add(one.bytes);
            }
        }
        for (key, _) in self.entries::<ApiOpen>("api_open")? {
            if let Some(call) = usize::try_from(key as u32).ok().and_then(|index| calls.get_mut(index)) {
                call.open += 1;
            }
        }
        Ok((calls, lost.map_full + lost.skipped))
    }

    fn entries<V: Plain>(&self, name: &'static str) -> Result<Vec<(u64, V)>, Error> {
        let mut entries = Vec::new();
        let Some(Map::HashMap(map)) = self.loaded.ebpf.map(name) else { return Ok(entries) };
        take_entries(map.fd().as_fd(), &mut BatchBuffer::default(), &mut entries)
            .map_err(|source| Error::Map { map: name, source })?;
        Ok(entries)
    }
}

fn specs() -> impl Iterator<Item = &'static Spec> {
    PROGRAMS.iter().filter(|spec| spec.object == Object::Api)
}

fn attach(ebpf: &mut Ebpf, spec: &Spec, places: &[Place], scope: UProbeScope) -> Result<(), ProgramError> {
    let program = ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?;
    let probe = <&mut UProbe>::try_from(program)?;
    probe.load()?;
    for (index, place) in places.iter().enumerate() {
        let location = UProbeAttachLocation::AbsoluteOffset(place.offset);
        let cookie = Some((place.arguments as u64) << 8 | index as u64);
        probe.attach(UProbeAttachPoint { location, cookie }, &place.file, scope)?;
    }
    Ok(())
}
