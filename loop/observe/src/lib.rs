//! The machine to samples and events. Reads; changes nothing.
