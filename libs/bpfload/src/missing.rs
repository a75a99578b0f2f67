//! Why a program is missing and what would bring it, in words for a row of `capabilities`.

use std::fmt::Write as _;

use aya::EbpfError;
use aya::programs::ProgramError;

use crate::programs::Spec;

/// CAP_PERFMON and CAP_BPF, or CAP_SYS_ADMIN, which contains both.
const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_PERFMON_AND_BPF: u64 = 1 << 38 | 1 << 39;
/// The first pid namespace. Source: PROC_PID_INIT_INO of linux/proc_ns.h.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// Why a program is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What stood in the way.
    pub reason: String,
    /// What would bring it.
    pub would_bring: String,
}

impl Lack {
    /// Privilege is missing.
    pub(crate) fn privilege() -> Self {
        Self {
            reason: "this process may not load programs into the kernel".to_owned(),
            would_bring: "run as root, or with CAP_BPF and CAP_PERFMON".to_owned(),
        }
    }

    /// The kernel has no type information.
    pub(crate) fn types(error: &aya::BtfError) -> Self {
        Self {
            reason: format!("this kernel does not describe its types: {error}"),
            would_bring: "a kernel built with CONFIG_DEBUG_INFO_BTF=y".to_owned(),
        }
    }

    /// A map of a loaded object cannot be used.
    pub(crate) fn map(error: &crate::Error) -> Self {
        Self::of(error.to_string(), "asking again".to_owned())
    }

    /// A whole object could not be loaded, so none of its programs.
    pub(crate) fn object(error: &EbpfError) -> Self {
        Self::of(chain(error), "a kernel with the map types it uses, and memory for them".to_owned())
    }

    /// EPERM in spite of the capabilities has causes of its own; anything else is brought by `otherwise`.
    fn of(reason: String, otherwise: String) -> Self {
        let is_forbidden = reason.contains("(os error 1)");
        let allowed = "the initial user namespace, no lockdown, and a filter that lets bpf(2) through";
        Self { reason, would_bring: if is_forbidden { allowed.to_owned() } else { otherwise } }
    }

    /// One program could not be loaded or attached.
    pub(crate) fn program(spec: &Spec, error: &ProgramError) -> Self {
        let reason = match error {
            ProgramError::Btf(_) => format!("this kernel has no hook `{}`", spec.hook.name()),
            ProgramError::LoadError { io_error, verifier_log } => {
                let log = verifier_log.to_string();
                let last = log.lines().rfind(|l| !l.is_empty() && !l.starts_with("processed"));
                format!("the kernel refused it: {io_error}: {}", last.unwrap_or("no reason given"))
            }
            other => chain(other),
        };
        Self::of(reason, Self::kernel_for(spec))
    }

    /// What is known before loading: the kernel is too old, or we live where the program's numbers are not ours.
    pub(crate) fn here(spec: &Spec) -> Option<Self> {
        Self::age(spec, running_kernel()).or_else(|| spec.hook.iterates().is_some().then(Self::namespace)?)
    }

    /// The iterator names processes as the first pid namespace does; `None` where that is ours.
    fn namespace() -> Option<Self> {
        let ours = std::fs::read_link("/proc/self/ns/pid").ok();
        let is_first = ours.is_some_and(|link| link.as_os_str() == FIRST_PID_NAMESPACE);
        (!is_first).then(|| Self {
            reason: "this process lives in a pid namespace of its own".to_owned(),
            would_bring: "run it outside of the container, or with the pid namespace of the host".to_owned(),
        })
    }

    /// The kernel is older than the program needs; `None` when it is not, or when its age is unknown.
    pub(crate) fn age(spec: &Spec, running: Option<(u32, u32)>) -> Option<Self> {
        let (major, minor) = running.filter(|running| *running < spec.min_kernel)?;
        let reason = format!("this kernel, {major}.{minor}, is too old for it");
        Some(Self { reason, would_bring: Self::kernel_for(spec) })
    }

    fn kernel_for(spec: &Spec) -> String {
        let (major, minor) = spec.min_kernel;
        format!("Linux {major}.{minor} or newer with `{}`", spec.hook.name())
    }
}

/// An error and its sources on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        source = inner.source();
    }
    text
}

/// Whether this process has what loading needs: CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN.
///
/// Source: CapEff of /proc/self/status; false where it cannot be read.
pub fn has_capabilities() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    effective & CAP_SYS_ADMIN != 0 || effective & CAP_PERFMON_AND_BPF == CAP_PERFMON_AND_BPF
}

/// Major and minor version of the running kernel. Source: /proc/sys/kernel/osrelease.
pub(crate) fn running_kernel() -> Option<(u32, u32)> {
    version_of(&std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?)
}

fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Lack, version_of};
    use crate::programs::PROGRAMS;

    #[test]
    fn the_version_is_read_from_any_release() {
        assert_eq!(version_of("6.18.44-cloud-amd64\n"), Some((6, 18)));
        assert_eq!(version_of("7.2-rc1"), Some((7, 2)));
        assert_eq!(version_of("unknown"), None);
    }

    #[test]
    fn a_refusal_in_spite_of_capabilities_is_not_blamed_on_the_kernel() {
        let refused = Lack::of("no map: Operation not permitted (os error 1)".to_owned(), "newer".to_owned());
        assert!(refused.would_bring.contains("lockdown"), "{refused:?}");
        let full = Lack::of("no map: Out of memory (os error 12)".to_owned(), "newer".to_owned());
        assert_eq!(full.would_bring, "newer");
    }

    #[test]
    fn a_kernel_that_is_too_old_is_named_and_a_newer_one_is_tried() {
        let spec = PROGRAMS.iter().find(|s| s.name == "sched_switch").unwrap();
        let lack = Lack::age(spec, Some((5, 15))).unwrap();
        assert!(lack.reason.contains("5.15") && lack.would_bring.contains("6.4"), "{lack:?}");
        assert_eq!(Lack::age(spec, Some((6, 4))), None);
        assert_eq!(Lack::age(spec, Some((7, 0))), None);
        assert_eq!(Lack::age(spec, None), None);
    }
}
