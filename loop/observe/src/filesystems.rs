//! Collector `filesystems`: room in each mounted file system that has storage.
//!
//! `statfs` of a dead network mount never returns, so the asking is done in threads of their own. A mount that
//! does not answer keeps its thread, is reported as stalled and left out until it answers; the others go on in
//! a new thread. [`Filesystems::poll`] never waits.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernfs::{Mount, ProcFs, Space};
use vocab::sample::FilesystemSample;

use crate::ledger::Report;

/// Asks one file system how full it is. A parameter, so that a test can hand in one that hangs.
pub(crate) type Statfs = dyn Fn(&Path) -> Result<Space, kernfs::Error> + Send + Sync;

/// A file system that has not answered for so long is stalled.
const DEADLINE: Duration = Duration::from_secs(2);
/// Threads that may hang at once; with more dead mounts than these nothing new is asked.
const STUCK_MAX: usize = 4;

/// The thread that asks now, the mounts that hang, and the last answer.
pub(crate) struct Filesystems {
    ask: Arc<Statfs>,
    proc_root: PathBuf,
    bound: usize,
    current: Option<Round>,
    stuck: Vec<Round>,
    last: BTreeMap<PathBuf, Space>,
}

/// One thread and what it is doing.
struct Round {
    answers: Receiver<Answer>,
    /// The mount being asked and since when; `None` while it lists the mounts.
    doing: Arc<Mutex<(Option<PathBuf>, Instant)>>,
}

enum Answer {
    Space(PathBuf, Option<Space>),
    Done(Vec<Mount>, u64),
}

impl Filesystems {
    /// Asks by `ask`, at most `bound` file systems.
    pub(crate) fn new(proc_root: &Path, bound: usize, ask: Arc<Statfs>) -> Self {
        let proc_root = proc_root.to_owned();
        Self { ask, proc_root, bound, current: None, stuck: Vec::new(), last: BTreeMap::new() }
    }

    /// Starts a round of questions unless one is under way.
    pub(crate) fn start(&mut self, report: &mut Report) {
        if self.current.is_some() || self.stuck.len() >= STUCK_MAX {
            return;
        }
        let (send, answers) = channel();
        let doing = Arc::new(Mutex::new((None, Instant::now())));
        let avoid = self.stuck_mounts();
        let round = Round { answers, doing: doing.clone() };
        let (ask, root, bound) = (self.ask.clone(), self.proc_root.clone(), self.bound);
        let work = move || run_round(&ask, &root, bound, &avoid, &doing, &send);
        match std::thread::Builder::new().name("filesystems".into()).spawn(work) {
            Ok(_) => self.current = Some(round),
            Err(error) => report.error = Some(format!("cannot start a thread: {error}")),
        }
    }

    /// Whether a thread is asking, or hangs.
    pub(crate) fn is_busy(&self) -> bool {
        self.current.is_some() || !self.stuck.is_empty()
    }

    /// What was answered since the last call, if a round is complete; notes what hangs.
    pub(crate) fn poll(&mut self, report: &mut Report) -> Option<Vec<FilesystemSample>> {
        self.stuck.retain(|round| !is_over(round));
        let mut rows = None;
        if let Some(round) = self.current.take() {
            let (mut done, mut is_gone) = (None, false);
            loop {
                match round.answers.try_recv() {
                    Ok(Answer::Space(mount, space)) => drop(set(&mut self.last, mount, space)),
                    Ok(Answer::Done(mounts, dropped)) => done = Some((mounts, dropped)),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                        is_gone = true;
                        break;
                    }
                }
            }
            match done {
                Some((mounts, dropped)) => {
                    report.dropped += dropped;
                    rows = Some(self.rows(&mounts));
                }
                None if is_gone => report.error = Some("its thread ended".into()),
                None if age(&round).1 > DEADLINE => self.stuck.push(round),
                None => self.current = Some(round),
            }
        }
        report.stalled_s = self.stuck.iter().map(|round| age(round).1.as_secs_f64()).reduce(f64::max);
        if report.stalled_s.is_some() {
            let names: Vec<_> = self.stuck_mounts().iter().map(|path| path.display().to_string()).collect();
            report.error = Some(format!("no answer from {}", names.join(", ")));
        }
        report.rows = rows.as_ref().map_or(0, Vec::len);
        rows
    }

    /// The mounts that hang.
    fn stuck_mounts(&self) -> Vec<PathBuf> {
        self.stuck.iter().filter_map(|round| age(round).0).collect()
    }

    fn rows(&mut self, mounts: &[Mount]) -> Vec<FilesystemSample> {
        let stuck = self.stuck_mounts();
        self.last.retain(|path, _| mounts.iter().any(|mount| mount.mount_point == *path));
        let space = |mount: &Mount| {
            if stuck.contains(&mount.mount_point) { None } else { self.last.get(&mount.mount_point) }
        };
        mounts.iter().map(|mount| row(mount, space(mount))).collect()
    }
}

fn set(last: &mut BTreeMap<PathBuf, Space>, mount: PathBuf, space: Option<Space>) -> Option<Space> {
    match space {
        Some(space) => last.insert(mount, space),
        None => last.remove(&mount),
    }
}

/// The mount a thread is at, and for how long.
fn age(round: &Round) -> (Option<PathBuf>, Duration) {
    let doing = round.doing.lock().unwrap_or_else(PoisonError::into_inner);
    (doing.0.clone(), doing.1.elapsed())
}

/// Whether a thread that hung has come to its end.
fn is_over(round: &Round) -> bool {
    loop {
        match round.answers.try_recv() {
            Ok(_) => {}
            Err(std::sync::mpsc::TryRecvError::Empty) => return false,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return true,
        }
    }
}

