//! What a process calls the kernel for: asked once it is accused of standing still or of taking CPU, and told as evidence;
//! asked again of a program that called in a strange order. It decides nothing.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::{Evidence, Finding, FindingKind};
use vocab::kernel::{CallSample, CallsSample};
use vocab::learnt::Learnt;
use vocab::probe::{Probe, ProbeKind, ProbeResult};
use vocab::rows::Process;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Value};

use crate::{Detected, say};

/// Least time between two watches of one process. Unit: s.
const AGAIN_S: f64 = 60.0;
/// The same of a program known to be strange: whether it is over. Unit: s.
const STRANGE_AGAIN_S: f64 = 600.0;
/// Time after which a program that calls too little to judge it is left to its turn. Unit: s.
const SUSPECTED_S: f64 = 900.0;
/// Processes whose watches are kept at most; an answer about another one is not kept.
const WATCHES_MAX: usize = 64;
/// Share of the calls that fail from which on that is said.
const ERRORS_MIN: f64 = 0.1;

/// The last watch of each process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Watches(BTreeMap<ProcessId, Watch>);

#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    /// Unit: s since the first snapshot.
    at_s: f64,
    /// `None` if it could not be watched.
    calls: Option<CallsSample>,
}

impl Watches {
    /// Takes the answers of this turn and forgets processes that are gone.
    pub fn remember(&mut self, snapshot: &Snapshot, now_s: f64) {
        self.0.retain(|id, _| snapshot.process(*id).is_some());
        for answer in snapshot.answers.iter().filter(|one| one.probe.kind == ProbeKind::Calls) {
            let Entity::Process(id) = answer.probe.entity else { continue };
            let calls = match &answer.result {
                // Their order is for learn.
                Ok(ProbeResult::Calls(calls)) => Some(CallsSample { sequences: Vec::new(), ..calls.clone() }),
                _ => None,
            };
            if self.0.len() < WATCHES_MAX || self.0.contains_key(&id) {
                self.0.insert(id, Watch { at_s: now_s, calls });
            }
        }
    }

    /// Asks for a watch of everybody who is accused of what its calls explain, and adds what is known to the evidence.
    pub fn serve(&self, now_s: f64, detected: &mut Detected) {
        let Detected { findings, probes, .. } = detected;
        for finding in findings.iter_mut().filter(|one| is_explained_by_calls(one)) {
            let Some(id) = finding.process else { continue };
            let watch = self.0.get(&id);
            if watch.is_none_or(|one| now_s - one.at_s >= AGAIN_S) && !probes.contains(&Probe::calls(id)) {
                probes.push(Probe::calls(id));
            }
            finding.evidence.extend(watch.and_then(|one| one.calls.as_ref()).map(evidence));
        }
    }

    /// Asks for another watch of the programs whose calls were in a strange order, so that a change is told within minutes;
    /// a program in turn waits for as many minutes as there are programs.
    pub fn look_again(&self, snapshot: &Snapshot, learnt: &Learnt, now_s: f64, detected: &mut Detected) {
        for row in learnt.behaviour.iter() {
            let least_s = match row.state.as_str() {
                "suspicious" => AGAIN_S,
                "strange" => STRANGE_AGAIN_S,
                // The rows begin with the strange and the suspicious.
                _ => break,
            };
            let of_program = |one: &&Process| *one.program == *row.program;
            let same = snapshot.processes.iter().filter(of_program).find(|one| one.pid == row.pid);
            let Some(process) = same.or_else(|| snapshot.processes.iter().find(of_program)) else { continue };
            let is_fresh = |watch: &Watch| now_s - watch.at_s < AGAIN_S;
            let is_due = (least_s..SUSPECTED_S).contains(&snapshot.at.seconds_since(row.at));
            if is_due && !self.0.get(&process.id()).is_some_and(is_fresh) {
                detected.ask(Probe::calls(process.id()));
            }
        }
    }
}

const fn is_explained_by_calls(finding: &Finding) -> bool {
    matches!(finding.kind, FindingKind::Stalled | FindingKind::Deadlock | FindingKind::CpuHog)
}

fn evidence(calls: &CallsSample) -> Evidence {
    let all: u64 = calls.calls.iter().map(|one| one.latency.count()).sum();
    let per_s = all as f64 / calls.watched_s.max(1e-3);
    let most = calls.calls.iter().max_by_key(|one| one.latency.count());
    let sentence = match most {
        Some(most) if all > 0 => busy(calls, most, all, per_s),
        _ => format!(
            "it came back from no system call in the {:.1} s in which it was watched",
            calls.watched_s
        ),
    };
    say::cell("syscalls", Entity::Process(calls.id), "calls", (Value::from(all), None), sentence)
}

