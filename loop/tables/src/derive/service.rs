//! The rows of `services`: what a supervisor says, and what the service's processes use together.
use std::collections::BTreeMap;
use std::sync::Arc;

use vocab::ProcessId;
use vocab::rows::{Process, Service};
use vocab::sample::{Sample, ServiceSample};

use super::machine::BootClock;

/// The rows of this sample, in order of name. Sums are over the processes of which the value is known.
pub fn rows(sample: &Sample, processes: &[Process], clock: BootClock) -> Vec<Service> {
    let mut members: BTreeMap<&Arc<str>, Vec<&Process>> = BTreeMap::new();
    for process in processes {
        if let Some(service) = &process.service {
            members.entry(service).or_default().push(process);
        }
    }
    let mut rows: BTreeMap<Arc<str>, Service> = BTreeMap::new();
    for own in &sample.services {
        let members = members.remove(&own.name).unwrap_or_default();
        rows.insert(own.name.clone(), own_row(own, &members, sample, clock));
    }
    for (name, members) in members {
        if name.ends_with(".service") && !rows.contains_key(name) {
            rows.insert(name.clone(), unit_row(name, &members));
        }
    }
    rows.into_values().collect()
}

/// A service of our own supervisor.
fn own_row(own: &ServiceSample, members: &[&Process], sample: &Sample, clock: BootClock) -> Service {
    let exit = own.last_exit;
    let mut row = sums(&own.name, "homeostat", members);
    row.state = own.state.as_str().to_owned();
    row.cgroup = own.cgroup.clone();
    row.starts = Some(own.starts);
    row.failures = Some(own.failures);
    row.exit_code = exit.and_then(|exit| exit.code);
    row.exit_signal = exit.and_then(|exit| exit.signal);
    row.exit_age_s = exit.map(|exit| ((sample.at.0 as f64 - exit.at.0 as f64) / 1e9).max(0.0));
    row.exit_ran_s = exit.map(|exit| exit.ran_s);
    row.back_off_s = Some(own.back_off_s);
    row.is_healthy = own.is_healthy;
    with_main(row, own.main.map(|main| (main, clock.age_s(main.start_ticks))))
}

/// A systemd unit: it runs as long as it has processes; the oldest is taken for its main one.
fn unit_row(name: &Arc<str>, members: &[&Process]) -> Service {
    let oldest = members.iter().min_by_key(|one| (one.start_ticks, one.pid));
    let mut row = sums(name, "systemd", members);
    row.cgroup = oldest.and_then(|main| unit_cgroup(main.cgroup.as_ref()?, name));
    with_main(row, oldest.map(|main| (main.id(), main.age_s)))
}

/// The unit's own cgroup: its processes may live in delegated ones below.
fn unit_cgroup(path: &Arc<str>, unit: &str) -> Option<Arc<str>> {
    let start = path.rfind(&format!("/{unit}"))?;
    let end = start + 1 + unit.len();
    let is_whole = path.get(end..).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    Some(if is_whole { Arc::from(path.get(..end)?) } else { path.clone() })
}

fn with_main(row: Service, main: Option<(ProcessId, f64)>) -> Service {
    Service {
        main_pid: main.map(|(id, _)| id.pid),
        main_start_ticks: main.map(|(id, _)| id.start_ticks),
        up_s: main.map(|(_, age_s)| age_s),
        ..row
    }
}

/// What the processes use together; the rest unknown.
fn sums(name: &Arc<str>, manager: &str, members: &[&Process]) -> Service {
    Service {
        name: name.clone(),
        manager: manager.to_owned(),
        state: "running".to_owned(),
        main_pid: None,
        main_start_ticks: None,
        up_s: None,
        processes: u32::try_from(members.len()).unwrap_or(u32::MAX),
        cgroup: None,
        cpu_pct: total(members, |one| one.cpu_pct, |sum, value| sum + value),
        run_delay_pct: total(members, |one| one.run_delay_pct, |sum, value| sum + value),
        anon_bytes: total(members, |one| one.anon_bytes, u64::saturating_add),
        descriptors: total(members, |one| one.descriptors, u64::saturating_add),
        accept_backlog: total(members, |one| one.accept_backlog, u32::saturating_add),
        unread_connections: total(members, |one| one.unread_connections, u32::saturating_add),
        starts: None,
        failures: None,
        exit_code: None,
        exit_signal: None,
        exit_age_s: None,
        exit_ran_s: None,
        back_off_s: None,
        is_healthy: None,
    }
}

/// The known values joined; `None` if none is known.
fn total<T>(members: &[&Process], value: fn(&Process) -> Option<T>, join: fn(T, T) -> T) -> Option<T> {
    members.iter().filter_map(|one| value(one)).reduce(join)
}
