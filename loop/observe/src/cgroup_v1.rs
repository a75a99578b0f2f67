//! What the v1 hierarchies say of one group. What a v2 hierarchy already said stays.
use kernfs::cgroup::{CgroupDir, V1};
use vocab::sample::CgroupSample;

use crate::cgroup_file::CgroupFile;
use crate::cgroup_v2::limit;

/// Shares of a v1 group that correspond to the default weight of v2.
const SHARES_DEFAULT: u64 = 1_024;

/// The controllers that [`read`] reads; the hierarchies of others need not be walked.
pub(crate) const CONTROLLERS: [&str; 6] = ["cpuacct", "cpu", "memory", "blkio", "freezer", "pids"];

/// Reads the files of `controllers` into `row`; what cannot be read stays unknown.
pub(crate) fn read(
    dir: &mut CgroupDir,
    controllers: &[String],
    file: &mut CgroupFile,
    row: &mut CgroupSample,
) {
    let mut group = V1::default();
    for controller in controllers {
        // A group that ends meanwhile leaves what was read before.
        let _ = match controller.as_str() {
            "cpuacct" => dir.read_v1_cpuacct(&mut group),
            "cpu" => {
                row.throttled_periods =
                    row.throttled_periods.or_else(|| file.number(dir, c"cpu.stat", b"nr_throttled "));
                dir.read_v1_cpu(&mut group)
            }
            "memory" => {
                row.oom_kills =
                    row.oom_kills.or_else(|| file.number(dir, c"memory.oom_control", b"oom_kill "));
                dir.read_v1_memory(&mut group)
            }
            "blkio" => {
                row.io_bytes = row.io_bytes.or_else(|| file.blkio(dir));
                Ok(())
            }
            "pids" => {
                if let Some((threads, most)) = file.threads(dir) {
                    (row.threads, row.threads_max) =
                        (row.threads.or(Some(threads)), row.threads_max.or(Some(most)));
                }
                Ok(())
            }
            "freezer" => dir.read_v1_freezer(&mut group),
            _ => Ok(()),
        };
    }
    row.cpu_us = row.cpu_us.or(group.cpu_usage_ns.map(|ns| ns / 1_000));
    row.cpu_weight = row.cpu_weight.or(group.cpu_shares.map(weight));
    row.memory_bytes = row.memory_bytes.or(group.memory_usage_bytes);
    row.anon_bytes = row.anon_bytes.or(group.memory_rss_bytes);
    row.memory_max_bytes = row.memory_max_bytes.or(limit(group.memory_limit));
    row.is_frozen = row.is_frozen.or(group.is_frozen);
}

/// The v2 weight that stands in the same proportion to the default as these shares do.
fn weight(shares: u64) -> u64 {
    (shares.saturating_mul(100) / SHARES_DEFAULT).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn shares_become_weights_in_proportion() {
        assert_eq!([2, 512, 1_024, 2_048, u64::MAX].map(weight), [1, 50, 100, 200, 10_000]);
    }
}
