//! The programs and units that carry the machine or a person's access to it.
use super::Refusal;
use super::facts::is_name;

/// Programs by what they are to the machine. The lists hold what Debian, Fedora, Arch, SUSE and Alpine ship.
const ROLES: &[(&str, &[&str])] = &[
    (
        "it is an init or service manager",
        &["init", "systemd", "runit", "runsvdir", "s6-svscan", "openrc-init"],
    ),
    ("it carries remote log-in", &["sshd", "sshd-session", "sshd-auth", "dropbear", "mosh-server"]),
    (
        "it carries log-in",
        &["login", "getty", "agetty", "mingetty", "fgetty", "sulogin", "su", "sudo", "doas"],
    ),
    (
        "it is a display manager or server",
        &[
            "gdm",
            "gdm3",
            "gdm-session-worker",
            "gdm-wayland-session",
            "gdm-x-session",
            "sddm",
            "sddm-helper",
            "lightdm",
            "lxdm",
            "xdm",
            "slim",
            "ly",
            "greetd",
            "Xorg",
            "Xwayland",
            "gnome-shell",
            "kwin_wayland",
            "kwin_x11",
            "sway",
            "weston",
        ],
    ),
    ("it keeps log-in sessions", &["systemd-logind", "elogind", "elogind-daemon", "seatd"]),
    ("it is D-Bus", &["dbus-daemon", "dbus-broker", "dbus-broker-launch"]),
    ("it keeps the journal", &["systemd-journald", "rsyslogd", "syslog-ng", "syslogd", "auditd"]),
    (
        "it manages devices",
        &["systemd-udevd", "udevd", "eudev", "mdev", "mdevd", "multipathd", "dmeventd", "lvmetad"],
    ),
    (
        "it manages the network",
        &[
            "NetworkManager",
            "systemd-networkd",
            "systemd-resolved",
            "dhcpcd",
            "dhclient",
            "udhcpc",
            "connmand",
            "iwd",
            "wpa_supplicant",
            "wicked",
            "wickedd",
            "ModemManager",
            "wg-quick",
            "tailscaled",
        ],
    ),
    (
        "it runs containers or machines",
        &[
            "containerd",
            "containerd-shim",
            "containerd-shim-runc-v2",
            "dockerd",
            "docker-proxy",
            "docker-init",
            "crio",
            "conmon",
            "podman",
            "runc",
            "crun",
            "kubelet",
            "lxc-start",
            "lxd",
            "incusd",
            "libvirtd",
            "virtqemud",
            "systemd-nspawn",
            "systemd-machined",
            "tini",
            "dumb-init",
            "catatonit",
            "bwrap",
        ],
    ),
    ("it carries a terminal session", &["tmux", "tmux: server", "screen", "SCREEN", "zellij"]),
    ("it grants privileges", &["polkitd"]),
];

/// Units whose processes are protected whatever their programs are called.
const UNITS: &[&str] = &[
    "init.scope",
    "ssh",
    "sshd",
    "dropbear",
    "dbus",
    "dbus-broker",
    "systemd-logind",
    "elogind",
    "systemd-journald",
    "systemd-udevd",
    "systemd-networkd",
    "systemd-resolved",
    "NetworkManager",
    "wpa_supplicant",
    "iwd",
    "dhcpcd",
    "networking",
    "connman",
    "ModemManager",
    "containerd",
    "docker",
    "crio",
    "podman",
    "kubelet",
    "libvirtd",
    "lxc",
    "lxd",
    "incus",
    "polkit",
    "gdm",
    "gdm3",
    "sddm",
    "lightdm",
    "lxdm",
    "xdm",
    "display-manager",
    "greetd",
    "getty",
    "serial-getty",
    "console-getty",
    "container-getty",
    "rsyslog",
    "auditd",
];

/// Units that are never a target as a whole, though the processes in them are judged one by one: what a logged-in
/// person runs, and the services that our own keeper runs.
const TARGETS: &[&str] = &["user", "homeostat"];

/// What a program is to the machine, if it is protected by its name.
pub(super) fn role(name: &str) -> Option<&'static str> {
    let has = |names: &&[&str]| names.iter().any(|wanted| is_name(name, wanted));
    ROLES.iter().find(|(_, names)| has(names)).map(|(role, _)| *role)
}

/// Whether a service or unit may be touched as a whole.
pub(super) fn target(name: &str, listed: &[String]) -> Result<(), Refusal> {
    if is_unit(name) && is_among(name, TARGETS) {
        return Err(format!("`{name}` is protected: it holds Homeostat or a person's session"));
    }
    unit(name, listed)
}

/// Whether a process of this unit may be touched.
pub(super) fn unit(name: &str, listed: &[String]) -> Result<(), Refusal> {
    // An own service of the name `docker` is not systemd's.
    if is_unit(name) && is_among(name, UNITS) {
        return Err(format!("`{name}` is protected: it carries the machine or somebody's access to it"));
    }
    let stem = name.strip_suffix(".service").unwrap_or(name);
    if listed.iter().any(|one| *one == name || *one == stem) {
        return Err(format!("`{name}` is protected: the configuration lists it"));
    }
    Ok(())
}

fn is_unit(name: &str) -> bool {
    name.ends_with(".service") || name.ends_with(".scope")
}

/// Whether a unit, or the template it is an instance of, is on a list.
fn is_among(name: &str, list: &[&str]) -> bool {
    let stem = name.strip_suffix(".service").unwrap_or(name);
    let template = stem.split('@').next().unwrap_or(stem);
    list.iter().any(|unit| *unit == template || *unit == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_with_and_without_instance() {
        for name in ["ssh.service", "getty@tty1.service", "docker.service", "init.scope"] {
            assert!(unit(name, &[]).is_err() && target(name, &[]).is_err(), "{name}");
        }
        for name in ["web.service", "docker", "ssh-tunnel.service", "session-3.scope"] {
            assert_eq!(target(name, &[]), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_holds_others_is_no_target_but_its_processes_may_be() {
        for name in ["user@1000.service", "homeostat.service"] {
            assert!(target(name, &[]).is_err(), "{name}");
            assert_eq!(unit(name, &[]), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_users_list_holds_for_units_and_own_services() {
        let listed = ["postgres".to_owned()];
        assert!(target("postgres", &listed).is_err());
        assert!(unit("postgres.service", &listed).is_err());
        assert_eq!(target("postgresql", &listed), Ok(()));
    }
}
