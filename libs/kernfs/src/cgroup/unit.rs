//! Which systemd unit a cgroup belongs to, from its path alone. See [`unit_of`].

use crate::bytes::unescape_hex;

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Name as systemctl takes it, such as `getty@tty1.service`.
    pub name: String,
    /// For an instance of a template, the template's name: `getty@.service`.
    pub template: Option<String>,
    /// For an instance of a template, what stands between `@` and the suffix, escapes undone (`-` means `/`).
    pub instance: Option<String>,
    /// Unit of a user's own systemd below this one (`user@1000.service`), such as `app-x.scope`.
    pub user_unit: Option<String>,
}

impl Unit {
    /// The name for people: `\xNN` escapes undone.
    pub fn display_name(&self) -> String {
        String::from_utf8_lossy(&unescape_hex(self.name.as_bytes())).into_owned()
    }
}

/// What ends the name of a unit that has a cgroup; slices are apart, for they hold others.
const SUFFIXES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// The unit that a cgroup path belongs to: the first part that names a unit, or the last slice if all are slices.
///
/// `None` for a path that systemd did not make. Source: systemd `src/basic/cgroup-util.c`.
pub fn unit_of(path: &[u8]) -> Option<Unit> {
    let text = String::from_utf8_lossy(path);
    let mut parts =
        text.trim_end_matches(" (deleted)").split('/').filter(|part| !part.is_empty()).map(unescape);
    let mut slice = None;
    let name = loop {
        match parts.next() {
            Some(part) if is_slice(part) => slice = Some(part),
            Some(part) if is_unit(part) => break part,
            // A container's or program's own group, at the top or below a slice.
            Some(_) | None => break slice?,
        }
    };
    let user_unit = if name.starts_with("user@") { parts.find(|part| is_unit(part)) } else { None };
    let (template, instance) = instance(name).unzip();
    Some(Unit { name: name.to_owned(), template, instance, user_unit: user_unit.map(str::to_owned) })
}

/// systemd puts a `_` before a name that could be taken for a file of the kernel.
fn unescape(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

fn is_slice(part: &str) -> bool {
    part.strip_suffix(".slice").is_some_and(|stem| !stem.is_empty())
}

fn is_unit(part: &str) -> bool {
    SUFFIXES.iter().any(|suffix| part.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

/// Template and instance of `stem@instance.suffix`.
fn instance(name: &str) -> Option<(String, String)> {
    let (stem, rest) = name.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    let path = instance.replace('-', "/");
    let plain = String::from_utf8_lossy(&unescape_hex(path.as_bytes())).into_owned();
    Some((format!("{stem}@.{suffix}"), plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str) -> Option<String> {
        unit_of(path.as_bytes()).map(|unit| unit.name)
    }

    #[test]
    fn finds_the_unit() {
        assert_eq!(name("/system.slice/foo.service").as_deref(), Some("foo.service"));
        assert_eq!(name("/system.slice/foo.service/payload").as_deref(), Some("foo.service"));
        assert_eq!(name("/system.slice/_cpu.service (deleted)").as_deref(), Some("cpu.service"));
        assert_eq!(name("/init.scope").as_deref(), Some("init.scope"));
        assert_eq!(name("/system.slice").as_deref(), Some("system.slice"));
        assert_eq!(name("/a.slice/a-b.slice/libpod").as_deref(), Some("a-b.slice"));
        for path in ["", "/", "/docker/0123", "/.service", "/.slice", "relative"] {
            assert_eq!(name(path), None, "{path:?}");
        }
    }

    #[test]
    fn undoes_escapes_and_splits_templates() {
        let unit = unit_of(br"/system.slice/system-my\x2dapp.slice/my\x2dapp@dev-a\x2db.service").unwrap();
        assert_eq!(unit.name, r"my\x2dapp@dev-a\x2db.service");
        assert_eq!(unit.display_name(), "my-app@dev-a-b.service");
        assert_eq!(unit.template.as_deref(), Some(r"my\x2dapp@.service"));
        assert_eq!(unit.instance.as_deref(), Some("dev/a-b"));
        let plain = unit_of(b"/system.slice/foo.service").unwrap();
        assert_eq!((plain.template, plain.instance), (None, None));
    }

    #[test]
    fn finds_the_unit_of_a_user() {
        let path = b"/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x.scope";
        let unit = unit_of(path).unwrap();
        assert_eq!(
            (unit.name.as_str(), unit.user_unit.as_deref()),
            ("user@1000.service", Some("app-gnome-x.scope"))
        );
        assert_eq!(unit.instance.as_deref(), Some("1000"));
    }
}
