//! When the program on context switches rests: where they are so frequent that being there at all would cost too much.
use std::sync::Arc;

use bpfload::Duty;
use vocab::Timestamp;
use vocab::sample::MachineSample;

/// Decides tick by tick, and remembers for `bpf_programs` how it went.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    duty: Duty,
    read: Option<(Timestamp, u64)>,
    runs: u32,
    turns: u32,
    switches_per_s: f64,
}

impl Rest {
    /// Whether the program is to run until the next tick; `None` where that cannot be told.
    pub(crate) fn turn(&mut self, at: Timestamp, machine: &MachineSample) -> Option<bool> {
        // Zero is a machine that could not be read.
        let now = Some(machine.context_switches).filter(|count| *count > 0)?;
        let (then, before) = self.read.replace((at, now))?;
        let (passed_s, switches) = (at.seconds_since(then), now.checked_sub(before)?);
        let runs = self.duty.turn(passed_s, switches, machine.cpus);
        self.turns += 1;
        self.runs += u32::from(runs);
        self.switches_per_s = switches as f64 / passed_s.max(1e-3);
        Some(runs)
    }

    /// Why it did not run all the time since the last call, in words; `None` if it did.
    pub(crate) fn reason(&mut self) -> Option<Arc<str>> {
        let (runs, turns) = (std::mem::take(&mut self.runs), std::mem::take(&mut self.turns));
        let (per_s, share_pct) = (self.switches_per_s, 100.0 * Duty::SHARE);
        (runs < turns).then(|| {
            let why =
                format!("at {per_s:.0} switches a second more would cost over {share_pct} % of the CPUs");
            format!("it runs in {runs} of {turns} ticks: {why}").into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(context_switches: u64) -> MachineSample {
        MachineSample { context_switches, cpus: 2, ..MachineSample::default() }
    }

    #[test]
    fn it_says_how_often_it_rested_and_at_which_rate() {
        let mut rest = Rest::default();
        let runs: Vec<_> = (0..11)
            .map(|second| rest.turn(Timestamp::from_secs(second), &machine(1 + second as u64 * 200_000)))
            .collect();
        assert_eq!((runs[0], runs[1]), (None, Some(false)), "nothing is known of the first tick");
        let ran = runs.iter().filter(|runs| **runs == Some(true)).count();
        assert!((2..=3).contains(&ran), "40 ms a second where 10 are allowed: {runs:?}");
        let said = rest.reason().unwrap_or_default();
        assert!(said.starts_with(&format!("it runs in {ran} of 10 ticks: at 200000 switches")), "{said}");
        assert_eq!(rest.reason(), None, "told once");
    }

    #[test]
    fn a_machine_that_cannot_be_read_is_no_storm() {
        let mut rest = Rest::default();
        for (second, count) in [(0, 1_000_000), (1, 0), (2, 1_010_000), (3, 900_000)] {
            assert_ne!(rest.turn(Timestamp::from_secs(second), &machine(count)), Some(false), "{second}");
        }
        assert_eq!(rest.reason(), None);
    }
}
