//! Readers of proc, sys and cgroup files with reused buffers.
