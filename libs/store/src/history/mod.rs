//! The history of series: hot in shared memory, cold in compressed files, older in coarser tiers.
//!
//! [`History::open`] gives two ends. The [`Writer`] adds samples, never waits and never allocates for one. The
//! [`History`] is shared by everyone else: [`History::maintain`], called every few seconds by some thread, moves
//! closed generations into cold files, makes the tail of the open one durable, compacts what is an hour old, keeps the
//! budget; [`History::samples`] and [`History::rows`] read, without ever holding the writer up.
//!
//! What is promised: a killed process loses no sample; a power cut loses at most the samples since the last tail, which
//! is written every `tail_ms`. Decisions and anything else that must not be lost belong in a [`crate::log::Log`].

mod block;
mod check;
mod cold;
mod gather;
mod hot;
mod maintain;
mod merge;
mod scan;
#[cfg(test)]
mod tests;
mod writer;

pub use check::{Check, Stats, TierStats};
pub use cold::Tier;
pub use hot::{Hot, HotSize};
pub use maintain::Maintained;
pub use merge::Row;
pub use scan::{Chunk, Query, Scanned, Select, SeriesRows};
pub use writer::{KEY_MAX, Series, Shed, Writer};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::Result;
use crate::log::{Log, LogOptions};
use crate::medium::{Medium, MemoryMedium};
use cold::ColdFile;
use scan::{Deliver, Each, Fold, HotRead};

/// Settings of a history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryOptions {
    /// Length of a generation, which is that of a fresh chunk.
    pub generation_ms: i64,
    /// Longest time between two durable tails: what a power cut may cost.
    pub tail_ms: i64,
    /// Most live series.
    pub series_max: usize,
    /// Age after which samples, minutes and hours are let go.
    pub keep_ms: [i64; 3],
    /// Bytes on disk, above which the oldest samples are let go first, then minutes, then hours.
    pub disk_bytes: u64,
    /// Segment size of the tail's log.
    pub log: LogOptions,
}

const DAY_MS: i64 = 86_400_000;

impl Default for HistoryOptions {
    /// Chunks of five minutes, tails of 30 s, samples for a week, minutes for half a year, hours for five years, 1 GiB.
    fn default() -> Self {
        Self {
            generation_ms: 300_000,
            tail_ms: 30_000,
            series_max: 32_768,
            keep_ms: [7 * DAY_MS, 183 * DAY_MS, 5 * 366 * DAY_MS],
            disk_bytes: 1 << 30,
            log: LogOptions::default(),
        }
    }
}

/// What opening found and did; every line is for a person.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// Damage, versions, cuts.
    pub notes: Vec<String>,
    /// Samples taken over from hot memory.
    pub hot_samples: u64,
    /// Samples taken over from the durable tail, after a power cut.
    pub tail_samples: u64,
}

/// The files as readers see them; replaced as a whole.
type Catalog = Arc<Vec<Arc<ColdFile>>>;

/// The shared side of the history.
pub struct History {
    medium: Arc<dyn Medium>,
    /// Absent only where it is opened to be read and the memory is gone.
    hot: Option<Arc<Hot>>,
    options: HistoryOptions,
    catalog: RwLock<Catalog>,
    /// Absent where it is opened to be read.
    keeper: Mutex<Option<maintain::Keeper>>,
    /// What only the tail's log holds, where it is opened to be read.
    tail: Option<TailFiles>,
    shed: Arc<Shed>,
}

/// Samples of the tail's log, put where they can be read like those of a file.
struct TailFiles {
    medium: MemoryMedium,
    files: Vec<Arc<ColdFile>>,
}

impl History {
    /// Opens the history in a medium and a hot memory, and takes over what a kill or a power cut left.
    ///
    /// Errors: the medium cannot be listed or written, or the tail's log is of a later version. Damaged and newer history
    /// files are left alone and named in [`Opened`].
    pub fn open(
        medium: Arc<dyn Medium>,
        hot: Hot,
        options: HistoryOptions,
    ) -> Result<(Self, Writer, Opened)> {
        let mut opened = Opened::default();
        let files = open_catalog(&*medium, &mut opened.notes)?;
        let sealed = sealed_by(&files);
        let hot = Arc::new(hot);
        let kept: BTreeSet<u64> = (0..2).filter_map(|n| keep_hot(&hot, n, sealed, &mut opened)).collect();
        let known = Known::of(&files, &kept);
        let mut tails = Vec::new();
        let named = medium.list()?.iter().filter_map(|name| cold::newest_named(name)).max().unwrap_or(0);
        let mut newest = sealed.max(named).max(kept.last().copied().unwrap_or(0));
        let (tail, recovery) = Log::open(medium.clone(), options.log, |_, record| {
            let Some(header) = block::Header::parse(record) else { return };
            newest = newest.max(header.generations.1);
            if !known.holds(&header) {
                opened.tail_samples += header.samples;
                tails.push(record.to_vec());
            }
        })?;
        opened.notes.extend(recovery.lost.iter().map(ToString::to_string).chain(recovery.skipped));
        let shed = Arc::new(Shed::default());
        let pace = writer::Pace { generation_ms: options.generation_ms, series_max: options.series_max };
        let history = Self {
            medium,
            hot: Some(hot.clone()),
            options,
            catalog: RwLock::new(Arc::new(files)),
            keeper: Mutex::new(Some(maintain::Keeper::new(tail))),
            tail: None,
            shed: shed.clone(),
        };
        for block in tails {
            history.append_fresh(vec![block])?;
        }
        Ok((history, Writer::new(hot, shed, pace, newest + 1), opened))
    }

