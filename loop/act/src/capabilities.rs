//! Which actuators work here, found out by trying each without harm: on a child or an empty cgroup of our own.
//!
//! An actuator is offered only if the change and its undo both worked. Who we are is never asked.
use std::fs;
use std::path::{Path, PathBuf};

use kernfs::cgroup::Hierarchy;
use rustix::process::Signal;
use vocab::ProcessId;
use vocab::capability::Capability;
use vocab::rule::ActuatorKind;

use crate::actuators::cgroup::CgroupRef;
use crate::limits;
use crate::machine::{Machine, Pinned, raw_pid};
use crate::probe_child::{ProbeChild, can_lower_any_nice};
use crate::ring::Ring;
use crate::services::Services;
use crate::systemd;

/// What a trial said.
struct Trial {
    can_apply: bool,
    /// `None` for what is final.
    can_undo: Option<bool>,
    reason: Option<String>,
    remedy: Option<&'static str>,
}

impl Trial {
    const fn works(note: Option<String>) -> Self {
        Self { can_apply: true, can_undo: Some(true), reason: note, remedy: None }
    }

    const fn fails(can_apply: bool, reason: String, remedy: &'static str) -> Self {
        Self { can_apply, can_undo: Some(false), reason: Some(reason), remedy: Some(remedy) }
    }

    const fn final_one(mut self) -> Self {
        self.can_undo = None;
        self
    }
}

/// One row for each actuator, and one for the ring's locked memory.
pub fn capabilities(ring: &Ring, services: &mut dyn Services, has_own_services: bool) -> Vec<Capability> {
    let machine = Machine::open(services);
    let mut rows: Vec<_> = match machine {
        Ok(mut machine) => ActuatorKind::ALL
            .iter()
            .map(|kind| row(*kind, try_out(*kind, &mut machine, has_own_services)))
            .collect(),
        Err(error) => {
            let none = || Trial::fails(false, format!("proc cannot be read: {error}"), "mount /proc");
            ActuatorKind::ALL.iter().map(|kind| row(*kind, none())).collect()
        }
    };
    rows.push(locked_memory(ring));
    rows
}

fn try_out(kind: ActuatorKind, machine: &mut Machine<'_>, has_own_services: bool) -> Trial {
    let trial = match kind {
        ActuatorKind::SetNice => nice(),
        ActuatorKind::SetCpuWeight => return cpu_weight(machine),
        ActuatorKind::ThrottleMemory => return memory(machine),
        ActuatorKind::Freeze => freeze(machine),
        ActuatorKind::RaiseDescriptorLimit => descriptors(),
        ActuatorKind::RestartService => return managers(has_own_services).final_one(),
        ActuatorKind::BackOff => return managers(has_own_services),
        ActuatorKind::Terminate | ActuatorKind::Kill => {
            return terminate(machine).map_or_else(failed, Trial::works).final_one();
        }
    };
    trial.unwrap_or_else(failed)
}

fn failed(error: String) -> Trial {
    Trial::fails(false, error, "run `homeostat doctor` as the user that runs the services")
}

fn child() -> Result<ProbeChild, String> {
    ProbeChild::spawn().map_err(|error| format!("no child to try it on: {error}"))
}

fn pinned(machine: &mut Machine<'_>, child: &ProbeChild) -> Result<Pinned, String> {
    let id = machine.identify(child.pid).ok_or("the child is gone")?;
    machine.pin(ProcessId { ..id })
}

fn nice() -> Result<Trial, String> {
    let child = child()?;
    let pid = raw_pid(child.pid);
    let before = rustix::process::getpriority_process(pid).map_err(|errno| errno.to_string())?;
    rustix::process::setpriority_process(pid, before + 1).map_err(|errno| errno.to_string())?;
    if rustix::process::setpriority_process(pid, before).is_ok() {
        let all = "only processes whose own RLIMIT_NICE leaves room";
        return Ok(Trial::works((!can_lower_any_nice()).then(|| all.to_owned())));
    }
    let reason = "a nice value could be raised but not lowered again".to_owned();
    Ok(Trial::fails(true, reason, "CAP_SYS_NICE, or LimitNICE=20 for the services"))
}

