//! `/proc/PID/fd`: how many descriptors a process holds, and what they are. See [`Target`].

use crate::bytes::{dec, path};
use crate::error::Result;
use crate::proc_fs::ProcFs;
use std::path::PathBuf;

/// One open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fd {
    /// Number of the descriptor.
    pub fd: u32,
    /// What it is open on.
    pub target: Target,
}

/// What a descriptor is open on.
///
/// Source: `proc_pid_fd(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, folder or device; ends with ` (deleted)` when it was removed.
    File(PathBuf),
    /// A socket, with its inode, the key into `net/tcp` and `net/unix`.
    Socket(u64),
    /// A pipe, with its inode.
    Pipe(u64),
    /// A kernel object without a file, with its kind, such as `eventpoll`, `eventfd` or `bpf-map`.
    Anon(String),
    /// Another link that is no path, such as `mnt:[4026531840]`.
    Other(String),
}

impl Target {
    /// Classifies the text of a link in `fd`.
    pub fn parse(link: &[u8]) -> Self {
        let text = || String::from_utf8_lossy(link).into_owned();
        if link.starts_with(b"/") {
            return Self::File(path(link));
        }
        if let Some(kind) = link.strip_prefix(b"anon_inode:") {
            let kind = kind.strip_prefix(b"[").and_then(|k| k.strip_suffix(b"]")).unwrap_or(kind);
            return Self::Anon(String::from_utf8_lossy(kind).into_owned());
        }
        let inode = |kind: &[u8]| dec(link.strip_prefix(kind)?.strip_prefix(b":[")?.strip_suffix(b"]")?);
        inode(b"socket")
            .map(Self::Socket)
            .or_else(|| inode(b"pipe").map(Self::Pipe))
            .unwrap_or_else(|| Self::Other(text()))
    }
}

impl ProcFs {
    /// Descriptors that a process holds, count. Denied for other users' processes without ptrace rights.
    ///
    /// One `stat` call from Linux 6.2 on, where the size of the folder is the count; else the folder is listed.
    pub fn fd_count(&mut self, pid: u32) -> Result<u64> {
        if self.fd_size_counts() {
            return self.size(format_args!("{pid}/fd"), "fd");
        }
        let mut count = 0;
        self.numbers(pid, "fd", |_| count += 1)?;
        Ok(count)
    }

    /// Lists the descriptors into `fds`; those closed meanwhile are left out. One system call each.
    pub fn fds(&mut self, pid: u32, fds: &mut Vec<Fd>) -> Result<()> {
        fds.clear();
        self.links(pid, "fd", |fd, link| fds.push(Fd { fd, target: Target::parse(link) }))
    }

    /// Passes the number and the inode of each descriptor that is a socket to `each`; answers how many descriptors
    /// there are.
    pub fn socket_fds(&mut self, pid: u32, mut each: impl FnMut(u32, u64)) -> Result<usize> {
        let mut count = 0;
        self.links(pid, "fd", |fd, link| {
            count += 1;
            if let Some(inode) = socket_inode(link) {
                each(fd, inode);
            }
        })?;
        Ok(count)
    }

    /// The inode of the socket that a descriptor is; `None` if it is something else.
    pub fn socket_fd(&mut self, pid: u32, fd: u32) -> Result<Option<u64>> {
        Ok(socket_inode(self.link(format_args!("{pid}/fd/{fd}"), "fd")?))
    }
}

fn socket_inode(link: &[u8]) -> Option<u64> {
    dec(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn classifies_targets() {
        assert_eq!(Target::parse(b"/var/log/x y (deleted)"), Target::File("/var/log/x y (deleted)".into()));
        assert_eq!(Target::parse(b"socket:[1150]"), Target::Socket(1150));
        assert_eq!(Target::parse(b"pipe:[7]"), Target::Pipe(7));
        assert_eq!(Target::parse(b"anon_inode:[eventpoll]"), Target::Anon("eventpoll".into()));
        assert_eq!(Target::parse(b"anon_inode:bpf-map"), Target::Anon("bpf-map".into()));
        assert_eq!(Target::parse(b"mnt:[40]"), Target::Other("mnt:[40]".into()));
        assert_eq!(Target::parse(b"socket:[x]"), Target::Other("socket:[x]".into()));
        assert_eq!(Target::parse(b""), Target::Other(String::new()));
    }

    #[test]
    fn lists_a_tree() {
        let tree = Tree::new("fds");
        tree.link("5/fd/0", "/dev/null").link("5/fd/3", "socket:[9]").link("5/fd/10", "pipe:[2]");
        let mut proc = ProcFs::open(tree.path()).unwrap();
        let mut fds = Vec::new();
        assert_eq!(proc.fd_count(5), Ok(3));
        proc.fds(5, &mut fds).unwrap();
        fds.sort_by_key(|fd| fd.fd);
        assert_eq!(fds.iter().map(|f| f.fd).collect::<Vec<_>>(), [0, 3, 10]);
        assert_eq!(fds[1].target, Target::Socket(9));
        let mut sockets = Vec::new();
        assert_eq!(proc.socket_fds(5, |fd, inode| sockets.push((fd, inode))), Ok(3));
        assert_eq!(sockets, [(3, 9)]);
        assert_eq!((proc.socket_fd(5, 3), proc.socket_fd(5, 10)), (Ok(Some(9)), Ok(None)));
        assert!(proc.socket_fd(5, 4).unwrap_err().is_gone());
    }

    #[test]
    fn the_count_equals_the_list() {
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let mut fds = Vec::new();
        // The loader of the child may open a library between the two readings: ask until it has settled.
        let agreed = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let count = proc.fd_count(child.id()).unwrap();
            proc.fds(child.id(), &mut fds).unwrap();
            count > 0 && count == fds.len() as u64
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(agreed);
    }
}
