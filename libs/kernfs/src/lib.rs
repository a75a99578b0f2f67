//! Readers of proc, sys and cgroup files with reused buffers.
//!
//! Start at [`ProcFs`]: it holds the proc folder open and has one method per file. Cgroups are in [`cgroup`].
//! Every parser is a total function over bytes: no input makes it panic, text in another form than the kernel
//! documents is refused. Nothing here writes to the machine, keeps time, or knows what the values are for.

pub mod arch;
mod bytes;
pub mod cgroup;
mod error;
#[cfg(test)]
mod fixture;
mod keyed;
pub mod machine;
mod name;
mod proc_fs;
pub mod process;
mod read;

pub use error::{Error, Result};
pub use machine::cpu::{CpuStat, CpuTicks, SOFTIRQS};
pub use machine::diskstats::{DiskStat, parse_diskstats};
pub use machine::kmsg::{Kmsg, KmsgRecord};
pub use machine::loadavg::{LoadAvg, Uptime};
pub use machine::locks::{FileLock, parse_locks};
pub use machine::meminfo::MemInfo;
pub use machine::mounts::{Mount, Space, parse_mounts, statfs};
pub use machine::net_dev::{NetDev, parse_net_dev};
pub use machine::pressure::{Pressure, Resource, Stall};
pub use machine::snmp::TcpCounts;
pub use machine::swaps::{Swap, parse_swaps};
pub use machine::tcp::{Family, TcpSocket, TcpState, parse_tcp};
pub use machine::unix::{UnixSocket, parse_unix};
pub use machine::vmstat::VmStat;
pub use name::{Comm, Name};
pub use proc_fs::{ProcFs, TaskId};
pub use process::cgroups::{CgroupPaths, Membership};
pub use process::ending::Watched;
pub use process::fds::{Fd, Target};
pub use process::io::Io;
pub use process::limits::{Limits, SoftHard};
pub use process::maps::{Map, parse_maps};
pub use process::names::arguments;
pub use process::schedstat::SchedStat;
pub use process::smaps::SmapsRollup;
pub use process::stat::{PF_KTHREAD, Stat};
pub use process::status::Status;
pub use process::threads::{Syscall, Thread, parse_wchan};
pub use read::MAX_FILE_BYTES;
