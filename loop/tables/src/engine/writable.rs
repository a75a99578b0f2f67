//! What SQL may change: the declared cells. Start at [`WRITABLE`].
use vocab::{Entity, Value};

/// One cell that a person wants changed. Act's guards decide whether it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Table.
    pub table: &'static str,
    /// The row: a process with its start time, a cgroup by path, a service by name.
    pub entity: Entity,
    /// Column.
    pub column: &'static str,
    /// New value, in the unit of its column; NULL takes a limit away where that has a meaning.
    pub value: Value,
}

/// A cell that may be changed.
#[derive(Clone, Copy, Debug)]
pub struct Writable {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// Least and greatest value.
    pub range: (i64, i64),
    /// Whether NULL, no limit, is a value.
    pub can_be_null: bool,
    /// What a change of it does, for documents.
    pub doc: &'static str,
}

/// Every cell that may be changed.
pub const WRITABLE: &[Writable] = &[
    Writable {
        table: "processes",
        column: "nice",
        range: (-20, 19),
        can_be_null: false,
        doc: "Sets the nice value of the process and its threads.",
    },
    Writable {
        table: "processes",
        column: "descriptor_limit",
        range: (1, i64::MAX),
        can_be_null: false,
        doc: "Sets the soft limit of open descriptors.",
    },
    Writable {
        table: "cgroups",
        column: "cpu_weight",
        range: (1, 10_000),
        can_be_null: false,
        doc: "Sets the CPU weight.",
    },
    Writable {
        table: "cgroups",
        column: "memory_high",
        range: (1, i64::MAX),
        can_be_null: true,
        doc: "Sets the limit above which memory is throttled; NULL takes it away.",
    },
    Writable {
        table: "cgroups",
        column: "is_frozen",
        range: (0, 1),
        can_be_null: false,
        doc: "1 freezes the processes, 0 lets them run.",
    },
    Writable {
        table: "services",
        column: "back_off_s",
        range: (0, 86_400),
        can_be_null: false,
        doc: "Sets the wait before the next start after a failure.",
    },
];

/// The declaration of that cell, if it may be changed.
pub fn writable(table: &str, column: &str) -> Option<&'static Writable> {
    let is_it =
        |one: &&Writable| one.table.eq_ignore_ascii_case(table) && one.column.eq_ignore_ascii_case(column);
    WRITABLE.iter().find(is_it)
}

/// What may be changed, in one line, for a person who tried something else.
pub fn writable_list() -> String {
    WRITABLE.iter().map(|one| format!("{}.{}", one.table, one.column)).collect::<Vec<_>>().join(", ")
}
