//! What can be seen here, what is lost and what would bring it: one row a collector, probe and privilege.
use std::path::Path;

use kernfs::ProcFs;

use vocab::capability::Capability;

use crate::config::journalctl;

/// Bits of the effective capabilities. Source: capabilities(7), linux/capability.h.
const CAP_SYS_PTRACE: u64 = 1 << 19;

/// What the collectors found out about themselves when they were opened.
pub(crate) struct Found {
    /// Hierarchies of cgroups that can be read: v1, v2.
    pub(crate) cgroup_versions: (bool, bool),
    /// Why the kernel log cannot be read, if so.
    pub(crate) kernel_log: Option<String>,
    /// Rows of our programs in the kernel.
    pub(crate) kernel: Vec<Capability>,
}

/// Everything that observe offers, in a fixed order.
pub(crate) fn list(proc: &mut ProcFs, found: &Found) -> Vec<Capability> {
    let reach = Reach::of(proc);
    let mut rows = vec![of("collector", "machine"), of("collector", "processes")];
    rows.extend(privileges(&reach));
    rows.extend(kernel(proc, found));
    rows.extend(found.kernel.iter().cloned());
    rows.extend(others(&reach));
    rows.push(journal(&reach));
    rows.extend(probes(&reach));
    rows
}

/// How far this process may look into others.
struct Reach {
    is_root: bool,
    may_trace: bool,
    hidepid: Option<String>,
    /// 0 own processes, 1 descendants, 2 none, 3 none even for root; `None` without Yama.
    yama: Option<u64>,
    has_systemd: bool,
}

