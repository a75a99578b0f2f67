//! The engine that pure stages are handed for SQL: read-only, bounded, the same answer in a replay.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::incident::Incident;
use crate::snapshot::Snapshot;
use crate::{Entity, ProcessId, Value};

/// Why a query gave no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// What is wrong, for a person.
    pub message: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Read-only SQL over the tables of this turn.
pub trait Query {
    /// Rows of one statement with named parameters (`:incident_id`), at most 10,000 of them.
    ///
    /// # Errors
    /// A statement that does not parse, writes, or exceeds its fuel.
    fn rows(&mut self, sql: &str, parameters: &[(&str, Value)]) -> Result<Vec<Vec<Value>>, QueryError>;

    /// Whether the condition holds: the first cell of its first row is true.
    ///
    /// # Errors
    /// As [`Query::rows`].
    fn holds(&mut self, condition: &str, parameters: &[(&str, Value)]) -> Result<bool, QueryError> {
        let sql = alloc::format!("SELECT ({condition})");
        let rows = self.rows(&sql, parameters)?;
        Ok(rows.first().and_then(|row| row.first()).is_some_and(Value::is_true))
    }
}

/// The named parameters of every condition in a rule: `:incident_id`, `:culprit`, `:service`, `:pid`,
/// `:cgroup`, `:exhaustion_s`; NULL where the incident has none.
pub fn parameters(incident: &Incident, snapshot: &Snapshot) -> Vec<(&'static str, Value)> {
    let Incident { id, ref culprit, process, exhaustion_s, .. } = *incident;
    parameters_of(&Subject { incident_id: id, culprit, process, exhaustion_s }, snapshot)
}

/// What the parameters of a condition are about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The incident.
    pub incident_id: u64,
    /// Who is accused.
    pub culprit: &'a Entity,
    /// The process that is meant, if one is.
    pub process: Option<ProcessId>,
    /// Time until something runs out. Unit: s.
    pub exhaustion_s: Option<f64>,
}

/// As [`parameters`], where there is no whole incident at hand.
pub fn parameters_of(subject: &Subject<'_>, snapshot: &Snapshot) -> Vec<(&'static str, Value)> {
    let service = match subject.culprit {
        Entity::Service(name) => Some(name.as_str()),
        _ => None,
    };
    let cgroup = match cgroup_of(subject.culprit, snapshot) {
        Some(Entity::Cgroup(path)) => Some(path),
        _ => None,
    };
    let process = subject.process.or_else(|| main_process_of(subject.culprit, snapshot));
    alloc::vec![
        (":incident_id", Value::from(subject.incident_id)),
        (":culprit", Value::from(subject.culprit.clone())),
        (":service", Value::from(service)),
        (":pid", Value::from(process.map(|id| id.pid))),
        (":cgroup", Value::from(cgroup)),
        (":exhaustion_s", Value::from(subject.exhaustion_s)),
    ]
}

/// The main process of the incident's culprit, if that is a service that runs.
pub fn main_process(incident: &Incident, snapshot: &Snapshot) -> Option<ProcessId> {
    main_process_of(&incident.culprit, snapshot)
}

fn main_process_of(culprit: &Entity, snapshot: &Snapshot) -> Option<ProcessId> {
    let Entity::Service(name) = culprit else { return None };
    let service = snapshot.service(name)?;
    Some(ProcessId { pid: service.main_pid?, start_ticks: service.main_start_ticks? })
}

/// The cgroup that holds the incident's culprit and nobody else.
pub fn cgroup(incident: &Incident, snapshot: &Snapshot) -> Option<Entity> {
    cgroup_of(&incident.culprit, snapshot)
}

fn cgroup_of(culprit: &Entity, snapshot: &Snapshot) -> Option<Entity> {
    let Entity::Service(name) = culprit else { return None };
    let path = snapshot.service(name)?.cgroup.clone()?;
    Some(Entity::Cgroup(String::from(&*path)))
}
