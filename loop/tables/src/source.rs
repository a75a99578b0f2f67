//! Where the rows of each declared table come from.
use std::sync::Arc;

use vocab::Value;
use vocab::capability::Capability;
use vocab::rows::*;
use vocab::table::{Row, TableSpec};

use crate::view::View;

/// One table and its rows.
pub struct Source {
    /// Its declaration.
    pub spec: TableSpec,
    /// Where its rows are.
    pub origin: Origin,
    /// Column by which the rows of a view ascend, for point look-ups.
    pub sorted_by: Option<usize>,
    /// Columns that tell a stored row from the same row in memory; empty for tables without a past.
    pub key: &'static [&'static str],
}

/// Where rows are.
#[derive(Clone, Copy)]
pub enum Origin {
    /// In the view.
    View {
        /// How many rows.
        len: fn(&View) -> usize,
        /// One cell.
        cell: fn(&View, usize, usize) -> Value,
    },
    /// On the machine; read by pid when asked for.
    Live(LiveTable),
    /// In the history; see [`super::past`].
    Past,
}

/// A table that is read when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LiveTable {
    /// `threads`.
    Threads,
    /// `open_files`.
    OpenFiles,
    /// `maps`.
    Maps,
}

impl Source {
    /// Index of the column of that name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.spec.columns.iter().position(|column| column.name == name)
    }

    /// Whether it is read from the machine when asked for.
    pub const fn is_live(&self) -> bool {
        matches!(self.origin, Origin::Live(_))
    }
}

/// A row that stands in the view.
trait InView: Row + Sized {
    fn len(view: &View) -> usize;
    fn get(view: &View, row: usize) -> Option<&Self>;
}

macro_rules! in_view_at {
    ($row:ty: $($field:ident).+) => {
        impl InView for $row {
            fn len(view: &View) -> usize {
                view.$($field).+.len()
            }

            fn get(view: &View, row: usize) -> Option<&Self> {
                view.$($field).+.get(row)
            }
        }
    };
}

macro_rules! in_snapshot {
    ($($row:ty: $field:ident),*) => {$(
        in_view_at!($row: snapshot.$field);
    )*};
}
in_snapshot!(
    Process: processes, Cgroup: cgroups, Service: services, Pressure: pressures, Disk: disks,
    Filesystem: filesystems, Interface: interfaces, RunqLatency: runq_latency, BlockLatency: block_latency,
    FsLatency: fs_latency, TcpSockets: tcp_sockets, SoftirqTime: softirq_time, SyscallRow: syscalls, ExecRow: execs, ExitRow: exits, OomKillRow: oom_kills, SignalRow: signals, MemoryVictim: memory_victims,
    BpfProgram: bpf_programs, ProfileRow: profiles, GpuCallRow: gpu_calls
);

macro_rules! in_ledger {
    ($($row:ty: $field:ident),*) => {$(
        in_view_at!($row: ledger.$field);
    )*};
}
in_ledger!(
    FindingRow: findings, Arc<IncidentRow>: incidents, Arc<EvidenceRow>: evidence, DecisionRow: decisions,
    ActionRow: actions, OutcomeRow: outcomes, LeaseRow: leases, Capability: capabilities, SelfRow: own
);

macro_rules! in_learnt {
    ($($row:ty: $field:ident),*) => {$(
        in_view_at!($row: learnt.$field);
    )*};
}
in_learnt!(
    AnomalyRow: anomalies, ForecastRow: forecasts, LogTemplateRow: log_templates, ModelRow: models,
    BehaviourRow: behaviour, FeedbackRow: feedback
);

impl InView for Machine {
    fn len(_: &View) -> usize {
        1
    }

    fn get(view: &View, row: usize) -> Option<&Self> {
        (row == 0).then_some(&view.snapshot.machine)
    }
}

in_view_at!(EventRow: events);

const fn in_view<R: InView>(sorted_by: Option<usize>, key: &'static [&'static str]) -> Source {
    let origin = Origin::View {
        len: R::len,
        cell: |view, row, column| R::get(view, row).map_or(Value::Null, |row| row.cell(column)),
    };
    Source { spec: R::SPEC, origin, sorted_by, key }
}

const fn live<R: Row>(table: LiveTable) -> Source {
    Source { spec: R::SPEC, origin: Origin::Live(table), sorted_by: None, key: &[] }
}

/// Every table, in the order of [`TABLES`].
pub static SOURCES: &[Source] = &[
    in_view::<Machine>(None, &[]),
    in_view::<Process>(Some(0), &[]),
    live::<Thread>(LiveTable::Threads),
    live::<OpenFile>(LiveTable::OpenFiles),
    live::<Map>(LiveTable::Maps),
    in_view::<Cgroup>(None, &[]),
    in_view::<Service>(None, &[]),
    in_view::<Pressure>(None, &[]),
    in_view::<Disk>(None, &[]),
    in_view::<Filesystem>(None, &[]),
    in_view::<Interface>(None, &[]),
    in_view::<RunqLatency>(Some(0), &[]),
    in_view::<BlockLatency>(None, &[]),
    in_view::<FsLatency>(Some(0), &[]),
    in_view::<TcpSockets>(None, &[]),
    in_view::<SoftirqTime>(None, &[]),
    in_view::<SyscallRow>(None, &[]),
    in_view::<ExecRow>(None, &[]),
    in_view::<ExitRow>(None, &[]),
    in_view::<OomKillRow>(None, &[]),
    in_view::<SignalRow>(None, &[]),
    in_view::<MemoryVictim>(None, &[]),
    in_view::<BpfProgram>(None, &[]),
    in_view::<ProfileRow>(None, &[]),
    in_view::<GpuCallRow>(None, &[]),
    in_view::<EventRow>(None, &["at", "kind", "entity", "message"]),
    in_view::<FindingRow>(None, &[]),
    in_view::<Arc<IncidentRow>>(None, &["id"]),
    in_view::<Arc<EvidenceRow>>(None, &["incident_id", "role", "position"]),
    in_view::<DecisionRow>(None, &["id"]),
    in_view::<ActionRow>(None, &["id"]),
    in_view::<OutcomeRow>(None, &["action_id"]),
    in_view::<LeaseRow>(None, &[]),
    in_view::<Capability>(None, &[]),
    in_view::<SelfRow>(None, &[]),
    Source { spec: MetricRow::SPEC, origin: Origin::Past, sorted_by: None, key: &[] },
    in_view::<AnomalyRow>(None, &[]),
    Source { spec: ScoreRow::SPEC, origin: Origin::Past, sorted_by: None, key: &[] },
    in_view::<ForecastRow>(None, &[]),
    in_view::<LogTemplateRow>(None, &[]),
    in_view::<BehaviourRow>(None, &[]),
    in_view::<ModelRow>(None, &[]),
    in_view::<FeedbackRow>(None, &[]),
];

/// The source of the table of that name.
pub fn source(table: &str) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.spec.name.eq_ignore_ascii_case(table))
}

#[cfg(test)]
mod tests {
    use super::SOURCES;
    use vocab::rows::TABLES;

    #[test]
    fn every_declared_table_has_a_source_whose_key_exists() {
        let names = |specs: &mut dyn Iterator<Item = &'static str>| specs.collect::<Vec<_>>();
        let declared = names(&mut TABLES.iter().map(|table| table.name));
        assert_eq!(names(&mut SOURCES.iter().map(|source| source.spec.name)), declared);
        for source in SOURCES {
            for column in source.key {
                assert!(source.column(column).is_some(), "{}.{column}", source.spec.name);
            }
        }
        assert_eq!(SOURCES[1].spec.columns[0].name, "pid");
    }
}
