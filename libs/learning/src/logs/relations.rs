//! Relations between the counts of templates that hold in normal runs: as many closes as opens, a delete for every add.
//!
//! Counts of normal runs lie in few directions; along all others they do not move. The score is the length of a run's
//! counts in the metric of their second moments (a constant 1 among them), `x' (M + r I)^-1 x`: next to nothing along
//! what normal runs do, so that new mixtures of known parts stay low, and 1 / r along what they never do.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Templates that take part; the others share the last place.
const PLACES: usize = 128;
/// Ridge: the square of a difference in counts that is as odd as one normal run.
const RIDGE: f64 = 1e-4;

/// Inverse second moments of the counts of normal runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relations {
    /// Templates known, ascending; their places are those of the list, then one for all others, then the constant.
    known: Vec<u32>,
    inverse: Vec<Vec<f64>>,
}

impl Relations {
    /// Learns from the counts (template, times) of normal runs.
    pub fn train(runs: &[Vec<(u32, u32)>]) -> Self {
        let mut known: Vec<u32> = runs.iter().flatten().map(|one| one.0).collect();
        known.sort_unstable();
        known.dedup();
        known.truncate(PLACES);
        let size = known.len() + 2;
        let mut moments = alloc::vec![alloc::vec![0.0; size]; size];
        let mut of_run = Self { known, inverse: Vec::new() };
        for run in runs {
            let places = of_run.places(run);
            for (i, x) in &places {
                places.iter().for_each(|(j, y)| moments[*i][*j] += x * y / runs.len() as f64);
            }
        }
        (0..size).for_each(|i| moments[i][i] += RIDGE);
        of_run.inverse = invert(moments);
        of_run
    }

    /// ln of how far a run's counts lie outside what normal runs do.
    pub fn score(&self, run: &[(u32, u32)]) -> f64 {
        let places = self.places(run);
        let mut sum = 0.0;
        for (i, x) in &places {
            sum += places.iter().map(|(j, y)| x * y * self.inverse[*i][*j]).sum::<f64>();
        }
        libm::log(sum.max(1e-9))
    }

    fn places(&self, run: &[(u32, u32)]) -> Vec<(usize, f64)> {
        let place = |template: &u32| self.known.binary_search(template).unwrap_or(self.known.len());
        let mut out: Vec<(usize, f64)> =
            run.iter().map(|(template, times)| (place(template), f64::from(*times))).collect();
        out.push((self.known.len() + 1, 1.0));
        out
    }
}

/// Inverse of a symmetric positive matrix, by elimination; the ridge keeps every pivot away from 0.
fn invert(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = a.len();
    let row = |i: usize| (0..size).map(|j| f64::from(u8::from(i == j))).collect();
    let mut out: Vec<Vec<f64>> = (0..size).map(row).collect();
    for pivot in 0..size {
        let scale = a[pivot][pivot];
        a[pivot].iter_mut().chain(&mut out[pivot]).for_each(|x| *x /= scale);
        let (own, own_out) = (a[pivot].clone(), out[pivot].clone());
        for i in (0..size).filter(|i| *i != pivot) {
            let factor = a[i][pivot];
            if factor != 0.0 {
                a[i].iter_mut().zip(&own).for_each(|(x, p)| *x -= factor * p);
                out[i].iter_mut().zip(&own_out).for_each(|(x, p)| *x -= factor * p);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_relation_in_a_new_amount_stays_low_and_a_broken_one_stands_out() {
        // Every open (5) has a close (9); reads (7) come as they like.
        let run = |opens: u32, reads: u32| Vec::from([(5, opens), (7, reads), (9, opens)]);
        let runs: Vec<Vec<(u32, u32)>> = (0..60).map(|i| run(1 + i % 3, i % 5)).collect();
        let relations = Relations::train(&runs);
        let worst = runs.iter().map(|one| relations.score(one)).fold(f64::MIN, f64::max);
        assert!(relations.score(&run(4, 3)) < worst + 1.5, "a mixture never seen");
        assert!(relations.score(&[(5, 2), (7, 1), (9, 1)]) > worst + 4.0, "one open without a close");
        assert!(relations.score(&[(5, 1), (9, 1), (13, 1)]) > worst + 4.0, "a template never seen");
    }

    #[test]
    fn an_inverse_times_its_matrix_is_one() {
        let a =
            Vec::from([Vec::from([4.0, 1.0, 0.5]), Vec::from([1.0, 3.0, 0.0]), Vec::from([0.5, 0.0, 2.0])]);
        let inverse = invert(a.clone());
        for (i, row) in a.iter().enumerate() {
            for j in 0..3 {
                let product: f64 = row.iter().zip(&inverse).map(|(x, column)| x * column[j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }
}
