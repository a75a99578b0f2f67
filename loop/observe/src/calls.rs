//! Watches of system calls: one process at a time, from one tick to the next, because somebody asks or in turn.
//!
//! While a watch lasts every system call of the machine is a little dearer, so one begins by itself only once a minute, and
//! not where the CPUs are short.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vocab::kernel::CallsSample;
use vocab::probe::{Probe, ProbeAnswer, ProbeResult};
use vocab::sample::Sample;
use vocab::{Entity, ProcessId, Timestamp};

use crate::kernel::KernelSide;
use crate::ledger::{Report, monotonic_ns};
use crate::processes::Processes;
use crate::tracked::Tracked;

/// Time between two watches that nobody asked for. Unit: s.
const EVERY_S: f64 = 60.0;
/// Share of the CPU time that must be idle for one.
const IDLE_MIN: f64 = 0.2;
/// Watches that wait for their turn at most.
const ASKED_MAX: usize = 8;
/// Where idle time stands among the CPU times of a sample.
const IDLE: usize = 3;

/// Who is watched, who is next, and who was.
#[derive(Debug, Default)]
pub(crate) struct CallWatch {
    under_way: Option<UnderWay>,
    asked: VecDeque<Probe>,
    sampled_at: Option<Timestamp>,
    /// By executable: when it was watched last.
    last: BTreeMap<Arc<str>, Timestamp>,
    cpu_ticks: [u64; 8],
}

#[derive(Debug)]
struct UnderWay {
    id: ProcessId,
    since_ns: u64,
    probe: Probe,
}

impl CallWatch {
    /// Takes a request, to be answered in the sample of a later tick; false if too many wait.
    pub(crate) fn ask(&mut self, probe: &Probe) -> bool {
        let is_known =
            self.asked.contains(probe) || self.under_way.as_ref().is_some_and(|one| one.probe == *probe);
        if !is_known && self.asked.len() < ASKED_MAX {
            self.asked.push_back(probe.clone());
        }
        is_known || self.asked.contains(probe)
    }

    /// Ends the watch under way, if there is one, and begins the next; `may_sample`: also one that nobody asked for.
    pub(crate) fn turn(
        &mut self,
        kernel: &mut KernelSide,
        processes: &mut Processes,
        may_sample: bool,
        sample: &mut Sample,
        report: &mut Report,
    ) {
        self.end(kernel, sample, report);
        let may_sample = self.has_idle_time(&sample.machine.cpu_ticks) && may_sample;
        let next = match self.asked.pop_front() {
            None if may_sample => self.in_turn(candidates(processes), sample.at).map(Probe::calls),
            asked => asked,
        };
        let Some(probe) = next else { return };
        let Entity::Process(id) = probe.entity else { return };
        let since_ns = monotonic_ns();
        match kernel.watch_calls(id.pid) {
            Ok(()) => self.under_way = Some(UnderWay { id, since_ns, probe }),
            Err(error) => answer(probe, Err(error), sample, report),
        }
    }

    fn end(&mut self, kernel: &mut KernelSide, sample: &mut Sample, report: &mut Report) {
        let Some(UnderWay { id, since_ns, probe }) = self.under_way.take() else { return };
        let watched_s = monotonic_ns().saturating_sub(since_ns) as f64 / 1e9;
        answer(probe, kernel.end_watch(id, watched_s), sample, report);
    }

    fn has_idle_time(&mut self, now: &[u64; 8]) -> bool {
        let before = std::mem::replace(&mut self.cpu_ticks, *now);
        let passed = |state: usize| now[state].saturating_sub(before[state]) as f64;
        let all: f64 = (0..now.len()).map(passed).sum();
        all > 0.0 && before != [0; 8] && passed(IDLE) >= IDLE_MIN * all
    }

    /// The busiest process of the program that was watched longest ago, when it is time; `candidates`: executable, CPU time
    /// and identity of each process that may be watched.
    fn in_turn(
        &mut self,
        candidates: impl Iterator<Item = (Arc<str>, u64, ProcessId)>,
        at: Timestamp,
    ) -> Option<ProcessId> {
        if self.sampled_at.is_some_and(|then| at.seconds_since(then) < EVERY_S) {
            return None;
        }
        let mut busiest: BTreeMap<Arc<str>, (u64, ProcessId)> = BTreeMap::new();
        for (exe, ticks, id) in candidates {
            let best = busiest.entry(exe).or_insert((ticks, id));
            *best = (*best).max((ticks, id));
        }
        self.last.retain(|exe, _| busiest.contains_key(exe));
        let then = |exe: &Arc<str>| self.last.get(exe).copied();
        let (exe, (_, id)) = busiest.into_iter().min_by_key(|(exe, _)| then(exe))?;
        self.last.insert(exe, at);
        self.sampled_at = Some(at);
        Some(id)
    }
}

/// Adds the answer to a request, also to one of our own.
fn answer(probe: Probe, result: Result<CallsSample, String>, sample: &mut Sample, report: &mut Report) {
    match &result {
        Ok(calls) => report.rows += calls.calls.len(),
        Err(error) => report.error = Some(error.clone()),
    }
    let result = result.map(ProbeResult::Calls);
    sample.answers.push(ProbeAnswer { probe, at: sample.at, result });
}

/// Every process that may be watched: not ourselves, not one that has ended, none whose executable we may not know.
fn candidates(processes: &mut Processes) -> impl Iterator<Item = (Arc<str>, u64, ProcessId)> {
    let own = std::process::id();
    let alive = processes.all().iter().filter(move |one| one.stat.pid != own && one.stat.state != b'Z');
    alive.filter_map(|one| Some((one.info.exe.clone()?, cpu_ticks(one), one.stat.id())))
}

fn cpu_ticks(one: &Tracked) -> u64 {
    one.stat.user_ticks.saturating_add(one.stat.system_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(pid: u32) -> Probe {
        Probe::calls(ProcessId { pid, start_ticks: 1 })
    }

    #[test]
    fn a_request_waits_once_and_not_too_many_wait() {
        let mut watch = CallWatch::default();
        assert!((0..8).all(|pid| watch.ask(&probe(pid)) && watch.ask(&probe(pid))));
        assert!(!watch.ask(&probe(9)));
        assert_eq!(watch.asked.len(), ASKED_MAX);
    }

    #[test]
    fn programs_take_turns_a_minute_apart_each_by_its_busiest_process() {
        let process = |exe: &str, ticks, pid| (Arc::from(exe), ticks, ProcessId { pid, start_ticks: 1 });
        let all = || [process("/a", 5, 1), process("/a", 9, 2), process("/b", 70, 3)].into_iter();
        let mut watch = CallWatch::default();
        let mut at = |second| watch.in_turn(all(), Timestamp::from_secs(second)).map(|id| id.pid);
        let found = [0, 30, 60, 120, 125, 200].map(&mut at);
        assert_eq!(found, [Some(2), None, Some(3), Some(2), None, Some(3)]);
    }

    #[test]
    fn idle_time_is_known_from_the_second_look_on() {
        let mut watch = CallWatch::default();
        let ticks = |user, idle| [user, 0, 0, idle, 0, 0, 0, 0];
        let found =
            [(100, 100), (110, 190), (190, 200)].map(|(user, idle)| watch.has_idle_time(&ticks(user, idle)));
        assert_eq!(found, [false, true, false]);
    }
}
