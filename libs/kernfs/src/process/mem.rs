//! The memory of another process: `process_vm_readv`, or `/proc/PID/mem` where that is refused.

use crate::error::{Result, os};
use crate::proc_fs::ProcFs;
use rustix::io::Errno;

impl ProcFs {
    /// Copies memory of a process at `addr` into `into`; answers how many bytes were readable.
    ///
    /// Needs the ptrace right over the process, which stays running and unchanged: what it writes meanwhile
    /// may be seen half. Errors: the first byte is not mapped, the process is gone, the right is missing.
    pub fn mem_read(&mut self, pid: u32, addr: u64, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.is_kernel() {
            match vm_readv(pid, addr, into) {
                // A seccomp filter or a kernel without the call leaves the file; a fault may be a mapping
                // without the read right, which the file ignores.
                Err(Errno::NOSYS | Errno::PERM | Errno::FAULT) => {}
                answer => return answer.map_err(os("mem")),
            }
        }
        let file = self.descriptor(format_args!("{pid}/mem")).map_err(os("mem"))?;
        rustix::io::pread(&file, into, addr).map_err(os("mem"))
    }
}

fn vm_readv(pid: u32, addr: u64, into: &mut [u8]) -> rustix::io::Result<usize> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::SRCH)?;
    let base = usize::try_from(addr).map_err(|_| Errno::FAULT)?;
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(base), iov_len: into.len() };
    // SAFETY: `local` describes `into`, which is borrowed mutably for the call; the kernel alone reads through
    // `remote`, in the other process, and answers EFAULT where nothing is mapped.
    let copied = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(copied)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn reads_its_own_memory() {
        let secret = *b"homeostatic memory";
        let mut copy = [0; 18];
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let pid = std::process::id();
        assert_eq!(proc.mem_read(pid, secret.as_ptr() as u64, &mut copy), Ok(18));
        assert_eq!(copy, secret);
        assert!(proc.mem_read(pid, 0, &mut copy).is_err());
        assert_eq!(proc.mem_read(pid, 0, &mut []), Ok(0));
    }

    #[test]
    fn falls_back_to_the_file() {
        let tree = Tree::new("mem");
        tree.write("5/mem", b"0123456789");
        let mut proc = ProcFs::open(tree.path()).unwrap();
        let mut copy = [0; 4];
        assert_eq!(proc.mem_read(5, 3, &mut copy), Ok(4));
        assert_eq!(&copy, b"3456");
        assert_eq!(proc.mem_read(5, 8, &mut copy), Ok(2));
        assert!(proc.mem_read(6, 0, &mut copy).unwrap_err().is_gone());
    }
}