impl Reach {
    fn of(proc: &mut ProcFs) -> Self {
        let status = proc.status(std::process::id()).ok();
        let capabilities = status.and_then(|status| status.cap_eff).unwrap_or(0);
        let mut mounts = Vec::new();
        // Unknown mounts hide nothing as far as we know.
        let _ = proc.mounts(&mut mounts);
        let options = mounts.iter().find(|mount| mount.mount_point == Path::new("/proc"));
        let hidepid = options.and_then(|mount| {
            let value = mount.super_options.split(',').find_map(|option| option.strip_prefix("hidepid="))?;
            (!matches!(value, "0" | "off")).then(|| value.to_owned())
        });
        Self {
            is_root: rustix::process::geteuid().is_root(),
            may_trace: capabilities & CAP_SYS_PTRACE != 0,
            hidepid,
            yama: proc.sysctl_u64("kernel/yama/ptrace_scope").ok(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        }
    }
}

fn of(kind: &str, name: &str) -> Capability {
    Capability {
        name: name.to_owned(),
        kind: kind.to_owned(),
        is_available: true,
        can_apply: None,
        can_undo: None,
        lost: None,
        reason: None,
        remedy: None,
    }
}

/// A row that is available where `is_available`, else says what is lost, why, and what would bring it.
fn row(
    (kind, name): (&str, &str),
    is_available: bool,
    lost: &str,
    reason: &str,
    remedy: Option<&str>,
) -> Capability {
    let mut row = of(kind, name);
    if !is_available {
        row.is_available = false;
        row.lost = Some(lost.to_owned());
        row.reason = Some(reason.to_owned());
        row.remedy = remedy.map(str::to_owned);
    }
    row
}

fn privileges(reach: &Reach) -> Vec<Capability> {
    let hidden = reach.hidepid.as_deref().unwrap_or_default();
    vec![
        row(
            ("privilege", "root"),
            reach.is_root,
            "descriptors, I/O and memory of other users' processes; some logs and settings",
            "Homeostat runs as an ordinary user",
            Some("run it as root: sudo homeostat install"),
        ),
        row(
            ("privilege", "all_processes"),
            reach.hidepid.is_none() || reach.may_trace,
            "other users' processes are not seen at all",
            &format!("/proc is mounted with hidepid={hidden}"),
            Some("run as root, or as a member of the group in the gid= option of /proc"),
        ),
        row(
            ("privilege", "trace"),
            reach.may_trace && reach.yama != Some(3),
            "memory and descriptors of processes that are not our own user's",
            "CAP_SYS_PTRACE is missing, or kernel.yama.ptrace_scope is 3",
            Some("run as root with CAP_SYS_PTRACE"),
        ),
    ]
}

/// What the kernel may lack or refuse.
fn kernel(proc: &mut ProcFs, found: &Found) -> Vec<Capability> {
    let psi = proc.pressure(kernfs::Resource::Memory).err().map(|error| error.to_string());
    let delay = proc.schedstat(std::process::id()).err().map(|error| error.to_string());
    let (v1, v2) = found.cgroup_versions;
    let log = found.kernel_log.as_deref();
    vec![
        row(
            ("collector", "pressure"),
            psi.is_none(),
            "stall times; thrashing is judged by page faults and waiting alone",
            psi.as_deref().unwrap_or_default(),
            Some("a kernel with CONFIG_PSI, booted with psi=1"),
        ),
        row(
            ("collector", "run_delay"),
            delay.is_none(),
            "how long processes wait for a CPU",
            delay.as_deref().unwrap_or_default(),
            Some("a kernel with CONFIG_SCHED_INFO"),
        ),
        row(
            ("collector", "cgroups"),
            v1 || v2,
            "control groups and what they use",
            "no cgroup hierarchy is mounted that we may read",
            Some("mount -t cgroup2 none /sys/fs/cgroup"),
        ),
        row(
            ("collector", "cgroup_v2"),
            v2,
            "stall times of groups and the throttling limit of memory",
            "no cgroup v2 hierarchy is mounted",
            Some("boot with systemd.unified_cgroup_hierarchy=1"),
        ),
        row(
            ("collector", "kernel_log"),
            log.is_none(),
            "lines of the kernel: OOM kills, hung tasks, I/O errors, crashes",
            log.unwrap_or_default(),
            Some("run as root, or sysctl kernel.dmesg_restrict=0"),
        ),
    ]
}

/// What depends on the right to look into other users' processes, and what does not.
fn others(reach: &Reach) -> Vec<Capability> {
    let own = "CAP_SYS_PTRACE is missing";
    vec![
        row(
            ("collector", "process_details"),
            reach.may_trace,
            "I/O of other users' processes; before Linux 6.2 also how many descriptors they hold",
            own,
            Some("run as root"),
        ),
        row(
            ("collector", "sockets"),
            reach.may_trace,
            "which of other users' processes own which TCP connections",
            own,
            Some("run as root"),
        ),
        of("collector", "disks"),
        of("collector", "filesystems"),
        of("collector", "interfaces"),
        of("collector", "services"),
    ]
}

/// The journal is followed by its own reader, which shows what this user may see.
fn journal(reach: &Reach) -> Capability {
    let (is_available, reason, remedy) = match (journalctl(), reach.is_root) {
        (None, _) if Path::new("/run/systemd/journal").is_dir() => {
            (false, "journalctl is not installed", Some("install it: it is part of systemd"))
        }
        (None, _) => (false, "there is no journald here", None),
        (Some(_), true) => (true, "", None),
        (Some(_), false) => {
            let remedy = "run as root, or add the user to the group `systemd-journal`";
            let row = row(("collector", "journal"), true, "", "", None);
            let lost = Some("log lines of system units, unless this user may read them".to_owned());
            return Capability { lost, remedy: Some(remedy.to_owned()), ..row };
        }
    };
    row(("collector", "journal"), is_available, "log lines of systemd units", reason, remedy)
}

/// Stacks on suspicion. Those of sleeping threads need what the probe `threads` needs.
fn profiles() -> Capability {
    let refusal = stacks::refusal();
    let remedy = match &refusal {
        Some(stacks::Refusal::NoEvents(_)) => Some(
            "sysctl kernel.perf_event_paranoid=2, or run as root; in a container also a seccomp profile with perf_event_open",
        ),
        _ => None,
    };
    let lost = "which function of a program grows its memory or uses its CPU time";
    let reason = refusal.as_ref().map(ToString::to_string).unwrap_or_default();
    row(("probe", "profiles"), refusal.is_none(), lost, &reason, remedy)
}

/// Calls of GPU libraries and of allocators on suspicion.
fn gpu_calls() -> Capability {
    let (why, remedy) = match stacks::gpu::refusal() {
        Some(stacks::Refusal::NoProbes { why, would_bring }) => (Some(why), Some(would_bring)),
        other => (other.map(|one| one.to_string()), None),
    };
    let lost = "what processes ask of their GPUs; whose allocations are kept: the function is named that touches memory first";
    row(("probe", "gpu_calls"), why.is_none(), lost, &why.unwrap_or_default(), remedy.as_deref())
}

fn probes(reach: &Reach) -> Vec<Capability> {
    let may_read = reach.may_trace && reach.yama.is_none_or(|scope| scope < 3);
    // Without the privilege, Yama's scope 0 leaves our own user's processes and 1 our own descendants.
    let (may_descend, reason) = match reach.yama {
        None | Some(0) => (true, "CAP_SYS_PTRACE is missing: only our own user's processes can be read"),
        Some(1) => {
            (true, "kernel.yama.ptrace_scope is 1: only the services of our own supervisor can be read")
        }
        Some(_) => (false, "kernel.yama.ptrace_scope forbids it"),
    };
    let memory = |name: &str, lost: &str| {
        let mut one = row(("probe", name), may_read, lost, reason, Some("run as root with CAP_SYS_PTRACE"));
        one.is_available = may_read || may_descend;
        one
    };
    vec![
        memory("threads", "system calls and futexes of other processes: their deadlocks are not proven"),
        memory("descriptors", "what other users' processes hold open"),
        memory("maps", "what the memory of other users' processes is used for"),
        row(
            ("probe", "unit"),
            reach.has_systemd,
            "state, restarts and exit codes of systemd units",
            "systemd does not run this machine",
            None,
        ),
        profiles(),
        gpu_calls(),
    ]
}
