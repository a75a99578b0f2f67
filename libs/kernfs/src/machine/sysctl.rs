//! Single values: `/proc/sys/...` settings and the id of this boot.

use crate::bytes::{dec, fields};
use crate::error::{Error, Result, parsed};
use crate::proc_fs::ProcFs;
use rustix::io::Errno;

impl ProcFs {
    /// The text of a setting, such as `kernel/hostname`, without the newline; may be empty.
    ///
    /// Errors: the kernel has no such setting; `name` leads out of the folder (refused as `EINVAL`).
    pub fn sysctl(&mut self, name: &str) -> Result<&[u8]> {
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(Error::Os { file: "sys", errno: Errno::INVAL });
        }
        Ok(self.at(format_args!("sys/{name}"), "sys")?.trim_ascii_end())
    }

    /// The first number of a setting, such as `kernel/pid_max`.
    pub fn sysctl_u64(&mut self, name: &str) -> Result<u64> {
        let first = fields(self.sysctl(name)?).next().and_then(dec);
        parsed("sys", first)
    }

    /// Id of this boot: a new random one each time, as 36 characters.
    pub fn boot_id(&mut self) -> Result<String> {
        let text = self.sysctl("kernel/random/boot_id")?;
        let id = std::str::from_utf8(text).ok().filter(|id| id.len() == 36).map(str::to_owned);
        parsed("sys/kernel/random/boot_id", id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    #[test]
    fn reads_a_tree() {
        let tree = Tree::new("sysctl");
        tree.write("sys/kernel/pid_max", "4194304\n")
            .write("sys/kernel/hostname", "box one\n")
            .write("sys/vm/bad", "x\n")
            .write("sys/kernel/random/boot_id", "short\n");
        let mut proc = ProcFs::open(tree.path()).unwrap();
        assert_eq!(proc.sysctl_u64("kernel/pid_max"), Ok(4_194_304));
        assert_eq!(proc.sysctl("kernel/hostname"), Ok(&b"box one"[..]));
        assert_eq!(proc.sysctl_u64("vm/bad"), Err(Error::Malformed { file: "sys" }));
        assert!(proc.sysctl("vm/none").unwrap_err().is_gone());
        assert!(proc.sysctl("../meminfo").is_err());
        assert!(proc.boot_id().is_err());
    }

    #[test]
    fn this_boot_has_one_id() {
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let id = proc.boot_id().unwrap();
        assert_eq!(id.bytes().filter(|b| *b == b'-').count(), 4);
        assert_eq!(proc.boot_id(), Ok(id));
    }
}
