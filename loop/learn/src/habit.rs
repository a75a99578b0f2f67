//! What an entity was told for before: a job of every night is news twice, and then a habit.
//!
//! An oddity is a quantity and the value it had. One that resembles two earlier ones of the last eight days, each at least
//! an hour from the next, is noted and not told; of the week before those, one at the same time of the week counts, too, so
//! that a job of every week is news twice. Another quantity, or a value further off, is told as ever.
use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vocab::Timestamp;

/// Oddities remembered of one entity.
const KEPT: usize = 32;
/// How long each counts. Unit: s.
const COUNTS_S: f64 = 8.0 * 86_400.0;
/// How long they are remembered: two weeks, and how far apart two of the same time of a week may lie. Unit: s.
const REMEMBERED_S: f64 = 2.0 * WEEK_S + SAME_TIME_S;
const WEEK_S: f64 = 7.0 * 86_400.0;
const SAME_TIME_S: f64 = 7_200.0;
/// Time between two that count as two. Unit: s.
const APART_S: f64 = 3_600.0;
/// Earlier ones that make a habit.
const HABIT: usize = 2;
/// Values that far apart are alike: a share of the larger, or so many floors of the quantity.
const ALIKE_SHARE: f64 = 0.25;
const ALIKE_FLOORS: f64 = 6.0;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Oddity {
    at: Timestamp,
    index: u8,
    value: f32,
}

/// The oddities of one entity, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Habits(VecDeque<Oddity>);

impl Habits {
    /// Notes that quantity `index`, of this floor, began to be odd with this value; whether that is a habit.
    pub fn note(&mut self, at: Timestamp, index: usize, value: f64, floor: f64) -> bool {
        self.0.retain(|one| (0.0..REMEMBERED_S).contains(&at.seconds_since(one.at)));
        let alike = |one: &&Oddity| {
            let (then, distance) = (f64::from(one.value), (f64::from(one.value) - value).abs());
            usize::from(one.index) == index
                && distance <= (ALIKE_SHARE * then.abs().max(value.abs())).max(ALIKE_FLOORS * floor)
        };
        let (mut next, mut before) = (at, 0);
        let counts = |one: &&Oddity| {
            let age_s = at.seconds_since(one.at);
            age_s < COUNTS_S || (age_s - 2.0 * WEEK_S).abs() <= SAME_TIME_S
        };
        for one in self.0.iter().rev().filter(alike).filter(counts) {
            if next.seconds_since(one.at) >= APART_S {
                (next, before) = (one.at, before + 1);
            }
        }
        // One that goes on is one.
        let goes_on = self.0.iter().filter(alike).any(|one| at.seconds_since(one.at) < APART_S);
        if !goes_on {
            if self.0.len() >= KEPT {
                self.0.pop_front();
            }
            self.0.push_back(Oddity { at, index: index as u8, value: value as f32 });
        }
        before >= HABIT
    }

    /// Forgets them all: a person said that what was told was true.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of oddities at these hours with these values, which are a habit.
    fn habits<const N: usize>(told: [(i64, usize, f64); N]) -> [bool; N] {
        let mut habits = Habits::default();
        told.map(|(hour, index, value)| habits.note(Timestamp::from_secs(3_600 * hour), index, value, 1.0))
    }

    #[test]
    fn the_third_alike_is_a_habit_and_what_differs_is_not() {
        let nights =
            [(0, 0, 90.0), (24, 0, 95.0), (48, 0, 88.0), (72, 0, 91.0), (96, 0, 30.0), (97, 1, 90.0)];
        assert_eq!(habits(nights), [false, false, true, true, false, false]);
    }

    #[test]
    fn one_restless_hour_is_one_and_what_is_long_ago_is_forgotten() {
        let mut all = Habits::default();
        let minutes = (0..59).map(|minute| all.note(Timestamp::from_secs(60 * minute), 0, 90.0, 1.0));
        assert_eq!(minutes.filter(|is_habit| *is_habit).count(), 0);
        assert_eq!(habits([(0, 0, 90.0), (24, 0, 90.0), (300, 0, 90.0)]), [false, false, false]);
        assert!(all.0.len() <= KEPT);
    }

    #[test]
    fn a_job_of_every_week_is_a_habit_the_third_time_and_one_of_any_day_is_not() {
        assert_eq!(habits([(0, 0, 90.0), (169, 0, 90.0), (336, 0, 90.0)]), [false, false, true]);
        assert_eq!(habits([(20, 0, 90.0), (169, 0, 90.0), (336, 0, 90.0)]), [false, false, false]);
    }
}
