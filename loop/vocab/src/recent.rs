//! The last rows of a table to which every turn adds some: shared by all snapshots that hold them. See [`Recent`].
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Rows that are shared as one; a turn that adds rows copies at most so many.
const CHUNK: usize = 32;

/// The last rows, oldest first. A clone shares them; what is added to it is its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(serialize = "R: Serialize", deserialize = "R: Deserialize<'de>"))]
pub struct Recent<R> {
    /// All but the last are full.
    chunks: VecDeque<Arc<Vec<R>>>,
}

impl<R> Default for Recent<R> {
    fn default() -> Self {
        Self { chunks: VecDeque::new() }
    }
}

impl<R: PartialEq> PartialEq for Recent<R> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<R> Recent<R> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.chunks.back().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The row of that index.
    pub fn get(&self, index: usize) -> Option<&R> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The newest row.
    pub fn last(&self) -> Option<&R> {
        self.chunks.back()?.last()
    }

    /// Forgets the oldest where `max` are left without them: some more than that may stay.
    pub fn keep(&mut self, max: usize) {
        while self.len() >= max.saturating_add(CHUNK) {
            self.chunks.pop_front();
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }
}

impl<R: Clone> Recent<R> {
    /// Adds a row.
    pub fn push(&mut self, row: R) {
        match self.chunks.back_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => Arc::make_mut(last).push(row),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(row);
                self.chunks.push_back(Arc::new(chunk));
            }
        }
    }
}

impl<R: Clone> FromIterator<R> for Recent<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        let mut all = Self::default();
        rows.into_iter().for_each(|row| all.push(row));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_out_stays_while_rows_come_and_the_oldest_go() {
        let mut recent = Recent::default();
        let mut before = recent.clone();
        for row in 0..1_000_usize {
            recent.push(row);
            recent.keep(100);
            let (len, first) = (recent.len(), recent.get(0).copied());
            assert_eq!(len, recent.iter().count());
            assert!(len == row + 1 || (100..100 + CHUNK).contains(&len), "{len} after {row}");
            assert_eq!((first, recent.last()), (Some(row + 1 - len), Some(&row)));
            assert!((0..len).all(|index| recent.get(index) == Some(&(row + 1 - len + index))));
            assert_eq!(recent.get(len), None);
            assert_eq!(before.last().copied(), row.checked_sub(1), "an earlier turn keeps what it had");
            before = recent.clone();
        }
        assert_eq!(recent, before.iter().copied().collect());
        assert!(recent != (0..1_000).collect() && Recent::<u8>::default().is_empty());
    }
}
