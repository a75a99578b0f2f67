//! The rows of `processes`: counters of this tick, dearer ones of their last read, links to services.
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vocab::rows::Process;
use vocab::sample::{ProcessDetail, ProcessInfo, ProcessStat, Sample, SocketSample};
use vocab::{ProcessId, Timestamp};

use super::machine::BootClock;
use super::program::program;
use super::rate::Interval;

/// What seldom changes, with what follows from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    info: ProcessInfo,
    program: Arc<str>,
    service: Option<Arc<str>>,
}

/// The dearer counters as of their last read, and the rates between the last two reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Detail {
    at: Timestamp,
    counters: ProcessDetail,
    read_bytes_per_s: Option<f64>,
    write_bytes_per_s: Option<f64>,
    io_chars_per_s: Option<f64>,
    io_calls_per_s: Option<f64>,
    voluntary_switches_per_s: Option<f64>,
}

impl Detail {
    fn read(at: Timestamp, now: &ProcessDetail, before: Option<&Self>) -> Self {
        let interval = Interval::between(before.map(|before| before.at), at);
        let rate = |counter: fn(&ProcessDetail) -> Option<u64>| {
            interval.rate_of(before.and_then(|before| counter(&before.counters)), counter(now))
        };
        Self {
            at,
            counters: *now,
            read_bytes_per_s: rate(|one| one.read_bytes),
            write_bytes_per_s: rate(|one| one.write_bytes),
            io_chars_per_s: rate(|one| one.io_chars),
            io_calls_per_s: rate(|one| one.io_calls),
            voluntary_switches_per_s: rate(|one| one.voluntary_switches),
        }
    }
}

/// One process between ticks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tracked {
    stat: Option<ProcessStat>,
    known: Option<Known>,
    detail: Option<Detail>,
}

/// Keeps every process that was alive in the last sample.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ProcessDeriver {
    tracked: BTreeMap<ProcessId, Tracked>,
    sockets: BTreeMap<ProcessId, SocketSample>,
}

impl ProcessDeriver {
    /// The rows of this sample, in order of pid.
    pub fn rows(&mut self, sample: &Sample, clock: BootClock, interval: Interval) -> Vec<Process> {
        let mut alive: BTreeMap<u32, ProcessStat> = BTreeMap::new();
        alive.extend(sample.processes.iter().map(|stat| (stat.pid, *stat)));
        self.keep_only(&alive);
        self.learn(sample);
        let mut rows = Vec::with_capacity(alive.len());
        for stat in alive.values() {
            let tracked = self.tracked.entry(stat.id()).or_default();
            let sockets = self.sockets.get(&stat.id());
            rows.push(row(stat, tracked, sockets, clock, interval));
            tracked.stat = Some(*stat);
        }
        rows
    }

    /// Processes that are remembered.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.tracked.len()
    }

    /// Forgets the dead and makes room for the new.
    fn keep_only(&mut self, alive: &BTreeMap<u32, ProcessStat>) {
        let lives = |id: &ProcessId| alive.get(&id.pid).is_some_and(|stat| stat.id() == *id);
        self.tracked.retain(|id, _| lives(id));
        self.sockets.retain(|id, _| lives(id));
        for stat in alive.values() {
            self.tracked.entry(stat.id()).or_default();
        }
    }

    /// Takes the sections that are not read in every tick.
    fn learn(&mut self, sample: &Sample) {
        for info in &sample.process_infos {
            if let Some(tracked) = self.tracked.get_mut(&info.id) {
                tracked.known =
                    Some(Known { info: info.clone(), program: program(info), service: service_of(info) });
            }
        }
        for detail in &sample.process_details {
            if let Some(tracked) = self.tracked.get_mut(&detail.id) {
                tracked.detail = Some(Detail::read(sample.at, detail, tracked.detail.as_ref()));
            }
        }
        if let Some(sockets) = &sample.sockets {
            let mut latest = BTreeMap::new();
            let ours = sockets.iter().filter(|one| self.tracked.contains_key(&one.id));
            latest.extend(ours.map(|one| (one.id, one.clone())));
            self.sockets = latest;
        }
    }
}

