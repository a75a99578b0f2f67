//! One file a table: row struct, column, unit, sentence.
mod action;
mod anomaly;
mod behaviour;
mod cgroup;
mod decision;
mod disk;
mod event;
mod evidence;
mod feedback;
mod filesystem;
mod finding;
mod forecast;
mod gpu_call;
mod incident;
mod interface;
mod kernel;
mod lease;
mod log_template;
mod machine;
mod map;
mod metric;
mod model;
mod open_file;
mod outcome;
mod own;
mod pressure;
mod process;
mod profile;
mod score;
mod service;
mod thread;

pub use action::ActionRow;
pub use anomaly::AnomalyRow;
pub use behaviour::BehaviourRow;
pub use cgroup::Cgroup;
pub use decision::DecisionRow;
pub use disk::Disk;
pub use event::EventRow;
pub use evidence::EvidenceRow;
pub use feedback::FeedbackRow;
pub use filesystem::Filesystem;
pub use finding::FindingRow;
pub use forecast::ForecastRow;
pub use gpu_call::GpuCallRow;
pub use incident::IncidentRow;
pub use interface::Interface;
pub use kernel::{
    BlockLatency, BpfProgram, ExecRow, ExitRow, FsLatency, MemoryVictim, OomKillRow, RunqLatency, SignalRow,
    SoftirqTime, SyscallRow, TcpSockets,
};
pub use lease::LeaseRow;
pub use log_template::LogTemplateRow;
pub use machine::Machine;
pub use map::Map;
pub use metric::MetricRow;
pub use model::ModelRow;
pub use open_file::OpenFile;
pub use outcome::OutcomeRow;
pub use own::SelfRow;
pub use pressure::Pressure;
pub use process::Process;
pub use profile::ProfileRow;
pub use score::ScoreRow;
pub use service::Service;
pub use thread::Thread;

use crate::capability::Capability;
use crate::table::{Row, TableSpec};

/// Every table there is, in the order in which documents list them.
pub const TABLES: &[TableSpec] = &[
    Machine::SPEC,
    Process::SPEC,
    Thread::SPEC,
    OpenFile::SPEC,
    Map::SPEC,
    Cgroup::SPEC,
    Service::SPEC,
    Pressure::SPEC,
    Disk::SPEC,
    Filesystem::SPEC,
    Interface::SPEC,
    RunqLatency::SPEC,
    BlockLatency::SPEC,
    FsLatency::SPEC,
    TcpSockets::SPEC,
    SoftirqTime::SPEC,
    SyscallRow::SPEC,
    ExecRow::SPEC,
    ExitRow::SPEC,
    OomKillRow::SPEC,
    SignalRow::SPEC,
    MemoryVictim::SPEC,
    BpfProgram::SPEC,
    ProfileRow::SPEC,
    GpuCallRow::SPEC,
    EventRow::SPEC,
    FindingRow::SPEC,
    IncidentRow::SPEC,
    EvidenceRow::SPEC,
    DecisionRow::SPEC,
    ActionRow::SPEC,
    OutcomeRow::SPEC,
    LeaseRow::SPEC,
    Capability::SPEC,
    SelfRow::SPEC,
    MetricRow::SPEC,
    AnomalyRow::SPEC,
    ScoreRow::SPEC,
    ForecastRow::SPEC,
    LogTemplateRow::SPEC,
    BehaviourRow::SPEC,
    ModelRow::SPEC,
    FeedbackRow::SPEC,
];
