//! `/proc/self/mountinfo`: what is mounted where. See [`Mount`]; how full it is: [`statfs`], apart, for it may hang.

use crate::bytes::{collect, dec, fields, lines, path, split_once, unescape_octal};
use crate::error::{Result, os};
use crate::proc_fs::ProcFs;
use std::path::{Path, PathBuf};

/// One mount of a mount namespace.
///
/// Source: `proc_pid_mountinfo(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Id of the mount.
    pub id: u32,
    /// Id of the mount it lies on.
    pub parent_id: u32,
    /// Major device number.
    pub dev_major: u32,
    /// Minor device number.
    pub dev_minor: u32,
    /// Folder of the file system that is visible at the mount point.
    pub root: PathBuf,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Kind, such as `ext4` or `cgroup2`.
    pub fstype: String,
    /// Device or other origin; text of the file system's choice.
    pub device: PathBuf,
    /// True when the mount or the whole file system is read-only.
    pub is_read_only: bool,
    /// Options of the file system, separated by commas.
    pub super_options: String,
}

/// Reads the text of `mountinfo` into `mounts`; answers how many lines were in another form and left out.
pub fn parse_mounts(text: &[u8], mounts: &mut Vec<Mount>) -> usize {
    collect(lines(text), mounts, parse_line)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut columns = fields(line);
    let (id, parent_id) = (dec(columns.next()?)?, dec(columns.next()?)?);
    let (major, minor) = split_once(columns.next()?, b':')?;
    let mut place = || Some(path(&unescape_octal(columns.next()?)));
    let (root, mount_point) = (place()?, place()?);
    let options = columns.next()?;
    // Any number of optional fields, closed by a dash.
    columns.find(|column| *column == b"-")?;
    let fstype = String::from_utf8_lossy(columns.next()?).into_owned();
    let device = path(&unescape_octal(columns.next()?));
    let super_options = columns.next()?;
    Some(Mount {
        id,
        parent_id,
        dev_major: dec(major)?,
        dev_minor: dec(minor)?,
        root,
        mount_point,
        fstype,
        device,
        is_read_only: has_option(options, b"ro") || has_option(super_options, b"ro"),
        super_options: String::from_utf8_lossy(super_options).into_owned(),
    })
}

fn has_option(options: &[u8], wanted: &[u8]) -> bool {
    options.split(|b| *b == b',').any(|option| option == wanted)
}

impl ProcFs {
    /// Reads the mounts that this process sees into `mounts`; answers how many lines were left out.
    pub fn mounts(&mut self, mounts: &mut Vec<Mount>) -> Result<usize> {
        Ok(parse_mounts(self.of_machine("self/mountinfo")?, mounts))
    }

    /// Reads the mounts that a process sees into `mounts`.
    pub fn mounts_of(&mut self, pid: u32, mounts: &mut Vec<Mount>) -> Result<usize> {
        Ok(parse_mounts(self.all_of_pid(pid, "mountinfo")?, mounts))
    }
}

/// How full a file system is.
///
/// Source: `statfs(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Size, bytes.
    pub total_bytes: u64,
    /// Not used, what is kept for root included, bytes.
    pub free_bytes: u64,
    /// Free to ordinary users, bytes.
    pub available_bytes: u64,
    /// Inodes; 0 where the file system does not count them.
    pub inodes: u64,
    /// Inodes not used.
    pub inodes_free: u64,
}

/// Asks the file system at `mount_point` how full it is.
///
/// **May hang for ever** on a dead network mount, not even killable: call it from a thread of its own that can be
/// left behind.
pub fn statfs(mount_point: &Path) -> Result<Space> {
    let stat = rustix::fs::statvfs(mount_point).map_err(os("statfs"))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space {
        total_bytes: bytes(stat.f_blocks),
        free_bytes: bytes(stat.f_bfree),
        available_bytes: bytes(stat.f_bavail),
        inodes: stat.f_files,
        inodes_free: stat.f_ffree,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_optional_fields_and_escapes() {
        let text = b"36 35 98:0 /mnt1 /mnt/a\\040b ro,noatime master:1 shared:2 - ext3 /dev/ro\\011ot rw,errors=continue\n\
            22 27 0:21 / /proc rw,relatime - proc proc rw\n23 27 0:22 / /sys rw,relatime sysfs sysfs rw\n";
        let mut mounts = Vec::new();
        assert_eq!(parse_mounts(text, &mut mounts), 1);
        let expected = Mount {
            id: 36,
            parent_id: 35,
            dev_major: 98,
            dev_minor: 0,
            root: "/mnt1".into(),
            mount_point: "/mnt/a b".into(),
            fstype: "ext3".into(),
            device: "/dev/ro\tot".into(),
            is_read_only: true,
            super_options: "rw,errors=continue".into(),
        };
        assert_eq!(mounts[0], expected);
        assert!(!mounts[1].is_read_only);
    }

    #[test]
    fn reads_this_machine() {
        let mut mounts = Vec::new();
        ProcFs::open("/proc".as_ref()).unwrap().mounts(&mut mounts).unwrap();
        assert!(mounts.iter().any(|m| m.mount_point == Path::new("/proc") && m.fstype == "proc"));
        let space = statfs(Path::new("/")).unwrap();
        assert!(space.total_bytes >= space.free_bytes && space.total_bytes > 0);
        assert!(statfs(Path::new("/nonexistent")).unwrap_err().is_gone());
    }
}
