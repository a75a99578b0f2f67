//! What makes the machine busy while a reflex is measured: threads that spin, processes that thrash.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::figure::Failure;

/// Memory of the cgroup in which the thrashing processes live, and what each of them wants.
const LIMIT_BYTES: u64 = 64 << 20;
const WANTED_BYTES: usize = 128 << 20;

/// A state of the machine, which ends when it is dropped.
#[derive(Default)]
pub(crate) struct Stress {
    stop: Arc<AtomicBool>,
    children: Vec<Child>,
    cgroup: Option<PathBuf>,
    file: Option<PathBuf>,
}

impl Stress {
    /// `idle`, `cpu` (two spinning threads a CPU) or `memory` (two processes a CPU, each of which wants
    /// twice the memory that they may have together).
    pub(crate) fn start(case: &str) -> Result<Self, Failure> {
        let cpus = thread::available_parallelism()?.get();
        let mut stress = Self::default();
        match case {
            "cpu" => (0..2 * cpus).for_each(|_| stress.spin()),
            "memory" => stress.thrash(2 * cpus)?,
            _ => {}
        }
        thread::sleep(std::time::Duration::from_millis(500));
        Ok(stress)
    }

    fn spin(&self) {
        let stop = Arc::clone(&self.stop);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
    }

    fn thrash(&mut self, processes: usize) -> Result<(), Failure> {
        let v1 = fs::exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")?;
        let (root, limit) = if v1 {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            ("/sys/fs/cgroup", "memory.max")
        };
        let cgroup = PathBuf::from(root).join(format!("bench-bpf-{}", std::process::id()));
        fs::create_dir(&cgroup)?;
        self.cgroup = Some(cgroup.clone());
        fs::write(cgroup.join(limit), LIMIT_BYTES.to_string())?;
        let file = std::env::temp_dir().join(format!("bench-bpf-thrash-{}", std::process::id()));
        self.file = Some(file.clone());
        write_uncached(&file)?;
        for _ in 0..processes {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("thrash").env("BENCH_BPF_FILE", &file).env("BENCH_BPF_CGROUP", &cgroup);
            self.children.push(command.spawn()?);
        }
        Ok(())
    }
}

impl Drop for Stress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for child in &mut self.children {
            // The child may have ended by itself; there is nothing else to do about it.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.cgroup.iter().for_each(|path| drop(fs::remove_dir(path)));
        self.file.iter().for_each(|path| drop(fs::remove_file(path)));
    }
}

/// Writes the file so that its pages belong to whoever reads it first.
fn write_uncached(path: &Path) -> Result<(), Failure> {
    let mut file = File::create(path)?;
    file.write_all(&vec![1; WANTED_BYTES])?;
    file.sync_all()?;
    // SAFETY: advice about our own descriptor.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    Ok(())
}

/// The child: joins the cgroup, then reads the file over and over, which never fits.
pub(crate) fn thrash() -> ExitCode {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let procs = PathBuf::from(variable("BENCH_BPF_CGROUP")).join("cgroup.procs");
    if fs::write(procs, std::process::id().to_string()).is_err() {
        return ExitCode::FAILURE;
    }
    let mut buffer = vec![0; 1 << 20];
    loop {
        let Ok(mut file) = File::open(variable("BENCH_BPF_FILE")) else { return ExitCode::FAILURE };
        while file.read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
}
