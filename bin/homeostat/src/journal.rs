//! The journal on disk that an action without an undo waits for, and what a start makes of it.
//!
//! What can be undone stands in the intent ring, which ends with the boot, as its effects do. A restart or an ended
//! process does not come back with the next boot, so it is written here first: [`Journal`] appends, [`open`] reads.
//! The rows of `actions` may lag behind a power cut; the journal may not.
mod file;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use act::Durable;
use file::Record;
use vocab::action::{ActionState, Effect, Intent};
use vocab::ledger::Ledger;
use vocab::{Entity, Timestamp};

use crate::link::identity;

/// Beyond this size only the newest records are kept. Unit: bytes.
const SIZE_MAX: u64 = 1 << 20;

/// Records kept then; each final action makes two.
const KEPT: usize = 512;

/// One intent a line, each durable before its action.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    boot: String,
    /// Wall clock at boot, as everywhere in this run.
    clock: Timestamp,
    /// Intents of this run that have no end yet.
    open: Vec<u64>,
    /// What the file must hold before anything is appended, if that is not what it holds.
    rewrite: Option<Vec<Record>>,
    /// Why nothing can be written, if so.
    broken: Option<String>,
}

/// What the journal tells of earlier runs.
#[derive(Debug, Default)]
pub struct Past {
    /// Final actions that the rows do not know, oldest first; how each ended, where that was written.
    left: Vec<(Timestamp, String, Intent, Option<ActionState>)>,
    /// Numbers of decision and action that are taken.
    taken: [u64; 2],
    /// The boot of this run.
    boot: String,
    /// What a person should know, one sentence each.
    pub notices: Vec<String>,
}

/// Opens the journal of a state folder and forgets what the rows of `ledger` know by now. One that cannot be read
/// refuses every intent, in words; it never keeps Homeostat from starting.
pub fn open(state_dir: &Path, ledger: &Ledger, clock: Timestamp) -> (Journal, Past) {
    let path = state_dir.join("intents.log");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = boot.trim().to_owned();
    let mut journal =
        Journal { path, file: None, boot, clock, open: Vec::new(), rewrite: None, broken: None };
    let mut past = Past { boot: journal.boot.clone(), ..Past::default() };
    match file::read(&journal.path) {
        Ok(found) => {
            if let Some(name) = &found.set_aside {
                let words = "the journal of final actions was damaged or not ours; it was set aside as";
                past.notices.push(format!("{words} `{}`", name.display()));
            }
            let had = found.records.len();
            let kept = past.take(found.records, ledger);
            if kept.len() < had || found.is_torn || found.set_aside.is_some() {
                journal.rewrite = Some(kept);
                // Refused by a full disk, it is tried again before the next intent.
                let _ = journal.file();
            }
        }
        Err(error) => {
            let because = format!("`{}` cannot be used: {error}", journal.path.display());
            past.notices
                .push(format!("{because}; actions without an undo are refused until it is moved away"));
            journal.broken = Some(because);
        }
    }
    (journal, past)
}

impl Past {
    /// Takes up what the rows do not know; returns the records that tell of it.
    fn take(&mut self, records: Vec<Record>, ledger: &Ledger) -> Vec<Record> {
        let known = |id: u64| ledger.actions.iter().any(|row| row.id == id && row.state != "intended");
        let mut left = BTreeMap::new();
        let mut kept = Vec::new();
        for record in records {
            match &record {
                Record::Intent { at, boot, intent } => {
                    self.taken[0] = self.taken[0].max(intent.decision_id);
                    self.taken[1] = self.taken[1].max(intent.action_id);
                    if known(intent.action_id) {
                        continue;
                    }
                    left.insert(intent.action_id, (*at, boot.clone(), intent.clone(), None));
                }
                Record::Ended { action_id, state } => match left.get_mut(action_id) {
                    Some((.., ended)) => *ended = Some(*state),
                    None => continue,
                },
            }
            kept.push(record);
        }
        self.left = left.into_values().collect();
        kept
    }