/// The service a process belongs to: of our supervisor, else the systemd unit if that is a service.
fn service_of(info: &ProcessInfo) -> Option<Arc<str>> {
    let unit = || info.unit.clone().filter(|unit| unit.ends_with(".service"));
    info.service.clone().or_else(unit)
}

const fn policy_word(policy: u8) -> &'static str {
    match policy {
        0 => "other",
        1 => "fifo",
        2 => "rr",
        3 => "batch",
        5 => "idle",
        6 => "deadline",
        7 => "ext",
        _ => "unknown",
    }
}

fn row(
    stat: &ProcessStat,
    tracked: &Tracked,
    sockets: Option<&SocketSample>,
    clock: BootClock,
    interval: Interval,
) -> Process {
    let (before, known, detail) = (tracked.stat.as_ref(), tracked.known.as_ref(), tracked.detail.as_ref());
    let info = known.map(|known| &known.info);
    let unknown = || Arc::from("?");
    let cpu_ticks = |one: &ProcessStat| one.user_ticks.saturating_add(one.system_ticks);
    let rate = |counter: fn(&ProcessStat) -> u64| {
        before.and_then(|before| interval.rate(counter(before), counter(stat)))
    };
    let cpu_rate = before.and_then(|before| interval.rate(cpu_ticks(before), cpu_ticks(stat)));
    let ticks_per_second = Some(f64::from(clock.ticks_per_second)).filter(|ticks| *ticks > 0.0);
    let run_delay = before.and_then(|before| interval.rate(before.run_delay_ns?, stat.run_delay_ns?));
    Process {
        pid: stat.pid,
        start_ticks: stat.start_ticks,
        ppid: stat.ppid,
        name: info.map_or_else(unknown, |info| info.name.clone()),
        program: known.map_or_else(unknown, |known| known.program.clone()),
        command: info.and_then(|info| info.command.clone()),
        user_id: info.map(|info| info.uid),
        service: known.and_then(|known| known.service.clone()),
        cgroup: info.and_then(|info| info.cgroup.clone()),
        state: char::from(stat.state).to_string(),
        is_kernel: info.is_some_and(|info| info.is_kernel),
        age_s: clock.age_s(stat.start_ticks),
        cpu_pct: cpu_rate.zip(ticks_per_second).map(|(rate, ticks)| 100.0 * rate / ticks),
        cpu_time_s: clock.seconds(cpu_ticks(stat)),
        nice: stat.nice,
        policy: policy_word(stat.policy).to_owned(),
        threads: stat.threads,
        run_delay_pct: run_delay.map(|ns_per_s| ns_per_s / 1e7),
        voluntary_switches_per_s: detail.and_then(|one| one.voluntary_switches_per_s),
        rss_bytes: stat.rss_bytes,
        virtual_bytes: stat.virtual_bytes,
        anon_bytes: detail.and_then(|one| one.counters.anon_bytes),
        shmem_bytes: detail.and_then(|one| one.counters.shmem_bytes),
        swap_bytes: detail.and_then(|one| one.counters.swap_bytes),
        minor_faults_per_s: rate(|one| one.minor_faults),
        major_faults_per_s: rate(|one| one.major_faults),
        descriptors: detail.and_then(|one| one.counters.descriptors),
        descriptor_limit: info.and_then(|info| info.descriptor_limits).map(|(soft, _)| soft),
        read_bytes_per_s: detail.and_then(|one| one.read_bytes_per_s),
        write_bytes_per_s: detail.and_then(|one| one.write_bytes_per_s),
        io_chars_per_s: detail.and_then(|one| one.io_chars_per_s),
        io_calls_per_s: detail.and_then(|one| one.io_calls_per_s),
        listen_port: sockets.and_then(|one| one.listen_ports.iter().min().copied()),
        accept_backlog: sockets.map(|one| one.accept_backlog),
        established: sockets.map(|one| one.established),
        unread_connections: sockets.map(|one| one.unread_connections),
        close_wait: sockets.map(|one| one.close_wait),
    }
}