    /// Opens the history only to read it, also beside the process that writes it; changes nothing, keeps nothing up.
    /// `hot` is absent where the memory is gone: then the tail's log stands in.
    ///
    /// Errors: the medium cannot be listed. Everything else is a line in the second value.
    pub fn open_to_read(
        medium: Arc<dyn Medium>,
        hot: Option<Hot>,
        options: HistoryOptions,
    ) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        let files: Vec<_> = uncovered(read_catalog(&*medium, &mut notes)?).0;
        let sealed = sealed_by(&files);
        let numbers =
            |hot: &Hot| (0..2).map(|n| hot.generation(n).number()).filter(|n| *n > sealed).collect();
        let kept: BTreeSet<u64> = hot.as_ref().map(numbers).unwrap_or_default();
        let known = Known::of(&files, &kept);
        let mut tails = Vec::new();
        let recovery = crate::log::read(&*medium, |_, record| {
            if block::Header::parse(record).is_some_and(|header| !known.holds(&header)) {
                tails.push(record.to_vec());
            }
        })?;
        notes.extend(recovery.lost.iter().map(ToString::to_string).chain(recovery.skipped));
        let memory = MemoryMedium::default();
        let tail = (!tails.is_empty()).then(|| ColdFile::in_memory(&memory, &tails)).transpose()?;
        let history = Self {
            medium,
            hot: hot.map(Arc::new),
            options,
            catalog: RwLock::new(Arc::new(files)),
            keeper: Mutex::new(None),
            tail: tail.map(|file| TailFiles { medium: memory, files: vec![Arc::new(file)] }),
            shed: Arc::default(),
        };
        Ok((history, notes))
    }

    /// Delivers every sample the query asks for: chunk by chunk, a series' chunks in order of time.
    ///
    /// Errors: none for damaged parts, which are named in the result; the rest is delivered.
    pub fn samples(&self, query: &Query<'_>, each: impl FnMut(Chunk<'_>)) -> Result<Scanned> {
        self.scan(query, 0, &mut Each { each, seen: 0, limit: query.limit })
    }

    /// Rows of `step_ms`, from the coarsest tier that suffices.
    pub fn rows(&self, query: &Query<'_>, step_ms: u32) -> Result<(Vec<SeriesRows>, Scanned)> {
        let step_ms = step_ms.max(1);
        let mut fold = Fold::new(step_ms, query.limit);
        let scanned = self.scan(query, i64::from(step_ms), &mut fold)?;
        Ok((fold.finish(), scanned))
    }

    /// First and last instant of which there is anything, in ms.
    pub fn span_ms(&self) -> Option<(i64, i64)> {
        let files = self.files();
        let cold = files.iter().chain(self.tail.iter().flat_map(|tail| &tail.files)).filter_map(|f| f.span());
        let hot = (0..2).filter_map(|n| {
            let generation = self.hot.as_ref()?.generation(n);
            let mut ticks = generation.ticks().filter(|_| generation.number() != 0).map(|tick| tick.at_ms);
            let first = ticks.next()?;
            Some((first, ticks.last().unwrap_or(first)))
        });
        cold.chain(hot).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    fn scan(&self, query: &Query<'_>, step_ms: i64, deliver: &mut dyn Deliver) -> Result<Scanned> {
        let mut scanned = Scanned::default();
        // The files first, then what is newer in memory; if a generation moves meanwhile, both are read anew.
        let (files, hot) = loop {
            let files = self.files();
            let hot = self.scan_hot(&files, query);
            match hot {
                Some(hot) if Arc::ptr_eq(&files, &self.files()) => break (files, hot),
                _ => {}
            }
        };
        scan::files(&*self.medium, &scan::plan(&files, step_ms), query, deliver, &mut scanned)?;
        if let Some(tail) = &self.tail {
            scan::files(&tail.medium, &tail.files, query, deliver, &mut scanned)?;
        }
        for (key, series) in hot.iter().flatten() {
            deliver.samples(Chunk { key, kind: series.kind, times: &series.times, values: &series.values });
        }
        scanned.is_cut |= deliver.is_full();
        Ok(scanned)
    }

    /// What is newer than the files, oldest generation first; `None` if one moved meanwhile.
    fn scan_hot(&self, files: &Catalog, query: &Query<'_>) -> Option<Vec<HotRead>> {
        let Some(hot) = &self.hot else { return Some(Vec::new()) };
        let sealed = files.iter().map(|f| f.generations.1).max().unwrap_or(0);
        let mut numbers: Vec<(u64, usize)> =
            (0..2).map(|n| (hot.generation(n).number(), n)).filter(|(g, _)| *g > sealed).collect();
        numbers.sort_unstable();
        numbers.iter().map(|(_, n)| scan::hot(&hot.generation(*n), query)).collect()
    }

    /// Whether it is kept up here, not only read.
    fn is_kept(&self) -> bool {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What found no room since the start.
    pub fn shed(&self) -> &Shed {
        &self.shed
    }

    fn files(&self) -> Catalog {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_files(&self, files: Vec<Arc<ColdFile>>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(files);
    }
}

/// Opens all cold files; drops what a compaction had already replaced and what it had not finished.
fn open_catalog(medium: &dyn Medium, notes: &mut Vec<String>) -> Result<Vec<Arc<ColdFile>>> {
    let mut files = Vec::new();
    for name in medium.list()? {
        let is_unfinished = Tier::ALL.iter().any(|tier| name == format!("{}.tmp", tier.word()));
        if is_unfinished {
            remove(medium, &name, notes);
        }
        let Some(tier) = cold::tier_of(&name) else { continue };
        match cold::open(medium, &name, tier, notes) {
            Ok(mut file) if tier == Tier::Fresh => {
                match file.cut_unfinished(medium) {
                    Ok(0) => {}
                    Ok(n) => {
                        notes.push(format!("`{name}`: {n} bytes at its end were not whole and are cut off"))
                    }
                    Err(error) => notes.push(error.to_string()),
                }
                files.push(Arc::new(file));
            }
            Ok(file) => files.push(Arc::new(file)),
            Err(error) => notes.push(error.to_string()),
        }
    }
    let (files, covered) = uncovered(files);
    covered.iter().filter(|f| !f.blocks.is_empty()).for_each(|file| remove(medium, &file.name, notes));
    Ok(files)
}

/// The files as they are, for one who only reads. The unfinished end of a fresh file is its writer's matter.
fn read_catalog(medium: &dyn Medium, notes: &mut Vec<String>) -> Result<Vec<Arc<ColdFile>>> {
    let mut files = Vec::new();
    for name in medium.list()? {
        let Some(tier) = cold::tier_of(&name) else { continue };
        let mut of_file = Vec::new();
        match cold::open(medium, &name, tier, &mut of_file) {
            Ok(file) => files.push(Arc::new(file)),
            Err(error) => of_file.push(error.to_string()),
        }
        notes.extend(of_file.into_iter().filter(|_| tier != Tier::Fresh));
    }
    Ok(files)
}

/// The files that no other holds whole, by generation, and the others.
fn uncovered(files: Vec<Arc<ColdFile>>) -> (Vec<Arc<ColdFile>>, Vec<Arc<ColdFile>>) {
    let is_covered = |file: &Arc<ColdFile>| files.iter().any(|other| other.covers(file));
    let (covered, mut kept): (Vec<_>, Vec<_>) = files.iter().cloned().partition(is_covered);
    kept.sort_by_key(|file| file.generations);
    (kept, covered)
}

fn sealed_by(files: &[Arc<ColdFile>]) -> u64 {
    files.iter().map(|f| f.generations.1).max().unwrap_or(0)
}

/// What is there without the tail's log.
struct Known<'a> {
    compacted: u64,
    hot: &'a BTreeSet<u64>,
    /// Generation, first tick and ticks of every block of samples.
    blocks: BTreeSet<(u64, u32, u32)>,
}

impl<'a> Known<'a> {
    fn of(files: &[Arc<ColdFile>], hot: &'a BTreeSet<u64>) -> Self {
        let headers = files.iter().filter(|f| f.tier.is_raw()).flat_map(|f| &f.blocks);
        let blocks = headers.map(|b| b.header).map(|h| (h.generations.1, h.first_tick, h.ticks)).collect();
        let compacted = files.iter().filter(|f| f.tier != Tier::Fresh).map(|f| f.generations.1).max();
        Self { compacted: compacted.unwrap_or(0), hot, blocks }
    }

    fn holds(&self, header: &block::Header) -> bool {
        let number = header.generations.1;
        let (first, end) = (header.first_tick, header.first_tick + header.ticks);
        let is_block = || self.blocks.iter().any(|(g, f, n)| *g == number && *f <= first && end <= *f + *n);
        number <= self.compacted || self.hot.contains(&number) || is_block()
    }
}

fn remove(medium: &dyn Medium, name: &str, notes: &mut Vec<String>) {
    if let Err(error) = medium.remove(name) {
        notes.push(error.to_string());
    }
}

/// Clears a generation that the cold files have; returns the number of one that they do not.
fn keep_hot(hot: &Hot, which: usize, sealed: u64, opened: &mut Opened) -> Option<u64> {
    let generation = hot.generation(which);
    let number = generation.number();
    if number <= sealed {
        generation.clear();
        return None;
    }
    opened.hot_samples += generation.samples();
    Some(number)
}
