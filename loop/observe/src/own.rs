//! What Homeostat itself uses: the daemon and its keeper.
use kernfs::ProcFs;
use vocab::sample::OwnSample;

use crate::ledger::process_cpu_us;

/// CPU time and resident memory of this process and of `keeper_pid`.
pub(crate) fn read(proc: &mut ProcFs, keeper_pid: Option<u32>, shed_level: u8) -> OwnSample {
    let daemon_pid = Some(std::process::id());
    let mut own = OwnSample { cpu_us: process_cpu_us(), rss_bytes: 0, shed_level, daemon_pid, keeper_pid };
    if let Ok(stat) = proc.stat(std::process::id()) {
        own.rss_bytes = stat.rss_bytes;
    }
    if let Some(Ok(stat)) = keeper_pid.map(|pid| proc.stat(pid)) {
        let ticks = stat.utime_ticks.saturating_add(stat.stime_ticks);
        own.cpu_us += ticks.saturating_mul(1_000_000) / proc.ticks_per_s().max(1);
        own.rss_bytes += stat.rss_bytes;
    }
    own
}
