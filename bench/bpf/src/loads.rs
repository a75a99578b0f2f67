//! The loads: one operation each, repeated; what the machine does most when it is busy.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::figure::Failure;

/// A load, by its name and its operation.
pub(crate) struct Load {
    /// Name of the case.
    pub(crate) name: &'static str,
    /// The CPU on which it must run, if any.
    cpu: Option<usize>,
    op: Box<dyn FnMut() -> std::io::Result<()>>,
}

impl Load {
    /// Ties the calling thread to where this load wants to be.
    pub(crate) fn settle(&self) {
        self.cpu.iter().for_each(|cpu| pin(*cpu));
    }

    /// One operation.
    pub(crate) fn op(&mut self) -> std::io::Result<()> {
        (self.op)()
    }
}

/// All loads, ready to run.
pub(crate) fn all() -> Result<Vec<Load>, Failure> {
    Ok(vec![paced()?, switch()?, fork(), file(), net()?])
}

/// A byte to another thread of the same CPU and back: two switches, nothing else.
fn switch() -> Result<Load, Failure> {
    let (mut near, mut far) = UnixStream::pair()?;
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        pin(1);
        let _ = ready.send(());
        let mut byte = [0];
        while far.read_exact(&mut byte).and_then(|()| far.write_all(&byte)).is_ok() {}
    });
    is_ready.recv()?;
    let op = move || {
        let mut byte = [1];
        near.write_all(&byte)?;
        near.read_exact(&mut byte)
    };
    Ok(Load { name: "switch", cpu: Some(1), op: Box::new(op) })
}

/// A hundred of the cheapest system calls there are.
pub(crate) fn call() -> Load {
    let op = || {
        for _ in 0..100 {
            // SAFETY: a plain query.
            unsafe { libc::syscall(libc::SYS_getppid) };
        }
        Ok(())
    };
    Load { name: "call", cpu: None, op: Box::new(op) }
}

/// The same at the rate of the budget, 20,000 switches a second: 250 bytes, then a rest.
fn paced() -> Result<Load, Failure> {
    let mut inner = switch()?;
    let (period, mut due, mut count) = (Duration::from_millis(25), Instant::now(), 0u32);
    let op = move || {
        inner.op()?;
        count += 1;
        if count.is_multiple_of(250) {
            // A rest that is over since the load last ran is not made up for.
            due = (due + period).max(Instant::now() - period);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    };
    Ok(Load { name: "switch_20k", cpu: Some(1), op: Box::new(op) })
}

/// A process: started, executed, ended, reaped.
fn fork() -> Load {
    let op = || Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::null()).status().map(|_| ());
    Load { name: "fork", cpu: None, op: Box::new(op) }
}

/// A file of 4 KiB: created, written, read, deleted; one in 200 is synced.
fn file() -> Load {
    let path: PathBuf = std::env::temp_dir().join(format!("bench-bpf-{}", std::process::id()));
    let mut count = 0u32;
    let op = move || {
        let mut file = File::create(&path)?;
        file.write_all(&[5; 4096])?;
        count += 1;
        if count.is_multiple_of(200) {
            file.sync_all()?;
        }
        fs::read(&path)?;
        fs::remove_file(&path)
    };
    Load { name: "file", cpu: None, op: Box::new(op) }
}

/// A request and its answer over TCP on loopback; a new connection after every hundred.
fn net() -> Result<Load, Failure> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    let address = server.local_addr()?;
    thread::spawn(move || {
        let mut buffer = [0; 64];
        for mut peer in server.incoming().flatten() {
            let _ = peer.set_nodelay(true);
            while peer.read_exact(&mut buffer).and_then(|()| peer.write_all(&buffer)).is_ok() {}
        }
    });
    let (mut stream, mut count) = (TcpStream::connect(address)?, 0u32);
    let op = move || {
        count += 1;
        if count.is_multiple_of(100) {
            stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
        }
        let mut buffer = [7; 64];
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)
    };
    Ok(Load { name: "net", cpu: None, op: Box::new(op) })
}

/// Ties the calling thread to one CPU, where there is one of that number.
pub(crate) fn pin(cpu: usize) {
    // SAFETY: a zeroed set is an empty one, and the kernel reads exactly its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// Lets the calling thread run everywhere again.
pub(crate) fn unpin() {
    // SAFETY: as above; bits of CPUs that do not exist are ignored.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        (0..libc::CPU_SETSIZE as usize).for_each(|cpu| libc::CPU_SET(cpu, &mut set));
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}
