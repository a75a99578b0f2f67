//! The rows of `profiles`, from the answers of probes.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::probe::{ProbeAnswer, ProbeKind, ProbeResult, ProfileKind, ProfileProbe, StackProbe};
use vocab::rows::ProfileRow;
use vocab::snapshot::Snapshot;
use vocab::{Entity, ProcessId};

/// Rows kept in memory.
const ROWS_MAX: usize = 512;

/// Keeps the stacks of the last profiles.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ProfileDeriver {
    rows: Arc<Vec<ProfileRow>>,
}

impl ProfileDeriver {
    /// Adds what came in this turn to `snapshot`, whose answers stand already.
    pub fn fill(&mut self, snapshot: &mut Snapshot) {
        for answer in &snapshot.answers {
            if let (ProbeKind::Profile(kind), Entity::Process(id), Ok(ProbeResult::Profile(profile))) =
                (answer.probe.kind, &answer.probe.entity, &answer.result)
            {
                let rows = Arc::make_mut(&mut self.rows);
                rows.extend(profile.stacks.iter().map(|stack| row(answer, (*id, kind), profile, stack)));
                let excess = rows.len().saturating_sub(ROWS_MAX);
                rows.drain(..excess);
            }
        }
        snapshot.profiles = self.rows.clone();
    }
}

fn row(
    answer: &ProbeAnswer,
    (id, kind): (ProcessId, ProfileKind),
    profile: &ProfileProbe,
    stack: &StackProbe,
) -> ProfileRow {
    ProfileRow {
        at: answer.at,
        pid: id.pid,
        start_ticks: id.start_ticks,
        name: profile.name.clone(),
        service: profile.service.clone(),
        kind: kind.as_str().to_owned(),
        function: stack.function.clone(),
        file: stack.file.clone(),
        path: stack.path.clone(),
        stack: stack.stack.clone(),
        weight: stack.weight,
        unit: kind.unit().to_owned(),
        share: profile.share(stack.weight),
        threads: stack.threads.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
        watched_s: profile.seconds,
    }
}
