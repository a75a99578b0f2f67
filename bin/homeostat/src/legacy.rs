//! What a keeper leaves for the next one if it is killed: its services, which outlive it.
//!
//! A file of the state folder, written when a service starts, ends or is told something, and removed at a clean end.
//! It counts only in the boot in which it was written, and only once its keeper is dead.
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use supervisor::{Identity, Kept, Supervisor};

/// Changes with the meaning of the file; another one is not read.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Word {
    version: u32,
    boot: String,
    keeper: Identity,
    services: Vec<Kept>,
}

/// The file of one keeper.
#[derive(Debug)]
pub struct Legacy {
    path: PathBuf,
    /// What stands in the file, as [`Supervisor::changes`] counts; `None` before the first time.
    written: Option<u64>,
    /// Another keeper lives that has this file: it is not touched.
    is_anothers: bool,
    has_complained: bool,
}

impl Legacy {
    /// The file of a state folder; nothing is read or written yet.
    pub fn new(state_dir: &Path) -> Self {
        let path = state_dir.join("services.json");
        Self { path, written: None, is_anothers: false, has_complained: false }
    }

    /// The services that a keeper of this boot left which is dead now. A file that makes no sense leaves none.
    pub fn take(&mut self) -> Vec<Kept> {
        let Some(word) = read(&self.path) else { return Vec::new() };
        self.is_anothers = word.keeper.pid != std::process::id() && word.keeper.lives();
        let is_ours = !self.is_anothers && word.boot == boot();
        if is_ours { word.services } else { Vec::new() }
    }

    /// Writes down the services if anything changed. Without a service there is no file.
    pub fn leave(&mut self, supervisor: &Supervisor) {
        if self.is_anothers || self.written == Some(supervisor.changes()) {
            return;
        }
        self.written = Some(supervisor.changes());
        let services = supervisor.kept();
        let Some(keeper) = Identity::of(std::process::id()) else { return };
        let done = match services.is_empty() {
            true => remove(&self.path),
            false => write(&self.path, &Word { version: VERSION, boot: boot(), keeper, services }),
        };
        if let Err(error) = done
            && !std::mem::replace(&mut self.has_complained, true)
        {
            let path = self.path.display();
            eprintln!(
                "homeostat: `{path}` cannot be written: {error}; killed now, services would live on unsupervised"
            );
        }
    }

    /// The services have ended: there is nothing to take up.
    pub fn end(&self) {
        if !self.is_anothers && self.written.is_some() {
            let _ = remove(&self.path);
        }
    }
}

fn read(path: &Path) -> Option<Word> {
    let word: Word = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (word.version == VERSION).then_some(word)
}

/// Whole or not at all. It need not outlive a power cut: no service does.
fn write(path: &Path, word: &Word) -> io::Result<()> {
    let new = path.with_extension("json.new");
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(word)?)?;
    fs::rename(&new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(keeper: Identity, boot: String) -> Word {
        let config = toml::from_str("name = 'a'\ncommand = ['sleep', '1']").expect("valid");
        let (mark, cgroup, folders) = (String::new(), String::new(), Vec::new());
        let kept = Kept {
            config,
            main: None,
            mark,
            cgroup,
            folders,
            is_wanted: true,
            starts: 1,
            failures: 0,
            back_off_min_s: 0.0,
        };
        Word { version: VERSION, boot, keeper, services: vec![kept] }
    }

    #[test]
    fn only_the_word_of_a_dead_keeper_of_this_boot_counts() {
        let dir = std::env::temp_dir().join(format!("homeostat-legacy-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary folder");
        let mut legacy = Legacy::new(&dir);
        assert_eq!(legacy.take(), []);
        let dead = Identity { pid: std::process::id(), start_ticks: 1 };
        let parent = Identity::of(std::os::unix::process::parent_id()).expect("whoever runs the tests lives");
        for (written, counts, is_anothers) in [
            (word(dead, boot()), 1, false),
            (word(dead, "another".into()), 0, false),
            (word(parent, boot()), 0, true),
        ] {
            write(&legacy.path, &written).expect("writable");
            assert_eq!((legacy.take().len(), legacy.is_anothers), (counts, is_anothers));
        }
        // The file of a keeper that lives is left alone.
        legacy.leave(&Supervisor::default());
        legacy.end();
        assert!(legacy.path.exists());
        fs::write(&legacy.path, "{").expect("writable");
        assert_eq!(legacy.take(), []);
        fs::remove_dir_all(&dir).expect("ours");
    }
}
