//! One file per file of the machine as a whole.

pub mod cpu;
pub mod diskstats;
pub mod kmsg;
pub mod loadavg;
pub mod locks;
pub mod meminfo;
pub mod mounts;
pub mod net_dev;
pub mod pressure;
pub mod snmp;
pub mod swaps;
pub mod sysctl;
pub mod tcp;
pub mod unix;
pub mod vmstat;
