//! `/proc/PID/task`: the threads of a process and what each waits for. See [`Thread`]. For probes.

use crate::bytes::{dec, fields, hex, signed};
use crate::error::{Error, Result, parsed};
use crate::name::{Comm, Name};
use crate::proc_fs::{ProcFs, TaskId};

/// One thread. What needs a right that is missing is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Id of the thread.
    pub tid: u32,
    /// Name of the thread.
    pub comm: Comm,
    /// State letter, as in [`crate::Stat::state`].
    pub state: u8,
    /// CPU time in user mode, clock ticks.
    pub utime_ticks: u64,
    /// CPU time in kernel mode, clock ticks.
    pub stime_ticks: u64,
    /// Times it gave up the CPU to wait, count.
    pub voluntary_switches: Option<u64>,
    /// Kernel function it sleeps in; `None` while it runs, without the ptrace right or without symbols.
    pub wchan: Option<Name<64>>,
    /// System call it is in; `None` without the ptrace right.
    pub syscall: Option<Syscall>,
}

/// The text of `syscall`: where a thread stands.
///
/// Source: `proc_pid_syscall(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syscall {
    /// On a CPU or runnable: the registers are not known.
    Running,
    /// Stopped outside of a system call (a fault, a signal).
    Outside {
        /// Stack pointer.
        sp: u64,
        /// Program counter.
        pc: u64,
    },
    /// In a system call.
    In {
        /// Number of the call on this architecture; see [`crate::arch::syscall_name`].
        number: u32,
        /// Its six argument registers.
        args: [u64; 6],
        /// Stack pointer.
        sp: u64,
        /// Program counter, behind the call.
        pc: u64,
    },
}

impl Syscall {
    /// Reads the text of `syscall`. `None` for text in any other form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if text == b"running" {
            return Some(Self::Running);
        }
        let mut rest = fields(text);
        let number: i64 = signed(rest.next()?)?;
        if number == -1 {
            return Some(Self::Outside { sp: hex(rest.next()?)?, pc: hex(rest.next()?)? });
        }
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = hex(rest.next()?)?;
        }
        let number = u32::try_from(number).ok()?;
        Some(Self::In { number, args, sp: hex(rest.next()?)?, pc: hex(rest.next()?)? })
    }
}

/// Reads the text of `wchan`: `None` for an empty text or `0`.
pub fn parse_wchan(text: &[u8]) -> Option<Name<64>> {
    let text = text.trim_ascii();
    (!text.is_empty() && dec::<u64>(text).is_none()).then(|| Name::new(text))
}

impl ProcFs {
    /// Lists the thread ids of a process into `tids`. Needs no privilege.
    pub fn tids(&mut self, pid: u32, tids: &mut Vec<u32>) -> Result<()> {
        tids.clear();
        self.numbers(pid, "task", |tid| tids.push(tid))
    }

    /// Reads one thread: `stat`, `status`, and where it stands.
    pub fn thread(&mut self, task: TaskId) -> Result<Thread> {
        let page_bytes = self.page_bytes();
        let stat = crate::Stat::parse(self.of_task(task, "stat")?, page_bytes);
        let stat = parsed("stat", stat)?;
        let status = crate::Status::parse(self.of_task(task, "status")?);
        let voluntary_switches = parsed("status", status)?.voluntary_ctxt_switches;
        let thread = Thread {
            tid: task.tid,
            comm: stat.comm,
            state: stat.state,
            utime_ticks: stat.utime_ticks,
            stime_ticks: stat.stime_ticks,
            voluntary_switches,
            wchan: None,
            syscall: None,
        };
        self.stands(task.pid, thread)
    }

    /// Reads where a thread of which the rest is known stands: `syscall`, and `wchan` where the call says nothing or it
    /// cannot be interrupted.
    pub fn stands(&mut self, pid: u32, thread: Thread) -> Result<Thread> {
        let task = TaskId { pid, tid: thread.tid };
        let syscall = self.permitted(task, "syscall")?.and_then(Syscall::parse);
        // The name costs the kernel a search through its symbols.
        let is_told = thread.state == b'S' && matches!(syscall, Some(Syscall::In { .. }));
        let wchan = if is_told { None } else { self.permitted(task, "wchan")?.and_then(parse_wchan) };
        Ok(Thread { wchan, syscall, ..thread })
    }

    /// Reads where one thread stands: one file instead of the four of [`ProcFs::thread`]. Needs the ptrace right.
    pub fn syscall(&mut self, task: TaskId) -> Result<Option<Syscall>> {
        Ok(Syscall::parse(self.of_task(task, "syscall")?))
    }

    /// Reads all threads of a process into `threads`; those that end meanwhile are left out.
    pub fn threads(&mut self, pid: u32, threads: &mut Vec<Thread>) -> Result<()> {
        threads.clear();
        let mut tids = Vec::new();
        self.tids(pid, &mut tids)?;
        for tid in tids {
            match self.thread(TaskId { pid, tid }) {
                Ok(thread) => threads.push(thread),
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The text of a file of a thread; `None` where the right or the kernel's support is missing.
    fn permitted(&mut self, task: TaskId, file: &'static str) -> Result<Option<&[u8]>> {
        match self.of_task(task, file) {
            Ok(text) => Ok(Some(text)),
            Err(Error::Os { errno, .. }) if errno != rustix::io::Errno::SRCH => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_forms_of_syscall() {
        assert_eq!(Syscall::parse(b"running\n"), Some(Syscall::Running));
        assert_eq!(Syscall::parse(b"-1 0x7f 0x55\n"), Some(Syscall::Outside { sp: 0x7f, pc: 0x55 }));
        let call = Syscall::In { number: 202, args: [16, 0, 2, 0, 0, u64::MAX], sp: 1, pc: 2 };
        assert_eq!(Syscall::parse(b"202 0x10 0x0 0x2 0x0 0x0 0xffffffffffffffff 0x1 0x2\n"), Some(call));
        for broken in [&b""[..], b"202", b"-2 0x1 0x2", b"202 0x10 0x0 0x2 0x0 0x0 0x0 0x1", b"x 0x1"] {
            assert_eq!(Syscall::parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn wchan_zero_is_none() {
        assert_eq!(parse_wchan(b"0"), None);
        assert_eq!(parse_wchan(b""), None);
        assert_eq!(parse_wchan(b"futex_wait_queue").unwrap().as_bytes(), b"futex_wait_queue");
    }

    #[test]
    fn finds_a_sleeping_thread_of_its_own() {
        let (wake, sleep) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::Builder::new().name("kernfs sleeper)".into()).spawn(move || sleep.recv());
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let mut threads = Vec::new();
        let mut found = None;
        for _ in 0..200 {
            proc.threads(std::process::id(), &mut threads).unwrap();
            found =
                threads.iter().copied().find(|t| t.comm.as_bytes() == b"kernfs sleeper)" && t.state == b'S');
            if found.is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        drop(wake);
        let _ = sleeper.unwrap().join().unwrap();
        let found = found.unwrap();
        assert!(found.voluntary_switches.is_some());
        assert!(threads.len() >= 2);
        #[cfg(target_arch = "x86_64")]
        if let Some(Syscall::In { number, .. }) = found.syscall {
            assert_eq!(crate::arch::syscall_name(number), Some("futex"));
        }
    }
}
