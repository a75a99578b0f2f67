//! How long all threads of a process waited for a CPU: `/proc/PID/schedstat` tells it of the main thread alone.
use bpfload::TaskRow;
use kernfs::{ProcFs, TaskId};

/// Threads that are read at most; of a process with more, the oldest.
const THREADS_MAX: usize = 32;

/// The waits of one process, summed over threads that come and go: a sum that never falls.
#[derive(Debug, Default)]
pub(crate) struct ThreadWaits {
    total_ns: Option<u64>,
    /// Thread and its wait, as of the last read, in order of thread.
    known: Vec<(u32, u64)>,
    /// Whether the last read was of all threads: then one not seen before is new, and so is its whole wait.
    was_whole: bool,
    tids: Vec<u32>,
    now: Vec<(u32, u64)>,
}

impl ThreadWaits {
    /// The sum now. `main_ns` is the wait of the main thread; the others are read if `is_whole`. Unit: ns.
    pub(crate) fn sum(&mut self, proc: &mut ProcFs, pid: u32, main_ns: u64, is_whole: bool) -> u64 {
        self.now.clear();
        self.now.push((pid, main_ns));
        if is_whole && proc.tids(pid, &mut self.tids).is_ok() {
            self.tids.sort_unstable();
            for tid in self.tids.iter().copied().filter(|tid| *tid != pid).take(THREADS_MAX - 1) {
                // A thread that ended meanwhile is no error.
                let times = proc.task_schedstat(TaskId { pid, tid });
                self.now.extend(times.ok().map(|times| (tid, times.run_delay_ns)));
            }
        }
        self.add(main_ns, is_whole)
    }

    /// The same, where all threads are told already, the main thread first.
    pub(crate) fn sum_of(&mut self, threads: &[TaskRow], main_ns: u64) -> u64 {
        self.now.clear();
        self.now.extend(threads.iter().take(THREADS_MAX).map(|one| (one.tid, one.run_delay_ns)));
        self.add(main_ns, true)
    }

    fn add(&mut self, main_ns: u64, is_whole: bool) -> u64 {
        let grown =
            self.now.iter().map(|(tid, waited_ns)| match self.known.iter().find(|(known, _)| known == tid) {
                Some((_, before_ns)) => waited_ns.saturating_sub(*before_ns),
                None if self.was_whole => *waited_ns,
                None => 0,
            });
        let grown_ns = grown.fold(0, u64::saturating_add);
        std::mem::swap(&mut self.known, &mut self.now);
        self.was_whole = is_whole;
        let total_ns = self.total_ns.map_or(main_ns, |total_ns| total_ns.saturating_add(grown_ns));
        self.total_ns = Some(total_ns);
        total_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays reads of `(threads with their waits, whether all were read)`; the sums after each.
    fn sums(reads: &[(&[(u32, u64)], bool)]) -> Vec<u64> {
        let mut waits = ThreadWaits::default();
        let mut one = |(threads, is_whole): &(&[(u32, u64)], bool)| {
            waits.now.clear();
            waits.now.extend_from_slice(threads);
            waits.add(threads[0].1, *is_whole)
        };
        reads.iter().map(&mut one).collect()
    }

    #[test]
    fn threads_add_up_and_one_that_ends_takes_nothing_back() {
        let reads: [(&[_], _); 4] = [
            (&[(1, 100), (2, 900)], true),
            (&[(1, 110), (2, 950)], true),
            (&[(1, 120)], true),
            (&[(1, 130), (3, 7)], true),
        ];
        assert_eq!(sums(&reads), [100, 160, 170, 187]);
    }

    #[test]
    fn a_thread_that_hardly_runs_shows_its_wait_where_all_are_told() {
        let told = |waited_ns| {
            [(1, 100), (2, waited_ns)].map(|(tid, run_delay_ns)| {
                let mut row = TaskRow::default();
                (row.tid, row.run_delay_ns) = (tid, run_delay_ns);
                row
            })
        };
        let mut waits = ThreadWaits::default();
        let sums = [1_000, 951_000, 1_901_000].map(|waited_ns| waits.sum_of(&told(waited_ns), 100));
        assert_eq!(sums, [100, 950_100, 1_900_100]);
    }

    #[test]
    fn a_thread_seen_first_after_a_partial_read_counts_from_then_on() {
        let reads: [(&[_], _); 3] =
            [(&[(1, 100)], false), (&[(1, 110), (2, 5_000)], true), (&[(1, 110), (2, 5_050)], true)];
        assert_eq!(sums(&reads), [100, 110, 160]);
    }

    #[test]
    fn spinning_threads_that_share_a_cpu_show_their_wait() {
        let mut proc = ProcFs::open(std::path::Path::new("/proc")).unwrap();
        let pid = std::process::id();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let cpus = std::thread::available_parallelism().map_or(2, usize::from);
        let spin = |_| {
            let stop = stop.clone();
            std::thread::spawn(move || while !stop.load(std::sync::atomic::Ordering::Relaxed) {})
        };
        let threads: Vec<_> = (0..(2 * cpus).min(16)).map(spin).collect();
        let mut waits = ThreadWaits::default();
        let main_ns = proc.schedstat(pid).unwrap().run_delay_ns;
        let before = waits.sum(&mut proc, pid, main_ns, true);
        std::thread::sleep(std::time::Duration::from_millis(400));
        let after = waits.sum(&mut proc, pid, main_ns, true);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        threads.into_iter().for_each(|one| one.join().unwrap());
        assert!(after - before > 50_000_000, "{} ns", after - before);
    }
}
