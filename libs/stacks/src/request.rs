//! What is asked of a profile, and what it spends meanwhile.
use rustix::time::{ClockId, clock_gettime};

use crate::profile::Kind;

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whose.
    pub pid: u32,
    /// What is asked.
    pub kind: Kind,
    /// For how long. Unit: s.
    pub seconds: f64,
    /// CPU time that this process may spend on it: used up, the profile ends early. Unit: us.
    pub budget_us: u64,
}

/// CPU time of the calling thread. Unit: us.
pub(crate) fn thread_cpu_us() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
    u64::try_from(micros).unwrap_or(0)
}
