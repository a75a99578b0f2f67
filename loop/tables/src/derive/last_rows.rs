//! The last rows of a table of events, shared fairly: a program that makes many pushes out its own, not those of others.
use std::collections::BTreeMap;

use vocab::recent::Recent;

/// Rows of each table of events kept in memory; at most twice as many for a moment, so that rows are seldom moved.
pub const ROWS_MAX: usize = 512;

/// Adds a row of the program with that name, and forgets old ones beyond the bound.
pub fn push<R: Clone>(rows: &mut Recent<R>, row: R, name: impl Fn(&R) -> &str) {
    rows.push(row);
    if rows.len() > 2 * ROWS_MAX {
        *rows = newest(rows, name);
    }
}

/// Of each program its newest rows, as many as fit if all have the same number at most.
fn newest<R: Clone>(rows: &Recent<R>, name: impl Fn(&R) -> &str) -> Recent<R> {
    let mut rows_of = BTreeMap::<&str, usize>::new();
    rows.iter().for_each(|row| *rows_of.entry(name(row)).or_default() += 1);
    let share = fair_share(rows_of.values().copied().collect()).max(1);
    let mut left = rows_of;
    let kept = rows.iter().filter(|row| {
        let left = left.entry(name(row)).or_default();
        *left = left.saturating_sub(1);
        *left < share
    });
    let kept = kept.collect::<Vec<_>>();
    // So many programs that one row each is too much.
    let beyond = kept.len().saturating_sub(ROWS_MAX);
    kept.into_iter().skip(beyond).cloned().collect()
}

/// The most that each may have, so that all have [`ROWS_MAX`] together; what one does not use is for the others.
fn fair_share(mut counts: Vec<usize>) -> usize {
    counts.sort_unstable();
    let mut room = ROWS_MAX;
    for (before, count) in counts.iter().enumerate() {
        let share = room / (counts.len() - before);
        if *count > share {
            return share;
        }
        room -= count;
    }
    ROWS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(names: impl Iterator<Item = (String, usize)>) -> Vec<(String, usize)> {
        let mut rows = Recent::default();
        names.for_each(|row| push(&mut rows, row, |row| &row.0));
        rows.iter().cloned().collect()
    }

    #[test]
    fn a_flood_of_one_program_leaves_the_rows_of_the_others() {
        let quiet = (0..3).map(|turn| ("quiet".to_owned(), turn));
        let flood = (0..100_000).map(|turn| ("flood".to_owned(), turn));
        let rows = after(quiet.clone().chain(flood));
        assert_eq!(rows[..3], quiet.collect::<Vec<_>>());
        assert!((ROWS_MAX..=2 * ROWS_MAX).contains(&rows.len()), "{}", rows.len());
        assert_eq!(rows.last(), Some(&("flood".to_owned(), 99_999)));
        assert!(rows[3..].windows(2).all(|two| two[0].1 + 1 == two[1].1), "the newest in their order");
    }

    #[test]
    fn two_that_flood_share_and_a_crowd_is_bounded() {
        let rows = after((0..50_000).map(|turn| (["one", "two"][turn % 2].to_owned(), turn)));
        let ones = rows.iter().filter(|row| row.0 == "one").count();
        assert!(ones.abs_diff(rows.len() / 2) <= 1, "{ones} of {}", rows.len());
        let rows = after((0..50_000).map(|turn| (format!("program {turn}"), turn)));
        assert!((ROWS_MAX..=2 * ROWS_MAX).contains(&rows.len()), "{}", rows.len());
        assert_eq!(rows.last().map(|row| row.1), Some(49_999));
    }
}
