//! Variable-order model of event sequences: Witten-Bell interpolation of all orders up to a limit.
//!
//! Contexts and successors are counted in one flat hash table under 64-bit keys; nothing is allocated while scoring.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Longest context plus the event itself.
pub const ORDER: usize = 6;
/// Events a model is prepared to meet without having seen them.
const ALPHABET: f64 = 512.0;
/// Slots of a table at most, where nothing else is said, of 16 bytes each: 8 MiB.
const SLOTS_MAX: usize = 1 << 19;
/// Slots of an empty one.
const SLOTS_MIN: usize = 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Slot {
    key: u64,
    /// Times seen.
    count: u32,
    /// For a context: different events that followed it.
    followers: u32,
}

/// Counts of contexts and of events after them, in at most `MAX` slots (a power of two): a full table goes on counting
/// what it knows and takes nothing new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ngrams<const MAX: usize = SLOTS_MAX> {
    slots: Vec<Slot>,
    used: usize,
    /// Keys not taken because the table was full.
    dropped: u64,
}

impl<const MAX: usize> Default for Ngrams<MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MAX: usize> Ngrams<MAX> {
    /// An empty model.
    pub fn new() -> Self {
        Self { slots: alloc::vec![Slot::default(); SLOTS_MIN], used: 0, dropped: 0 }
    }

    /// Counts every event of a sequence under its contexts of length 0 to `ORDER` - 1.
    pub fn learn(&mut self, events: &[u32]) {
        for (i, &event) in events.iter().enumerate() {
            let mut context = 0;
            for length in 0..ORDER.min(i + 1) {
                context = extend(context, events, i, length);
                let new = self.count(follow(context, event));
                if let Some(slot) = self.slot_mut(context) {
                    slot.count = slot.count.saturating_add(1);
                    slot.followers += u32::from(new);
                }
            }
        }
    }

    /// Probability of the event at `at`, given the events before it.
    pub fn probability(&self, events: &[u32], at: usize) -> f64 {
        let (mut p, mut context) = (1.0 / ALPHABET, 0);
        for length in 0..ORDER.min(at + 1) {
            context = extend(context, events, at, length);
            let Some(slot) = self.find(context) else { break };
            let seen = self.find(follow(context, events[at])).map_or(0.0, |s| f64::from(s.count));
            let followers = f64::from(slot.followers);
            p = (seen + followers * p) / (f64::from(slot.count) + followers);
        }
        p.clamp(f64::MIN_POSITIVE, 1.0)
    }

    /// Whether it is a table that counting can make as far as a look at it shows: every key is found again, and there is
    /// room to end a search.
    pub fn is_sound(&self) -> bool {
        let is_slot = |slot: &Slot| match slot.key {
            0 => *slot == Slot::default(),
            key => {
                (1..1 << 31).contains(&slot.count)
                    && slot.followers <= slot.count
                    && self.find(key) == Some(slot)
            }
        };
        let size = self.slots.len();
        let used = self.slots.iter().filter(|slot| slot.key != 0).count();
        size.is_power_of_two()
            && (SLOTS_MIN..=MAX).contains(&size)
            && used == self.used
            && used * 8 <= size * 7
            && self.slots.iter().all(is_slot)
    }

    /// Mean surprise of the events, in nats; 0 for an empty sequence.
    pub fn mean_surprise(&self, events: &[u32]) -> f64 {
        self.surprise(events, 0) / events.len().max(1) as f64
    }

    /// Surprise of the events from `first` on, in nats. One logarithm for many: it costs more than a probability.
    pub fn surprise(&self, events: &[u32], first: usize) -> f64 {
        let (mut sum, mut product) = (0.0, 1.0);
        for at in first..events.len() {
            product *= self.probability(events, at);
            if product < 1e-200 {
                sum -= libm::log(product);
                product = 1.0;
            }
        }
        sum - libm::log(product)
    }

