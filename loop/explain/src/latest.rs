//! The last answer of each kind about a process: it may come before its incident, while there was only suspicion, or after
//! the process has gone.
use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;
use vocab::incident::Incident;

/// Answers that are remembered; the oldest make room.
const KEPT_MAX: usize = 64;

/// By what they are about: the answer and when it came.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Latest<K: Ord, V>(BTreeMap<K, (Timestamp, V)>);

impl<K: Ord, V> Default for Latest<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy, V> Latest<K, V> {
    /// Takes an answer in, in place of the one before.
    pub fn note(&mut self, key: K, at: Timestamp, answer: V) {
        self.0.insert(key, (at, answer));
        while self.0.len() > KEPT_MAX {
            let oldest = self.0.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| *key);
            oldest.and_then(|key| self.0.remove(&key));
        }
    }

    /// What is known for an incident, unless it came more than `kept_s` before it opened.
    pub fn of(&self, key: K, incident: &Incident, kept_s: f64) -> Option<&V> {
        let (at, answer) = self.0.get(&key)?;
        (incident.opened_at.seconds_since(*at) <= kept_s).then_some(answer)
    }
}
