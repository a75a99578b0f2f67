//! What is normal for a service or program, as learnt on this machine.
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::finding::words;

words! {
    /// A quantity of which the normal range is learnt.
    Metric {
        /// CPU use. Unit: per cent of one core.
        CpuPercent = "cpu_pct",
        /// Anonymous memory. Unit: bytes.
        AnonBytes = "anon_bytes",
        /// Open descriptors. Unit: count.
        Descriptors = "descriptors",
        /// Wait for a CPU. Unit: per cent of the time.
        RunDelayPercent = "run_delay_pct",
    }
}

/// The normal range of one quantity. Robust: a minority of odd samples moves it little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Samples it rests on.
    pub samples: u64,
    /// Running median.
    pub center: f64,
    /// Running median distance from the center.
    pub spread: f64,
    /// Largest value taken as normal.
    pub high: f64,
}

/// Baselines by stable key (service, else program) and quantity. Learnt state: goes in and out of learn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Baselines(pub BTreeMap<(Arc<str>, Metric), Baseline>);

impl Baselines {
    /// The baseline of that key and quantity, if it rests on at least `samples_min` samples.
    pub fn get(&self, key: &Arc<str>, metric: Metric, samples_min: u64) -> Option<&Baseline> {
        self.0.get(&(key.clone(), metric)).filter(|one| one.samples >= samples_min)
    }
}
