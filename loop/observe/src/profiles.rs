//! Profiles of processes under suspicion, and watches of their calls of GPU libraries: one at a time, in a thread of its
//! own, while the ticks go on.
//!
//! Sleeping threads are copied at once, before anybody acts on their process; only the names are found later.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use stacks::gpu::{self, Calls};
use stacks::{Profile, Request, Sleeping, Stack};
use vocab::kernel::Hist;
use vocab::probe::{
    GpuCallProbe, GpuCallsProbe, Probe, ProbeAnswer, ProbeKind, ProbeResult, ProfileKind, ProfileProbe,
    StackProbe,
};
use vocab::{Entity, ProcessId, Timestamp};

use crate::ledger::{Report, thread_cpu_us};
use crate::purse::Purse;

/// Profiles that may wait.
const WAITING_MAX: usize = 8;
/// The same of stacks that are copied already: they do not wait behind those that take their time.
const COPIED_MAX: usize = 4;
/// What profiles may cost in the long run, and at one go; who is asked for beyond that waits. Unit: share of a core, us.
const SHARE: f64 = 0.000_5;
const AT_ONCE_US: f64 = 300_000.0;
/// A thread that is so much later than it should be is given up.
const LATE: Duration = Duration::from_secs(30);
/// Callers named beside a function.
const PATH_MAX: usize = 3;
/// Longest stack in an answer. Unit: bytes.
const STACK_BYTES_MAX: usize = 4_096;

/// Whom a profile is about, as far as is known when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// Its identity.
    pub(crate) id: ProcessId,
    /// Name of the process.
    pub(crate) name: Arc<str>,
    /// Its service.
    pub(crate) service: Option<Arc<str>>,
}

/// The work of one profile.
type Work = Box<dyn FnOnce() -> Result<ProbeResult, String> + Send>;

struct Job {
    probe: Probe,
    length: Duration,
    work: Work,
}

struct Current {
    probe: Probe,
    late: Instant,
    /// What came of it, and its CPU time. Unit: us.
    answer: Receiver<(Result<ProbeResult, String>, u64)>,
}

/// Profiles that wait and the one that is being taken.
pub(crate) struct Profiles {
    waiting: VecDeque<Job>,
    current: Option<Current>,
    purse: Purse,
}

impl Default for Profiles {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), current: None, purse: Purse::new(SHARE, AT_ONCE_US) }
    }
}

impl Profiles {
    /// Whether an answer is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Takes up a request; the reason why not. What is being taken or waits is not taken twice.
    pub(crate) fn ask(&mut self, probe: &Probe, who: Who, at: Timestamp) -> Result<(), String> {
        let is_it = |other: &Probe| other == probe;
        if self.current.iter().any(|one| is_it(&one.probe))
            || self.waiting.iter().any(|one| is_it(&one.probe))
        {
            return Ok(());
        }
        let is_copied = |kind: ProbeKind| kind == ProbeKind::Profile(ProfileKind::Waiting);
        let is_of_its_kind = |job: &&Job| is_copied(job.probe.kind) == is_copied(probe.kind);
        let waiting = self.waiting.iter().filter(is_of_its_kind).count();
        let most = if is_copied(probe.kind) { COPIED_MAX } else { WAITING_MAX };
        if waiting >= most {
            return Err("too many profiles are being taken".to_owned());
        }
        let (work, seconds) = work(probe, who)?;
        let length = Duration::from_secs_f64(seconds);
        let job = Job { probe: probe.clone(), length, work };
        // What is copied already takes no time and comes first.
        if length.is_zero() {
            self.waiting.push_front(job)
        } else {
            self.waiting.push_back(job)
        }
        self.start(at);
        Ok(())
    }

    /// The answers that came since the last call. Never waits.
    pub(crate) fn poll(&mut self, at: Timestamp, report: &mut Report) -> Vec<ProbeAnswer> {
        let mut answers = Vec::new();
        if let Some(current) = self.current.take() {
            let answer = match current.answer.try_recv() {
                Ok((answer, cost_us)) => {
                    self.purse.spend(cost_us);
                    Some(answer)
                }
                Err(TryRecvError::Disconnected) => Some(Err("its thread ended".to_owned())),
                Err(TryRecvError::Empty) if Instant::now() < current.late => None,
                Err(TryRecvError::Empty) => {
                    report.stalled_s = Some(LATE.as_secs_f64());
                    Some(Err("it takes too long".to_owned()))
                }
            };
            match answer {
                Some(result) => {
                    answers.push(ProbeAnswer { probe: current.probe, at, result });
                }
                None => self.current = Some(current),
            }
        }
        self.start(at);
        answers
    }

