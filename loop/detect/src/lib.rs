//! Snapshot to findings and probes. Pure.
#![no_std]
