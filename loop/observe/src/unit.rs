//! Which systemd unit a cgroup belongs to, by its path alone.

/// The kinds of units that hold processes.
const SUFFIXES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// The unit of the system's manager that a cgroup belongs to: `systemctl restart` takes this name.
///
/// It is the first folder below the slices; what a user's own manager made below `user@1000.service` belongs
/// to that one. `None` for slices and for cgroups that systemd did not make. Source: systemd, Control Group API.
pub(crate) fn unit_of(path: &str) -> Option<&str> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.find(|part| !part.ends_with(".slice"))?;
    // systemd puts an underscore before a name that would look like a kernel file.
    let name = first.strip_prefix('_').unwrap_or(first);
    SUFFIXES.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::unit_of;

    #[test]
    fn the_unit_is_the_first_folder_below_the_slices() {
        for (path, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/system.slice/system-getty.slice/getty@tty1.service", Some("getty@tty1.service")),
            ("/system.slice/web.service/worker", Some("web.service")),
            ("/user.slice/user-0.slice/user@0.service/app.slice/x.service", Some("user@0.service")),
            ("/user.slice/user-0.slice/session-3.scope", Some("session-3.scope")),
            ("/init.scope", Some("init.scope")),
            ("/system.slice/_cpu.service", Some("cpu.service")),
            ("/system.slice", None),
            ("/docker/0123", None),
            ("/.service", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(unit_of(path), unit, "{path}");
        }
    }
}
