//! Snapshots and outcomes to baselines. Pure.
#![no_std]
