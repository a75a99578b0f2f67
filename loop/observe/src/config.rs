//! Where the machine is found and how much of it is read. Start at [`ObserveConfig`].
use std::path::{Path, PathBuf};

use crate::kernel::KernelSide;
use crate::services::{NoServices, ServiceSource};

/// Where to read, and how much at most.
pub struct ObserveConfig {
    /// The proc file system; a folder of fixture files in tests.
    pub proc_root: PathBuf,
    /// The sys file system; a folder of fixture files in tests.
    pub sys_root: PathBuf,
    /// The kernel log; `None` reads none.
    pub kernel_log: Option<PathBuf>,
    /// The program that follows systemd's journal; `None` reads none.
    pub journal: Option<PathBuf>,
    /// Our programs in the kernel; `None` reads /proc only.
    pub kernel: Option<KernelSide>,
    /// The keeper, whose cost is counted as our own.
    pub keeper_pid: Option<u32>,
    /// Services of our own supervisor.
    pub services: Box<dyn ServiceSource>,
    /// How much is read at most.
    pub bounds: Bounds,
}

impl Default for ObserveConfig {
    /// This machine, without services of our own.
    fn default() -> Self {
        Self {
            proc_root: "/proc".into(),
            sys_root: "/sys".into(),
            kernel_log: Some("/dev/kmsg".into()),
            journal: journalctl(),
            kernel: None,
            keeper_pid: None,
            services: Box::new(NoServices),
            bounds: Bounds::default(),
        }
    }
}

/// The journal's own reader, where a journald runs.
pub(crate) fn journalctl() -> Option<PathBuf> {
    let is_there = Path::new("/run/systemd/journal").is_dir();
    let program = ["/usr/bin/journalctl", "/bin/journalctl"].iter().find(|path| Path::new(path).exists());
    program.filter(|_| is_there).map(PathBuf::from)
}

/// Upper bounds of one tick. What lies beyond is counted in `CollectorSample::dropped`.
///
/// The defaults hold a machine ten times as busy as those we know within a few MiB and 50 ms a tick.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Processes.
    pub processes: usize,
    /// Processes whose dearer counters are read.
    pub details: usize,
    /// Cgroups.
    pub cgroups: usize,
    /// Events.
    pub events: usize,
    /// Mounted file systems.
    pub filesystems: usize,
    /// TCP sockets read from one table.
    pub sockets: usize,
    /// Descriptors looked at to find the owners of sockets.
    pub descriptors: usize,
    /// Network namespaces besides our own.
    pub network_namespaces: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            processes: 8_192,
            details: 1_024,
            cgroups: 4_096,
            events: 512,
            filesystems: 256,
            sockets: 65_536,
            descriptors: 8_192,
            network_namespaces: 16,
        }
    }
}
