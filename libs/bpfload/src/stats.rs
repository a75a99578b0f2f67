//! What the programs cost: time, calls and memory, as the kernel accounts them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::{Map, MapData};
use aya::programs::Program as AyaProgram;

use crate::fdinfo::memory_of;
use crate::load::Kernel;
use crate::programs::Object;
use crate::sys;

/// While it lives the kernel measures run time and calls of every program on the machine.
///
/// That costs two clock reads a call, so it is for a bench or for a minute, not for always.
pub struct RunTimeStats {
    _held: OwnedFd,
}

impl RunTimeStats {
    /// Starts measuring. Errors: EPERM without the privilege.
    pub fn enable() -> io::Result<Self> {
        Ok(Self { _held: sys::enable_stats()? })
    }
}

/// Cost of one program.
#[derive(Clone, Debug, Default)]
pub struct ProgramCost {
    /// Name of the program.
    pub name: String,
    /// Kernel's id of the program.
    pub id: u32,
    /// Time spent in it while statistics were enabled.
    pub run_time_ns: u64,
    /// Calls while statistics were enabled.
    pub runs: u64,
    /// Calls that the kernel skipped because the program was already running on that CPU: it was
    /// interrupted or, on kernels whose tracepoints may be preempted (7.x), preempted.
    pub skipped: u64,
}

/// Memory of one map.
#[derive(Clone, Debug)]
pub struct MapMemory {
    /// Object it belongs to.
    pub object: Object,
    /// Name.
    pub name: String,
    /// Memory the kernel accounts for it.
    pub bytes: u64,
}

impl Kernel {
    /// Cost of every loaded program. Source: bpf(2).
    pub fn costs(&self) -> Vec<ProgramCost> {
        let mut costs = Vec::new();
        for loaded in &self.loaded {
            for (name, program) in loaded.ebpf.programs() {
                costs.extend(cost_of(name, program));
            }
        }
        costs
    }

    /// Memory of the code of every loaded program, by name; it stays as it is. Source: /proc/self/fdinfo.
    pub fn code_memory(&self) -> Vec<(String, u64)> {
        let programs = self.loaded.iter().flat_map(|loaded| loaded.ebpf.programs());
        let of = |(name, program): (&str, &AyaProgram)| {
            Some((name.to_owned(), memory_of(program.fd().ok()?.as_fd().as_raw_fd())))
        };
        programs.filter_map(of).collect()
    }

    /// Memory of every map, which stays as it is, but the ring buffer, which [`crate::Events::memory_bytes`] tells. What the
    /// kernel keeps per task (a departure, 16 bytes, once it was blocked) is in no map's account.
    pub fn map_memory(&self) -> Vec<MapMemory> {
        let mut all = Vec::new();
        for loaded in &self.loaded {
            for (name, map) in loaded.ebpf.maps() {
                let Some(data) = data_of(map) else { continue };
                let bytes = memory_of(data.fd().as_fd().as_raw_fd());
                all.push(MapMemory { object: loaded.object, name: name.to_owned(), bytes });
            }
        }
        all
    }
}

fn cost_of(name: &str, program: &AyaProgram) -> Option<ProgramCost> {
    let fd = program.fd().ok()?;
    let info = sys::program_info(fd.as_fd()).ok()?;
    Some(ProgramCost {
        name: name.to_owned(),
        id: info.id,
        run_time_ns: info.run_time_ns,
        runs: info.runs,
        skipped: info.skipped,
    })
}

/// The map itself, whatever its kind; `None` for kinds the programs do not use.
fn data_of(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(m) | Map::HashMap(m) | Map::PerCpuArray(m) | Map::RingBuf(m) | Map::Unsupported(m) => {
            Some(m)
        }
        _ => None,
    }
}
