//! One file a set: ours, the simple methods on the same data, the published figures, the mutants.
pub mod forecast;
pub mod logs;
pub mod nab;
pub mod syscalls;

use std::path::Path;

use crate::data::DataError;
use crate::report::Report;

/// Runs every set found below `dir`; a set that is missing is an error.
pub fn all(dir: &Path) -> Result<Report, DataError> {
    let mut report = Report::default();
    nab::run(dir, &mut report)?;
    syscalls::run(dir, &mut report)?;
    forecast::run(dir, &mut report)?;
    logs::run(dir, &mut report)?;
    Ok(report)
}

/// Time that this thread has had on a processor: what others do beside it counts little. Unit: s.
fn processor_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