    /// Numbers of the next incident, decision and action that no record of the journal has.
    pub fn beyond(&self, [incident, decision, action]: [u64; 3]) -> [u64; 3] {
        [incident, decision.max(self.taken[0] + 1), action.max(self.taken[1] + 1)]
    }

    /// How every final action ended that neither the rows nor the ring (`settled`) know of. What was cut short is
    /// compared with the machine as far as its process tells; nothing of it is left in doubt.
    pub fn settle(self, settled: &[Effect]) -> Vec<Effect> {
        let told = |id: u64| settled.iter().any(|effect| effect.action_id == id);
        let left = self.left.into_iter().filter(|(_, _, intent, _)| !told(intent.action_id));
        left.map(|(at, its_boot, intent, ended)| {
            let (state, because) = match ended {
                Some(state) => (state, "it is known from the journal".to_owned()),
                None => judge(&intent, its_boot == self.boot),
            };
            let (before, after, lease_until) = (None, None, None);
            let action_id = intent.action_id;
            Effect { action_id, intent, at, state, before, after, because: Some(because), lease_until }
        })
        .collect()
    }
}

/// What became of an action whose end nobody wrote down.
fn judge(intent: &Intent, is_this_boot: bool) -> (ActionState, String) {
    if !is_this_boot {
        let because = "the machine started anew before its end was written: whether it happened is not known, and \
             nothing of it stands";
        return (ActionState::Final, because.to_owned());
    }
    let process = match intent.target {
        Entity::Process(id) => Some(id),
        _ => intent.process,
    };
    match process {
        Some(id) if identity(id.pid) == Some(id) => (
            ActionState::Failed,
            format!("Homeostat ended before it was done: process {} is as before", id.pid),
        ),
        Some(id) => {
            (ActionState::Final, format!("Homeostat ended while it was done; process {} is gone", id.pid))
        }
        None => (
            ActionState::Final,
            "Homeostat ended while it was done; whether it happened is not known".to_owned(),
        ),
    }
}

impl Journal {
    /// Appends one record; what a refusing disk took of it is cut off again.
    fn append(&mut self, record: &Record, is_durable: bool) -> io::Result<()> {
        if let Some(because) = &self.broken {
            return Err(io::Error::other(because.clone()));
        }
        let line = file::line(record)?;
        let file = self.file()?;
        let length = file.metadata()?.len();
        let done = file.write_all(&line).and_then(|()| if is_durable { file.sync_data() } else { Ok(()) });
        if done.is_err() {
            let _ = file.set_len(length);
        }
        done
    }

    fn file(&mut self) -> io::Result<&mut File> {
        let length = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if length == 0 {
            self.rewrite.get_or_insert_default();
        } else if length > SIZE_MAX {
            let mut records = file::read(&self.path)?.records;
            records.drain(..records.len().saturating_sub(KEPT));
            self.rewrite = Some(records);
        }
        if let Some(records) = &self.rewrite {
            self.file = None;
            file::replace(&self.path, records)?;
            self.rewrite = None;
        }
        if self.file.is_none() {
            self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the journal is not open"))
    }
}

impl Durable for Journal {
    fn intent(&mut self, intent: &Intent) -> io::Result<()> {
        let at = crate::clock::now(self.clock);
        let record = Record::Intent { at, boot: self.boot.clone(), intent: intent.clone() };
        self.append(&record, true)?;
        self.open.push(intent.action_id);
        Ok(())
    }

    /// Not waited for: without it the next start asks the rows, the ring and the machine.
    fn ended(&mut self, effect: &Effect) {
        let count = self.open.len();
        self.open.retain(|id| *id != effect.action_id);
        if self.open.len() < count {
            let _ = self.append(&Record::Ended { action_id: effect.action_id, state: effect.state }, false);
        }
    }
}
