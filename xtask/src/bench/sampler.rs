//! The sampler of the side-by-side: what whole process trees used, read from outside in the same seconds.
//!
//! CPU is utime + stime, own and reaped, of every process of the tree: what a child used moves to its parent when it
//! is waited for, so that the sum does not fall. The window is cut into three; each figure is the median of them.
use std::time::{Duration, Instant};

use super::figures::median;
use super::processes;

/// Parts of a window.
pub(super) const PARTS: u32 = 3;
/// Between two readings of memory, which walk page tables. Unit: s.
const MEMORY_EVERY_S: u64 = 5;

/// What a tree used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    cpu_ticks: u64,
    write_bytes: u64,
}

/// What a tree used in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// CPU time. Unit: % of one core.
    pub(crate) cpu_percent: f64,
    /// Memory, shared pages in proportion. Unit: MiB.
    pub(crate) pss_mib: f64,
    /// Written to storage. Unit: KiB/s.
    pub(crate) write_kib_per_s: f64,
}

/// Watches the trees below `roots` for `seconds`. `None` for a tree whose root ended.
pub(crate) fn watch(roots: &[u32], seconds: u64) -> Vec<Option<Used>> {
    let part = Duration::from_secs(seconds) / PARTS;
    let mut usages = vec![Vec::new(); roots.len()];
    let mut memories = vec![Vec::new(); roots.len()];
    let start = Instant::now();
    let mut times = Vec::new();
    for number in 0..=PARTS {
        let until = part * number;
        while start.elapsed() < until {
            let left = until.saturating_sub(start.elapsed());
            std::thread::sleep(left.min(Duration::from_secs(MEMORY_EVERY_S)));
            note_memory(roots, &mut memories);
        }
        times.push(start.elapsed().as_secs_f64());
        let all = processes::all();
        for (root, usages) in roots.iter().zip(&mut usages) {
            usages.push(usage(&all, *root));
        }
    }
    let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
    let used =
        |(usages, memories): (&Vec<Option<Usage>>, &Vec<f64>)| used(&times, usages, memories, ticks_per_s);
    usages.iter().zip(&memories).map(used).collect()
}

fn usage(all: &std::collections::BTreeMap<u32, processes::Stat>, root: u32) -> Option<Usage> {
    all.get(&root)?;
    let tree = processes::tree(all, root);
    let cpu_ticks = tree.iter().filter_map(|pid| all.get(pid)).map(|stat| stat.cpu_ticks).sum();
    let write_bytes = tree.iter().filter_map(|pid| processes::write_bytes(*pid)).sum();
    Some(Usage { cpu_ticks, write_bytes })
}

fn note_memory(roots: &[u32], memories: &mut [Vec<f64>]) {
    let all = processes::all();
    for (root, memories) in roots.iter().zip(memories) {
        let kib: u64 = processes::tree(&all, *root).iter().filter_map(|pid| processes::pss_kib(*pid)).sum();
        memories.push(kib as f64 / 1024.0);
    }
}

/// The medians over the parts between readings at `times`. Unit of times: s.
fn used(times: &[f64], usages: &[Option<Usage>], memories: &[f64], ticks_per_s: f64) -> Option<Used> {
    let usages = usages.iter().copied().collect::<Option<Vec<Usage>>>()?;
    let rates = |counter: fn(&Usage) -> u64| {
        let steps = usages.windows(2).zip(times.windows(2));
        let rate = |(two, at): (&[Usage], &[f64])| match (two, at) {
            ([before, after], [from, to]) if to > from => {
                Some(counter(after).saturating_sub(counter(before)) as f64 / (to - from))
            }
            _ => None,
        };
        median(&steps.filter_map(rate).collect::<Vec<_>>())
    };
    Some(Used {
        cpu_percent: rates(|one| one.cpu_ticks)? / ticks_per_s * 100.0,
        pss_mib: median(memories)?,
        write_kib_per_s: rates(|one| one.write_bytes)? / 1024.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cpu_ticks: u64, write_bytes: u64) -> Option<Usage> {
        Some(Usage { cpu_ticks, write_bytes })
    }

    #[test]
    fn the_median_part_counts_not_the_outlier() {
        let usages = [at(100, 0), at(120, 10_240), at(640, 10_240), at(660, 40_960)];
        let used = used(&[0.0, 40.0, 80.0, 120.0], &usages, &[9.0, 30.0, 10.0], 100.0).unwrap();
        // 20, 520 and 20 ticks in 40 s each; 10,240, 0 and 30,720 bytes.
        assert_eq!(used.cpu_percent, 0.5);
        assert_eq!(used.write_kib_per_s, 0.25);
        assert_eq!(used.pss_mib, 10.0);
    }

    #[test]
    fn a_tree_that_ended_has_no_figures_and_a_counter_that_fell_counts_as_none() {
        assert_eq!(used(&[0.0, 1.0], &[at(1, 1), None], &[1.0], 100.0), None);
        assert_eq!(used(&[0.0, 1.0], &[at(9, 9), at(1, 1)], &[1.0], 100.0).unwrap().cpu_percent, 0.0);
    }

    #[test]
    fn a_busy_child_is_seen_with_its_whole_tree() {
        // The shell waits for a loop of its own child.
        let mut busy =
            std::process::Command::new("sh").args(["-c", "(while :; do :; done) & wait"]).spawn().unwrap();
        let used = watch(&[busy.id(), u32::MAX], 1);
        for pid in processes::tree(&processes::all(), busy.id()) {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        busy.wait().unwrap();
        assert!(used[0].is_some_and(|used| used.cpu_percent > 1.0 && used.pss_mib > 0.0), "{used:?}");
        assert_eq!(used[1], None);
    }
}
