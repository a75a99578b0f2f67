//! What a process calls itself and which program it runs: `cmdline` and `exe`.

use crate::error::Result;
use crate::proc_fs::ProcFs;

impl ProcFs {
    /// Reads `PID/cmdline`: the arguments, each ended by a NUL byte. Empty for kernel threads and zombies.
    ///
    /// A process may overwrite them, so nothing may be trusted. Secrets stand here: mask before storing.
    /// The answer borrows the buffer until the next read. Source: `proc_pid_cmdline(5)`.
    pub fn cmdline(&mut self, pid: u32) -> Result<&[u8]> {
        self.all_of_pid(pid, "cmdline")
    }

    /// Path of the program, from the link `PID/exe`; ends with ` (deleted)` when its file was removed.
    ///
    /// Denied for processes of other users without `CAP_SYS_PTRACE`; gone for kernel threads.
    /// The answer borrows the buffer until the next read. Source: `proc_pid_exe(5)`.
    pub fn exe(&mut self, pid: u32) -> Result<&[u8]> {
        self.link(format_args!("{pid}/exe"), "exe")
    }
}

/// The arguments in the text of `cmdline`.
pub fn arguments(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    text.split(|b| *b == 0).take(if text.is_empty() { 0 } else { usize::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn splits_arguments() {
        let all = |text: &'static [u8]| arguments(text).collect::<Vec<_>>();
        assert_eq!(all(b"sh\0-c\0\0x y\0"), [&b"sh"[..], b"-c", b"", b"x y"]);
        assert_eq!(all(b"overwritten title"), [b"overwritten title"]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn reads_a_tree() {
        let tree = Tree::new("names");
        tree.write("5/cmdline", "a\0b\0").link("5/exe", "/usr/bin/a (deleted)");
        let mut proc = ProcFs::open(tree.path()).unwrap();
        assert_eq!(proc.cmdline(5).unwrap(), b"a\0b\0");
        assert_eq!(proc.exe(5).unwrap(), b"/usr/bin/a (deleted)");
        assert!(proc.exe(6).unwrap_err().is_gone());
    }
}
