//! The same counts within a bound on memory: a full table goes on counting what it knows and takes nothing new.
use super::{Ngrams, ORDER, Slot, extend, follow};

impl Ngrams {
    /// As [`Ngrams::learn`], but the table grows to `slots_max` slots (a power of two) at most.
    pub fn learn_within(&mut self, events: &[u32], slots_max: usize) {
        for (at, &event) in events.iter().enumerate() {
            let mut context = 0;
            for length in 0..ORDER.min(at + 1) {
                context = extend(context, events, at, length);
                let next = follow(context, event);
                let new = self.has_room(next, slots_max) && self.count(next);
                if self.has_room(context, slots_max)
                    && let Some(slot) = self.slot_mut(context)
                {
                    slot.count = slot.count.saturating_add(1);
                    slot.followers += u32::from(new);
                }
            }
        }
    }

    /// Memory of the table. Unit: bytes.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
    }

    fn has_room(&mut self, key: u64, slots_max: usize) -> bool {
        // One less than the share from which on the table would grow.
        let is_full = self.slots.len() >= slots_max && (self.used + 1) * 4 >= self.slots.len() * 3;
        let has_room = !is_full || self.find(key).is_some();
        self.dropped += u64::from(!has_room);
        has_room
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn a_full_table_goes_on_counting_what_it_knows() {
        let (mut free, mut bound) = (Ngrams::new(), Ngrams::new());
        for model in [&mut free, &mut bound] {
            model.learn_within(&[1, 2, 3, 1, 2, 3], 1024);
        }
        assert_eq!(free, bound);
        let mut rng = Rng::new(3);
        let many: Vec<u32> = (0..4_000).map(|_| rng.next_u64() as u32 % 400).collect();
        free.learn(&many);
        bound.learn_within(&many, 1024);
        assert!(bound.bytes() == 1024 * size_of::<Slot>() && free.bytes() > 10 * bound.bytes());
        assert!(bound.dropped() > 0);
        let before = bound.mean_surprise(&[1, 2, 3, 1, 2, 3]);
        (0..50).for_each(|_| bound.learn_within(&[1, 2, 3, 1, 2, 3], 1024));
        assert!(bound.mean_surprise(&[1, 2, 3, 1, 2, 3]) < before);
    }
}
