//! Memory about to run out, judged between two turns: whether it is over, when to look again, and who must yield.
//!
//! Pure: readings in, verdicts out. The watcher that reads and the hand that acts are elsewhere.
use alloc::vec::Vec;

/// Available memory below which a fast fall is exhaustion. Share of the whole.
const LOW: f64 = 0.05;
/// Available memory below which whoever holds and grows is watched. Share of the whole.
const TIGHT: f64 = 0.25;
/// What is low is exhausted if it would be gone this soon. Unit: s.
const GONE_S: f64 = 3.0;
/// What is not yet low is exhausted if it would be gone this soon. Unit: s.
const GONE_AT_ONCE_S: f64 = 0.02;
/// A fall that is reckoned with though it was not seen yet: a program that touches memory as fast as it can. Unit:
/// bytes/s.
const FALL_BYTES_PER_S: f64 = 1024.0 * 1024.0 * 1024.0;
/// Bounds of the wait until the next look. Unit: ms.
const LOOK_MIN_MS: f64 = 5.0;
const LOOK_MAX_MS: f64 = 1_000.0;
/// Memory that has not moved by more than this share of the whole for so long stands still, and is looked at no more often
/// than this: of many small containers most stand still. Unit: ratio, ns, ms.
const STILL: f64 = 0.001;
const STILL_NS: u64 = 10_000_000_000;
const STILL_LOOK_MS: f64 = 100.0;
/// A fall fades by this factor from look to look.
const FADE: f64 = 0.7;

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headroom {
    /// When. Unit: ns, of any clock that does not jump.
    pub at_ns: u64,
    /// Memory that can still be had.
    pub available_bytes: u64,
    /// Memory in all, or the limit.
    pub total_bytes: u64,
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is room.
    Calm,
    /// Whoever holds and grows is to be watched.
    Tight,
    /// It runs out now: somebody must yield.
    Exhausted,
}

/// The judge of one machine or cgroup.
#[derive(Clone, Debug, Default)]
pub struct Exhaustion {
    before: Option<Headroom>,
    fall_bytes_per_s: f64,
    /// The last reading that had moved.
    moved: Option<Headroom>,
}

impl Exhaustion {
    /// Whether memory has fallen since `before`, by more than a hundredth of the whole a second.
    pub fn falls_since(&self, before: &Self) -> bool {
        let total = self.before.or(before.before).map_or(0, |one| one.total_bytes) as f64;
        self.fall_bytes_per_s > total / 100.0
    }

    /// Judges a reading; also how long nothing can happen from now on. Unit: ms.
    ///
    /// `stalls`: the kernel says that work stalls for memory just now.
    pub fn see(&mut self, now: Headroom, stalls: bool) -> (Verdict, u64) {
        let (available, total) = (now.available_bytes as f64, (now.total_bytes as f64).max(1.0));
        if let Some(before) = self.before {
            let seconds = now.at_ns.saturating_sub(before.at_ns) as f64 / 1e9;
            let fell = before.available_bytes as f64 - available;
            let fall = if seconds > 0.0 { (fell / seconds).max(0.0) } else { 0.0 };
            self.fall_bytes_per_s = fall.max(FADE * self.fall_bytes_per_s);
        }
        self.before = Some(now);
        let moved = *self.moved.get_or_insert(now);
        if available.max(moved.available_bytes as f64) - available.min(moved.available_bytes as f64)
            > STILL * total
        {
            self.moved = Some(now);
        }
        let left_s =
            if self.fall_bytes_per_s > 0.0 { available / self.fall_bytes_per_s } else { f64::INFINITY };
        let share = available / total;
        let is_over = share <= LOW && (left_s <= GONE_S || stalls) || left_s <= GONE_AT_ONCE_S;
        let verdict = match share {
            _ if is_over => Verdict::Exhausted,
            share if share <= TIGHT => Verdict::Tight,
            _ => Verdict::Calm,
        };
        let fall = (2.0 * self.fall_bytes_per_s).max(FALL_BYTES_PER_S);
        let until_low_ms = 1e3 * (available - LOW * total).max(0.0) / fall;
        let is_still = self.moved.is_some_and(|moved| now.at_ns.saturating_sub(moved.at_ns) >= STILL_NS);
        let least_ms = if is_still && verdict == Verdict::Calm { STILL_LOOK_MS } else { LOOK_MIN_MS };
        // Capped first: the conversion cannot overflow.
        (verdict, until_low_ms.clamp(least_ms, LOOK_MAX_MS) as u64)
    }
}

/// One who could yield.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Anonymous memory, resident and swapped.
    pub held_bytes: u64,
    /// What it grew by while memory was tight.
    pub grown_bytes: u64,
    /// -1,000 (never) to 1,000, as the kernel's own killer takes it.
    pub oom_score_adj: i16,
}

/// The terms of a score, each in points; who has most yields.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Share of the memory that all candidates hold, 0 to 100.
    pub held_points: f64,
    /// Twice the share of what all candidates grew by, 0 to 200: who takes it now is more to blame than who has it.
    pub growth_points: f64,
    /// A tenth of `oom_score_adj`, -100 to 100.
    pub adjustment_points: f64,
}