fn busy(calls: &CallsSample, most: &CallSample, all: u64, per_s: f64) -> String {
    let share = 100.0 * most.latency.count() as f64 / all as f64;
    let mut sentence =
        format!("it makes {per_s:.0} system calls a second, {} of each 100 `{}`", share as u64, most.call);
    if calls.repeats.len() > 1 {
        sentence += &format!(", again and again `{}`", calls.repeats.join("`, `"));
    }
    let errors: u64 = calls.calls.iter().map(|one| one.errors).sum();
    let failing =
        calls.calls.iter().max_by_key(|one| one.errors).filter(|_| errors as f64 >= ERRORS_MIN * all as f64);
    if let Some(one) = failing.filter(|one| one.errors > 0) {
        sentence += &format!(
            "; {:.0} a second fail, most of them `{}`",
            errors as f64 / calls.watched_s.max(1e-3),
            one.call
        );
    }
    sentence
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use vocab::Timestamp;
    use vocab::finding::Severity;
    use vocab::kernel::Hist;
    use vocab::probe::ProbeAnswer;
    use vocab::rows::BehaviourRow;

    use super::*;
    use crate::testkit::process;

    fn accused(kind: FindingKind, process: &Process) -> Detected {
        let finding = Finding {
            at: Timestamp::default(),
            kind,
            culprit: process.entity(),
            process: Some(process.id()),
            victims: Vec::new(),
            severity: Severity::Warning,
            confidence: 0.8,
            exhaustion_s: None,
            sentence: String::new(),
            evidence: Vec::new(),
        };
        Detected { findings: Vec::from([finding]), ..Detected::default() }
    }

    fn call(name: &str, count: u32, errors: u64) -> CallSample {
        let latency = Hist { sum: 0, slots: core::array::from_fn(|slot| if slot == 0 { count } else { 0 }) };
        CallSample { call: Arc::from(name), errors, latency }
    }

    /// What is said of a stalled process that was watched and called so.
    fn said(calls: Vec<CallSample>) -> String {
        let process = process(7, "stuck", 1);
        let mut watches = Watches::default();
        let mut detected = accused(FindingKind::Stalled, &process);
        watches.serve(1.0, &mut detected);
        assert_eq!(detected.probes, [Probe::calls(process.id())], "it is asked once");
        assert!(detected.findings[0].evidence.is_empty());
        let repeats = Vec::from([Arc::from("read"), Arc::from("futex")]);
        let calls =
            CallsSample { id: process.id(), watched_s: 2.0, calls, repeats, ..CallsSample::default() };
        let result = Ok(ProbeResult::Calls(calls));
        let answer = ProbeAnswer { probe: Probe::calls(process.id()), at: Timestamp::default(), result };
        let processes = Vec::from([process.clone()]);
        watches.remember(&Snapshot { processes, answers: Vec::from([answer]), ..Snapshot::default() }, 2.0);
        let mut detected = accused(FindingKind::Stalled, &process);
        watches.serve(3.0, &mut detected);
        assert!(detected.probes.is_empty(), "it was just watched");
        detected.findings[0].evidence[0].sentence.clone()
    }

    #[test]
    fn what_it_calls_and_what_fails_is_evidence() {
        let sentence = said(Vec::from([call("read", 150, 150), call("futex", 50, 0)]));
        assert_eq!(
            sentence,
            "it makes 100 system calls a second, 75 of each 100 `read`, again and again `read`, `futex`; 75 a second fail, most of them `read`"
        );
        assert!(!said(Vec::from([call("read", 150, 3)])).contains("fail"));
        assert!(said(Vec::new()).contains("no system call"));
    }

    #[test]
    fn nobody_is_watched_whose_trouble_calls_do_not_explain() {
        let mut detected = accused(FindingKind::MemoryLeak, &process(7, "stuck", 1));
        Watches::default().serve(1.0, &mut detected);
        assert!(detected.probes.is_empty() && detected.findings[0].evidence.is_empty());
    }

    /// Which process is looked at again in second 1,000, if the program was seen to be so at this second.
    fn again(state: &str, at_s: i64, pid: u32, watched_s: Option<f64>) -> Vec<Probe> {
        let row = BehaviourRow {
            program: "web".into(),
            pid,
            at: Timestamp::from_secs(at_s),
            state: state.into(),
            since: Timestamp::default(),
            looks: 40,
            calls: 900,
            probability: Some(0.03),
            surprise: 2.0,
            usual: 1.0,
            strangest: None,
            size_bytes: 1,
            sentence: String::new(),
        };
        let learnt = Learnt { behaviour: Arc::new(Vec::from([row])), ..Learnt::default() };
        let processes = Vec::from([process(5, "db", 1), process(7, "web", 1), process(8, "web", 1)]);
        let watches = watched_s.map(|at_s| (process(8, "web", 1).id(), Watch { at_s, calls: None }));
        let snapshot = Snapshot { at: Timestamp::from_secs(1_000), processes, ..Snapshot::default() };
        let mut detected = Detected::default();
        Watches(watches.into_iter().collect()).look_again(&snapshot, &learnt, 500.0, &mut detected);
        assert!(detected.findings.is_empty(), "that alone is no finding");
        detected.probes
    }

    #[test]
    fn a_suspicious_program_is_looked_at_again_in_a_minute_the_same_process_if_it_lives() {
        let probe = |pid| Vec::from([Probe::calls(process(pid, "web", 1).id())]);
        assert_eq!(again("suspicious", 940, 8, None), probe(8));
        assert_eq!(again("suspicious", 940, 6, None), probe(7), "another process of it");
        assert_eq!(again("suspicious", 941, 8, None), []);
        assert_eq!(
            again("suspicious", 940, 8, Some(450.0)),
            [],
            "it was just watched, and called too little"
        );
        assert_eq!(again("suspicious", 90, 8, None), [], "it is left to its turn");
        assert_eq!((again("strange", 940, 8, None), again("strange", 400, 8, None)), (Vec::new(), probe(8)));
        assert_eq!((again("ready", 940, 8, None), again("learning", 940, 8, None)), (Vec::new(), Vec::new()));
    }
}