fn descriptors() -> Result<Trial, String> {
    let child = child()?;
    let said = |error: std::io::Error| error.to_string();
    let (soft, hard) = limits::exchange(child.pid, libc::RLIMIT_NOFILE, None).map_err(said)?;
    limits::exchange(child.pid, libc::RLIMIT_NOFILE, Some((soft / 2, hard))).map_err(said)?;
    limits::exchange(child.pid, libc::RLIMIT_NOFILE, Some((soft, hard))).map_err(said)?;
    Ok(Trial::works(None))
}

fn terminate(machine: &mut Machine<'_>) -> Result<Option<String>, String> {
    let child = child()?;
    let pinned = pinned(machine, &child)?;
    pinned.signal(Signal::KILL)?;
    if pinned.wait_end(1000) { Ok(None) } else { Err("a killed child did not end".to_owned()) }
}

fn freeze(machine: &mut Machine<'_>) -> Result<Trial, String> {
    let by_cgroup = [("", "cgroup.freeze", "1", "0"), ("freezer", "freezer.state", "FROZEN", "THAWED")]
        .into_iter()
        .any(|(hierarchy, file, on, off)| try_file(machine, hierarchy, file, on, off).is_ok());
    let child = child()?;
    let pinned = pinned(machine, &child)?;
    pinned.signal(Signal::STOP)?;
    pinned.signal(Signal::CONT)?;
    let note = "one process at a time, by SIGSTOP: no cgroup may be made here";
    Ok(Trial::works((!by_cgroup).then(|| note.to_owned())))
}

fn cpu_weight(machine: &mut Machine<'_>) -> Trial {
    let v2 = try_file(machine, "", "cpu.weight", "50", "100");
    let Err(said) = v2.or_else(|_| try_file(machine, "cpu", "cpu.shares", "512", "1024")) else {
        return Trial::works(None);
    };
    match autogroup() {
        Ok(()) => Trial::works(Some(
            "whole sessions only, by their autogroup: no CPU cgroup may be made here".into(),
        )),
        Err(_) => {
            Trial::fails(false, said, "root, or a delegated cgroup (systemd: Delegate=yes), or autogroups")
        }
    }
}

