//! Where the cgroup hierarchies of this machine are mounted. See [`Layout`].

use crate::machine::mounts::Mount;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Controllers of a v1 hierarchy, or `name=systemd`; empty for v2, which says them in `cgroup.controllers`.
    pub controllers: Vec<String>,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Cgroup that is visible at the mount point: `/`, except in some containers.
    pub root: PathBuf,
}

impl Hierarchy {
    /// Folder of a cgroup, by its path in `/proc/PID/cgroup`.
    ///
    /// `None` for a path outside of the caller's namespace (`/..`) or of what is mounted.
    pub fn dir_of(&self, cgroup: &[u8]) -> Option<PathBuf> {
        let path = Path::new(std::ffi::OsStr::from_bytes(cgroup));
        let below = path.strip_prefix(&self.root).or_else(|_| path.strip_prefix("/")).ok()?;
        let is_inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        // Joining an empty path would add a slash.
        let dir = if below.as_os_str().is_empty() {
            self.mount_point.clone()
        } else {
            self.mount_point.join(below)
        };
        is_inside.then_some(dir)
    }
}

/// The hierarchies of a machine: v2 alone (unified), v1 alone (legacy), or both (hybrid).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    /// The v2 hierarchy.
    pub v2: Option<Hierarchy>,
    /// The v1 hierarchies, in the order of their mounts.
    pub v1: Vec<Hierarchy>,
}

impl Layout {
    /// Finds the hierarchies among the mounts of this process. Of a hierarchy mounted twice the first counts.
    ///
    /// Mount points below `/sys` are looked for below `sys` instead: `/sys`, or a tree of fixture files.
    pub fn detect(mounts: &[Mount], sys: &Path) -> Self {
        let mut layout = Self::default();
        for mount in mounts {
            let mount_point = match mount.mount_point.strip_prefix("/sys") {
                Ok(below) => sys.join(below),
                Err(_) => mount.mount_point.clone(),
            };
            let controllers = match mount.fstype.as_str() {
                "cgroup" => v1_controllers(&mount.super_options),
                "cgroup2" => Vec::new(),
                _ => continue,
            };
            let hierarchy = Hierarchy { controllers, mount_point, root: mount.root.clone() };
            if mount.fstype == "cgroup2" {
                layout.v2.get_or_insert(hierarchy);
            } else if !layout.v1.iter().any(|known| known.controllers == hierarchy.controllers) {
                layout.v1.push(hierarchy);
            }
        }
        layout
    }

    /// The v1 hierarchy of a controller, such as `memory`.
    pub fn v1_of(&self, controller: &str) -> Option<&Hierarchy> {
        self.v1.iter().find(|hierarchy| hierarchy.controllers.iter().any(|c| c == controller))
    }

    /// True when both kinds are mounted.
    pub fn is_hybrid(&self) -> bool {
        self.v2.is_some() && !self.v1.is_empty()
    }
}

/// The controllers among the options of a v1 mount; the other options are known by name.
fn v1_controllers(options: &str) -> Vec<String> {
    const OTHERS: [&str; 7] =
        ["rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"];
    let is_other = |option: &str| {
        OTHERS.contains(&option) || option.starts_with("release_agent=") || option.starts_with("seclabel")
    };
    options.split(',').filter(|option| !is_other(option)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mounts::parse_mounts;

    fn detect(mountinfo: &str) -> Layout {
        let mut mounts = Vec::new();
        assert_eq!(parse_mounts(mountinfo.as_bytes(), &mut mounts), 0);
        Layout::detect(&mounts, Path::new("/fixture"))
    }

    #[test]
    fn unified() {
        let layout = detect("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n");
        let v2 = layout.v2.as_ref().unwrap();
        assert_eq!(v2.mount_point, Path::new("/fixture/fs/cgroup"));
        assert_eq!(v2.dir_of(b"/a/b.service"), Some("/fixture/fs/cgroup/a/b.service".into()));
        assert_eq!(v2.dir_of(b"/"), Some("/fixture/fs/cgroup".into()));
        assert_eq!(v2.dir_of(b"/../x"), None);
        assert_eq!(v2.dir_of(b"relative"), None);
        assert!(!layout.is_hybrid());
    }

    #[test]
    fn hybrid() {
        let layout = detect(
            "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n\
             31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
             32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd\n\
             33 30 0:29 /docker/1 /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             34 30 0:29 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n",
        );
        assert!(layout.is_hybrid());
        assert_eq!(layout.v1.len(), 2);
        assert_eq!(layout.v1_of("name=systemd").unwrap().controllers, ["name=systemd"]);
        let cpu = layout.v1_of("cpuacct").unwrap();
        assert_eq!(cpu.dir_of(b"/docker/1/x"), Some("/fixture/fs/cgroup/cpu,cpuacct/x".into()));
        assert_eq!(layout.v1_of("memory"), None);
    }

    #[test]
    fn this_process_is_in_a_folder_of_this_machine() {
        let mut proc = crate::ProcFs::open("/proc".as_ref()).unwrap();
        let mut mounts = Vec::new();
        proc.mounts(&mut mounts).unwrap();
        let layout = Layout::detect(&mounts, Path::new("/sys"));
        let paths = proc.cgroups(std::process::id()).unwrap();
        // In a container without a cgroup mount both are empty; where there is one, the folder must exist.
        for hierarchy in layout.v2.iter().chain(&layout.v1) {
            let own = match hierarchy.controllers.first() {
                Some(controller) => paths.v1(controller),
                None => paths.v2(),
            };
            if let Some(dir) = hierarchy.dir_of(own.unwrap()) {
                assert!(crate::cgroup::CgroupDir::open(&dir).is_ok(), "{}", dir.display());
            }
        }
    }
}