    /// Keys that found no room; more than a few mean that the model is too small for its program.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Memory of the table. Unit: bytes.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    fn find(&self, key: u64) -> Option<&Slot> {
        let mask = self.slots.len() - 1;
        let mut at = (key as usize) & mask;
        while self.slots[at].key != 0 {
            if self.slots[at].key == key {
                return Some(&self.slots[at]);
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Counts a successor; whether it is new.
    fn count(&mut self, key: u64) -> bool {
        match self.slot_mut(key) {
            Some(slot) => {
                slot.count = slot.count.saturating_add(1);
                slot.count == 1
            }
            None => false,
        }
    }

    fn slot_mut(&mut self, key: u64) -> Option<&mut Slot> {
        if self.used * 4 >= self.slots.len() * 3 && self.slots.len() < MAX {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = (key as usize) & mask;
        while self.slots[at].key != 0 && self.slots[at].key != key {
            at = (at + 1) & mask;
        }
        if self.slots[at].key == 0 {
            if self.used * 8 >= self.slots.len() * 7 {
                self.dropped += 1;
                return None;
            }
            self.slots[at].key = key;
            self.used += 1;
        }
        Some(&mut self.slots[at])
    }

    fn grow(&mut self) {
        let bigger = alloc::vec![Slot::default(); self.slots.len() * 2];
        let old = core::mem::replace(&mut self.slots, bigger);
        let mask = self.slots.len() - 1;
        for slot in old.into_iter().filter(|s| s.key != 0) {
            let mut at = (slot.key as usize) & mask;
            while self.slots[at].key != 0 {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }
}

/// Key of the context that is one event longer to the left; the empty context has a key of its own.
fn extend(context: u64, events: &[u32], at: usize, length: usize) -> u64 {
    match length {
        0 => 0x5DEE_CE66,
        _ => mix(context ^ (u64::from(events[at - length]) + 1)),
    }
}

fn follow(context: u64, event: u32) -> u64 {
    mix(context.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ ((u64::from(event) + 1) << 32))
}

/// Finaliser of splitmix64; never 0, which marks an empty slot.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) | 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn witten_bell_by_hand() {
        let mut model: Ngrams = Ngrams::new();
        model.learn(&[1, 2, 1]);
        // Empty context: 3 events, 2 kinds; p0(2) = (1 + 2/512) / 5. After [1]: once, one kind: p(2) = (1 + p0) / 2.
        let p0 = (1.0 + 2.0 / 512.0) / 5.0;
        assert!((model.probability(&[2], 0) - p0).abs() < 1e-12);
        assert!((model.probability(&[1, 2], 1) - (1.0 + p0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn probabilities_of_all_events_sum_to_one() {
        let mut model: Ngrams = Ngrams::new();
        let events: Vec<u32> = (0..400u32).map(|i| i * i % 17).collect();
        model.learn(&events);
        let sum: f64 = (0..512).map(|e| model.probability(&[3, 9, 16, e], 3)).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
        assert_eq!(model.dropped(), 0);
    }

    #[test]
    fn a_full_table_goes_on_counting_what_it_knows() {
        let (mut free, mut bound) = (Ngrams::<SLOTS_MAX>::new(), Ngrams::<1024>::new());
        free.learn(&[1, 2, 3, 1, 2, 3]);
        bound.learn(&[1, 2, 3, 1, 2, 3]);
        let mut rng = crate::rng::Rng::new(3);
        let many: Vec<u32> = (0..4_000).map(|_| rng.next_u64() as u32 % 400).collect();
        free.learn(&many);
        bound.learn(&many);
        assert!(bound.bytes() == 1024 * size_of::<Slot>() && free.bytes() > 10 * bound.bytes());
        assert!(bound.dropped() > 0 && free.dropped() == 0);
        let before = bound.mean_surprise(&[1, 2, 3, 1, 2, 3]);
        (0..50).for_each(|_| bound.learn(&[1, 2, 3, 1, 2, 3]));
        assert!(bound.mean_surprise(&[1, 2, 3, 1, 2, 3]) < before);
    }
}
