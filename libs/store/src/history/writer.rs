//! The writing side: the table of live series and the one thread that adds samples.
//!
//! After a series is known, a sample is a few stores into mapped memory: no allocation, no system call, no lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::hot::{Generation, Hot};
use crate::codec::Kind;
use crate::error::{Result, StoreError};

/// Ticks between two looks for series that came to an end; one that has had no sample for so long is given up.
const ABSENT_TICKS: u64 = 64;

/// Slots by which the table of live series grows: twice as many would be 64 bytes a series for nothing.
const SLOTS_AT_ONCE: usize = 1024;

/// Longest key, in bytes.
pub const KEY_MAX: usize = 1024;

/// A live series as its writer names it; given up when it was not written for 64 ticks or a whole generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    slot: u32,
    stamp: u32,
}

struct Slot {
    key: Arc<[u8]>,
    kind: Kind,
    stamp: u32,
    /// Generation in which the key was declared, and the series' number there.
    declared: u64,
    number: u32,
    /// Generation of the last sample.
    used: u64,
    /// Tick of the last sample.
    tick: u64,
    /// Last value; only to be relied on where it is known to stand in this generation.
    last: u64,
    is_known: bool,
    /// Whether it has a sample in every tick of this generation until it is ended.
    stands: bool,
    is_free: bool,
}

impl Slot {
    /// A slot that holds nothing yet.
    fn new(key: Arc<[u8]>, kind: Kind) -> Self {
        Self {
            key,
            kind,
            stamp: 0,
            declared: 0,
            number: 0,
            used: 0,
            tick: 0,
            last: 0,
            is_known: false,
            stands: false,
            is_free: true,
        }
    }
}

/// Samples that found no room, since the start.
#[derive(Debug, Default)]
pub struct Shed {
    pub(super) samples: AtomicU64,
    pub(super) series: AtomicU64,
    pub(super) ticks: AtomicU64,
}

impl Shed {
    /// Samples shed.
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// Series refused because the table was full.
    pub fn series(&self) -> u64 {
        self.series.load(Ordering::Relaxed)
    }

    /// Ticks for which there was no room at all.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }
}

/// How generations end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub generation_ms: i64,
    pub series_max: usize,
}

/// Adds samples. There is one, used by one thread.
pub struct Writer {
    hot: Arc<Hot>,
    shed: Arc<Shed>,
    pace: Pace,
    slots: Vec<Slot>,
    by_key: HashMap<Arc<[u8]>, u32>,
    free: Vec<u32>,
    /// Which half of the hot memory takes samples, its number and the time it began.
    which: usize,
    number: u64,
    began_ms: Option<i64>,
    last_ms: i64,
    /// Most entries a tick had, to tell whether one more fits.
    tick_entries: usize,
    /// Number of the tick, series that stand, and those of them that had a sample in this tick.
    tick: u64,
    standing: usize,
    met: usize,
    samples: usize,
    is_open: bool,
    /// Whether something of this tick was shed.
    is_partial: bool,
}

impl Writer {
    /// Goes on in the open generation, or begins `next`.
    pub(super) fn new(hot: Arc<Hot>, shed: Arc<Shed>, pace: Pace, next: u64) -> Self {
        let open = (0..2).find(|n| {
            let generation = hot.generation(*n);
            generation.number() != 0 && !generation.is_closed()
        });
        let mut writer = Self {
            hot,
            shed,
            pace,
            slots: Vec::new(),
            by_key: HashMap::new(),
            free: Vec::new(),
            which: 0,
            number: next,
            began_ms: None,
            last_ms: i64::MIN,
            tick_entries: 0,
            tick: 0,
            standing: 0,
            met: 0,
            samples: 0,
            is_open: false,
            is_partial: false,
        };
        match open {
            Some(which) => writer.resume(which),
            None => {
                writer.which = (0..2).find(|n| writer.hot.generation(*n).number() == 0).unwrap_or(0);
                if writer.now().number() == 0 {
                    writer.now().begin(next);
                } else {
                    // Both halves wait for the cold files; the first tick moves on.
                    writer.number = writer.now().number().max(writer.hot.generation(1).number());
                }
            }
        }
        writer
    }

