//! The order of the calls of a watch: what a thread repeats, and the sequences from which its behaviour is learnt.
use std::collections::BTreeMap;
use std::sync::Arc;

/// Calls of a run at most, and calls of a thread from which on runs are looked for.
const CYCLE_MAX: usize = 16;
const CYCLE_CALLS_MIN: usize = 32;
/// Calls of one thread, and of all, that go into a sample: half a look of a busy program at most, some 3 kB.
const THREAD_CALLS_MAX: usize = 512;
const CALLS_MAX: usize = 2048;

/// The shortest run of calls that the thread with most of them repeats: four in five calls equal the one a run before.
/// `sequence`: thread and number of each call.
pub(crate) fn cycle(sequence: &[(u32, u32)]) -> Vec<u32> {
    let calls = take_busiest(&mut by_thread(sequence)).unwrap_or_default();
    if calls.len() < CYCLE_CALLS_MIN {
        return Vec::new();
    }
    let is_repeated = |length: &usize| {
        let same = calls.iter().zip(calls.iter().skip(*length)).filter(|(one, later)| one == later).count();
        5 * same >= 4 * (calls.len() - length)
    };
    let length = (1..=CYCLE_MAX).find(is_repeated).unwrap_or(0);
    let mut cycle = calls.into_iter().rev().take(length).collect::<Vec<_>>();
    cycle.reverse();
    // Where a run begins is a matter of taste: with the lowest number.
    let first = cycle.iter().enumerate().min_by_key(|(_, number)| **number).map_or(0, |(at, _)| at);
    cycle.rotate_left(first);
    cycle
}

/// The first calls of each thread, the busiest thread first, as places among the names, which come with them.
pub(crate) fn order(
    sequence: &[(u32, u32)],
    name: impl Fn(u32) -> Arc<str>,
) -> (Vec<Arc<str>>, Vec<Vec<u16>>) {
    let (mut names, mut numbers, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
    let mut place = |number: u32| {
        let known = numbers.iter().position(|one| *one == number);
        let place = known.unwrap_or_else(|| {
            numbers.push(number);
            names.push(name(number));
            numbers.len() - 1
        });
        // A number has ten bits, so its place has sixteen.
        u16::try_from(place).unwrap_or(u16::MAX)
    };
    let (mut threads, mut left) = (by_thread(sequence), CALLS_MAX);
    while let Some(calls) = take_busiest(&mut threads).filter(|_| left > 0) {
        let calls: Vec<u16> = calls.into_iter().take(THREAD_CALLS_MAX.min(left)).map(&mut place).collect();
        left -= calls.len();
        sequences.push(calls);
    }
    (names, sequences)
}

/// The calls of each thread in their order.
fn by_thread(sequence: &[(u32, u32)]) -> BTreeMap<u32, Vec<u32>> {
    let mut threads: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (tid, number) in sequence {
        threads.entry(*tid).or_default().push(*number);
    }
    threads
}

/// The calls of the thread with most of them.
fn take_busiest(threads: &mut BTreeMap<u32, Vec<u32>>) -> Option<Vec<u32>> {
    let busiest = threads.iter().max_by_key(|(_, calls)| calls.len()).map(|(tid, _)| *tid)?;
    threads.remove(&busiest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_thread_shows_what_it_repeats() {
        let mut sequence: Vec<(u32, u32)> = (0..90).map(|at| (7, [5, 3, 9][at % 3])).collect();
        sequence.extend((0..40).map(|_| (8, 1)));
        sequence[40] = (7, 77);
        assert_eq!(cycle(&sequence), [3, 9, 5]);
        assert_eq!(cycle(&sequence[..20]), [0_u32; 0], "too few to tell");
        let no_order: Vec<(u32, u32)> = (0..300_u32).map(|at| (7, at * at % 251)).collect();
        assert_eq!(cycle(&no_order), [0_u32; 0]);
    }

    #[test]
    fn sequences_are_of_one_thread_each_named_and_bounded() {
        let mut sequence = Vec::from([(9, 1), (7, 5), (9, 0), (7, 5), (7, 1)]);
        let name = |number: u32| Arc::from(format!("call-{}", 9 - number));
        let (names, sequences) = order(&sequence, name);
        assert_eq!(names.iter().map(|one| &**one).collect::<Vec<_>>(), ["call-4", "call-8", "call-9"]);
        assert_eq!(sequences, [Vec::from([0, 0, 1]), Vec::from([1, 2])], "the busiest first");
        sequence = (0..8_000).map(|at| (at % 8, at % 700)).collect();
        let (names, sequences) = order(&sequence, |number| Arc::from(format!("{number:03}")));
        assert_eq!(sequences.iter().map(Vec::len).collect::<Vec<_>>(), [512; 4]);
        assert!(
            names.len() <= 700 && sequences.iter().flatten().all(|place| usize::from(*place) < names.len())
        );
        assert_eq!(order(&[], name), (Vec::new(), Vec::new()));
    }
}
