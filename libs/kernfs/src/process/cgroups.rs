//! `/proc/PID/cgroup`: where a process is in each cgroup hierarchy. See [`CgroupPaths`].

use crate::bytes::{dec, lines, split_once};
use crate::error::Result;
use crate::proc_fs::ProcFs;

/// The text of `cgroup`, read on demand: nothing is copied.
///
/// Paths start at the mounted root of the caller's cgroup namespace; one outside of it begins with `/..`,
/// one of a removed cgroup ends with ` (deleted)`. Source: `cgroups(7)`.
#[derive(Debug, Clone, Copy)]
pub struct CgroupPaths<'a> {
    text: &'a [u8],
}

/// A line of the file: membership in one hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership<'a> {
    /// Number of the hierarchy; 0 for v2.
    pub hierarchy: u32,
    /// Controllers of a v1 hierarchy, or `name=systemd`, separated by commas; empty for v2.
    pub controllers: &'a [u8],
    /// Path of the cgroup in the hierarchy.
    pub path: &'a [u8],
}

impl<'a> CgroupPaths<'a> {
    /// Takes the text of `cgroup`; lines in any other form are passed over.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// All memberships, in the kernel's order.
    pub fn iter(self) -> impl Iterator<Item = Membership<'a>> {
        lines(self.text).filter_map(membership)
    }

    /// Path in the v2 hierarchy; `None` on a machine without one.
    pub fn v2(self) -> Option<&'a [u8]> {
        self.iter().find(|m| m.hierarchy == 0 && m.controllers.is_empty()).map(|m| m.path)
    }

    /// Path in the v1 hierarchy of a controller, such as `memory` or `name=systemd`.
    pub fn v1(self, controller: &str) -> Option<&'a [u8]> {
        let has =
            |m: &Membership<'_>| m.controllers.split(|b| *b == b',').any(|c| c == controller.as_bytes());
        self.iter().find(|m| m.hierarchy != 0 && has(m)).map(|m| m.path)
    }
}

fn membership(line: &[u8]) -> Option<Membership<'_>> {
    let (hierarchy, rest) = split_once(line, b':')?;
    // A controller list has no colon, a path may.
    let (controllers, path) = split_once(rest, b':')?;
    path.starts_with(b"/").then_some(Membership { hierarchy: dec(hierarchy)?, controllers, path })
}

impl ProcFs {
    /// Reads `PID/cgroup`. Needs no privilege; the answer borrows the buffer until the next read.
    pub fn cgroups(&mut self, pid: u32) -> Result<CgroupPaths<'_>> {
        Ok(CgroupPaths::new(self.of_pid(pid, "cgroup")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    const HYBRID: &str =
        "9:name=systemd:/init.scope\n4:memory:/a b/c:d\n1:cpu,cpuacct:/\n0::/x.service (deleted)\n";

    #[test]
    fn finds_each_hierarchy() {
        let tree = Tree::new("cgroup");
        tree.write("5/cgroup", HYBRID);
        let mut proc = ProcFs::open(tree.path()).unwrap();
        let paths = proc.cgroups(5).unwrap();
        assert_eq!(paths.v2(), Some(&b"/x.service (deleted)"[..]));
        assert_eq!(paths.v1("memory"), Some(&b"/a b/c:d"[..]));
        assert_eq!(paths.v1("cpuacct"), Some(&b"/"[..]));
        assert_eq!(paths.v1("name=systemd"), Some(&b"/init.scope"[..]));
        assert_eq!(paths.v1("pids"), None);
        assert_eq!(paths.iter().count(), 4);
    }

    #[test]
    fn broken_lines_are_passed_over() {
        let paths = CgroupPaths::new(b"x\n:::\n0:\n-1::/a\n7:pids:relative\n0::/ok\n");
        assert_eq!(paths.iter().count(), 1);
        assert_eq!(paths.v2(), Some(&b"/ok"[..]));
    }
}
