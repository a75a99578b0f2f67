//! Incidents to decisions under rules. Pure.
#![no_std]
