//! Control groups: where the hierarchies are, which groups there are, what each uses and may use.
//!
//! Start at [`Layout`]; a group is a [`CgroupDir`].

mod dir;
mod layout;
mod unit;
mod v1;
mod v2;
mod walk;

pub use dir::CgroupDir;
pub use layout::{Hierarchy, Layout};
pub use unit::{Unit, unit_of};
pub use v1::V1;
pub use v2::{CpuUse, IoUse, Limit, MemoryEvents, V2, parse_io_stat};
pub use walk::{CgroupEntry, Walk, walk};
