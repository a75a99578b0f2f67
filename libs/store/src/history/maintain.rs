//! Upkeep: closed generations into cold files, the tail of the open one into the log, compaction, retention.

use std::sync::{Arc, PoisonError};

use super::cold::{self, ColdFile, Tier, file_name};
use super::hot::Hot;
use super::{Catalog, DAY_MS, History, block, gather, merge};
use crate::error::{Result, StoreError};
use crate::log::Log;

const HOUR_MS: i64 = 3_600_000;

/// What upkeep remembers between two calls.
pub(super) struct Keeper {
    tail: Log,
    /// Generation and tick up to which the tail stands in the log.
    tailed: (u64, usize),
    tailed_ms: i64,
    /// Sequence number of the first tail record of a generation.
    firsts: Vec<(u64, u64)>,
}

impl Keeper {
    pub fn new(tail: Log) -> Self {
        Self { tail, tailed: (0, 0), tailed_ms: i64::MIN, firsts: Vec::new() }
    }
}

/// What one call of upkeep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Generations written to cold files.
    pub sealed: usize,
    /// Samples made durable in the tail.
    pub tail_samples: u64,
    /// Files that compaction made.
    pub compacted: Vec<String>,
    /// Files let go, for their age or for the budget.
    pub released: Vec<String>,
    /// What went wrong, one line each; nothing was given up for it.
    pub notes: Vec<String>,
}

