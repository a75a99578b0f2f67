//! Samples to snapshots, SQL tables and history.
