//! A repair rule as a person writes it, and the modes that bound what may happen.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};

use crate::finding::{FindingKind, words};

words! {
    /// How far Homeostat may go.
    Mode {
        /// Watch and explain only.
        Observe = "observe",
        /// Also say what it would do. The default.
        Advise = "advise",
        /// Do it, prove it or undo it.
        Heal = "heal",
    }
}

words! {
    /// What act can do to the machine.
    ActuatorKind {
        /// Raise the nice value of a process and its threads.
        SetNice = "set_nice",
        /// Lower the CPU weight of a cgroup.
        SetCpuWeight = "set_cpu_weight",
        /// Set the memory throttling limit of a cgroup (memory.high).
        ThrottleMemory = "throttle_memory",
        /// Stop a cgroup or process from running until undone.
        Freeze = "freeze",
        /// Restart a service of our supervisor or a systemd unit. Final.
        RestartService = "restart_service",
        /// Raise the soft limit of open descriptors of a process.
        RaiseDescriptorLimit = "raise_descriptor_limit",
        /// Wait longer before the next start of a failing service.
        BackOff = "back_off",
        /// End a process that belongs to no service. Final.
        Terminate = "terminate",
        /// End a process at once, without asking it: when memory runs out. Final.
        Kill = "kill",
    }
}

impl ActuatorKind {
    /// Whether what it does cannot be taken back.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::RestartService | Self::Terminate | Self::Kill)
    }
}

/// One rule: when it applies, and a ladder of repairs, mildest first. Read from `policies/*.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name, unique among the loaded rules.
    pub name: String,
    /// One sentence for a person.
    pub description: String,
    /// The kinds of incident it answers; none for a reflex.
    #[serde(default)]
    pub kinds: Vec<FindingKind>,
    /// SQL condition over `incident` (the row of `incidents`) and any table; absent: always.
    #[serde(default)]
    pub when: Option<String>,
    /// Mode of this rule; absent: that of the machine. The stricter of the two holds.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// Confidence below which it only advises. Unit: ratio.
    #[serde(default = "default_confidence_min")]
    pub confidence_min: f64,
    /// Repairs, mildest first.
    #[serde(default)]
    pub ladder: Vec<Rung>,
    /// What is done at once when something happens, between two turns.
    #[serde(default)]
    pub reflex: Option<Reflex>,
}

words! {
    /// What a reflex answers.
    Stimulus {
        /// Memory of the machine or of a limited cgroup runs out; the victim is whoever has the highest score.
        MemoryExhausted = "memory_exhausted",
        /// A program was executed.
        Exec = "exec",
        /// A process ended badly.
        Failure = "failure",
        /// The kernel killed a process for memory.
        OomKill = "oom_kill",
        /// A signal was sent to a process.
        Signal = "signal",
    }
}

/// An effect that lives in the kernel only, made within microseconds of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reflex {
    /// Upon what.
    pub on: Stimulus,
    /// Only if it happens to a process of this service; the service is then the target.
    #[serde(default)]
    pub service: Option<String>,
    /// Only if it happens to a process of this name (comm).
    #[serde(default)]
    pub name: Option<String>,
    /// Only this signal.
    #[serde(default)]
    pub signal: Option<i32>,
    /// What to do: freeze, set_cpu_weight or throttle_memory.
    pub action: ActuatorKind,
    /// How much, in the actuator's own terms.
    #[serde(default)]
    pub amount: Option<f64>,
    /// It is taken back after so long. Unit: s.
    pub lease_s: f64,
    /// Also kill the victim, once that intent is durable.
    #[serde(default)]
    pub then_kill: bool,
}

const fn default_confidence_min() -> f64 {
    0.8
}

/// One repair of a ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// What to do.
    pub action: ActuatorKind,
    /// To whom: `culprit` or `process`; absent: what the actuator wants.
    #[serde(default)]
    pub target: Option<String>,
    /// How much, in the actuator's own terms: a nice value, a weight, a factor.
    #[serde(default)]
    pub amount: Option<f64>,
    /// SQL condition that must hold right before the action, checked on a fresh sample; absent: none.
    #[serde(default)]
    pub only_if: Option<String>,
    /// SQL condition over tables that proves the effect.
    pub expect: String,
    /// The condition must hold by then. Unit: s.
    pub within_s: f64,
    /// And go on holding for so long. Unit: s.
    pub verify_s: f64,
    /// What a proven effect is called: `repaired`, or `contained` for one that only stops the spread.
    #[serde(default)]
    pub proves: Proves,
    /// SQL condition upon which a held effect is released; absent: when the incident closes.
    #[serde(default)]
    pub release_when: Option<String>,
    /// A held effect is released after so long whatever happens. Unit: s.
    #[serde(default = "default_hold_max_s")]
    pub hold_max_s: f64,
    /// Times this may be done to one culprit within an hour.
    #[serde(default = "default_hourly_max")]
    pub hourly_max: u32,
    /// Undo a verified effect if all of Homeostat dies.
    #[serde(default)]
    pub undo_on_death: bool,
}

const fn default_hold_max_s() -> f64 {
    3600.0
}

const fn default_hourly_max() -> u32 {
    3
}

/// What a rung's proven effect amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proves {
    /// The hurt service serves again.
    #[default]
    Repaired,
    /// The spread is stopped; the next rung follows.
    Contained,
}

impl Default for Mode {
    /// Nothing is changed until a person allows it.
    fn default() -> Self {
        Self::Advise
    }
}