    fn start(&mut self, at: Timestamp) {
        let is_copied = self.waiting.front().is_some_and(|job| job.length.is_zero());
        if self.current.is_some() || !(self.purse.has(at) || is_copied) {
            return;
        }
        let Some(Job { probe, length, work }) = self.waiting.pop_front() else { return };
        let (send, answer) = channel();
        // A thread that cannot be started drops its sender, which reads as a thread that ended; so does one that fails.
        let work = move || drop(send.send((work(), thread_cpu_us())));
        let _ = std::thread::Builder::new().name("profile".into()).spawn(work);
        self.current = Some(Current { probe, late: Instant::now() + length + LATE, answer });
    }
}

/// Whom `probe` asks to be watched, if it asks for that.
pub(crate) fn asked(probe: &Probe) -> Option<ProcessId> {
    match (probe.kind, &probe.entity) {
        (ProbeKind::Profile(_) | ProbeKind::GpuCalls, Entity::Process(id)) => Some(*id),
        _ => None,
    }
}

/// What is to be done for a probe, and for how many seconds.
fn work(probe: &Probe, who: Who) -> Result<(Work, f64), String> {
    let (pid, budget_us) = (who.id.pid, u64::from(probe.budget_us));
    let words = |error: stacks::Refusal| error.to_string();
    let ProbeKind::Profile(kind) = probe.kind else {
        let seconds = Probe::GPU_CALLS_S;
        let watch = move || gpu::watch(pid, seconds, budget_us).map_err(words);
        let work = move || Ok(ProbeResult::GpuCalls(calls_of(&who, watch()?)));
        return Ok((Box::new(work), seconds));
    };
    let stacks = move |profile: &Profile| ProbeResult::Profile(probe_of(&who, profile));
    if kind == ProfileKind::Waiting {
        let sleeping = Sleeping::capture(pid).map_err(words)?;
        return Ok((Box::new(move || Ok(stacks(&sleeping.named()))), kind.seconds()));
    }
    let request = Request { pid, kind: kind_of(kind), seconds: kind.seconds(), budget_us };
    let work = move || stacks::profile(&request).map(|profile| stacks(&profile)).map_err(words);
    Ok((Box::new(work), kind.seconds()))
}

fn calls_of(who: &Who, calls: Calls) -> GpuCallsProbe {
    let call = |one: gpu::Call| GpuCallProbe {
        library: Arc::from(one.library),
        call: Arc::from(one.call),
        errors: one.errors,
        open: one.open,
        bytes: one.bytes,
        live_bytes: one.live_bytes,
        latency: Hist { sum: one.latency.sum, slots: one.latency.slots },
    };
    GpuCallsProbe {
        name: who.name.clone(),
        service: who.service.clone(),
        seconds: calls.seconds,
        lost: calls.lost,
        cut_short: calls.cut_short,
        calls: calls.calls.into_iter().map(call).collect(),
    }
}

const fn kind_of(kind: ProfileKind) -> stacks::Kind {
    match kind {
        ProfileKind::OnCpu => stacks::Kind::OnCpu,
        ProfileKind::MemoryGrowth => stacks::Kind::MemoryGrowth,
        ProfileKind::MemoryKept => stacks::Kind::MemoryKept,
        ProfileKind::Waiting => stacks::Kind::Waiting,
    }
}

fn probe_of(who: &Who, profile: &Profile) -> ProfileProbe {
    ProfileProbe {
        name: who.name.clone(),
        service: who.service.clone(),
        seconds: profile.seconds,
        weight: profile.weight,
        samples: profile.samples,
        lost: profile.lost,
        cut_short: profile.cut_short.clone(),
        stacks: profile.stacks.iter().map(stack_of).collect(),
    }
}

