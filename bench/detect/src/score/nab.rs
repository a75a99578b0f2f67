//! The NAB scorer: early detection inside a window is worth up to 1, false alarms cost by their distance.

/// Weights of one application profile (`profiles.json` of the set).
#[derive(Clone, Copy)]
pub struct Profile {
    /// Cost of one false alarm far from any window.
    pub false_alarm: f64,
    /// Cost of one missed window.
    pub miss: f64,
}

/// Standard profile.
pub const STANDARD: Profile = Profile { false_alarm: 0.11, miss: 1.0 };
/// Profile that punishes false alarms twice.
pub const LOW_FP: Profile = Profile { false_alarm: 0.22, miss: 1.0 };
/// Profile that punishes misses twice.
pub const LOW_FN: Profile = Profile { false_alarm: 0.11, miss: 2.0 };

/// What one series contributes; sums over series give the corpus score.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Sum of the weights of detected windows.
    pub hits: f64,
    /// Windows without any alarm.
    pub missed: usize,
    /// Sum of the (negative) weights of false alarms, before the profile's factor.
    pub false_weight: f64,
    /// Alarms outside every window.
    pub false_alarms: usize,
    /// All windows.
    pub windows: usize,
}

impl Tally {
    /// Adds another series.
    pub fn add(&mut self, other: Tally) {
        self.hits += other.hits;
        self.missed += other.missed;
        self.false_weight += other.false_weight;
        self.false_alarms += other.false_alarms;
        self.windows += other.windows;
    }

    /// 0 for a detector that never fires, 100 for one that fires once at the start of every window.
    pub fn score(&self, profile: Profile) -> f64 {
        let raw = self.hits - profile.miss * self.missed as f64 + profile.false_alarm * self.false_weight;
        let null = -profile.miss * self.windows as f64;
        100.0 * (raw - null) / (self.windows as f64 - null)
    }
}

/// First row that counts: 15 % of the series, at most 750 rows, are for learning.
pub fn probation(rows: usize) -> usize {
    (0.15 * rows.min(5000) as f64) as usize
}

/// Scores the alarms of one series against its inclusive row windows.
pub fn tally(alarms: &[bool], windows: &[(usize, usize)]) -> Tally {
    let mut out = Tally { windows: windows.len(), ..Tally::default() };
    let start = probation(alarms.len());
    for &(left, right) in windows {
        match (left.max(start)..=right).find(|&i| alarms[i]) {
            Some(i) => out.hits += in_window(i, left, right),
            None => out.missed += 1,
        }
    }
    let outside = |i: &usize| alarms[*i] && !windows.iter().any(|w| (w.0..=w.1).contains(i));
    for i in (start..alarms.len()).filter(outside) {
        out.false_alarms += 1;
        out.false_weight += after_window(i, windows);
    }
    out
}

fn sigmoid(x: f64) -> f64 {
    2.0 / (1.0 + (5.0 * x).exp()) - 1.0
}

fn in_window(i: usize, left: usize, right: usize) -> f64 {
    let width = (right - left + 1) as f64;
    sigmoid(-((right - i + 1) as f64) / width) / sigmoid(-1.0)
}

fn after_window(i: usize, windows: &[(usize, usize)]) -> f64 {
    let Some(&(left, right)) = windows.iter().rev().find(|w| w.1 < i) else { return -1.0 };
    let distance = (i - right) as f64 / (right - left).max(1) as f64;
    if distance > 3.0 { -1.0 } else { sigmoid(distance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(rows: usize, at: &[usize]) -> Vec<bool> {
        (0..rows).map(|i| at.contains(&i)).collect()
    }

    #[test]
    fn first_row_of_a_window_is_worth_one_and_never_is_zero() {
        let perfect = tally(&alarms(100, &[50]), &[(50, 59)]);
        assert_eq!(perfect.score(STANDARD), 100.0);
        assert_eq!(tally(&alarms(100, &[]), &[(50, 59)]).score(STANDARD), 0.0);
        assert_eq!(tally(&alarms(100, &[]), &[(50, 59)]).score(LOW_FN), 0.0);
    }

    #[test]
    fn last_row_of_a_window_has_the_weight_computed_by_hand() {
        // width 10, right - i + 1 = 1: sigma(-0.1) = 2 / (1 + e^-0.5) - 1 = 0.2449187, sigma(-1) = 0.9866143.
        let late = tally(&alarms(100, &[59]), &[(50, 59)]);
        assert!((late.hits - 0.2449187 / 0.9866143).abs() < 1e-6);
        // Only the earliest hit counts.
        let twice = tally(&alarms(100, &[55, 59]), &[(50, 59)]);
        assert_eq!(twice.hits, tally(&alarms(100, &[55]), &[(50, 59)]).hits);
    }

    #[test]
    fn false_alarms_cost_by_distance_and_probation_is_free() {
        // 15 rows of probation; row 20 lies before any window: -1; row 61 lies 2/9 after: sigma(0.2222) = -0.5047.
        let t = tally(&alarms(100, &[3, 20, 61]), &[(50, 59)]);
        assert_eq!((t.false_alarms, t.missed), (2, 1));
        let near = 2.0 / (1.0 + (10.0f64 / 9.0).exp()) - 1.0;
        assert!((t.false_weight - (-1.0 + near)).abs() < 1e-12);
        // Beyond three widths it costs the whole.
        assert_eq!(tally(&alarms(100, &[95]), &[(50, 59)]).false_weight, -1.0);
        let raw = -1.0 + 0.11 * (-1.0 + near);
        assert!((t.score(STANDARD) - 100.0 * (raw + 1.0) / 2.0).abs() < 1e-12);
    }
}