fn run_round(
    ask: &Arc<Statfs>,
    proc_root: &Path,
    bound: usize,
    avoid: &[PathBuf],
    doing: &Mutex<(Option<PathBuf>, Instant)>,
    send: &Sender<Answer>,
) {
    let mut mounts = Vec::new();
    let read = ProcFs::open(proc_root).and_then(|mut proc| proc.mounts(&mut mounts));
    if read.is_err() {
        return;
    }
    let (mounts, dropped) = with_storage(mounts, bound);
    for mount in &mounts {
        if avoid.contains(&mount.mount_point) {
            continue;
        }
        *doing.lock().unwrap_or_else(PoisonError::into_inner) =
            (Some(mount.mount_point.clone()), Instant::now());
        let space = ask(&mount.mount_point).ok();
        if send.send(Answer::Space(mount.mount_point.clone(), space)).is_err() {
            return;
        }
    }
    // Nobody listens any more when Homeostat ends.
    let _ = send.send(Answer::Done(mounts, dropped));
}

/// The mounts with storage behind them, each device once, at most `bound`; and how many were left out.
fn with_storage(mounts: Vec<Mount>, bound: usize) -> (Vec<Mount>, u64) {
    const NETWORK: [&str; 8] = ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "virtiofs", "glusterfs"];
    const MEMORY: [&str; 1] = ["tmpfs"];
    let is_kept = |mount: &Mount| {
        mount.device.is_absolute()
            || NETWORK.contains(&mount.fstype.as_str())
            || MEMORY.contains(&mount.fstype.as_str())
            || mount.fstype.starts_with("fuse.")
            || matches!(mount.fstype.as_str(), "zfs" | "btrfs" | "bcachefs" | "overlay")
    };
    let mut seen = std::collections::BTreeSet::new();
    // A later mount hides an earlier one at the same place.
    let mut kept: Vec<_> = mounts.into_iter().rev().filter(is_kept).collect();
    kept.retain(|mount| seen.insert(mount.mount_point.clone()));
    kept.reverse();
    let mut devices = std::collections::BTreeSet::new();
    kept.retain(|mount| devices.insert((mount.dev_major, mount.dev_minor)));
    let dropped = kept.len().saturating_sub(bound) as u64;
    kept.truncate(bound);
    kept.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
    (kept, dropped)
}

fn row(mount: &Mount, space: Option<&Space>) -> FilesystemSample {
    let text = |path: &Path| Arc::from(&*path.to_string_lossy());
    FilesystemSample {
        mount_point: text(&mount.mount_point),
        device: text(&mount.device),
        kind: Arc::from(mount.fstype.as_str()),
        is_read_only: mount.is_read_only,
        total_bytes: space.map(|space| space.total_bytes),
        available_bytes: space.map(|space| space.available_bytes),
        inodes: space.map(|space| space.inodes).filter(|inodes| *inodes > 0),
        free_inodes: space.filter(|space| space.inodes > 0).map(|space| space.inodes_free),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const MOUNTS: &str = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
        2 1 0:9 / /dead rw - nfs srv:/x rw\n\
        3 1 8:2 / /z rw - ext4 /dev/b ro\n\
        4 1 8:1 /sub /bind rw - ext4 /dev/a rw\n\
        5 1 0:4 / /proc rw - proc proc rw\n";

    fn poll_until(
        one: &mut Filesystems,
        wanted: impl Fn(&Option<Vec<FilesystemSample>>, &Report) -> bool,
    ) -> (Option<Vec<FilesystemSample>>, Report) {
        let start = Instant::now();
        loop {
            let mut report = Report::default();
            one.start(&mut report);
            let before = Instant::now();
            let rows = one.poll(&mut report);
            assert!(before.elapsed() < Duration::from_millis(100), "poll never waits");
            if wanted(&rows, &report) {
                return (rows, report);
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{report:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_dead_mount_stalls_only_itself_and_is_forgiven() {
        let root = std::env::temp_dir().join(format!("observe-mounts-{}", std::process::id()));
        std::fs::create_dir_all(root.join("self")).unwrap();
        std::fs::write(root.join("self/mountinfo"), MOUNTS).unwrap();
        let is_dead = Arc::new(AtomicBool::new(true));
        let dead = is_dead.clone();
        let ask = move |path: &Path| {
            while path == Path::new("/dead") && dead.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let space =
                Space { total_bytes: 7, free_bytes: 5, available_bytes: 3, inodes: 0, inodes_free: 0 };
            Ok(space)
        };
        let mut one = Filesystems::new(&root, 9, Arc::new(ask));
        let (_, report) = poll_until(&mut one, |_, report| report.stalled_s.is_some());
        assert!(report.stalled_s >= Some(2.0));
        assert_eq!(report.error.as_deref(), Some("no answer from /dead"));
        let (rows, _) = poll_until(&mut one, |rows, _| rows.is_some());
        let rows = rows.unwrap();
        let seen: Vec<_> = rows.iter().map(|row| (&*row.mount_point, row.total_bytes)).collect();
        assert_eq!(seen, [("/", Some(7)), ("/dead", None), ("/z", Some(7))]);
        assert!(rows[2].is_read_only);
        is_dead.store(false, Ordering::Relaxed);
        let answered = |rows: &Option<Vec<FilesystemSample>>| {
            rows.as_ref().is_some_and(|rows| rows.iter().all(|row| row.total_bytes == Some(7)))
        };
        let (_, report) = poll_until(&mut one, |rows, _| answered(rows));
        assert_eq!(report.stalled_s, None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
