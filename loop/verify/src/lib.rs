//! Effects and later snapshots to outcomes. Pure.
#![no_std]
