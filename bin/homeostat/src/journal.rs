//! The journal on disk that an action without an undo waits for.
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use act::Durable;
use vocab::action::Intent;

/// Beyond this size the journal begins anew; the one before is kept beside it. Unit: bytes.
const SIZE_MAX: u64 = 1 << 20;

/// One intent a line, as JSON, each durable before its action.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
}

impl Journal {
    /// The journal in a state folder; opened at the first intent.
    pub fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("intents.log"), file: None }
    }

    fn open(&mut self) -> io::Result<&mut File> {
        let is_large = std::fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > SIZE_MAX);
        if is_large {
            std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
            self.file = None;
        }
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            self.file = Some(options.create(true).append(true).mode(0o600).open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("the journal is not open"))
    }
}

impl Durable for Journal {
    fn intent(&mut self, intent: &Intent) -> io::Result<()> {
        let mut line = serde_json::to_vec(intent).map_err(io::Error::other)?;
        line.push(b'\n');
        let file = self.open()?;
        file.write_all(&line)?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Entity;
    use vocab::rule::ActuatorKind;

    #[test]
    fn an_intent_stands_on_disk_and_a_missing_folder_refuses_it() {
        let intent = Intent {
            action_id: 3,
            decision_id: 2,
            kind: ActuatorKind::RestartService,
            target: Entity::Service("a".into()),
            process: None,
            amount: None,
            lease_s: 1.0,
            undo_on_death: false,
        };
        let dir = std::env::temp_dir().join(format!("homeostat-journal-{}", std::process::id()));
        assert!(Journal::new(&dir).intent(&intent).is_err());
        std::fs::create_dir_all(&dir).expect("temporary folder");
        Journal::new(&dir).intent(&intent).expect("writable");
        let text = std::fs::read_to_string(dir.join("intents.log")).expect("written");
        assert!(text.contains("\"action_id\":3"), "{text}");
        std::fs::remove_dir_all(&dir).expect("ours");
    }
}
