//! One turn of the loop, in order; record and replay.
