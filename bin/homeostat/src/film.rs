//! The films of incidents, in the folder `films` of the state: written while one runs, read a year later.
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use cycle::Mind;
use cycle::film::{Begin, Reel};
use cycle::recording::{Header, Reader, Writer};
use tables::history::kept::cell_of;
use tables::{Deriver, View};

/// Room of all films; the oldest go first. Unit: bytes.
const ROOM_BYTES: u64 = 64 << 20;
/// Films kept, whatever their size.
const FILMS_MAX: usize = 500;
/// Longest film. Unit: bytes.
const FILM_BYTES_MAX: u64 = 8 << 20;
/// Turns that may wait for a slow disk; one more and the film ends there.
const WAITING_MAX: usize = 64;

/// Where the film of an incident lies.
pub fn path_of(state_dir: &Path, incident: u64) -> PathBuf {
    folder(state_dir).join(format!("incident-{incident}.rec"))
}

fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("films")
}

/// Writes films; the loop never waits for it.
pub struct Films {
    state_dir: PathBuf,
    running: Option<SyncSender<Piece>>,
}

enum Piece {
    Also(u64),
    More(Vec<u8>),
}

impl Films {
    /// Films of this state folder.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), running: None }
    }

    /// Takes what is to be written; `header` says under what the loop ran when a film begins, and what it knew.
    pub fn take(&mut self, reel: Reel, header: impl FnOnce(Vec<u8>) -> Header) {
        match reel {
            Reel::Begin(Begin { incident, mind, frames }) => self.begin(incident, &header(mind), frames),
            Reel::Also(incident) => self.send(Piece::Also(incident)),
            Reel::More(frame) => self.send(Piece::More(frame)),
            Reel::End => self.running = None,
        }
    }

    fn begin(&mut self, incident: u64, header: &Header, frames: Vec<u8>) {
        let mut first = Vec::new();
        if Writer::new(&mut first, header).is_err() {
            return;
        }
        let (sender, pieces) = sync_channel(WAITING_MAX);
        let state_dir = self.state_dir.clone();
        // A thread as long as the film: a disk that hangs holds up nothing else.
        let thread =
            std::thread::Builder::new().name("film".to_owned()).stack_size(128 << 10).spawn(move || {
                if let Err(error) = write(&state_dir, incident, [first, frames], &pieces) {
                    eprintln!("homeostat: the film of incident {incident} ends early: {error}");
                }
            });
        self.running = thread.is_ok().then_some(sender);
    }

    fn send(&mut self, piece: Piece) {
        let Some(sender) = &self.running else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sender.try_send(piece) {
            self.running = None;
        }
    }
}

fn write(state_dir: &Path, incident: u64, first: [Vec<u8>; 2], pieces: &Receiver<Piece>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder(state_dir))?;
    prune(&folder(state_dir), ROOM_BYTES - FILM_BYTES_MAX, FILMS_MAX - 1);
    let path = path_of(state_dir, incident);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    let mut bytes = 0;
    // The minutes that follow need no copy of the one before.
    for part in first {
        file.write_all(&part)?;
        bytes += part.len() as u64;
    }
    while let Ok(piece) = pieces.recv() {
        match piece {
            // Two names of one file: it goes when both are gone.
            Piece::Also(other) => {
                let _ = fs::remove_file(path_of(state_dir, other));
                fs::hard_link(&path, path_of(state_dir, other))?;
            }
            Piece::More(frame) if bytes + frame.len() as u64 <= FILM_BYTES_MAX => {
                file.write_all(&frame)?;
                bytes += frame.len() as u64;
            }
            Piece::More(_) => return Ok(()),
        }
    }
    file.sync_data()
}

/// Removes the oldest films until the others have room.
fn prune(folder: &Path, room_bytes: u64, films_max: usize) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    // By file: several incidents may share one.
    let mut films = BTreeMap::<(i64, i64, u64), (u64, Vec<PathBuf>)>::new();
    for entry in entries {
        let Ok(found) = entry.metadata() else { continue };
        let film = films.entry((found.mtime(), found.mtime_nsec(), found.ino())).or_default();
        film.0 = found.len();
        film.1.push(entry.path());
    }
    let mut bytes: u64 = films.values().map(|(bytes, _)| bytes).sum();
    let mut count: usize = films.values().map(|(_, paths)| paths.len()).sum();
    for (size, paths) in films.into_values() {
        if bytes <= room_bytes && count <= films_max {
            break;
        }
        paths.iter().for_each(|path| drop(fs::remove_file(path)));
        bytes = bytes.saturating_sub(size);
        count = count.saturating_sub(paths.len());
    }
}

/// One cell of a live table: table, column, entity.
pub type Cell = (String, String, String);

/// How cells moved through a film: for each, the seconds since the film's begin and the value.
pub fn courses(path: &Path, cells: &[Cell]) -> Vec<Vec<(f64, f64)>> {
    let mut courses = vec![Vec::new(); cells.len()];
    let opened = File::open(path).ok().and_then(|file| Reader::new(BufReader::new(file)).ok());
    let Some((mut reader, header)) = opened else { return courses };
    let mind = header.mind.and_then(|packed| Mind::unpack(&packed));
    let mut deriver = mind.map_or_else(Deriver::new, |mind| mind.deriver);
    let mut first = None;
    // A film that is damaged further on is shown up to there.
    while let Ok(Some(record)) = reader.read() {
        let snapshot = Arc::new(deriver.snapshot(&record.sample));
        let since_s = snapshot.at.seconds_since(*first.get_or_insert(snapshot.at));
        let view = View { snapshot, ..View::default() };
        for (course, (table, column, entity)) in courses.iter_mut().zip(cells) {
            course.extend(cell_of(&view, table, column, entity).map(|value| (since_s, value)));
        }
    }
    courses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_films_go_and_one_of_two_names_is_no_film_of_its_own() {
        let dir = std::env::temp_dir().join(format!("homeostat-films-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary folder");
        for n in 1..=4_u64 {
            fs::write(dir.join(format!("incident-{n}.rec")), vec![0; 1_000]).expect("written");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        fs::hard_link(dir.join("incident-1.rec"), dir.join("incident-9.rec")).expect("linked");
        let left = || {
            let mut names: Vec<_> = fs::read_dir(&dir)
                .expect("ours")
                .filter_map(|one| one.ok()?.file_name().into_string().ok())
                .collect();
            names.sort();
            names
        };
        prune(&dir, 4_000, 5);
        assert_eq!(left().len(), 5, "all fit");
        prune(&dir, 3_500, 5);
        assert_eq!(left(), ["incident-2.rec", "incident-3.rec", "incident-4.rec"]);
        prune(&dir, 4_000, 1);
        assert_eq!(left(), ["incident-4.rec"]);
        fs::remove_dir_all(&dir).expect("ours");
    }
}
