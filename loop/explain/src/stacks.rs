//! What escalation found, beside the incident it belongs to: the function in which memory grows, CPU time goes or
//! threads wait.
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use vocab::finding::Evidence;
use vocab::incident::Incident;
use vocab::probe::{ProbeKind, ProbeResult, ProfileKind, ProfileProbe, StackProbe};
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId, Value};

use crate::latest::Latest;

use vocab::say::bytes;

/// Table of the evidence.
const TABLE: &str = "profiles";
/// How long before an incident opens they may have been taken; the same of where threads wait. Unit: s.
const KEPT_S: f64 = 300.0;
const LOOK_KEPT_S: f64 = 60.0;
/// Stacks of an incident.
const STACKS_MAX: usize = 4;
/// Evidence rows of one incident, these included.
const EVIDENCE_MAX: usize = 40;

/// The last profile of each process and kind.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Profiles(Latest<(ProcessId, ProfileKind), ProfileProbe>);

impl Profiles {
    /// Takes the answers of this turn.
    pub fn remember(&mut self, snapshot: &Snapshot) {
        for answer in &snapshot.answers {
            if let (ProbeKind::Profile(kind), Entity::Process(id), Ok(ProbeResult::Profile(profile))) =
                (answer.probe.kind, &answer.probe.entity, &answer.result)
            {
                self.0.note((*id, kind), answer.at, profile.clone());
            }
        }
    }

    /// What is known for an incident: the first answer that is sure, or the last there is.
    fn of(&self, id: ProcessId, incident: &Incident) -> Option<(ProfileKind, &ProfileProbe)> {
        let known = ProfileKind::of_trouble(incident.kind).iter().filter_map(|kind| {
            let kept_s = if *kind == ProfileKind::Waiting { LOOK_KEPT_S } else { KEPT_S };
            Some((*kind, self.0.of((id, *kind), incident, kept_s)?))
        });
        let known = known.collect::<Vec<_>>();
        let is_sure = |profile: &ProfileProbe| {
            heaviest(profile).is_some_and(|(_, share)| ProfileKind::is_sure(profile.seconds, share))
        };
        known.iter().find(|(_, profile)| is_sure(profile)).or(known.last()).copied()
    }

    /// Adds to an incident what is known of the stacks of its process, in place of what was known before.
    pub fn link(&self, incident: &mut Incident) {
        let known = incident.process.and_then(|id| Some((id, self.of(id, incident)?)));
        let Some((id, (kind, profile))) = known else { return };
        let threads = threads_in(incident);
        incident.evidence.retain(|one| one.table != TABLE);
        incident.evidence.truncate(EVIDENCE_MAX - STACKS_MAX);
        let evidence = evidence(id, kind, profile, &threads);
        if let Some(place) = place(kind, profile)
            && !incident.sentence.contains(&place)
        {
            incident.sentence = format!("{}; {place}", incident.sentence);
        }
        incident.evidence.extend(evidence);
    }
}

/// The threads that hold the locks of a circle, as its evidence names them.
fn threads_in(incident: &Incident) -> Vec<u32> {
    let owners = incident.evidence.iter().filter(|one| one.column == "futex_owner");
    owners.filter_map(|one| Some(one.value.as_f64()? as u32)).collect()
}

fn evidence(id: ProcessId, kind: ProfileKind, profile: &ProfileProbe, threads: &[u32]) -> Vec<Evidence> {
    let is_meant =
        |one: &&StackProbe| threads.is_empty() || one.threads.iter().any(|tid| threads.contains(tid));
    let waits =
        |one: &&StackProbe| kind != ProfileKind::Waiting || waits_for_a_lock(one) || one.waiters.is_some();
    let stacks = profile.stacks.iter().filter(|one| one.function.is_some());
    by_path(stacks.filter(is_meant).filter(waits))
        .iter()
        .take(STACKS_MAX)
        .map(|one| Evidence {
            table: TABLE.to_string(),
            entity: Entity::Process(id),
            column: "function".to_string(),
            value: one.function.as_deref().map_or(Value::Null, Value::from),
            normal: None,
            sentence: sentence(kind, profile, one),
        })
        .collect()
}

