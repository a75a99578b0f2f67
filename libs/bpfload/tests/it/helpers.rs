//! What the tests start as processes of their own: this binary again, with one of these as its test.
//!
//! Each returns at once unless the variable says that it was started as a helper.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bpfload::{Kernel, Options, State};

const ROLE: &str = "BPFLOAD_TEST_ROLE";

/// This binary as the helper `role`; standard output is piped.
pub fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("helpers::{role}"), "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Starts the helper `role`.
pub fn start(role: &str) -> Child {
    command(role).spawn().unwrap()
}

fn is_role(role: &str) -> bool {
    std::env::var(ROLE).is_ok_and(|is| is == role)
}

#[test]
fn naps() {
    if is_role("naps") {
        (0..20).for_each(|_| std::thread::sleep(Duration::from_millis(50)));
        (0..300).for_each(|_| std::thread::sleep(Duration::from_micros(200)));
    }
}

/// Waits uninterruptibly, 20 times 50 ms: as the parent of a vfork does for its child.
#[test]
fn blocks() {
    if !is_role("blocks") {
        return;
    }
    for _ in 0..20 {
        // SAFETY: without CLONE_VM the child has a copy of this memory; it sleeps and ends, no more.
        unsafe {
            let child = libc::syscall(libc::SYS_clone, libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0);
            if child == 0 {
                libc::usleep(50_000);
                libc::_exit(0);
            }
            assert!(child > 0);
            libc::waitpid(child as i32, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
fn spins() {
    if !is_role("spins") {
        return;
    }
    // SAFETY: a zeroed set is an empty one; it is valid for its size.
    unsafe {
        let mut cpus: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(0, &mut cpus);
        libc::sched_setaffinity(0, size_of_val(&cpus), &raw const cpus);
    }
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// CPU time that the leader of [`ends_its_leader_first`] uses.
pub const BURNT_NS: u64 = 200_000_000;

/// A child whose first thread works and ends, and whose second one ends the process after it.
#[test]
fn ends_its_leader_first() {
    if !is_role("ends_its_leader_first") {
        return;
    }
    // SAFETY: the child uses its own copy of this thread only, and the clocks and threads of the C library.
    unsafe {
        let child = libc::fork();
        if child > 0 {
            libc::waitpid(child, std::ptr::null_mut(), 0);
            return;
        }
        let mut used: libc::timespec = std::mem::zeroed();
        while (used.tv_sec as u64 * 1_000_000_000 + used.tv_nsec as u64) < BURNT_NS {
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut used);
        }
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            libc::_exit(0);
        });
        libc::syscall(libc::SYS_exit, 0);
    }
}

#[test]
fn faults() {
    if is_role("faults") {
        // SAFETY: none: the write to page 0 is the fault that the test waits for.
        unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
    }
}

/// Loads everything, prints `program id state`, and stays until it is killed.
#[test]
fn holds() {
    if !is_role("holds") {
        return;
    }
    let kernel = Kernel::load(&Options::default());
    for cost in kernel.costs() {
        println!("id {}", cost.id);
    }
    println!("ready");
    std::thread::sleep(Duration::from_secs(60));
}

/// Prints every urgent event for 30 seconds: for faults that only a person can inject.
#[test]
fn watches() {
    if !is_role("watches") {
        return;
    }
    let mut kernel = Kernel::load(&Options::default());
    let mut events = kernel.take_events().unwrap();
    println!("ready");
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        events.wait(100).unwrap();
        while let Some(event) = events.next_event() {
            if !matches!(event.kind(), Some(bpfload::Kind::Exec | bpfload::Kind::Exit)) {
                println!("{:?} {event:?}", event.kind());
            }
        }
    }
}

/// Loads what it may and prints `name attached` or `name missing: reason; would bring`.
#[test]
fn reports() {
    if !is_role("reports") {
        return;
    }
    let kernel = Kernel::load(&Options::default());
    for program in kernel.programs() {
        match &program.state {
            State::Missing(lack) => {
                println!("{} missing: {}; {}", program.spec.name, lack.reason, lack.would_bring);
            }
            _ => println!("{} attached", program.spec.name),
        }
    }
}

/// Waits for a line on standard input, then uses memory until something stops it.
#[test]
fn eats() {
    if !is_role("eats") {
        return;
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    for _ in 0..512 {
        eaten.push(vec![1; 1 << 20]);
    }
    println!("ate {}", eaten.len());
}

/// Waits for a line on standard input, then writes 64 MiB to the file named there.
#[test]
fn writes() {
    if !is_role("writes") {
        return;
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let mut file = std::fs::File::create(line.trim()).unwrap();
    (0..64).for_each(|_| std::io::Write::write_all(&mut file, &[3; 1 << 20]).unwrap());
}
