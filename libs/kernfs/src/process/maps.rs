//! `/proc/PID/maps`: the mappings of a process. See [`Map`]. For probes, not for ticks.

use crate::bytes::{collect, dec, hex, lines, path, split_once};
use crate::error::Result;
use crate::proc_fs::ProcFs;
use std::path::PathBuf;

/// One mapping.
///
/// Source: `proc_pid_maps(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// `rwx` and `p` (private) or `s` (shared), `-` for a right that is missing.
    pub perms: [u8; 4],
    /// Where in the file it begins, bytes.
    pub offset_bytes: u64,
    /// Major number of the device of the file; 0 for none.
    pub dev_major: u32,
    /// Minor number of the device of the file; 0 for none.
    pub dev_minor: u32,
    /// Inode of the file; 0 for none.
    pub inode: u64,
    /// File, or a name in brackets such as `[heap]`; `None` for anonymous memory without a name.
    pub path: Option<PathBuf>,
}

/// Reads the text of `maps` into `maps`; answers how many lines were in another form and left out.
pub fn parse_maps(text: &[u8], maps: &mut Vec<Map>) -> usize {
    collect(lines(text), maps, parse_line)
}

fn parse_line(line: &[u8]) -> Option<Map> {
    let (range, rest) = split_once(line, b' ')?;
    let (perms, rest) = split_once(rest, b' ')?;
    let (offset, rest) = split_once(rest, b' ')?;
    let (device, rest) = split_once(rest, b' ')?;
    // The path is the rest of the line: it may hold spaces. Before it stands padding.
    let (inode, name) = split_once(rest, b' ').unwrap_or((rest, b""));
    let (start, end) = split_once(range, b'-')?;
    let (major, minor) = split_once(device, b':')?;
    let name = name.trim_ascii_start();
    Some(Map {
        start: hex(start)?,
        end: hex(end)?,
        perms: perms.try_into().ok()?,
        offset_bytes: hex(offset)?,
        dev_major: hex(major)?,
        dev_minor: hex(minor)?,
        inode: dec(inode)?,
        path: (!name.is_empty()).then(|| path(name)),
    })
}

impl ProcFs {
    /// Reads `PID/maps` into `maps`; answers how many lines were left out. Needs the ptrace right.
    pub fn maps(&mut self, pid: u32, maps: &mut Vec<Map>) -> Result<usize> {
        Ok(parse_maps(self.all_of_pid(pid, "maps")?, maps))
    }

    /// Those with code only: of a process that leaks mappings all of them would be megabytes.
    pub fn code_maps(&mut self, pid: u32) -> Result<Vec<Map>> {
        let all = lines(self.all_of_pid(pid, "maps")?).filter_map(parse_line);
        Ok(all.filter(|map| map.perms[2] == b'x').collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let text = b"7f0a10000000-7f0a10021000 r-xp 00001000 fe:01 1234    /opt/a b/lib.so (deleted)\n\
            00400000-00401000 rw-p 00000000 00:00 0 \n\
            7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [stack]\n";
        let mut maps = Vec::new();
        assert_eq!(parse_maps(text, &mut maps), 0);
        let expected = Map {
            start: 0x7f0a_1000_0000,
            end: 0x7f0a_1002_1000,
            perms: *b"r-xp",
            offset_bytes: 0x1000,
            dev_major: 0xfe,
            dev_minor: 1,
            inode: 1234,
            path: Some("/opt/a b/lib.so (deleted)".into()),
        };
        assert_eq!(maps[0], expected);
        assert_eq!(maps[1].path, None);
        assert_eq!(maps[2].path, Some("[stack]".into()));
    }

    #[test]
    fn broken_lines_are_counted() {
        let mut maps = Vec::new();
        let text = b"nonsense\n1-2 rwxps 0 0:0 0\n1-2 rw-p 0 00 0\n1-2 rw-p 0 0:0 0\n";
        assert_eq!(parse_maps(text, &mut maps), 3);
        assert_eq!(maps.len(), 1);
    }

    #[test]
    fn reads_itself() {
        let mut maps = Vec::new();
        let skipped = ProcFs::open("/proc".as_ref()).unwrap().maps(std::process::id(), &mut maps);
        assert_eq!(skipped, Ok(0));
        assert!(maps.iter().any(|m| m.path.as_ref().is_some_and(|p| p.as_os_str() == "[stack]")));
        maps.retain(|one| one.perms[2] == b'x');
        assert_eq!(ProcFs::open("/proc".as_ref()).unwrap().code_maps(std::process::id()), Ok(maps));
    }
}
