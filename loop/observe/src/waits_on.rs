//! What a sleeping thread waits on: the class of the descriptor that its system call names.
//!
//! It tells a thread that waits for somebody else's answer from one that waits for orders, and of one that waits for the
//! lock of a file who holds it.
use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use kernfs::{Syscall, TcpState, parse_locks};
use vocab::probe::{FILE_LOCK, FULL_PIPE, SEMAPHORE};

/// System calls that name one descriptor, first, and may sleep on it.
const CALLS: [libc::c_long; 13] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
];
/// Those of them that write.
const WRITES: [libc::c_long; 2] = [libc::SYS_write, libc::SYS_writev];
/// Commands of fcntl(2) that wait for a lock: F_SETLKW and F_OFD_SETLKW.
const LOCKS: [u64; 2] = [libc::F_SETLKW.cast_unsigned() as u64, libc::F_OFD_SETLKW.cast_unsigned() as u64];
/// `__SO_ACCEPTCON`: the flag of a Unix socket that listens.
const LISTENS: u64 = 0x10000;
/// `SOCK_DGRAM`.
const DATAGRAM: u64 = 2;
/// `SS_CONNECTED`.
const CONNECTED: u64 = 3;

/// The descriptors of one process, looked up as needed.
pub(crate) struct Descriptors<'a, T> {
    root: &'a Path,
    pid: u32,
    tcp_state: T,
    unix: Option<BTreeMap<u64, &'static str>>,
}

impl<'a, T: Fn(u64) -> Option<TcpState>> Descriptors<'a, T> {
    /// Those of `pid`; `tcp_state` knows TCP sockets by their inode.
    pub(crate) const fn new(root: &'a Path, pid: u32, tcp_state: T) -> Self {
        Self { root, pid, tcp_state, unix: None }
    }

    /// The class of what `call` waits on; `None` if it names no descriptor or that may not be seen.
    ///
    /// `tcp_listen`, `tcp_connected`, `unix_listen`, `unix_connected`, `unix_datagram`, `socket` of another
    /// kind, `pipe`, [`FULL_PIPE`] for a writer, `file`, or the kernel's word for an anonymous inode: `eventfd`,
    /// `eventpoll`. The lock of a file: [`FILE_LOCK`] and the process that holds it. A semaphore: [`SEMAPHORE`].
    pub(crate) fn class(&mut self, call: &Syscall) -> Option<String> {
        let Syscall::In { number, args: [descriptor, command, _, timeout, ..], .. } = *call else {
            return None;
        };
        let number = libc::c_long::from(number);
        if number == libc::SYS_semop || number == libc::SYS_semtimedop && timeout == 0 {
            return self.semaphore(descriptor, command);
        }
        let is_lock = match number {
            libc::SYS_flock => true,
            libc::SYS_fcntl => LOCKS.contains(&command),
            _ => false,
        };
        if is_lock {
            return Some(format!("{FILE_LOCK}{}", self.holder(descriptor)?));
        }
        if !CALLS.contains(&number) {
            return None;
        }
        let path = self.root.join(format!("{}/fd/{descriptor}", self.pid));
        let link = std::fs::read_link(path).ok()?;
        let link = link.to_str().unwrap_or("/");
        let inside = |name: &str| link.strip_prefix(name)?.strip_suffix(']').map(str::to_owned);
        if let Some(inode) = inside("socket:[") {
            return Some(self.socket(inode.parse().ok()?).to_owned());
        }
        let word = match link.split(':').next()? {
            _ if link.starts_with('/') => "file",
            "pipe" if WRITES.contains(&number) => FULL_PIPE,
            word => word,
        };
        Some(inside("anon_inode:[").unwrap_or_else(|| word.to_owned()))
    }

    /// The semaphore of a set that the first operation at `address` names. Source: semop(2): `struct sembuf`.
    fn semaphore(&self, set: u64, address: u64) -> Option<String> {
        let memory = std::fs::File::open(self.root.join(format!("{}/mem", self.pid))).ok()?;
        let mut number = [0; 2];
        memory.read_exact_at(&mut number, address).ok()?;
        Some(format!("{SEMAPHORE}{set}:{}", u16::from_ne_bytes(number)))
    }

    /// The process that holds the lock for which ours waits on that file.
    fn holder(&self, descriptor: u64) -> Option<u32> {
        let inode = std::fs::metadata(self.root.join(format!("{}/fd/{descriptor}", self.pid))).ok()?.ino();
        let mut locks = Vec::new();
        parse_locks(&std::fs::read(self.root.join("locks")).ok()?, &mut locks);
        let mut waits =
            locks.iter().filter(|one| one.is_blocked && one.inode == inode && one.pid == Some(self.pid));
        let lock = waits.next()?.id;
        locks.iter().find(|one| one.id == lock && !one.is_blocked)?.pid
    }

    fn socket(&mut self, inode: u64) -> &'static str {
        match (self.tcp_state)(inode) {
            Some(TcpState::Listen) => "tcp_listen",
            Some(_) => "tcp_connected",
            None => {
                let path = self.root.join(format!("{}/net/unix", self.pid));
                let unix = self.unix.get_or_insert_with(|| parse(&std::fs::read(path).unwrap_or_default()));
                unix.get(&inode).copied().unwrap_or("socket")
            }
        }
    }
}

