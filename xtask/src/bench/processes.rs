//! Readings of `/proc/PID` that the sampler adds up: independent of the product's own readers, on purpose.
use std::collections::{BTreeMap, BTreeSet};

/// What `stat` says of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) ppid: u32,
    /// User and system time, its own and that of children it waited for. Unit: clock ticks.
    pub(super) cpu_ticks: u64,
    /// Unit: clock ticks after boot.
    pub(super) start_ticks: u64,
}

impl Stat {
    /// Reads the text of `stat`: the fields behind the last parenthesis.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_whitespace().collect();
        // Field 3 of proc_pid_stat(5) is the first of these.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = [14, 15, 16, 17].into_iter().map(number).sum::<Option<u64>>()?;
        Some(Self { ppid: u32::try_from(number(4)?).ok()?, cpu_ticks: ticks, start_ticks: number(22)? })
    }
}

/// Every process there is.
pub(super) fn all() -> BTreeMap<u32, Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, Stat::parse(&read(pid, "stat")?)?))).collect()
}

/// `root` and all below it that are alive.
pub(super) fn tree(all: &BTreeMap<u32, Stat>, root: u32) -> BTreeSet<u32> {
    let mut tree = BTreeSet::from([root]);
    loop {
        let below = all.iter().filter(|(_, stat)| tree.contains(&stat.ppid)).map(|(pid, _)| *pid);
        let new: Vec<u32> = below.filter(|pid| !tree.contains(pid)).collect();
        if new.is_empty() {
            tree.retain(|pid| all.contains_key(pid));
            return tree;
        }
        tree.extend(new);
    }
}

/// Proportional share of resident memory. Unit: KiB.
pub(super) fn pss_kib(pid: u32) -> Option<u64> {
    number_after(&read(pid, "smaps_rollup")?, "Pss:")
}

/// Bytes that it caused to be written to storage.
pub(super) fn write_bytes(pid: u32) -> Option<u64> {
    number_after(&read(pid, "io")?, "write_bytes:")
}

fn read(pid: u32, file: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn number_after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_gives_its_own_time_and_that_of_its_children() {
        let text = "7 (a) (b) S 4 7 7 0 -1 1 2 3 4 5 10 20 300 4000 20 0 1 0 99 1 1";
        assert_eq!(Stat::parse(text), Some(Stat { ppid: 4, cpu_ticks: 4_330, start_ticks: 99 }));
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(Stat::parse("7 (a) S 4"), None);
    }

    #[test]
    fn a_tree_is_what_descends_from_its_root() {
        let stat = |ppid| Stat { ppid, cpu_ticks: 0, start_ticks: 0 };
        let all = BTreeMap::from([(1, stat(0)), (9, stat(1)), (4, stat(9)), (3, stat(4)), (5, stat(1))]);
        assert_eq!(tree(&all, 9), BTreeSet::from([9, 4, 3]));
        assert_eq!(tree(&all, 77), BTreeSet::new());
    }

    #[test]
    fn keys_are_whole_words() {
        let text = "Pss_Dirty:  9 kB\nPss:  17 kB\n";
        assert_eq!(number_after(text, "Pss:"), Some(17));
        assert_eq!(number_after(text, "Rss:"), None);
    }

    #[test]
    fn this_process_is_seen() {
        let all = all();
        assert!(all.contains_key(&std::process::id()));
        assert!(pss_kib(std::process::id()).is_some_and(|kib| kib > 0));
        assert!(write_bytes(std::process::id()).is_some());
    }
}
