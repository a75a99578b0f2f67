//! How many actions may be done within a minute.
use std::collections::VecDeque;

use vocab::Timestamp;

use super::Refusal;

const WINDOW_S: f64 = 60.0;

/// The actions of the last minute.
pub(crate) struct Pace {
    most: u32,
    taken: VecDeque<Timestamp>,
}

impl Pace {
    pub(crate) const fn new(most: u32) -> Self {
        Self { most, taken: VecDeque::new() }
    }

    /// Counts one more, or says that there were enough.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Refusal> {
        while self.taken.front().is_some_and(|at| now.seconds_since(*at) >= WINDOW_S) {
            self.taken.pop_front();
        }
        if self.taken.len() >= self.most as usize {
            return Err(format!(
                "{} actions were done within the last minute; no more for now",
                self.taken.len()
            ));
        }
        self.taken.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_minute_and_no_more() {
        let mut pace = Pace::new(2);
        assert!(pace.take(Timestamp::from_secs(0)).is_ok());
        assert!(pace.take(Timestamp::from_secs(30)).is_ok());
        assert!(pace.take(Timestamp::from_secs(59)).is_err());
        assert!(pace.take(Timestamp::from_secs(60)).is_ok());
        assert!(pace.take(Timestamp::from_secs(61)).is_err());
    }
}
