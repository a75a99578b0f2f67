//! Stacks as they are counted while a profile runs: addresses only, each stack once.
use std::collections::{BTreeSet, HashMap};

use kernfs::ProcFs;

use crate::profile::Stack;
use crate::space::Space;
use crate::symbols;

/// Different stacks that are counted; further ones are lost.
const STACKS_KEPT: usize = 4_096;
/// Stacks of a profile: the heaviest.
const STACKS_MAX: usize = 32;
/// Threads that are named of one stack.
const THREADS_MAX: usize = 8;

#[derive(Debug, Default)]
struct Counted {
    weight: u64,
    threads: BTreeSet<u32>,
}

/// The stacks met so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    indexes: HashMap<Box<[u64]>, usize>,
    counted: Vec<Counted>,
    /// Samples met.
    pub(crate) samples: u64,
    /// Samples for which there was no room.
    pub(crate) lost: u64,
}

impl Counts {
    /// Counts a sample of `tid`; answers the number of its stack, whose weight is still to be added.
    pub(crate) fn meet(&mut self, frames: &[u64], tid: u32) -> Option<usize> {
        self.samples += 1;
        let index = match self.indexes.get(frames) {
            Some(index) => *index,
            None if self.counted.len() >= STACKS_KEPT => {
                self.lost += 1;
                return None;
            }
            None => {
                self.indexes.insert(frames.into(), self.counted.len());
                self.counted.push(Counted::default());
                self.counted.len() - 1
            }
        };
        let threads = &mut self.counted.get_mut(index)?.threads;
        if threads.len() < THREADS_MAX {
            threads.insert(tid);
        }
        Some(index)
    }

    /// Adds to the weight of a stack.
    pub(crate) fn add(&mut self, index: usize, weight: u64) {
        if let Some(one) = self.counted.get_mut(index) {
            one.weight = one.weight.saturating_add(weight);
        }
    }

    /// The weight of all, and the heaviest with their names.
    pub(crate) fn named(self, proc: &mut ProcFs, pid: u32, space: &Space) -> (u64, Vec<Stack>) {
        let weight = self.counted.iter().map(|one| one.weight).sum();
        let mut counted = self.counted.into_iter().map(Some).collect::<Vec<_>>();
        let mut heaviest = self.indexes.into_iter().collect::<Vec<_>>();
        let weigh = |index: usize| counted.get(index).and_then(Option::as_ref).map_or(0, |one| one.weight);
        // Equals in the order in which they were met: a profile of the same samples is the same.
        heaviest.sort_by_key(|(_, index)| (std::cmp::Reverse(weigh(*index)), *index));
        heaviest.retain(|(_, index)| weigh(*index) > 0);
        heaviest.truncate(STACKS_MAX);
        let addresses =
            heaviest.iter().flat_map(|(frames, _)| frames.iter().copied()).collect::<BTreeSet<_>>();
        let names = symbols::name(proc, pid, space, &addresses.into_iter().collect::<Vec<_>>());
        let stack = |(frames, index): (Box<[u64]>, usize)| {
            let one = counted.get_mut(index).and_then(Option::take)?;
            let frames = frames.iter().filter_map(|address| names.get(address).cloned()).collect();
            Some(Stack { frames, weight: one.weight, threads: one.threads.into_iter().collect() })
        };
        (weight, merged(heaviest.into_iter().filter_map(stack)))
    }
}

/// Joins stacks that differ in addresses only: calls from two lines of one function.
fn merged(stacks: impl Iterator<Item = Stack>) -> Vec<Stack> {
    let mut all: Vec<Stack> = Vec::new();
    for stack in stacks {
        match all.iter_mut().find(|one| one.frames == stack.frames) {
            Some(one) => {
                one.weight += stack.weight;
                one.threads.extend(stack.threads);
                one.threads.sort_unstable();
                one.threads.dedup();
                one.threads.truncate(THREADS_MAX);
            }
            None => all.push(stack),
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.weight));
    all
}
