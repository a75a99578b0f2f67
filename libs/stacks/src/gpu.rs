//! What a process asks of its GPUs, seen at the API: calls of the CUDA run-time and of NCCL, by probes on their entries and
//! returns. Start at [`watch`].
//!
//! "API level" means: of a launch that returns at once the time is that of the call, not of the work on the device, and
//! what goes past these libraries, or was linked into the program without them, is not seen.
use std::path::Path;
use std::time::{Duration, Instant};

use bpfload::Arguments::{self, Allocate, Copy, Free, Plain, Reduce, Send};
use bpfload::{Functions, Hist, Point};
use kernfs::ProcFs;

use crate::Refusal;
use crate::functions::{code, exports, no_answer, no_probes};
use crate::space::{name_of, refused};

/// What the traps of one call cost the process that is watched: one on entry, one on return. Unit: us.
/// Measured: `cargo xtask bench profile`, case `calls`.
const CALL_US: u64 = 10;
/// How often the budget is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Functions that are watched, by the start of their library's name.
const LIBRARIES: [(&str, &[(&str, Arguments)]); 2] = [
    (
        "libcudart",
        &[
            ("cudaLaunchKernel", Plain),
            ("cudaLaunchKernel_ptsz", Plain),
            ("cudaLaunchKernelExC", Plain),
            ("cudaGraphLaunch", Plain),
            ("cudaDeviceSynchronize", Plain),
            ("cudaStreamSynchronize", Plain),
            ("cudaStreamSynchronize_ptsz", Plain),
            ("cudaEventSynchronize", Plain),
            ("cudaMemcpy", Copy),
            ("cudaMemcpyAsync", Copy),
            ("cudaMemcpyAsync_ptsz", Copy),
            ("cudaMemset", Copy),
            ("cudaMemsetAsync", Copy),
            ("cudaMalloc", Allocate),
            ("cudaMallocAsync", Allocate),
            ("cudaMallocManaged", Allocate),
            ("cudaMallocHost", Allocate),
            ("cudaHostAlloc", Allocate),
            ("cudaFree", Free),
            ("cudaFreeAsync", Free),
            ("cudaFreeHost", Free),
        ],
    ),
    (
        "libnccl",
        &[
            ("ncclAllReduce", Reduce),
            ("ncclBroadcast", Reduce),
            ("ncclReduce", Reduce),
            ("ncclAllGather", Reduce),
            ("ncclReduceScatter", Reduce),
            ("ncclSend", Send),
            ("ncclRecv", Send),
            ("ncclGroupEnd", Plain),
        ],
    ),
];

/// Calls of one function during a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The last part of its library's path.
    pub library: String,
    /// Its name.
    pub call: &'static str,
    /// Calls that returned.
    pub calls: u64,
    /// Those that returned an error.
    pub errors: u64,
    /// Calls that began during the watch, a second before its end or more, and had not returned at its end.
    pub open: u64,
    /// What those without an error were asked to move, allocate or free; `None` where its arguments do not say. Of what is
    /// freed only what was allocated during the watch has a size. Unit: bytes.
    pub bytes: Option<u64>,
    /// Of what it allocated during the watch: not freed at its end; `None` for what allocates nothing. Unit: bytes.
    pub live_bytes: Option<u64>,
    /// How long it took. Unit: ns.
    pub latency: Hist,
}

/// What a process called.
#[derive(Clone, Debug, PartialEq)]
pub struct Calls {
    /// How long it was watched. Unit: s.
    pub seconds: f64,
    /// Functions that were called, by library.
    pub calls: Vec<Call>,
    /// Calls and allocations that could not be kept.
    pub lost: u64,
    /// Why it ended before its time, in words.
    pub cut_short: Option<String>,
}

/// Why no process's calls can be watched here, if so. Attaches nothing.
pub fn refusal() -> Option<Refusal> {
    bpfload::probes_lack().map(no_probes)
}

/// Watches the calls of a process for so many `seconds`, less where the traps have cost it `budget_us` before. Waits for
/// that time. Nothing stays attached.
///
/// # Errors
/// There is no such process, it has none of the libraries, or the kernel refuses.
pub fn watch(pid: u32, seconds: f64, budget_us: u64) -> Result<Calls, Refusal> {
    let mut proc = ProcFs::open(Path::new("/proc")).map_err(|error| refused(pid, &error))?;
    let found = places(&mut proc, pid)?;
    let points = found.iter().map(|one| (one.point.clone(), one.arguments)).collect::<Vec<_>>();
    let functions = Functions::watch(pid, &points).map_err(no_probes)?;
    let (start, length) = (Instant::now(), Duration::from_secs_f64(seconds.clamp(0.0, 600.0)));
    let mut cut_short = None;
    while start.elapsed() < length && cut_short.is_none() {
        std::thread::sleep(LOOK.min(length.saturating_sub(start.elapsed())));
        let spent_us =
            functions.calls().map_err(no_answer)?.iter().map(|one| one.latency.count()).sum::<u64>();
        if spent_us.saturating_mul(CALL_US) > budget_us {
            cut_short = Some("its budget of CPU time was used up".to_owned());
        } else if proc.stat(pid).is_err() {
            cut_short = Some("the process ended".to_owned());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (called, lost) = functions.end().map_err(no_answer)?;
    let calls = found.into_iter().zip(called).filter(|(_, one)| one.stat.latency.count() + one.open > 0);
    Ok(Calls { seconds, calls: calls.map(|(found, one)| call(found, &one)).collect(), lost, cut_short })
}

/// A function in the address space of a process.
struct Found {
    library: String,
    name: &'static str,
    point: Point,
    arguments: Arguments,
}

/// The functions that the libraries of a process have.
fn places(proc: &mut ProcFs, pid: u32) -> Result<Vec<Found>, Refusal> {
    let mut found: Vec<Found> = Vec::new();
    for map in code(proc, pid)? {
        let library = name_of(&map);
        let is_it = |(start, _): &&(&str, _)| library.starts_with(start) && library.contains(".so");
        let Some((_, functions)) = LIBRARIES.iter().find(is_it) else { continue };
        let names = functions.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let Some((file, offsets)) = exports(pid, &map, &names) else { continue };
        for ((name, arguments), offset) in functions.iter().zip(offsets) {
            let Some(offset) = offset else { continue };
            let point = Point { file: file.clone(), offset };
            // A second mapping of the same code is no second function.
            if !found.iter().any(|one| one.library == library && one.name == *name) {
                found.push(Found { library: library.clone(), name, point, arguments: *arguments });
            }
        }
    }
    found.sort_by(|a, b| a.library.cmp(&b.library));
    if found.is_empty() { Err(Refusal::NoLibrary(pid)) } else { Ok(found) }
}

fn call(Found { library, name, arguments, .. }: Found, one: &bpfload::Called) -> Call {
    Call {
        library,
        call: name,
        calls: one.stat.latency.count(),
        errors: one.stat.errors,
        open: one.open,
        bytes: (arguments != Plain).then_some(one.stat.bytes),
        live_bytes: (arguments == Allocate).then_some(one.live_bytes),
        latency: one.stat.latency,
    }
}
