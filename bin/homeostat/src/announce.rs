//! `on_incident`: one call of the user's command per incident opened, escalated or closed.
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
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
        .spawn()?;
    if let Some(input) = child.stdin.take() {
        // A command that does not read its input is as good as one that does.
        let _ = serde_json::to_writer(input, incident);
    }
    let end = Instant::now() + TIMEOUT;
    while child.try_wait()?.is_none() {
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            return Err(std::io::Error::other("ended after 10 s"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
