//! What systemd says of a unit, asked of `systemctl` in a thread of its own with a deadline.
use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use vocab::Timestamp;
use vocab::probe::{Probe, ProbeAnswer, ProbeResult, UnitProbe};

use crate::ledger::Report;

/// A manager that has not answered for so long is given up.
const DEADLINE: Duration = Duration::from_secs(3);
/// Questions that may wait.
const WAITING_MAX: usize = 16;
/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 64 << 10;
/// What is asked.
const PROPERTIES: &str =
    "ActiveState,SubState,Result,NRestarts,ExecMainStatus,ExecMainCode,RestartUSec,MainPID,LoadState";

/// What systemd printed, or why nothing.
type Answer = Result<String, String>;

/// Asks one unit; a parameter, so that a test can hand in one that hangs.
pub(crate) type Ask = dyn Fn(&str) -> Answer + Send + Sync;

/// Questions that wait and the one that is being asked.
pub(crate) struct Units {
    ask: Arc<Ask>,
    waiting: VecDeque<(Probe, String)>,
    current: Option<(Probe, Receiver<Answer>, Instant)>,
}

impl Default for Units {
    fn default() -> Self {
        Self::new(Arc::new(systemctl))
    }
}

impl Units {
    /// Asks by `ask`.
    pub(crate) fn new(ask: Arc<Ask>) -> Self {
        Self { ask, waiting: VecDeque::new(), current: None }
    }

    /// Whether an answer is still to come.
    pub(crate) fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// Takes up a question; false if too many wait. A unit that is being asked is not asked twice.
    pub(crate) fn ask(&mut self, probe: &Probe, unit: &str) -> bool {
        let is_known = self.current.as_ref().is_some_and(|(one, _, _)| one == probe)
            || self.waiting.iter().any(|(one, _)| one == probe);
        if is_known {
            return true;
        }
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        self.waiting.push_back((probe.clone(), unit.to_owned()));
        self.start();
        true
    }

    /// The answers that came since the last call. Never waits.
    pub(crate) fn poll(&mut self, at: Timestamp, report: &mut Report) -> Vec<ProbeAnswer> {
        let mut answers = Vec::new();
        if let Some((probe, receiver, since)) = self.current.take() {
            let answer = match receiver.try_recv() {
                Ok(text) => Some(text.and_then(|text| parse(&text))),
                Err(TryRecvError::Disconnected) => Some(Err("its thread ended".to_owned())),
                Err(TryRecvError::Empty) if since.elapsed() < DEADLINE * 2 => None,
                Err(TryRecvError::Empty) => Some(Err("systemd does not answer".to_owned())),
            };
            match answer {
                Some(result) => {
                    answers.push(ProbeAnswer { probe, at, result: result.map(ProbeResult::Unit) });
                }
                None => {
                    report.stalled_s =
                        Some(since.elapsed().as_secs_f64()).filter(|s| *s > DEADLINE.as_secs_f64());
                    self.current = Some((probe, receiver, since));
                }
            }
        }
        self.start();
        answers
    }

    fn start(&mut self) {
        if self.current.is_some() {
            return;
        }
        let Some((probe, unit)) = self.waiting.pop_front() else { return };
        let (send, receiver) = channel();
        let ask = self.ask.clone();
        // A thread that cannot be started drops its sender, which reads as a thread that ended.
        let _ = std::thread::Builder::new().name("units".into()).spawn(move || send.send(ask(&unit)));
        self.current = Some((probe, receiver, Instant::now()));
    }
}

/// Runs `systemctl show` and ends it at the deadline.
pub(crate) fn systemctl(unit: &str) -> Result<String, String> {
    use std::io::Read;
    // A name that begins with a dash would be read as a flag.
    let mut child = Command::new("systemctl")
        .args(["show", "--no-pager", "-p", PROPERTIES, "--", unit])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot run `systemctl`: {error}"))?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < DEADLINE => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                // It may have ended just now; both calls are then without effect.
                let _ = child.kill();
                let _ = child.wait();
                return Err("`systemctl show` does not answer".to_owned());
            }
        }
    };
    let mut text = String::new();
    if let Some(out) = child.stdout.take() {
        out.take(ANSWER_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    }
    if status.success() { Ok(text) } else { Err("systemd is not running here".to_owned()) }
}

