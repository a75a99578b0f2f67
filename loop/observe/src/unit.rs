//! Which systemd unit a cgroup belongs to, by its path alone.

/// The unit of the system's manager that a cgroup belongs to: `systemctl restart` takes this name.
///
/// What a user's own manager made below `user@1000.service` belongs to that one. `None` for slices, which hold
/// other units, and for cgroups that systemd did not make.
pub(crate) fn unit_of(path: &str) -> Option<String> {
    let unit = kernfs::cgroup::unit_of(path.as_bytes())?;
    Some(unit.name).filter(|name| !name.ends_with(".slice"))
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
            assert_eq!(unit_of(path).as_deref(), unit, "{path}");
        }
    }
}
