//! Findings and topology to incidents. Pure.
#![no_std]
