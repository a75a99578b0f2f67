//! What can be observed, accused, hurt or acted on, and how it is written in a table.
use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

/// One process of one boot: a pid is reused, a pid with its start time is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// Process id in Homeostat's own pid namespace.
    pub pid: u32,
    /// Start time after boot. Unit: clock ticks. Source: field 22 of proc_pid_stat(5).
    pub start_ticks: u64,
}

/// Anything observed. Written `kind:name` in tables; see [`fmt::Display`] and [`FromStr`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Entity {
    /// The whole machine: `machine`.
    Machine,
    /// A process: `process:PID@START_TICKS`.
    Process(ProcessId),
    /// A cgroup by its path below the root of its hierarchy: `cgroup:/system.slice/x.service`.
    Cgroup(String),
    /// A service, the stable key across restarts: `service:web` (our supervisor) or `service:x.service` (systemd).
    Service(String),
    /// A block device: `disk:vda`.
    Disk(String),
    /// A file system by its mount point: `filesystem:/home`.
    Filesystem(String),
    /// A network interface: `interface:eth0`.
    Interface(String),
    /// One of our own collectors: `collector:filesystems`.
    Collector(String),
    /// A program, whichever process runs it: by its name in `processes.program`, `program:node:shop.js`, or by the path it is
    /// executed by where it never lived long enough to be seen, `program:/usr/bin/x`.
    Program(String),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("machine"),
            Self::Process(id) => write!(f, "process:{}@{}", id.pid, id.start_ticks),
            Self::Cgroup(path) => write!(f, "cgroup:{path}"),
            Self::Service(name) => write!(f, "service:{name}"),
            Self::Disk(name) => write!(f, "disk:{name}"),
            Self::Filesystem(mount) => write!(f, "filesystem:{mount}"),
            Self::Interface(name) => write!(f, "interface:{name}"),
            Self::Program(path) => write!(f, "program:{path}"),
            Self::Collector(name) => write!(f, "collector:{name}"),
        }
    }
}

/// A text that names no entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnEntity(pub String);

impl fmt::Display for NotAnEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` names no entity; write machine, process:PID@START_TICKS or service:NAME", self.0)
    }
}

impl FromStr for Entity {
    type Err = NotAnEntity;

    fn from_str(text: &str) -> Result<Self, NotAnEntity> {
        let wrong = || NotAnEntity(text.to_string());
        if text == "machine" {
            return Ok(Self::Machine);
        }
        let (kind, name) = text.split_once(':').ok_or_else(wrong)?;
        Ok(match kind {
            "process" => {
                let (pid, start) = name.split_once('@').ok_or_else(wrong)?;
                let pid = pid.parse().map_err(|_| wrong())?;
                let start_ticks = start.parse().map_err(|_| wrong())?;
                Self::Process(ProcessId { pid, start_ticks })
            }
            "cgroup" => Self::Cgroup(name.to_string()),
            "service" => Self::Service(name.to_string()),
            "disk" => Self::Disk(name.to_string()),
            "filesystem" => Self::Filesystem(name.to_string()),
            "interface" => Self::Interface(name.to_string()),
            "collector" => Self::Collector(name.to_string()),
            "program" => Self::Program(name.to_string()),
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_as_written() {
        let name = || "a:b@c /d".to_string();
        let all = [
            Entity::Machine,
            Entity::Process(ProcessId { pid: 7, start_ticks: 99 }),
            Entity::Cgroup(name()),
            Entity::Service(name()),
            Entity::Disk(name()),
            Entity::Filesystem(name()),
            Entity::Interface(name()),
            Entity::Collector(name()),
            Entity::Program(name()),
        ];
        for entity in all {
            assert_eq!(entity.to_string().parse(), Ok(entity));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "process:7", "process:x@1", "planet:earth"] {
            assert!(text.parse::<Entity>().is_err(), "{text}");
        }
    }
}
