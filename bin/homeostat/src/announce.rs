//! `on_incident`: one call of the user's command per incident opened, escalated or closed.
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use vocab::finding::Severity;
use vocab::incident::Incident;
use vocab::ledger::Ledger;

/// A command that takes longer is ended.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Calls that wait; more are dropped, because a machine with more troubles than that has one.
const QUEUE: usize = 32;

/// Tells the user's command what happened; on a thread of its own, so that it can hang nobody.
pub struct Announcer {
    queue: Option<SyncSender<(&'static str, Incident)>>,
    known: Mutex<BTreeMap<u64, Severity>>,
}

impl Announcer {
    /// An announcer that calls `command` with the word `opened`, `escalated` or `closed` added and the
    /// incident as JSON on its standard input; an empty command announces nothing.
    pub fn start(command: Vec<String>) -> Self {
        let known = Mutex::default();
        if command.is_empty() {
            return Self { queue: None, known };
        }
        let (queue, calls) = sync_channel::<(&'static str, Incident)>(QUEUE);
        let worker = move || {
            for (word, incident) in calls {
                if let Err(error) = call(&command, word, &incident) {
                    eprintln!("homeostat: on_incident `{}`: {error}", command.join(" "));
                }
            }
        };
        let thread = std::thread::Builder::new().name("announce".to_owned()).spawn(worker);
        Self { queue: thread.is_ok().then_some(queue), known }
    }

    /// Announces what changed in this turn; a muted incident is not.
    pub fn tell(&self, changed: &[Incident], ledger: &Ledger) {
        let (Some(queue), Ok(mut known)) = (&self.queue, self.known.lock()) else { return };
        for incident in changed {
            let Some(word) = news(&mut known, incident) else { continue };
            let row = ledger.incidents.iter().find(|row| row.id == incident.id);
            let is_muted =
                row.and_then(|row| row.muted_until).is_some_and(|until| until > incident.last_seen_at);
            if !is_muted {
                // A full queue drops the call; the incident stands in the tables all the same.
                let _ = queue.try_send((word, incident.clone()));
            }
        }
    }
}

/// What is new about an incident, if anything is worth a call.
fn news(known: &mut BTreeMap<u64, Severity>, incident: &Incident) -> Option<&'static str> {
    if !incident.is_open() {
        return known.remove(&incident.id).map(|_| "closed");
    }
    match known.insert(incident.id, incident.severity) {
        None => Some("opened"),
        Some(before) if before < incident.severity => Some("escalated"),
        Some(_) => None,
    }
}

fn call(command: &[String], word: &str, incident: &Incident) -> std::io::Result<()> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .arg(word)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // A group of its own, so that what it started ends with it.
        .process_group(0)
        .spawn()?;
    if let Some(input) = child.stdin.take() {
        // A command that does not read its input is as good as one that does.
        let _ = serde_json::to_writer(input, incident);
    }
    let end = Instant::now() + TIMEOUT;
    while child.try_wait()?.is_none() {
        if Instant::now() >= end {
            end_group(&child);
            child.wait()?;
            return Err(std::io::Error::other("ended after 10 s"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Kills a command with all that is left of its group.
fn end_group(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // SAFETY: kill(2) takes plain integers; the child is not reaped, so its pid is its own.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Timestamp;
    use vocab::incident::IncidentState;
    use vocab::kit;
    use vocab::rows::IncidentRow;

    fn row(incident: &Incident, muted_until: Option<Timestamp>) -> Ledger {
        let row = IncidentRow {
            kind: incident.kind.to_string(),
            state: incident.state.to_string(),
            culprit: incident.culprit.clone(),
            severity: incident.severity.to_string(),
            closed_at: incident.closed_at,
            muted_until,
            ..kit::incident_row(incident.id)
        };
        Ledger { incidents: vec![row.into()].into(), ..Ledger::default() }
    }

    #[test]
    fn each_of_opened_escalated_and_closed_is_one_call_and_a_muted_incident_is_none() {
        let file = std::env::temp_dir().join(format!("homeostat-told-{}", std::process::id()));
        let script = format!("cat > /dev/null; echo $0 >> {}", file.display());
        let announcer = Announcer::start(["sh", "-c", &script].map(str::to_owned).to_vec());
        let incident = kit::incident(1, "a");
        let worse = Incident { severity: Severity::Critical, ..incident.clone() };
        let at = Some(Timestamp::from_secs(9));
        let closed = Incident { closed_at: at, state: IncidentState::Repaired, ..worse.clone() };
        for one in [&incident, &incident, &worse, &worse, &closed] {
            announcer.tell(std::slice::from_ref(one), &row(one, None));
        }
        let muted = kit::incident(2, "b");
        announcer.tell(std::slice::from_ref(&muted), &row(&muted, Some(Timestamp::from_secs(100))));
        let told = || std::fs::read_to_string(&file).unwrap_or_default();
        let end = Instant::now() + Duration::from_secs(10);
        while told().lines().count() < 3 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(told(), "opened\nescalated\nclosed\n");
        std::fs::remove_file(&file).expect("ours");
    }
}