    fn resume(&mut self, which: usize) {
        self.which = which;
        let generation = self.now();
        // A tick that a kill left open keeps the samples it names.
        if generation.open_entries() > 0 {
            generation.close_tick(true);
        }
        let (number, keys) = (generation.number(), generation.keys());
        let times: Vec<i64> = generation.ticks().map(|tick| tick.at_ms).collect();
        self.number = number;
        self.began_ms = times.first().copied();
        self.last_ms = times.last().copied().unwrap_or(i64::MIN);
        for (at, (kind, key)) in keys.into_iter().enumerate() {
            let slot = self.new_slot(&key, kind);
            let slot = &mut self.slots[slot as usize];
            (slot.declared, slot.number, slot.used) = (number, at as u32, number);
            // What does not come again in the next tick is ended there.
            slot.stands = true;
            self.standing += 1;
        }
    }

    fn now(&self) -> Generation<'_> {
        self.hot.generation(self.which)
    }

    /// The series of a key, made where it is new.
    ///
    /// Errors: the key is too long, or the table of live series is full; both are counted as shed.
    pub fn series(&mut self, key: &[u8], kind: Kind) -> Result<Series> {
        if let Some(&slot) = self.by_key.get(key) {
            return Ok(Series { slot, stamp: self.slots[slot as usize].stamp });
        }
        let refused = |what, bytes, limit_bytes| StoreError::TooLarge { what, bytes, limit_bytes };
        let refusal = match (key.len(), self.by_key.len()) {
            (len, _) if len > KEY_MAX => refused("a key", len, KEY_MAX),
            (_, live) if live >= self.pace.series_max => {
                refused("the table of live series", live + 1, self.pace.series_max)
            }
            _ => {
                let slot = self.new_slot(key, kind);
                return Ok(Series { slot, stamp: self.slots[slot as usize].stamp });
            }
        };
        self.shed.series.fetch_add(1, Ordering::Relaxed);
        Err(refusal)
    }

    fn new_slot(&mut self, key: &[u8], kind: Kind) -> u32 {
        let key: Arc<[u8]> = key.into();
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact(SLOTS_AT_ONCE);
            }
            self.slots.push(Slot::new(key.clone(), kind));
            self.slots.len() as u32 - 1
        });
        let own = &mut self.slots[slot as usize];
        let stamp = own.stamp;
        // Its last tick is one that is over, so that it does not count as met in this one.
        let tick = self.tick.saturating_sub(1);
        *own = Slot { stamp, used: self.number, tick, is_free: false, ..Slot::new(key.clone(), kind) };
        self.by_key.insert(key, slot);
        slot
    }

    /// Number of live series.
    pub fn live_series(&self) -> usize {
        self.by_key.len()
    }

    /// Begins the samples of one instant, wall time in ms. Ends the generation where it is due.
    pub fn begin_tick(&mut self, at_ms: i64) {
        self.end_tick();
        if self.is_due(at_ms) {
            self.move_on(at_ms);
        }
        let is_closed = self.now().is_closed();
        self.is_open = !is_closed && self.now().open_tick(at_ms);
        if !self.is_open {
            self.shed.ticks.fetch_add(1, Ordering::Relaxed);
        }
        self.began_ms.get_or_insert(at_ms);
        self.last_ms = at_ms;
        self.tick += 1;
        (self.met, self.is_partial) = (0, false);
        if self.tick.is_multiple_of(ABSENT_TICKS) {
            let (tick, number) = (self.tick, self.number);
            // One that still stands in this generation could not be ended there for want of room.
            let stands = |slot: &Slot| slot.stands && slot.declared == number;
            self.give_up(|slot| !stands(slot) && tick - slot.tick > ABSENT_TICKS);
        }
    }

    fn is_due(&self, at_ms: i64) -> bool {
        let Some(began) = self.began_ms else { return self.now().is_closed() };
        let (keys, ticks) = self.now().room();
        let size = self.hot.size();
        let period = self.pace.generation_ms;
        let is_old = at_ms.div_euclid(period) != began.div_euclid(period);
        let is_full = keys * 4 < size.key_bytes / 8 || ticks < 2 * 3 * self.tick_entries + 64;
        is_old || is_full || at_ms <= self.last_ms || self.now().is_closed()
    }

    /// Goes over to the other half, if the cold files have taken what was in it.
    fn move_on(&mut self, at_ms: i64) {
        let other = self.hot.generation(self.which + 1);
        if other.number() != 0 {
            return;
        }
        let old = self.number;
        self.number += 1;
        other.begin(self.number);
        self.now().close();
        self.which = (self.which + 1) & 1;
        self.began_ms = Some(at_ms);
        self.standing = 0;
        self.give_up(|slot| slot.used < old);
    }

    /// Makes room in the table of live series.
    fn give_up(&mut self, is_over: impl Fn(&Slot) -> bool) {
        for (n, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| !slot.is_free && is_over(slot))
        {
            self.by_key.remove(&slot.key);
            *slot = Slot { stamp: slot.stamp.wrapping_add(1), ..Slot::new(Arc::default(), slot.kind) };
            self.free.push(n as u32);
        }
    }

    /// Whether the series was not given up.
    pub fn is_live(&self, series: Series) -> bool {
        self.slots.get(series.slot as usize).is_some_and(|slot| slot.stamp == series.stamp && !slot.is_free)
    }

    /// Adds a sample to the open tick. `false` where it was shed, or where the series was given up: ask for it again.
    #[inline]
    pub fn push(&mut self, series: Series, bits: u64) -> bool {
        let Some(slot) = self.slots.get_mut(series.slot as usize) else { return false };
        if slot.stamp != series.stamp || slot.is_free {
            return false;
        }
        let generation = self.hot.generation(self.which);
        if slot.declared != self.number && self.is_open {
            match generation.declare(&slot.key, slot.kind) {
                Some(number) => {
                    (slot.declared, slot.number) = (self.number, number);
                    (slot.is_known, slot.stands) = (false, false);
                }
                None => {
                    self.shed.samples.fetch_add(1, Ordering::Relaxed);
                    return false;
                }
            }
        }
        slot.used = self.number;
        let is_repeated = slot.is_known && slot.last == bits && slot.declared == self.number;
        let is_kept = self.is_open && (is_repeated || generation.push(slot.number, bits));
        if !is_kept {
            // What stands in the memory is not what was said: only what this tick names counts, and this comes again.
            slot.is_known = false;
            self.is_partial |= slot.stands;
            self.shed.samples.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.samples += 1;
        self.standing += usize::from(!slot.stands);
        self.met += usize::from(slot.tick != self.tick);
        (slot.tick, slot.last, slot.is_known, slot.stands) = (self.tick, bits, true, true);
        true
    }

    /// Adds an integer.
    pub fn push_int(&mut self, series: Series, value: i64) -> bool {
        self.push(series, value as u64)
    }

    /// Adds a float.
    pub fn push_float(&mut self, series: Series, value: f64) -> bool {
        self.push(series, value.to_bits())
    }

    /// Ends the tick: its checksum stands, and the tail may be made durable. A tick without samples leaves nothing.
    pub fn end_tick(&mut self) {
        if self.is_open {
            self.end_absent();
            let entries = self.now().open_entries();
            if self.samples > 0 || entries > 0 {
                self.now().close_tick(self.is_partial);
            }
            if self.is_partial {
                let unnamed = self.samples.saturating_sub(entries);
                self.shed.samples.fetch_add(unnamed as u64, Ordering::Relaxed);
            }
            self.tick_entries = self.tick_entries.max(entries);
        }
        (self.samples, self.is_open) = (0, false);
    }

    /// Ends the tick and the generation, so that upkeep can put everything into files. For the end of the writer.
    pub fn finish(&mut self) {
        self.end_tick();
        if self.now().number() != 0 {
            self.now().close();
        }
    }

    /// Ends the series that stand and had no sample in this tick.
    fn end_absent(&mut self) {
        if self.met == self.standing {
            return;
        }
        let generation = self.hot.generation(self.which);
        let is_absent = |slot: &&mut Slot| {
            slot.stands && slot.declared == self.number && slot.tick != self.tick && !slot.is_free
        };
        for slot in self.slots.iter_mut().filter(is_absent) {
            if generation.push_end(slot.number) {
                (slot.stands, slot.is_known) = (false, false);
                self.standing -= 1;
            } else {
                self.is_partial = true;
            }
        }
    }
}
