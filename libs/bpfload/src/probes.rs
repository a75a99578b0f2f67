//! Probes on functions of programs, one process at a time: a breakpoint in its code, and a program of ours that runs there.
//!
//! Attached by the kernel's own calls, because the loader crate brings a reader of every format of program files along.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use aya::Ebpf;
use aya::programs::{ProgramError, UProbe};

use crate::missing::{Lack, has_capabilities, running_kernel};
use crate::programs::{Hook, PROGRAMS, Spec};
use crate::sys;

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

/// What is attached. Dropping it, or the death of this process, takes every probe off.
#[derive(Default)]
pub(crate) struct Probes(Vec<OwnedFd>);

impl Probes {
    /// Loads the program of that name and attaches it to `points` of the process `pid`, each with a cookie.
    ///
    /// Errors: the first one that the kernel refuses.
    pub(crate) fn attach(
        &mut self,
        ebpf: &mut Ebpf,
        name: &str,
        pid: u32,
        points: &[(Point, u64)],
    ) -> Result<(), Lack> {
        let spec = PROGRAMS.iter().find(|spec| spec.name == name).ok_or_else(Lack::privilege)?;
        self.attach_spec(ebpf, spec, pid, points).map_err(|error| Lack::program(spec, &error))
    }

    fn attach_spec(
        &mut self,
        ebpf: &mut Ebpf,
        spec: &Spec,
        pid: u32,
        points: &[(Point, u64)],
    ) -> Result<(), ProgramError> {
        let program = <&mut UProbe>::try_from(ebpf.program_mut(spec.name).ok_or(ProgramError::NotLoaded)?)?;
        program.load()?;
        let at_return = spec.hook == Hook::Function("function return");
        for (point, cookie) in points {
            let probe = sys::open_uprobe(pid, &point.file, point.offset, at_return)?;
            self.0.push(sys::link_perf_event(program.fd()?.as_fd(), probe, *cookie)?);
        }
        Ok(())
    }

    /// Takes them all off.
    pub(crate) fn detach(&mut self) {
        self.0.clear();
    }
}
