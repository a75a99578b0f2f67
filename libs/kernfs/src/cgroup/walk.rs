//! Lists the cgroups of a hierarchy, never more than asked for. See [`walk`].

use crate::cgroup::CgroupDir;
use crate::error::{Result, os};
use crate::read;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir};
use std::ffi::CStr;

/// Room for one `getdents` answer, bytes.
const DIR_BYTES: usize = 16 << 10;

/// One cgroup of a hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupEntry {
    /// Path below the folder the walk began at; `/` for that folder.
    pub path: Vec<u8>,
    /// Inode of its folder.
    pub inode: u64,
    /// Folders above it within the walk; 0 for the first.
    pub depth: u32,
}

/// The answer of [`walk`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Walk {
    /// The groups found, parents before children.
    pub groups: Vec<CgroupEntry>,
    /// True when there were more groups, or deeper ones, than asked for.
    pub is_cut: bool,
}

/// Lists at most `max_groups` cgroups at most `max_depth` below `root` into `walk`, level by level.
///
/// Groups removed meanwhile are left out. Errors: `root` itself cannot be listed.
pub fn walk(root: &CgroupDir, max_groups: usize, max_depth: u32, walk: &mut Walk) -> Result<()> {
    walk.groups.clear();
    walk.groups.push(CgroupEntry { path: b"/".to_vec(), inode: root.inode()?, depth: 0 });
    walk.is_cut = false;
    let mut room = Vec::with_capacity(DIR_BYTES);
    let mut next = 0;
    while let Some(parent) = walk.groups.get(next).cloned() {
        match list(root, &parent, max_groups, max_depth, &mut room, walk) {
            Err(error) if next > 0 && (error.is_gone() || error.is_denied()) => {}
            answer => answer?,
        }
        next += 1;
    }
    Ok(())
}

/// Adds the children of `parent` to `walk`.
fn list(
    root: &CgroupDir,
    parent: &CgroupEntry,
    max_groups: usize,
    max_depth: u32,
    room: &mut Vec<u8>,
    walk: &mut Walk,
) -> Result<()> {
    let below = parent.path.strip_prefix(b"/").filter(|path| !path.is_empty()).unwrap_or(b".");
    let dir = read::open(root.fd().as_fd(), below, OFlags::DIRECTORY).map_err(os("cgroup"))?;
    let mut entries = RawDir::new(&dir, room.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(os("cgroup"))?;
        let (name, kind) = (entry.file_name(), entry.file_type());
        if matches!(name.to_bytes(), b"." | b"..") || !is_folder(&dir, name, kind) {
            continue;
        }
        if walk.groups.len() >= max_groups || parent.depth >= max_depth {
            walk.is_cut = true;
            return Ok(());
        }
        let mut path = parent.path.clone();
        if path != b"/" {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        walk.groups.push(CgroupEntry { path, inode: entry.ino(), depth: parent.depth + 1 });
    }
    Ok(())
}

/// True for a folder; asks the file system when the listing does not say.
fn is_folder(dir: impl AsFd, name: &CStr, kind: FileType) -> bool {
    match kind {
        FileType::Unknown => rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        kind => kind == FileType::Directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Tree;

    fn paths(walk: &Walk) -> Vec<&str> {
        let mut paths: Vec<_> = walk.groups.iter().map(|g| std::str::from_utf8(&g.path).unwrap()).collect();
        paths.sort_unstable();
        paths
    }

    #[test]
    fn lists_levels_and_stops_where_told() {
        let tree = Tree::new("walk");
        tree.write("a/b/c/cpu.stat", "").write("a/x/cpu.stat", "").write("d/cpu.stat", "").write("file", "");
        tree.link("link", "a");
        let root = CgroupDir::open(tree.path()).unwrap();
        let mut found = Walk::default();
        walk(&root, 100, 10, &mut found).unwrap();
        assert_eq!(paths(&found), ["/", "/a", "/a/b", "/a/b/c", "/a/x", "/d"]);
        assert!(!found.is_cut);
        assert!(found.groups.is_sorted_by_key(|g| g.depth));
        let group = found.groups.iter().find(|g| g.path == b"/a/b").unwrap();
        assert_eq!(root.child(&group.path).unwrap().inode(), Ok(group.inode));

        walk(&root, 100, 1, &mut found).unwrap();
        assert_eq!((paths(&found), found.is_cut), (vec!["/", "/a", "/d"], true));
        walk(&root, 4, 10, &mut found).unwrap();
        assert_eq!((found.groups.len(), found.is_cut), (4, true));
    }
}