fn stack_of(stack: &Stack) -> StackProbe {
    let path = stack.path().take(PATH_MAX).map(|frame| frame.name.as_str()).collect::<Vec<_>>();
    let function = stack.function();
    StackProbe {
        stack: Arc::from(inner_part(&stack.folded())),
        path: (!path.is_empty()).then(|| Arc::from(path.join(" <- "))),
        function: function.map(|frame| Arc::from(frame.name.as_str())),
        file: function.map(|frame| Arc::from(frame.file.as_str())),
        weight: stack.weight,
        threads: stack.threads.clone(),
        waiters: stack.waiters(),
    }
}

/// What fits of a stack, from the innermost function on: whole names only.
fn inner_part(folded: &str) -> &str {
    let excess = folded.len().saturating_sub(STACK_BYTES_MAX);
    if excess == 0 {
        return folded;
    }
    folded.match_indices(';').find(|(at, _)| *at >= excess).map_or("", |(at, _)| &folded[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(pid: u32) -> Who {
        Who { id: ProcessId { pid, start_ticks: 1 }, name: Arc::from("x"), service: None }
    }

    fn wait_for(profiles: &mut Profiles, count: usize) -> Vec<ProbeAnswer> {
        let (mut answers, start) = (Vec::new(), Instant::now());
        while answers.len() < count {
            assert!(start.elapsed() < Duration::from_secs(60));
            answers.extend(profiles.poll(Timestamp(7), &mut Report::default()));
            std::thread::sleep(Duration::from_millis(5));
        }
        answers
    }

    #[test]
    fn a_thread_of_ours_that_sleeps_is_seen_to_sleep() {
        let (wake, sleep) = channel::<()>();
        let sleeper = std::thread::spawn(move || sleep.recv());
        let who = who(std::process::id());
        let probe = Probe::profile(who.id, ProfileKind::Waiting);
        let mut profiles = Profiles::default();
        if let Err(why) = profiles.ask(&probe, who, Timestamp::default()) {
            assert!(why.contains("architecture"), "{why}");
            return;
        }
        let answers = wait_for(&mut profiles, 1);
        drop(wake);
        assert!(sleeper.join().is_ok_and(|received| received.is_err()));
        let Ok(ProbeResult::Profile(profile)) = &answers[0].result else { panic!("{answers:?}") };
        assert!(
            profile.weight >= 1 && profile.stacks.iter().all(|one| !one.threads.is_empty()),
            "{profile:?}"
        );
    }

    #[test]
    fn a_process_without_gpu_libraries_is_not_watched_and_says_so() {
        let who = who(std::process::id());
        let mut profiles = Profiles::default();
        profiles.ask(&Probe::gpu_calls(who.id), who, Timestamp::default()).expect("there is room");
        let answers = wait_for(&mut profiles, 1);
        assert!(answers[0].result.as_ref().is_err_and(|why| why.contains("CUDA")), "{answers:?}");
    }

    #[test]
    fn nobody_is_profiled_twice_at_a_time_and_the_queue_is_bounded() {
        let mut profiles = Profiles::default();
        let ask = |profiles: &mut Profiles, pid: u32| {
            let who = who(pid);
            profiles.ask(&Probe::profile(who.id, ProfileKind::OnCpu), who, Timestamp::default())
        };
        // None of these pids can exist: each profile ends at once, but the first holds its place until it is taken.
        for n in 0..20 {
            assert!(ask(&mut profiles, u32::MAX - n / 2).is_ok() || n / 2 > WAITING_MAX as u32, "{n}");
        }
        assert_eq!(profiles.waiting.len(), WAITING_MAX);
        let answers = wait_for(&mut profiles, WAITING_MAX + 1);
        assert!(answers.iter().all(|one| one.result.is_err()) && !profiles.is_busy());
    }

    #[test]
    fn a_stack_that_is_too_long_keeps_its_inner_part() {
        let long = format!("outer;{}inner", "f;".repeat(STACK_BYTES_MAX));
        let kept = inner_part(&long);
        assert!(kept.len() <= STACK_BYTES_MAX && kept.starts_with("f;") && kept.ends_with(";inner"));
        assert_eq!(inner_part("a;b"), "a;b");
        assert_eq!(inner_part(&"x".repeat(STACK_BYTES_MAX + 1)), "");
    }
}
