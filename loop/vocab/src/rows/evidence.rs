//! Table `evidence`.
use alloc::string::String;

use crate::Entity;

table! {
    /// What supports an incident: cells of tables, the nodes of its fault tree, other explanations.
    evidence => EvidenceRow {
        /// Number of the incident.
        incident_id: u64 => None,
        /// Order within the incident and role, from 0.
        position: u32 => None,
        /// cell, cause or alternative.
        role: String => None,
        /// Position of the parent among the causes; NULL for the root and for other roles.
        parent: Option<u32> => None,
        /// Who it is about.
        entity: Entity => None,
        /// Table of the cell.
        source_table: Option<String> => None,
        /// Column of the cell.
        source_column: Option<String> => None,
        /// What stood in the cell.
        value: Option<String> => None,
        /// What is normal there.
        normal: Option<String> => None,
        /// How sure.
        weight: Option<f64> => Ratio,
        /// The same in words.
        sentence: String => None,
    }
}
