//! Takes turns into the history, and keeps its files up.
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::codec::Kind;
use store::history::{History, Hot, Maintained, Series, Writer};
use store::medium::{DurableWay, FileMedium, Medium};
use vocab::Value;

use super::kept::{KEPT, Kept};
use super::place::{self, FOLDER};
use super::{Reader, key};
use crate::view::View;

/// Turns between two looks for rows that are gone.
const FORGET_EVERY: u64 = 64;

/// Takes every turn into the history. One a daemon, used by its loop.
pub struct Keeper {
    writer: Writer,
    history: Arc<History>,
    /// The shared memory, where it is a file.
    hot: Option<PathBuf>,
    /// A map a table: an anomaly and its service have the same name.
    rows: Vec<HashMap<Box<str>, Row>>,
    entity: String,
    key: Vec<u8>,
    turn: u64,
}

/// The series of one row.
struct Row {
    /// By column: its series, and the text that it is the series of.
    columns: Vec<(Option<Series>, Option<Arc<str>>)>,
    turn: u64,
}

/// Does what the history needs besides: for a thread of its own.
#[derive(Clone)]
pub struct Upkeep(Arc<History>);

impl Upkeep {
    /// Does what is due; call it every few seconds.
    pub fn maintain(&self, now_ms: i64) -> Maintained {
        self.0.maintain(now_ms)
    }
}

impl Keeper {
    /// Opens the history of a state folder and goes on where the last run ended, however it ended. The second value is
    /// for a person: what was damaged, cut off or taken over.
    ///
    /// # Errors
    /// In words: the folder or the shared memory cannot be used.
    pub fn open(dir: &Path) -> Result<(Self, Vec<String>), String> {
        let words = |error: store::StoreError| error.to_string();
        let medium = FileMedium::open(&dir.join(FOLDER)).map_err(words)?;
        if medium.way() == DurableWay::None {
            return Err(format!("{} cannot be written", dir.join(FOLDER).display()));
        }
        place::sweep();
        let mut found = Err("there is no place for shared memory".to_owned());
        for path in place::hot_places(dir, true) {
            found = Hot::open(&path, place::HOT).map(|opened| (opened, path)).map_err(words);
            if found.is_ok() {
                break;
            }
        }
        let ((hot, given_up), path) = found?;
        place::claim(&path, hot.file(), dir);
        let (keeper, mut notes) = Self::over(Arc::new(medium), hot)?;
        notes.extend(given_up);
        Ok((Self { hot: Some(path), ..keeper }, notes))
    }

    /// The history in a medium and a shared memory.
    pub(super) fn over(medium: Arc<dyn Medium>, hot: Hot) -> Result<(Self, Vec<String>), String> {
        let opened = History::open(medium, hot, place::options()).map_err(|error| error.to_string())?;
        let (history, writer, opened) = opened;
        let mut notes = opened.notes;
        if opened.tail_samples > 0 {
            notes.push(format!("{} samples were taken over after a power cut", opened.tail_samples));
        }
        let rows = KEPT.iter().map(|_| HashMap::new()).collect();
        let (entity, key) = (String::new(), Vec::new());
        Ok((Self { writer, history: Arc::new(history), hot: None, rows, entity, key, turn: 0 }, notes))
    }

    /// Compacts everything that is there; the names of the files made, and what went wrong.
    pub fn compact(self) -> (Vec<String>, Vec<String>) {
        let now_ms = self.history.span_ms().map_or(0, |(_, last)| last);
        let mut done = self.history.compact(now_ms);
        done.notes.extend(self.close(now_ms));
        (done.compacted, done.notes)
    }

    /// Puts everything into files and takes the shared memory away, where nothing is left in it; what went wrong.
    pub fn close(mut self, now_ms: i64) -> Vec<String> {
        self.writer.finish();
        let done = self.history.maintain(now_ms);
        let is_empty = self.history.stats().is_ok_and(|stats| stats.hot_samples == 0);
        if let (Some(path), true, []) = (&self.hot, is_empty, &done.notes[..]) {
            place::remove(path);
        }
        done.notes
    }

    /// A reader beside it.
    pub fn reader(&self) -> Reader {
        Reader::new(self.history.clone())
    }

    /// What the files need.
    pub fn upkeep(&self) -> Upkeep {
        Upkeep(self.history.clone())
    }

    /// Samples that found no room since the start.
    pub fn shed(&self) -> u64 {
        self.history.shed().samples()
    }

    /// Series that were refused since the start, because there were too many.
    pub fn shed_series(&self) -> u64 {
        self.history.shed().series()
    }

    /// Series that live now, and rows that have some.
    pub fn live(&self) -> (usize, usize) {
        (self.writer.live_series(), self.rows.iter().map(HashMap::len).sum())
    }

    /// Takes one turn. Never waits: what finds no room is left out and counted.
    pub fn note(&mut self, view: &View) {
        self.turn += 1;
        self.writer.begin_tick(view.snapshot.at.0.div_euclid(1_000_000));
        for (table, kept) in KEPT.iter().enumerate() {
            for row in (0..kept.rows(view)).filter(|row| !kept.is_young(view, *row)) {
                self.note_row(table, kept, view, row);
            }
        }
        self.writer.end_tick();
        if self.turn.is_multiple_of(FORGET_EVERY) {
            let turn = self.turn;
            self.rows.iter_mut().for_each(|rows| rows.retain(|_, row| row.turn == turn));
        }
    }

    fn note_row(&mut self, table: usize, kept: &'static Kept, view: &View, row: usize) {
        kept.name(view, row, &mut self.entity);
        let turn = self.turn;
        let (writer, key) = (&mut self.writer, &mut self.key);
        let Some(rows) = self.rows.get_mut(table) else { return };
        if !rows.contains_key(self.entity.as_str()) {
            let columns = vec![(None, None); kept.columns.len()];
            rows.insert(self.entity.as_str().into(), Row { columns, turn });
        }
        let Some(found) = rows.get_mut(self.entity.as_str()) else { return };
        found.turn = turn;
        for (column, place) in kept.columns.iter().zip(&mut found.columns) {
            let (kind, bits, text) = match kept.cell(view, row, column.index) {
                Value::Null => continue,
                Value::Int(value) => (Kind::Int, value as u64, None),
                Value::Real(value) => (Kind::Float, (column.round)(value).to_bits(), None),
                Value::Text(text) => (Kind::Int, 1, Some(text)),
            };
            let is_same = place.1.as_deref() == text.as_deref();
            match place.0.filter(|series| is_same && writer.is_live(*series)) {
                Some(series) => drop(writer.push(series, bits)),
                None => {
                    let shown = text.as_deref().unwrap_or("");
                    key::write(key, &self.entity, column.id, key::cut(shown, key::TEXT_MAX));
                    // Refused where there are too many series; the store counts it.
                    let series = writer.series(key, kind).ok();
                    series.map(|series| writer.push(series, bits));
                    *place = (series, text);
                }
            }
        }
    }
}