/// Unix sockets by inode. Source: `/proc/PID/net/unix`: Num RefCount Protocol Flags Type St Inode Path.
fn parse(text: &[u8]) -> BTreeMap<u64, &'static str> {
    let text = String::from_utf8_lossy(text);
    let class = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(3);
        let mut hex = || u64::from_str_radix(fields.next()?, 16).ok();
        let (flags, kind, state) = (hex()?, hex()?, hex()?);
        let inode = fields.next()?.parse().ok()?;
        let class = match (kind, state) {
            _ if flags & LISTENS != 0 => "unix_listen",
            (DATAGRAM, _) => "unix_datagram",
            (_, CONNECTED) => "unix_connected",
            _ => "socket",
        };
        Some((inode, class))
    };
    text.lines().skip(1).filter_map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    fn class(descriptor: i32, number: libc::c_long) -> Option<String> {
        let mut all = Descriptors::new(Path::new("/proc"), std::process::id(), |_| None);
        let args = [u64::try_from(descriptor).unwrap(), 0, 0, 0, 0, 0];
        all.class(&Syscall::In { number: u32::try_from(number).unwrap(), args, sp: 0, pc: 0 })
    }

    #[test]
    fn sockets_pipes_and_files_are_told_apart() {
        let datagram = UnixDatagram::unbound().unwrap();
        assert_eq!(class(datagram.as_raw_fd(), libc::SYS_recvfrom).as_deref(), Some("unix_datagram"));
        let (stream, _other) = UnixStream::pair().unwrap();
        assert_eq!(class(stream.as_raw_fd(), libc::SYS_read).as_deref(), Some("unix_connected"));
        let path = std::env::temp_dir().join(format!("waits-on-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(class(listener.as_raw_fd(), libc::SYS_accept4).as_deref(), Some("unix_listen"));
        std::fs::remove_file(path).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(class(file.as_raw_fd(), libc::SYS_read).as_deref(), Some("file"));
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(class(reader.as_raw_fd(), libc::SYS_read).as_deref(), Some("pipe"));
    }

    #[test]
    fn a_writer_waits_for_room_and_a_semaphore_has_a_number() {
        let (_reader, writer) = std::io::pipe().unwrap();
        assert_eq!(class(writer.as_raw_fd(), libc::SYS_write).as_deref(), Some(FULL_PIPE));
        let operation: [i16; 3] = [5, -1, 0];
        let wait = |number: libc::c_long, timeout| {
            let mut all = Descriptors::new(Path::new("/proc"), std::process::id(), |_| None);
            let args = [7, operation.as_ptr().addr() as u64, 1, timeout, 0, 0];
            all.class(&Syscall::In { number: u32::try_from(number).unwrap(), args, sp: 0, pc: 0 })
        };
        assert_eq!(wait(libc::SYS_semop, 9).as_deref(), Some("semaphore:7:5"));
        assert_eq!(wait(libc::SYS_semtimedop, 0).as_deref(), Some("semaphore:7:5"));
        assert_eq!(wait(libc::SYS_semtimedop, 9), None, "it ends by itself");
    }

    #[test]
    fn calls_without_a_descriptor_and_descriptors_that_are_gone_have_no_class() {
        assert_eq!(class(0, libc::SYS_futex), None);
        assert_eq!(class(1_000_000, libc::SYS_read), None);
    }

    #[test]
    fn the_holder_of_the_lock_of_a_file_is_named() {
        let path = std::env::temp_dir().join(format!("waits-on-lock-{}", std::process::id()));
        let file = std::fs::File::create(&path).unwrap();
        file.lock().unwrap();
        let mut waiter = std::process::Command::new("flock").arg(&path).arg("true").spawn().unwrap();
        let class = || {
            let pid = waiter.id();
            let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
            let mut words = text.split_ascii_whitespace();
            let number = words.next()?.parse().ok()?;
            let args = [u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?, 0, 0, 0, 0, 0];
            let mut all = Descriptors::new(Path::new("/proc"), pid, |_| None);
            all.class(&Syscall::In { number, args, sp: 0, pc: 0 })
                .filter(|class| class.starts_with(FILE_LOCK))
        };
        let seen = (0..200).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            class()
        });
        drop(file);
        waiter.wait().unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(seen, Some(format!("{FILE_LOCK}{}", std::process::id())));
    }

    #[test]
    fn tcp_sockets_are_told_by_their_state() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (state, word) in [(TcpState::Listen, "tcp_listen"), (TcpState::Established, "tcp_connected")] {
            let mut all = Descriptors::new(Path::new("/proc"), std::process::id(), |_| Some(state));
            let number = u32::try_from(libc::SYS_accept4).unwrap();
            let args = [u64::try_from(listener.as_raw_fd()).unwrap(), 0, 0, 0, 0, 0];
            assert_eq!(all.class(&Syscall::In { number, args, sp: 0, pc: 0 }).as_deref(), Some(word));
        }
    }
}