impl Score {
    /// All terms together.
    pub fn total(&self) -> f64 {
        self.held_points + self.growth_points + self.adjustment_points
    }
}

/// The scores of all candidates, in their order; one that is never to be killed has none.
pub fn scores(candidates: &[Candidate]) -> Vec<Option<Score>> {
    let sum = |of: fn(&Candidate) -> u64| candidates.iter().map(|one| of(one) as f64).sum::<f64>().max(1.0);
    let (held, grown) = (sum(|one| one.held_bytes), sum(|one| one.grown_bytes));
    let score = |one: &Candidate| Score {
        held_points: 100.0 * one.held_bytes as f64 / held,
        growth_points: 200.0 * one.grown_bytes as f64 / grown,
        adjustment_points: f64::from(one.oom_score_adj) / 10.0,
    };
    candidates.iter().map(|one| (one.oom_score_adj > -1_000).then(|| score(one))).collect()
}

/// Indices of the candidates that may yield, the first choice first.
pub fn order(scores: &[Option<Score>]) -> Vec<usize> {
    let total =
        |index: &usize| scores.get(*index).copied().flatten().map_or(f64::NEG_INFINITY, |one| one.total());
    let mut order: Vec<usize> = (0..scores.len()).filter(|index| total(index).is_finite()).collect();
    order.sort_by(|a, b| total(b).total_cmp(&total(a)).then(a.cmp(b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Plays readings of available memory a time apart; the reading at which it was over.
    fn over_at(total: u64, apart_ms: u64, available: impl Fn(u64) -> u64) -> Option<u64> {
        let mut exhaustion = Exhaustion::default();
        (0..200).find(|turn| {
            let now = Headroom {
                at_ns: turn * apart_ms * 1_000_000,
                available_bytes: available(*turn),
                total_bytes: total,
            };
            exhaustion.see(now, false).0 == Verdict::Exhausted
        })
    }

    #[test]
    fn a_fast_fall_is_over_before_it_is_at_the_bottom() {
        // 200 MiB a second towards the end of 256 MiB.
        let at = over_at(256 * MIB, 10, |turn| (256 * MIB).saturating_sub(turn * 2 * MIB)).unwrap();
        assert!((100..=122).contains(&at), "{at}");
    }

    #[test]
    fn what_is_low_and_stays_there_is_not_over() {
        assert_eq!(over_at(256 * MIB, 100, |_| 5 * MIB), None);
        assert_eq!(over_at(256 * MIB, 100, |turn| 8 * MIB + turn % 2 * 4096), None, "it breathes");
    }

    #[test]
    fn a_cache_that_fills_a_quarter_is_not_over() {
        assert_eq!(over_at(1024 * MIB, 100, |turn| (1024 - (turn * 4).min(700)) * MIB), None);
    }

    #[test]
    fn stalls_end_what_is_low() {
        let mut exhaustion = Exhaustion::default();
        let now = Headroom { at_ns: 1, available_bytes: 5 * MIB, total_bytes: 256 * MIB };
        assert_eq!(exhaustion.see(now, true).0, Verdict::Exhausted);
    }

    #[test]
    fn looks_come_closer_with_the_end() {
        let mut exhaustion = Exhaustion::default();
        let mut look = |available: u64| {
            exhaustion
                .see(Headroom { at_ns: 0, available_bytes: available, total_bytes: 16_384 * MIB }, false)
                .1
        };
        assert_eq!(look(12_000 * MIB), 1_000);
        assert!(look(1_200 * MIB) < 500);
        assert_eq!(look(100 * MIB), 5);
    }

    #[test]
    fn what_stands_still_is_looked_at_less_often_until_it_moves() {
        let mut judge = Exhaustion::default();
        let mut wait = |at_s: u64, available: u64| {
            judge
                .see(
                    Headroom {
                        at_ns: at_s * 1_000_000_000,
                        available_bytes: available * MIB,
                        total_bytes: 64 * MIB,
                    },
                    false,
                )
                .1
        };
        let first = wait(0, 44);
        assert!((30..60).contains(&first), "{first} ms");
        assert_eq!((wait(5, 44), wait(9, 44)), (first, first));
        assert_eq!((wait(10, 44), wait(60, 44)), (100, 100));
        let moved = wait(61, 40);
        assert!(moved < first, "{moved} ms");
        // What is tight is watched, however still it stands.
        assert!((62..90).all(|at_s| wait(at_s, 10) < 20));
    }

    #[test]
    fn who_takes_it_yields_before_who_has_it() {
        let old = Candidate { held_bytes: 120 * MIB, ..Candidate::default() };
        let new = Candidate { held_bytes: 100 * MIB, grown_bytes: 90 * MIB, oom_score_adj: 0 };
        let never = Candidate { held_bytes: 900 * MIB, grown_bytes: 900 * MIB, oom_score_adj: -1_000 };
        let scores = scores(&[old, new, never]);
        assert_eq!(scores[2], None);
        assert_eq!(order(&scores), [1, 0]);
    }
}