/// Stacks that differ only in what the run-time does are one place, heaviest first, before them whom others wait for.
fn by_path<'a>(stacks: impl Iterator<Item = &'a StackProbe>) -> Vec<StackProbe> {
    let mut places: Vec<StackProbe> = Vec::new();
    for stack in stacks {
        match places.iter_mut().find(|one| one.path == stack.path && one.waiters == stack.waiters) {
            Some(one) => {
                one.weight += stack.weight;
                one.threads.extend(
                    stack
                        .threads
                        .iter()
                        .filter(|tid| !one.threads.contains(tid))
                        .copied()
                        .collect::<Vec<_>>(),
                );
            }
            None => places.push(stack.clone()),
        }
    }
    places.sort_by_key(|one| core::cmp::Reverse((one.waiters, one.weight)));
    places
}

/// Whether a thread sleeps at a lock, or at a condition: on Linux both are futexes.
fn waits_for_a_lock(stack: &StackProbe) -> bool {
    stack.stack.rsplit(';').next().is_some_and(|inner| inner.starts_with("[kernel futex"))
}

fn sentence(kind: ProfileKind, profile: &ProfileProbe, stack: &StackProbe) -> String {
    let path = stack.path.as_deref().unwrap_or("code without a name");
    let file = stack.file.as_deref().map_or_else(String::new, |file| format!(" ({file})"));
    let seconds = profile.seconds;
    let percent = 100.0 * profile.share(stack.weight);
    match kind {
        ProfileKind::MemoryGrowth => format!(
            "new memory is first touched, and kept, in {path}{file}: {percent:.0} % of {} in {seconds:.0} s",
            bytes(profile.weight as f64)
        ),
        ProfileKind::MemoryKept => format!(
            "memory is allocated, and kept, in {path}{file}: {percent:.0} % of {} in {seconds:.0} s",
            bytes(profile.weight as f64)
        ),
        ProfileKind::OnCpu => format!(
            "CPU time goes to {path}{file}: {percent:.0} % of {:.1} s in {seconds:.0} s",
            profile.weight as f64 / 1e6
        ),
        ProfileKind::Waiting => {
            let threads = stack.threads.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            let verb = if stack.threads.len() == 1 { "thread" } else { "threads" };
            match stack.waiters {
                Some(waiters) => format!(
                    "{verb} {threads} in {path}{file} with a lock that {waiters} {} for",
                    if waiters == 1 { "other waits" } else { "others wait" }
                ),
                None => format!("{verb} {threads} at rest in {path}{file}"),
            }
        }
    }
}

/// The function with the most of a profile, and its share.
fn heaviest(profile: &ProfileProbe) -> Option<(&str, f64)> {
    let stacks = profile.stacks.iter();
    ProfileKind::heaviest(stacks.map(|one| (one.function.as_deref(), profile.share(one.weight))))
}

/// Who holds the lock that most of its threads wait for; `None` where at most one waits, as in a circle.
fn convoy(profile: &ProfileProbe) -> Option<String> {
    let holders = profile.stacks.iter().filter_map(|one| Some((one.waiters?, one.function.as_deref()?)));
    let (waiters, function) = holders.max_by_key(|(waiters, _)| *waiters)?;
    (waiters > 1).then(|| format!("{waiters} threads wait for a lock that is held in `{function}`"))
}

/// Who calls that function, where it is always the same: the function may serve the whole program.
fn caller_of<'a>(profile: &'a ProfileProbe, function: &str) -> Option<&'a str> {
    let of_function = profile.stacks.iter().filter(|one| one.function.as_deref() == Some(function));
    let mut callers = of_function.map(|one| one.path.as_deref().and_then(|path| path.split(" <- ").nth(1)));
    let first = callers.next()??;
    (first != function && first != "main" && callers.all(|one| one == Some(first))).then_some(first)
}

/// Where the most of it happens, for the sentence of the incident; `None` where no function stands out.
fn place(kind: ProfileKind, profile: &ProfileProbe) -> Option<String> {
    if kind == ProfileKind::Waiting {
        return convoy(profile);
    }
    let (function, share) = heaviest(profile)?;
    if share < ProfileKind::SHARE_MIN {
        return None;
    }
    let verb = match kind {
        ProfileKind::MemoryGrowth | ProfileKind::MemoryKept => "it grows in",
        ProfileKind::OnCpu | ProfileKind::Waiting => "its time goes to",
    };
    let caller = caller_of(profile, function);
    let caller = caller.map_or_else(String::new, |caller| format!(", called by `{caller}`"));
    Some(format!("{verb} `{function}`{caller}"))
}