impl History {
    /// Does what is due at `now_ms` (wall time). Call it every few seconds from one thread; never from the writer's.
    ///
    /// No error ends the upkeep: each is a line in the result, and what could not be written stays in memory and is tried
    /// again by the next call.
    pub fn maintain(&self, now_ms: i64) -> Maintained {
        let mut done = Maintained::default();
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(keeper), Some(hot)) = (keeper.as_mut(), &self.hot) else { return done };
        self.note(self.seal(hot, keeper, &mut done), &mut done);
        let tailed = match self.write_tail(hot, keeper, now_ms, &mut done) {
            Err(StoreError::Stopped { .. }) => self.reopen_tail(keeper),
            tailed => tailed,
        };
        self.note(tailed, &mut done);
        self.note(self.compact_due(now_ms, false, &mut done), &mut done);
        self.note(self.release(now_ms, &mut done), &mut done);
        done
    }

    /// Compacts everything that is complete, and the running hour too.
    pub fn compact(&self, now_ms: i64) -> Maintained {
        let mut done = Maintained::default();
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(keeper), Some(hot)) = (keeper.as_mut(), &self.hot) else { return done };
        self.note(self.seal(hot, keeper, &mut done), &mut done);
        self.note(self.compact_due(now_ms, true, &mut done), &mut done);
        done
    }

    fn note(&self, result: Result<()>, done: &mut Maintained) {
        if let Err(error) = result {
            done.notes.push(error.to_string());
        }
    }

    /// Writes closed generations, oldest first, and gives their memory back.
    fn seal(&self, hot: &Hot, keeper: &mut Keeper, done: &mut Maintained) -> Result<()> {
        let mut closed: Vec<(u64, usize)> = (0..2)
            .filter(|n| hot.generation(*n).is_closed())
            .map(|n| (hot.generation(n).number(), n))
            .filter(|(number, _)| *number != 0)
            .collect();
        closed.sort_unstable();
        for (number, which) in closed {
            let generation = hot.generation(which);
            let (blocks, dropped) = gather::blocks(&generation, number, 0..usize::MAX);
            if dropped != gather::Dropped::default() {
                let gather::Dropped { ticks, samples } = dropped;
                done.notes
                    .push(format!("hot memory was damaged: {ticks} ticks and {samples} samples are lost"));
            }
            if !blocks.is_empty() {
                self.append_fresh(blocks)?;
            }
            generation.clear();
            hot.forget(which);
            done.sealed += 1;
            let keep = keeper.firsts.iter().filter(|(g, _)| *g > number).map(|(_, seq)| *seq).min();
            keeper.firsts.retain(|(g, _)| *g > number);
            keeper.tail.release_before(keep.unwrap_or(keeper.tail.stats().next))?;
        }
        Ok(())
    }

    /// Appends blocks to the fresh file of their hour, or begins one.
    pub(super) fn append_fresh(&self, blocks: Vec<Vec<u8>>) -> Result<()> {
        let Some(first) = blocks.first().and_then(|bytes| block::Header::parse(bytes)) else { return Ok(()) };
        let files = self.files();
        let hour = |at_ms: i64| at_ms.div_euclid(HOUR_MS);
        let newest = files.iter().filter(|f| f.tier == Tier::Fresh).max_by_key(|f| f.generations);
        let open = newest.filter(|f| {
            f.version == cold::VERSION && f.span().is_some_and(|(from, _)| hour(from) == hour(first.t_min))
        });
        let mut file = match open {
            Some(file) => ColdFile::clone(file),
            None => ColdFile {
                name: self.fresh_name(first.generations.0)?,
                tier: Tier::Fresh,
                version: cold::VERSION,
                generations: (u64::MAX, 0),
                blocks: Vec::new(),
                end: 0,
                bytes: 0,
            },
        };
        file.append(&*self.medium, &blocks)?;
        let file = Arc::new(file);
        let mut next: Vec<_> = files.iter().filter(|f| f.name != file.name).cloned().collect();
        next.push(file);
        next.sort_by_key(|file| file.generations);
        self.set_files(next);
        Ok(())
    }

    /// A name that no file has, not even one that this program cannot read.
    fn fresh_name(&self, from: u64) -> Result<String> {
        let taken = self.medium.list()?;
        let names = (0..).map(|n| file_name(Tier::Fresh, (from, n)));
        Ok(names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default())
    }

    /// Makes the samples that came since the last tail durable.
    fn write_tail(&self, hot: &Hot, keeper: &mut Keeper, now_ms: i64, done: &mut Maintained) -> Result<()> {
        let is_due = now_ms < keeper.tailed_ms || now_ms - keeper.tailed_ms.max(0) >= self.options.tail_ms;
        if !is_due {
            return Ok(());
        }
        let open = (0..2).map(|n| hot.generation(n)).find(|g| g.number() != 0 && !g.is_closed());
        let Some(generation) = open else { return Ok(()) };
        let number = generation.number();
        let from = if keeper.tailed.0 == number { keeper.tailed.1 } else { 0 };
        let to = generation.closed_ticks();
        self.tail_part(keeper, &generation, number, from..to, done)?;
        keeper.tailed = (number, to);
        keeper.tailed_ms = now_ms;
        Ok(())
    }

    /// Opens the tail's log again after a failed write and goes on behind what the disk holds of it.
    fn reopen_tail(&self, keeper: &mut Keeper) -> Result<()> {
        let (mut tailed, mut firsts) = ((0, 0), Vec::<(u64, u64)>::new());
        let (tail, _) = Log::open(self.medium.clone(), self.options.log, |seq, record| {
            let Some(header) = block::Header::parse(record) else { return };
            let number = header.generations.1;
            if firsts.last().is_none_or(|(g, _)| *g != number) {
                firsts.push((number, seq));
            }
            tailed = tailed.max((number, (header.first_tick + header.ticks) as usize));
        })?;
        *keeper = Keeper { tail, tailed, tailed_ms: i64::MIN, firsts };
        Ok(())
    }

    /// One record, or two halves where it would be too long for the log.
    fn tail_part(
        &self,
        keeper: &mut Keeper,
        generation: &super::hot::Generation<'_>,
        number: u64,
        ticks: std::ops::Range<usize>,
        done: &mut Maintained,
    ) -> Result<()> {
        for record in gather::blocks(generation, number, ticks.clone()).0 {
            if record.len() > self.options.log.segment_bytes / 2 && ticks.len() > 1 {
                let middle = ticks.start + ticks.len() / 2;
                self.tail_part(keeper, generation, number, ticks.start..middle, done)?;
                return self.tail_part(keeper, generation, number, middle..ticks.end, done);
            }
            let seq = keeper.tail.append(&record)?;
            if keeper.firsts.last().is_none_or(|(g, _)| *g != number) {
                keeper.firsts.push((number, seq));
            }
            done.tail_samples += block::Header::parse(&record).map_or(0, |h| h.samples);
        }
        Ok(())
    }

    /// Compacts the fresh files of past hours, then the minutes of past days.
    fn compact_due(&self, now_ms: i64, is_forced: bool, done: &mut Maintained) -> Result<()> {
        let hour = |at_ms: i64| at_ms.div_euclid(HOUR_MS);
        for file in self.files().iter().filter(|f| f.tier == Tier::Fresh && !f.blocks.is_empty()) {
            let is_past = file.span().is_some_and(|(from, _)| hour(from) < hour(now_ms));
            // A clock that went back leaves a file of a later hour behind; it is as closed as any that is not the last.
            let is_last =
                self.files().iter().all(|f| f.tier != Tier::Fresh || f.generations <= file.generations);
            if is_forced || is_past || !is_last {
                let made = merge::raw(&*self.medium, std::slice::from_ref(file), &mut done.notes)?;
                self.replace(std::slice::from_ref(file), made, done)?;
            }
        }
        self.compact_days(now_ms, done)
    }

    fn compact_days(&self, now_ms: i64, done: &mut Maintained) -> Result<()> {
        let files = self.files();
        let hours_to =
            files.iter().filter(|f| f.tier == Tier::Hour).map(|f| f.generations.1).max().unwrap_or(0);
        let day = |file: &ColdFile| file.span().map(|(from, _)| from.div_euclid(DAY_MS));
        let today = Some(now_ms.div_euclid(DAY_MS));
        let due: Vec<_> = files
            .iter()
            .filter(|f| f.tier == Tier::Minute && f.generations.0 > hours_to && day(f) < today)
            .cloned()
            .collect();
        for of_day in due.chunk_by(|a, b| day(a) == day(b)) {
            let made = merge::minutes(&*self.medium, of_day, &mut done.notes)?;
            self.replace(of_day, made, done)?;
        }
        Ok(())
    }

    /// Puts made files in the place of those they hold; the old ones go after the new ones are known.
    fn replace(&self, old: &[Arc<ColdFile>], made: Vec<(Tier, String)>, done: &mut Maintained) -> Result<()> {
        let mut next: Vec<Arc<ColdFile>> = Vec::new();
        for (tier, name) in &made {
            next.push(Arc::new(cold::open(&*self.medium, name, *tier, &mut done.notes)?));
        }
        let is_made = |name: &str| made.iter().any(|(_, m)| m == name);
        let is_old = |name: &str| old.iter().any(|f| f.name == name);
        next.extend(self.files().iter().filter(|f| !is_old(&f.name) && !is_made(&f.name)).cloned());
        next.sort_by_key(|file| file.generations);
        self.set_files(next);
        for file in old.iter().filter(|f| !is_made(&f.name)) {
            self.medium.remove(&file.name)?;
        }
        done.compacted.extend(made.into_iter().map(|(_, name)| name));
        self.medium.sync_folder()
    }

    /// Lets go of what is too old, then of the oldest until the budget holds: samples first, then minutes, then hours.
    fn release(&self, now_ms: i64, done: &mut Maintained) -> Result<()> {
        let files = self.files();
        let mut gone: Vec<Arc<ColdFile>> = Vec::new();
        let keep_ms = |tier: Tier| match tier {
            Tier::Fresh | Tier::Raw => self.options.keep_ms[0],
            Tier::Minute => self.options.keep_ms[1],
            Tier::Hour => self.options.keep_ms[2],
        };
        let is_old =
            |f: &ColdFile| f.span().is_some_and(|(_, to)| to < now_ms.saturating_sub(keep_ms(f.tier)));
        gone.extend(files.iter().filter(|f| is_old(f)).cloned());
        let mut bytes: u64 =
            files.iter().map(|f| f.bytes).sum::<u64>() - gone.iter().map(|f| f.bytes).sum::<u64>();
        for tier in [Tier::Raw, Tier::Fresh, Tier::Minute, Tier::Hour] {
            for file in files.iter().filter(|f| f.tier == tier) {
                if bytes > self.options.disk_bytes && !gone.iter().any(|g| g.name == file.name) {
                    bytes -= file.bytes;
                    gone.push(file.clone());
                }
            }
        }
        self.forget(&files, &gone, done)
    }

    fn forget(&self, files: &Catalog, gone: &[Arc<ColdFile>], done: &mut Maintained) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let is_gone = |f: &Arc<ColdFile>| gone.iter().any(|g| g.name == f.name);
        self.set_files(files.iter().filter(|f| !is_gone(f)).cloned().collect());
        for file in gone {
            self.medium.remove(&file.name)?;
            done.released.push(file.name.clone());
        }
        self.medium.sync_folder()
    }
}