/// The child of the trial has a session, and so an autogroup, of its own.
fn autogroup() -> Result<(), String> {
    let child = child()?;
    let file = format!("/proc/{}/autogroup", child.pid);
    let is_on =
        fs::read_to_string("/proc/sys/kernel/sched_autogroup_enabled").is_ok_and(|text| text.trim() == "1");
    let write = |nice: &str| {
        let tries = (0..8).map(|round| {
            std::thread::sleep(std::time::Duration::from_millis(if round == 0 { 0 } else { 60 }));
            fs::write(&file, nice)
        });
        let busy = |done: &std::io::Result<()>| {
            done.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        let done = tries.into_iter().find(|done| !busy(done));
        done.unwrap_or_else(|| Err(std::io::ErrorKind::WouldBlock.into())).map_err(|error| error.to_string())
    };
    if !is_on {
        return Err("autogroups are off".to_owned());
    }
    write("5").and_then(|()| write("0"))
}

fn memory(machine: &mut Machine<'_>) -> Trial {
    let limit = machine.proc.page_bytes() * 1024;
    match try_file(machine, "", "memory.high", &limit.to_string(), "max") {
        Ok(()) => Trial::works(None),
        Err(_) if machine.layout().v1_of("memory").is_some() => Trial::fails(
            false,
            "memory is managed by cgroup v1, which cannot throttle".to_owned(),
            "boot with systemd.unified_cgroup_hierarchy=1 or cgroup_no_v1=all",
        ),
        Err(said) => Trial::fails(false, said, "root, or a delegated cgroup (systemd: Delegate=yes)"),
    }
}

/// Writes a value and the old one into a file of an empty cgroup that is made for it, and removes that again.
fn try_file(machine: &Machine<'_>, hierarchy: &str, file: &str, new: &str, old: &str) -> Result<(), String> {
    let mounted =
        if hierarchy.is_empty() { machine.layout().v2.as_ref() } else { machine.layout().v1_of(hierarchy) };
    let mounted = mounted.ok_or_else(|| format!("there is no cgroup hierarchy for {file}"))?;
    let mut said = format!("no cgroup may be made below {}", mounted.mount_point.display());
    for parent in parents(mounted, hierarchy) {
        let folder = parent.join(format!("homeostat-probe-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&folder) {
            said = format!("{}: {error}", folder.display());
            continue;
        }
        let tried = try_in(&folder, file, new, old);
        // Empty, so it can be removed; if not, the next trial meets and removes it.
        let _ = fs::remove_dir(&folder);
        match tried {
            Ok(()) => return Ok(()),
            Err(why) => said = why,
        }
    }
    Err(said)
}

fn try_in(folder: &Path, file: &str, new: &str, old: &str) -> Result<(), String> {
    let cgroup = CgroupRef::of(folder).ok_or("the cgroup vanished")?;
    for wanted in [new, old] {
        cgroup.write(file, wanted)?;
        let stands = cgroup.read(file)?.unwrap_or_default();
        if stands != wanted {
            return Err(format!("{file} of a new cgroup says {stands} after {wanted} was written"));
        }
    }
    Ok(())
}

/// Where services' cgroups may be: below the root, or below our own cgroup where that was delegated to us.
fn parents(mounted: &Hierarchy, hierarchy: &str) -> Vec<PathBuf> {
    let text = fs::read("/proc/self/cgroup").unwrap_or_default();
    let paths = kernfs::CgroupPaths::new(&text);
    let own = if hierarchy.is_empty() { paths.v2() } else { paths.v1(hierarchy) };
    let own = own.and_then(|path| mounted.dir_of(path));
    [Some(mounted.mount_point.clone()), own].into_iter().flatten().collect()
}

fn managers(has_own_services: bool) -> Trial {
    let units = if systemd::is_running() {
        systemd::may_manage()
    } else {
        Err("there is no systemd here".to_owned())
    };
    match (units, has_own_services) {
        (Ok(()), true) => Trial::works(None),
        (Ok(()), false) => Trial::works(Some("systemd units only".to_owned())),
        (Err(said), true) => Trial::works(Some(format!("services of `homeostat service` only: {said}"))),
        (Err(said), false) => {
            Trial::fails(false, said, "run the service with `homeostat service`, or be root")
        }
    }
}

fn row(kind: ActuatorKind, trial: Trial) -> Capability {
    let is_available = trial.can_apply && trial.can_undo != Some(false);
    Capability {
        name: kind.as_str().to_owned(),
        kind: "actuator".to_owned(),
        is_available,
        can_apply: Some(trial.can_apply),
        can_undo: trial.can_undo,
        lost: (!is_available).then(|| format!("rules that say {kind} are passed over")),
        reason: trial.reason,
        remedy: trial.remedy.map(str::to_owned),
    }
}

fn locked_memory(ring: &Ring) -> Capability {
    let is_available = ring.is_locked();
    Capability {
        name: "locked_ring".to_owned(),
        kind: "privilege".to_owned(),
        is_available,
        can_apply: None,
        can_undo: None,
        lost: (!is_available).then(|| "on a machine that swaps, an intent may wait for a page".to_owned()),
        reason: (!is_available).then(|| "the memory of the intent ring could not be locked".to_owned()),
        remedy: (!is_available).then(|| "raise RLIMIT_MEMLOCK (systemd: LimitMEMLOCK=)".to_owned()),
    }
}

#[cfg(test)]
#[path = "capabilities/tests.rs"]
mod tests;
