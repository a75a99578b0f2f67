//! One file per file (or folder) of `/proc/PID`. `environ` is never read: it holds other people's secrets.

pub mod cgroups;
pub mod ending;
pub mod fds;
pub mod io;
pub mod limits;
pub mod maps;
pub mod mem;
pub mod names;
pub mod schedstat;
pub mod smaps;
pub mod stat;
pub mod status;
pub mod threads;
