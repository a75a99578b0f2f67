//! Samples to snapshots, SQL tables and history.
//!
//! Read [`Deriver`] first: it turns what the machine said (a sample) into what it means (a snapshot). Then
//! [`Engine`]: SQL over a snapshot and the loop's own rows. Last [`Store`] and
//! [`history`]: what outlives the daemon. Nothing here reads the machine or changes it.

pub mod derive;
pub mod docs;
pub mod engine;
pub mod history;
mod source;
pub mod store;
mod view;

pub use derive::Deriver;
pub use engine::{Engine, Live, ResultSet, Write};
pub use store::{Store, StoreError};
pub use view::{View, event_row};
/// Why a statement gave no rows.
pub use vocab::query::QueryError as EngineError;
