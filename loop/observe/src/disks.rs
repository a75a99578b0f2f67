//! Collector `disks`: counters of whole block devices that were ever used.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use kernfs::{DiskStat, ProcFs};
use vocab::sample::DiskSample;

use crate::ledger::Report;

/// Reads `diskstats` without partitions, RAM disks and unused loop devices.
pub(crate) fn read(
    proc: &mut ProcFs,
    sys_root: &Path,
    disks: &mut Vec<DiskStat>,
    report: &mut Report,
) -> Option<Vec<DiskSample>> {
    report.dropped += report.take(proc.diskstats(disks))? as u64;
    let whole = names_in(&sys_root.join("block"));
    let is_whole = |disk: &DiskStat| whole.as_ref().is_none_or(|names| names.contains(disk.name.as_bytes()));
    let is_used = |disk: &DiskStat| disk.reads > 0 || disk.writes > 0;
    let mut rows: Vec<_> = disks.iter().filter(|disk| is_whole(disk) && is_used(disk)).map(row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    report.rows = rows.len();
    Some(rows)
}

fn row(disk: &DiskStat) -> DiskSample {
    DiskSample {
        name: Arc::from(disk.name.to_string()),
        reads: disk.reads,
        read_bytes: disk.read_bytes,
        read_ms: disk.read_ms,
        writes: disk.writes,
        write_bytes: disk.write_bytes,
        write_ms: disk.write_ms,
        in_flight: disk.in_flight,
        busy_ms: disk.io_ms,
    }
}

/// The names in a folder; `None` where it cannot be read. The kernel writes `!` there for `/`.
fn names_in(folder: &Path) -> Option<BTreeSet<Vec<u8>>> {
    use std::os::unix::ffi::OsStrExt;
    let entries = std::fs::read_dir(folder).ok()?;
    let plain = |name: &std::ffi::OsStr| -> Vec<u8> {
        name.as_bytes().iter().map(|b| if *b == b'!' { b'/' } else { *b }).collect()
    };
    Some(entries.flatten().map(|entry| plain(&entry.file_name())).collect())
}
