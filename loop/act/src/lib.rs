//! Decisions to effects with undo: the only crate that changes the machine.
