//! systemd through systemctl: few calls, each with a deadline, none that waits for a unit.
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// systemctl answers within milliseconds unless systemd itself is stuck.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reading all units again takes systemd up to seconds with many generators, more on an emulated machine.
const RELOAD_DEADLINE: Duration = Duration::from_secs(30);

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnitState {
    pub(crate) main_pid: Option<u32>,
    pub(crate) cgroup: Option<String>,
    /// Id of the present run; another one after each start.
    pub(crate) invocation: String,
    /// Whether an order for it is queued or under way.
    pub(crate) has_job: bool,
    pub(crate) restart_delay_s: f64,
}

/// Whether systemd manages this machine. Source: sd_booted(3).
pub(crate) fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir() && Path::new("/proc/1/comm").exists() && is_first()
}

/// A leftover folder is not enough where another init runs in a container.
fn is_first() -> bool {
    std::fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim() == "systemd")
}

/// State of a loaded unit.
pub(crate) fn show(unit: &str) -> Result<UnitState, Trouble> {
    if !is_name(unit) {
        return Err(Trouble::Refused(format!("`{unit}` is no service that we or systemd know")));
    }
    if !is_running() {
        return Err(Trouble::Refused(format!("`{unit}` is not ours, and there is no systemd here")));
    }
    let properties = "--property=LoadState,MainPID,ControlGroup,InvocationID,Job,RestartUSec";
    let text = systemctl(&["show", properties, unit]).map_err(Trouble::Failed)?;
    if value(&text, "LoadState") != Some("loaded") {
        return Err(Trouble::Refused(format!("systemd has no unit `{unit}`")));
    }
    Ok(parse(&text))
}

fn parse(text: &str) -> UnitState {
    UnitState {
        main_pid: value(text, "MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
        cgroup: value(text, "ControlGroup").filter(|path| !path.is_empty()).map(str::to_owned),
        invocation: value(text, "InvocationID").unwrap_or_default().to_owned(),
        has_job: value(text, "Job").is_some_and(|job| !matches!(job, "" | "0")),
        restart_delay_s: value(text, "RestartUSec").map_or(0.0, seconds),
    }
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// Seconds of a time span as systemd prints it: `1min 30s`, `100ms`. Unknown units count nothing.
fn seconds(span: &str) -> f64 {
    let part = |word: &str| {
        let split = word.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(word.len());
        let (number, unit) = word.split_at(split);
        let factor = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => 0.0,
        };
        number.parse::<f64>().unwrap_or(0.0) * factor
    };
    if span == "infinity" { f64::INFINITY } else { span.split_whitespace().map(part).sum() }
}

/// Orders the restart of a unit; returns once systemd has queued it.
pub(crate) fn restart(unit: &str) -> Result<(), String> {
    systemctl(&["restart", "--no-block", "--no-ask-password", "--", unit]).map(drop)
}

/// Sets a property of a unit until the next boot; systemd keeps and applies it at once.
pub(crate) fn set_property(unit: &str, name: &str, value: &str) -> Result<(), String> {
    let setting = format!("{name}={value}");
    systemctl(&["set-property", "--runtime", "--no-ask-password", "--", unit, &setting]).map(drop)
}

/// Makes systemd read its unit files again.
pub(crate) fn reload() -> Result<(), String> {
    systemctl_within(RELOAD_DEADLINE, &["daemon-reload", "--no-ask-password"]).map(drop)
}

/// Whether we may manage units: asked by an order for a unit that does not exist, which is checked for permission first.
pub(crate) fn may_manage() -> Result<(), String> {
    let unit = "homeostat-capability-probe.service";
    match systemctl(&["try-restart", "--no-block", "--no-ask-password", "--", unit]) {
        Ok(_) => Ok(()),
        Err(said) if said.contains("not found") || said.contains("not loaded") => Ok(()),
        Err(said) => Err(said),
    }
}

/// A name that systemctl takes for one unit: no option, no pattern, no path.
fn is_name(unit: &str) -> bool {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
    !unit.starts_with('-') && unit.ends_with(".service") && unit.len() < 256 && unit.chars().all(is_allowed)
}

fn systemctl(arguments: &[&str]) -> Result<String, String> {
    systemctl_within(DEADLINE, arguments)
}

/// Runs systemctl and answers its output, or its complaint.
fn systemctl_within(deadline: Duration, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("systemctl");
    // SAFETY: prctl alone is called between fork and exec. The client ends with us, so that an order of a process that
    // died is either given or never will be.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
    let mut child = command
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMD_PAGER", "")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("systemctl: {error}"))?;
    let end = Instant::now() + deadline;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) | Err(_) => {
                // It may be gone by now; reaped either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("systemctl does not answer within {} s", deadline.as_secs()));
            }
        }
    };
    // What these calls print fits a pipe, so it never waits for us to read.
    let mut text = String::new();
    if status.success() {
        child.stdout.take().and_then(|mut out| out.read_to_string(&mut text).ok());
        return Ok(text);
    }
    child.stderr.take().and_then(|mut out| out.read_to_string(&mut text).ok());
    Err(format!("systemctl: {}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_systemctl_prints() {
        let text = "LoadState=loaded\nMainPID=71\nControlGroup=/system.slice/a.service\nInvocationID=0a\nJob=7\nRestartUSec=1min 30.5s\n";
        let state = parse(text);
        assert_eq!(state.main_pid, Some(71));
        assert_eq!(state.cgroup.as_deref(), Some("/system.slice/a.service"));
        assert_eq!((state.invocation.as_str(), state.has_job), ("0a", true));
        assert!((state.restart_delay_s - 90.5).abs() < 1e-9);
        assert!((seconds("100ms") - 0.1).abs() < 1e-9);
        assert_eq!(parse("MainPID=0\nControlGroup=\n"), UnitState::default());
    }

    #[test]
    fn only_names_of_services_pass() {
        assert!(is_name("getty@tty1.service") && is_name(r"a\x2db.service"));
        for bad in ["-x.service", "a*.service", "../a.service", "a.socket", "a b.service", ""] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
