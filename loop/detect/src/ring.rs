//! Bounded series: the last points of one process at full resolution, and its troughs over five minutes.
use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vocab::rows::Process;

/// Points at full resolution: one a turn.
pub const FINE_MAX: usize = 64;
/// Troughs: one each [`TROUGH_S`].
pub const COARSE_MAX: usize = 64;
/// Span of one trough. Unit: s. Times [`COARSE_MAX`] it is the longest window a trend can be judged over.
pub const TROUGH_S: f64 = 5.0;

/// A queue that forgets its oldest item when it is full.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ring<T> {
    items: VecDeque<T>,
    bound: usize,
}

impl<T: Copy> Ring<T> {
    pub const fn new(bound: usize) -> Self {
        Self { items: VecDeque::new(), bound }
    }

    pub fn push(&mut self, item: T) {
        if self.items.len() == self.bound {
            self.items.pop_front();
        }
        self.items.push_back(item);
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator + Clone {
        self.items.iter()
    }

    pub fn last(&self) -> Option<&T> {
        self.items.back()
    }

    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.items.back_mut()
    }

    pub fn first(&self) -> Option<&T> {
        self.items.front()
    }
}

/// One process at one instant, packed: a thousand processes must fit in a few MiB.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// Time since the first snapshot. Unit: s.
    pub at_s: f64,
    /// Memory of its own: anonymous, resident and swapped, and shared memory that it made. Unit: KiB.
    pub anon_kib: Option<u32>,
    /// Mapped memory, touched or not. Unit: KiB.
    pub virtual_kib: u32,
    /// Open descriptors.
    pub descriptors: Option<u32>,
    /// All but one wait for a CPU in a hundred were shorter. Unit: us. `None` without programs in the kernel, or where
    /// it hardly ran.
    pub wait_p99_us: Option<f32>,
    /// Established connections; 0 where unknown.
    pub established: u32,
    /// Connections that wait for the process: to be accepted, to be read.
    pub waiting: u32,
    /// Connections that the peer closed and the process did not.
    pub close_wait: u32,
    /// CPU use, 100 a core.
    pub cpu_pct: f32,
    /// Wait for a CPU; 0 where unknown.
    pub run_delay_pct: f32,
    /// Page faults; 0 where unknown.
    pub faults_per_s: f32,
    /// Read and write calls.
    pub io_calls_per_s: Option<f32>,
    /// Times the main thread gave up the CPU.
    pub switches_per_s: Option<f32>,
    /// Whether it slept without being interruptible.
    pub is_blocked: bool,
}

impl Point {
    /// What of a row is remembered.
    pub fn of(process: &Process, at_s: f64) -> Self {
        let anon = process.anon_bytes.map(|bytes| bytes.saturating_add(process.swap_bytes.unwrap_or(0)));
        let waiting = u64::from(process.accept_backlog.unwrap_or(0))
            + u64::from(process.unread_connections.unwrap_or(0));
        Self {
            at_s,
            anon_kib: anon.map(|bytes| clamp(bytes / 1024)),
            virtual_kib: clamp(process.virtual_bytes / 1024),
            descriptors: process.descriptors.map(clamp),
            wait_p99_us: None,
            established: process.established.unwrap_or(0),
            waiting: clamp(waiting),
            close_wait: process.close_wait.unwrap_or(0),
            cpu_pct: finite(process.cpu_pct).unwrap_or(0.0),
            run_delay_pct: finite(process.run_delay_pct).unwrap_or(0.0),
            faults_per_s: finite(process.minor_faults_per_s).unwrap_or(0.0),
            io_calls_per_s: finite(process.io_calls_per_s),
            switches_per_s: finite(process.voluntary_switches_per_s),
            is_blocked: process.state == "D",
        }
    }

    /// What it used and what it would have used of a CPU. Unit: per cent of one core.
    pub fn demand_pct(&self) -> f32 {
        self.cpu_pct + self.run_delay_pct
    }
}

/// The least of a span of [`TROUGH_S`]: what was not given back in it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Trough {
    pub start_s: f64,
    pub end_s: f64,
    pub anon_kib: Option<u32>,
    pub descriptors: Option<u32>,
    /// Mean CPU use of its points, and how many they are. Unit: 100 a core.
    pub cpu_pct: f32,
    pub points: u32,
}

fn clamp(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn finite(value: Option<f64>) -> Option<f32> {
    value.filter(|one| one.is_finite()).map(|one| one as f32)
}

/// The smaller of two, where an unknown one does not count.
pub fn least(left: Option<u32>, right: Option<u32>) -> Option<u32> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (one, None) | (None, one) => one,
    }
}
