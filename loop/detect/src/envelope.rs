//! The lower envelope of a series: what was never given back, and whether it grows steadily.
//!
//! A point of the envelope is the least value from its instant on. Spikes, dips and the teeth of a garbage
//! collector vanish; a leak stays. The envelope never falls, so its slope needs no further robustness; whether
//! the growth is a trend or a step is asked of equal parts of the window.
use alloc::vec::Vec;

/// Span that counts as a level phase. Unit: s.
const LEVEL_S: f64 = 10.0;
/// A phase is level if it grew at most by this share of the later rate.
const LEVEL_RATIO: f64 = 0.15;
/// Each part of a steady window grows by at least this share of the mean part…
const PART_MIN_RATIO: f64 = 0.3;
/// …the first and the last one by more, or the growth began after the window did, or ended before…
const EDGE_MIN_RATIO: f64 = 0.7;
/// …and at most by this multiple: more is a step.
const PART_MAX_RATIO: f64 = 2.5;
/// The last third of a steady window grows at least by this share of its best third: less is a cache that fills.
const LAST_TO_BEST_MIN: f64 = 0.7;

/// Parts of a window at most.
const PARTS_MAX: usize = 6;

/// Growth over one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Unit: of the series, a second.
    pub rate_per_s: f64,
    /// Unit: of the series.
    pub grown: f64,
    /// Where it started from. Unit: of the series.
    pub from: f64,
    /// Unit: s.
    pub window_s: f64,
    /// End of the last while before the window in which the series was level. Unit: s.
    pub level_until_s: Option<f64>,
}

impl Growth {
    /// Whether the series was level for a while before the window.
    pub const fn was_level(&self) -> bool {
        self.level_until_s.is_some()
    }
}

/// A series made monotone. Kept and refilled, so that no turn allocates.
#[derive(Debug, Default)]
pub struct Envelope {
    points: Vec<(f64, f64)>,
}

impl Envelope {
    /// Takes a series in order of time, up to and including `until_s`.
    pub fn fill(&mut self, series: impl Iterator<Item = (f64, f64)>, until_s: f64) {
        self.points.clear();
        self.points.extend(series.take_while(|(at_s, _)| *at_s <= until_s));
        let mut least = f64::INFINITY;
        for (_, value) in self.points.iter_mut().rev() {
            least = least.min(*value);
            *value = least;
        }
    }

    /// The envelope at an instant; `None` outside the series.
    fn at(&self, at_s: f64) -> Option<f64> {
        let after = self.points.partition_point(|point| point.0 < at_s);
        let (right_s, right) = *self.points.get(after)?;
        if right_s <= at_s {
            return Some(right);
        }
        let (left_s, left) = *self.points.get(after.checked_sub(1)?)?;
        Some(left + (right - left) * (at_s - left_s) / (right_s - left_s))
    }

    /// Steady growth over the last `window_s`, in each of `parts` (3 to 6) equal parts; `None` if not steady.
    ///
    /// `settled_s` is the instant before which nothing counts as a level phase: a process that starts.
    pub fn growth(&self, window_s: f64, parts: u32, settled_s: f64) -> Option<Growth> {
        let parts = parts.clamp(1, PARTS_MAX as u32);
        let end_s = self.points.last()?.0;
        let start_s = end_s - window_s;
        let from = self.at(start_s)?;
        let grown = self.at(end_s)? - from;
        let mean = grown / f64::from(parts);
        if mean <= 0.0 {
            return None;
        }
        let third = parts.div_ceil(3) as usize;
        let mut edges = [from; PARTS_MAX + 1];
        let mut best = 0.0_f64;
        let mut last = 0.0;
        for part in 1..=parts as usize {
            let right = self.at(start_s + window_s * part as f64 / f64::from(parts))?;
            edges[part] = right;
            let is_edge = part == 1 || part == parts as usize;
            let least = if is_edge { EDGE_MIN_RATIO } else { PART_MIN_RATIO };
            if !(least..=PART_MAX_RATIO).contains(&((right - edges[part - 1]) / mean)) {
                return None;
            }
            last = right - edges[part.saturating_sub(third)];
            best = best.max(last);
        }
        let rate_per_s = grown / window_s;
        let level_until_s = self.level_until(settled_s, start_s, rate_per_s);
        (last >= LAST_TO_BEST_MIN * best).then_some(Growth {
            rate_per_s,
            grown,
            from,
            window_s,
            level_until_s,
        })
    }

    /// End of the last span before `until_s` that was level beside that rate.
    fn level_until(&self, settled_s: f64, until_s: f64, rate_per_s: f64) -> Option<f64> {
        let limit = LEVEL_RATIO * rate_per_s * LEVEL_S;
        self.points
            .iter()
            .filter(|point| point.0 >= settled_s && point.0 + LEVEL_S <= until_s)
            .rfind(|point| self.at(point.0 + LEVEL_S).is_some_and(|later| later - point.1 <= limit))
            .map(|point| point.0 + LEVEL_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(value: impl Fn(f64) -> f64, window_s: f64) -> Option<Growth> {
        let mut envelope = Envelope::default();
        envelope.fill((0..60).map(|turn| (f64::from(turn), value(f64::from(turn)))), f64::INFINITY);
        envelope.growth(window_s, 6, 0.0)
    }

    #[test]
    fn a_straight_rise_after_a_level_phase_is_both() {
        let growth = judge(|t| 5.0 * (t - 25.0).max(0.0), 30.0).unwrap();
        assert_eq!((growth.rate_per_s, growth.was_level()), (5.0, true));
    }

    #[test]
    fn a_straight_rise_from_the_start_has_no_level_phase() {
        assert!(!judge(|t| 5.0 * t, 30.0).unwrap().was_level());
    }

    #[test]
    fn steps_levels_and_falling_rates_are_no_growth() {
        assert_eq!(judge(|t| if t < 45.0 { 0.0 } else { 100.0 }, 30.0), None);
        assert_eq!(judge(|_| 7.0, 30.0), None);
        assert_eq!(judge(|t| if t < 50.0 { t } else { 50.0 }, 30.0), None);
        assert_eq!(judge(|t| 100.0 * (1.0 - libm_exp(-t / 25.0)), 30.0), None);
    }

    #[test]
    fn spikes_vanish() {
        let spiky = judge(|t| 5.0 * t + if t as u32 % 4 == 1 { 90.0 } else { 0.0 }, 30.0).unwrap();
        assert!((spiky.rate_per_s - 5.0).abs() < 0.5, "{spiky:?}");
    }

    fn libm_exp(x: f64) -> f64 {
        std::primitive::f64::exp(x)
    }
}
