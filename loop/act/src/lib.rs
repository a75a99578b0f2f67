//! Decisions to effects with undo: the only crate that changes the machine.
//!
//! Read [`Act`] first: it takes [`Order`]s and answers effects. What it did stands in the [`ring::Ring`], which
//! outlives the process, so that [`undo_expired`] and [`undo_all`] can take it back when nobody else can.
//! One file an actuator, in `actuators`; what may never be touched is in [`guard`].

mod actuators;
mod capabilities;
mod effects;
mod engine;
pub mod guard;
mod limits;
mod machine;
mod order;
mod probe_child;
mod record;
mod recover;
pub mod ring;
mod services;
mod step;
mod strike;
mod systemd;
mod take_back;
#[cfg(test)]
mod testing;
mod trouble;
mod turn;

pub use capabilities::capabilities;
pub use engine::{Act, ActConfig};
pub use guard::GuardConfig;
pub use order::Order;
pub use record::Record;
pub use ring::{Ring, RingError};
pub use services::{Durable, NoServices, NotDurable, ServiceStatus, Services};
pub use strike::{Prepared, Struck};
pub use take_back::{Ended, Scope, undo_all, undo_expired};

/// Time since boot, suspend included: the clock of every lease. Unit: ns.
pub fn boot_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
