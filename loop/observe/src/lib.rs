//! The machine to samples and events. Reads; changes nothing.
//!
//! Read [`Observe::collect`] first: it is one tick, one line a collector. Each source has a file of its own.
//! What is cheap is read every tick; what is dear when something moved, or by its [`cadence`]; what may hang
//! is read in a thread of its own and never waited for.

mod cadence;
mod call_order;
mod calls;
mod capabilities;
mod cgroup_file;
mod cgroup_v1;
mod cgroup_v2;
mod cgroups;
mod config;
mod disks;
mod endings;
mod filesystems;
mod fresh;
mod held_file;
mod interfaces;
mod journal;
mod journal_export;
mod kernel;
mod kernel_events;
mod kernel_line;
mod kernel_log;
mod ledger;
mod live;
mod look;
mod machine;
mod mask;
mod memory_watch;
mod observe;
mod own;
mod ports;
mod pressure;
mod probes;
mod process_detail;
mod process_info;
mod processes;
mod profiles;
mod purse;
mod rest;
mod services;
mod slow;
mod smaps;
mod sockets;
mod task_table;
mod tcp_diag;
mod thread_waits;
mod told;
mod tracked;
mod unit;
mod units;
mod waits_on;

pub use bpfload::Event as RawEvent;
pub use config::{Bounds, ObserveConfig};
pub use kernel::KernelSide;
pub use kernel_events::EventReader;
pub use live::{Live, LiveProcess};
pub use mask::{mask_arguments, mask_line};
pub use memory_watch::{Domain, Holder, Limited, MemoryWatch, growth, limited};
pub use observe::Observe;
pub use services::{NoServices, ServiceSource};