fn parse(text: &str) -> Result<UnitProbe, String> {
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default()
    };
    if value("LoadState") == "not-found" {
        return Err("systemd knows no such unit".to_owned());
    }
    if value("ActiveState").is_empty() {
        return Err("`systemctl show` gave no state".to_owned());
    }
    Ok(UnitProbe {
        active_state: Arc::from(value("ActiveState")),
        sub_state: Arc::from(value("SubState")),
        result: Arc::from(value("Result")),
        restarts: value("NRestarts").parse().unwrap_or(0),
        exit_status: value("ExecMainStatus").parse().unwrap_or(0),
        // CLD_KILLED and CLD_DUMPED of waitid(2).
        was_signal: matches!(value("ExecMainCode"), "2" | "3"),
        restart_delay_s: span_s(value("RestartUSec")),
        main_pid: value("MainPID").parse().ok().filter(|pid| *pid > 0),
    })
}

/// A time span as systemd prints it: `100ms`, `1min 30s`, `5s`. Source: systemd.time(7).
fn span_s(text: &str) -> f64 {
    let units = [("us", 1e-6), ("ms", 1e-3), ("min", 60.0), ("h", 3_600.0), ("s", 1.0), ("d", 86_400.0)];
    let part = |word: &str| -> f64 {
        let found = units.iter().find_map(|(unit, scale)| Some((word.strip_suffix(unit)?, scale)));
        found.and_then(|(number, scale)| Some(number.parse::<f64>().ok()? * scale)).unwrap_or(0.0)
    };
    text.split_whitespace().map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocab::Entity;
    use vocab::probe::ProbeKind;

    fn probe(name: &str) -> Probe {
        Probe { kind: ProbeKind::Unit, entity: Entity::Service(name.into()), budget_us: 0 }
    }

    #[test]
    fn an_answer_is_read() {
        let text = "Result=exit-code\nNRestarts=4\nExecMainStatus=3\nExecMainCode=1\nRestartUSec=1min 100ms\n\
            MainPID=0\nActiveState=activating\nSubState=auto-restart\nLoadState=loaded\n";
        let unit = parse(text).unwrap();
        assert_eq!((&*unit.active_state, &*unit.sub_state, unit.restarts), ("activating", "auto-restart", 4));
        assert_eq!((unit.exit_status, unit.was_signal, unit.main_pid), (3, false, None));
        assert!((unit.restart_delay_s - 60.1).abs() < 1e-9);
        assert!(parse("LoadState=not-found\nActiveState=inactive\n").is_err());
        assert!(parse("").is_err());
    }

    #[test]
    fn answers_arrive_later_in_the_order_asked() {
        let mut units = Units::new(Arc::new(|unit: &str| match unit {
            "bad" => Err("no".to_owned()),
            _ => Ok(format!("ActiveState=active\nSubState={unit}\nLoadState=loaded\n")),
        }));
        assert!(
            units.ask(&probe("a"), "a") && units.ask(&probe("bad"), "bad") && units.ask(&probe("a"), "a")
        );
        let mut answers = Vec::new();
        let start = Instant::now();
        while answers.len() < 2 {
            assert!(start.elapsed() < Duration::from_secs(20));
            answers.extend(units.poll(Timestamp(5), &mut Report::default()));
            std::thread::yield_now();
        }
        assert!(matches!(&answers[0].result, Ok(ProbeResult::Unit(unit)) if &*unit.sub_state == "a"));
        assert_eq!(answers[1].result, Err("no".to_owned()));
    }

    #[test]
    fn a_manager_that_hangs_stalls_nothing_else_and_questions_are_bounded() {
        let (release, hang) = channel::<()>();
        let hang = std::sync::Mutex::new(hang);
        let mut units = Units::new(Arc::new(move |_: &str| {
            let _ = hang.lock().map(|hang| hang.recv());
            Err("late".to_owned())
        }));
        let taken = (0..40).filter(|n| units.ask(&probe(&n.to_string()), "x")).count();
        assert_eq!(taken, WAITING_MAX + 1);
        let before = Instant::now();
        assert!(units.poll(Timestamp(0), &mut Report::default()).is_empty());
        assert!(before.elapsed() < Duration::from_millis(500));
        drop(release);
    }
}
