//! What a stranger sees: no more of another user's process than /proc would show that user.
//!
//! Readable by everyone in /proc: stat, status, cmdline, cgroup, limits. By the owner only: io, fd, maps, the
//! system call of a thread, and what is found through them (which process owns a socket). With hidepid, other
//! users' processes are hidden altogether. Log lines of services and of the kernel are not for strangers.
use std::sync::Arc;

use tables::View;
use vocab::ProcessId;
use vocab::learnt::Learnt;
use vocab::rows::{EventRow, EvidenceRow, Process, Service};
use vocab::snapshot::Snapshot;

use super::entry::{Caller, Entry};
use super::state::Published;

/// Tables and columns whose cells come from files that only the owner of a process may read.
const OWNER_ONLY: [&str; 15] = [
    "descriptors",
    "read_bytes_per_s",
    "write_bytes_per_s",
    "io_chars_per_s",
    "io_calls_per_s",
    "listen_port",
    "accept_backlog",
    "established",
    "unread_connections",
    "close_wait",
    "wait_channel",
    "system_call",
    "futex",
    "futex_owner",
    "call_surprise",
];

/// The tables of one turn.
pub fn view(now: &Published) -> View {
    let view = View::new(now.snapshot().clone(), now.ledger().clone(), now.events().clone());
    view.with_learnt(now.turn.learnt.clone())
}

/// The tables as `caller` may see them.
pub fn view_for(caller: Caller, entry: &Entry, now: &Published) -> View {
    let Caller::Stranger { uid } = caller else { return view(now) };
    let mut ledger = (**now.ledger()).clone();
    Arc::make_mut(&mut ledger.evidence).retain(|row| is_public_evidence(row));
    let events = now.events().iter().filter(|row| is_public_event(row)).cloned().collect();
    let snapshot = snapshot_for(uid, entry.proc_hides, now.snapshot());
    let view = View::new(Arc::new(snapshot), Arc::new(ledger), events);
    view.with_learnt(learnt_for(&now.turn.learnt))
}

/// What was learnt as a stranger may see it: no lines of logs, no system calls, nothing about what only an owner may read.
fn learnt_for(learnt: &Learnt) -> Learnt {
    let is_public = |column: &str| !OWNER_ONLY.contains(&column);
    let Learnt { anomalies, forecasts, models, log_templates: _, behaviour: _, feedback } = learnt.clone();
    let (log_templates, behaviour) = Default::default();
    let mut seen = Learnt { anomalies, forecasts, models, log_templates, behaviour, feedback };
    Arc::make_mut(&mut seen.anomalies).retain(|row| is_public(&row.metric));
    Arc::make_mut(&mut seen.forecasts).retain(|row| is_public(&row.resource));
    Arc::make_mut(&mut seen.models).retain(|row| row.metric.as_deref().is_none_or(is_public));
    seen
}

/// The machine as the user `uid` may see it.
pub fn snapshot_for(uid: u32, proc_hides: bool, snapshot: &Snapshot) -> Snapshot {
    // Whole, in part, not at all: a new table is decided on here, for without it this does not compile.
    let Snapshot {
        at: _,
        turn: _,
        interval_s: _,
        machine: _,
        pressures: _,
        cgroups: _,
        disks: _,
        filesystems: _,
        interfaces: _,
        block_latency: _,
        softirq_time: _,
        bpf_programs: _,
        collectors: _,
        own: _,
        processes: _,
        services: _,
        runq_latency: _,
        execs: _,
        exits: _,
        profiles: _,
        gpu_calls: _,
        fs_latency: _,
        tcp_sockets: _,
        syscalls: _,
        oom_kills: _,
        signals: _,
        memory_victims: _,
        kernel_events: _,
        events: _,
        answers: _,
        onnx: _,
    } = snapshot;
    let mut seen = snapshot.clone();
    if proc_hides {
        seen.processes.retain(|process| process.user_id == Some(uid));
    }
    seen.processes.iter_mut().filter(|process| process.user_id != Some(uid)).for_each(hide);
    let is_own = |service: &Service| {
        let mut processes = snapshot.processes_of(&service.name).peekable();
        processes.peek().is_some() && processes.all(|process| process.user_id == Some(uid))
    };
    for service in &mut seen.services {
        if !is_own(service) {
            service.descriptors = None;
            service.accept_backlog = None;
            service.unread_connections = None;
        }
    }
    keep_what_is_shown(uid, &mut seen);
    seen
}

/// Of what happened and was watched, that of the processes of `uid`, and what /proc shows to everybody.
fn keep_what_is_shown(uid: u32, seen: &mut Snapshot) {
    seen.runq_latency.retain(|row| seen.processes.iter().any(|process| process.pid == row.pid));
    // How others end, and what they sync, /proc shows to nobody.
    seen.execs = seen.execs.iter().filter(|row| row.user_id == Some(uid)).cloned().collect();
    seen.exits = seen.exits.iter().filter(|row| row.user_id == Some(uid)).cloned().collect();
    seen.fs_latency.clear();
    seen.tcp_sockets.clear();
    seen.syscalls = Arc::default();
    (seen.oom_kills, seen.signals, seen.memory_victims) = Default::default();
    let is_own = |id| seen.processes.iter().any(|one| one.id() == id && one.user_id == Some(uid));
    let is_of = |pid, start_ticks| is_own(ProcessId { pid, start_ticks });
    Arc::make_mut(&mut seen.profiles).retain(|row| is_of(row.pid, row.start_ticks));
    Arc::make_mut(&mut seen.gpu_calls).retain(|row| is_of(row.pid, row.start_ticks));
    seen.kernel_events.clear();
    seen.events.clear();
    seen.answers.clear();
}

fn hide(process: &mut Process) {
    if !is_public_program(process) {
        process.program = process.name.clone();
    }
    process.descriptors = None;
    process.read_bytes_per_s = None;
    process.write_bytes_per_s = None;
    process.io_chars_per_s = None;
    process.io_calls_per_s = None;
    process.listen_port = None;
    process.accept_backlog = None;
    process.established = None;
    process.unread_connections = None;
    process.close_wait = None;
}

/// Whether a process says itself, in its name or its first argument, what its executable is: the link to that is for
/// its owner.
fn is_public_program(process: &Process) -> bool {
    let base = process.program.split(':').next().unwrap_or_default();
    let first = process.command.as_deref().and_then(|command| command.split(' ').next()).unwrap_or_default();
    let first = first.rsplit('/').next().unwrap_or_default();
    process.is_kernel
        || [&*process.name, first]
            .iter()
            .any(|word| !word.is_empty() && (word.starts_with(base) || base.starts_with(word)))
}

/// Whether everyone may read an event: what Homeostat and the supervisor did, not what a program wrote.
pub fn is_public_event(row: &EventRow) -> bool {
    matches!(row.kind.as_str(), "service_start" | "service_exit" | "own")
}

/// Whether everyone may read a piece of evidence.
pub fn is_public_evidence(row: &EvidenceRow) -> bool {
    let is_owner_only = |column: &str| OWNER_ONLY.contains(&column);
    let table = row.source_table.as_deref().unwrap_or_default();
    !matches!(
        table,
        "threads" | "open_files" | "maps" | "log_templates" | "profiles" | "syscalls" | "gpu_calls"
    ) && !row.source_column.as_deref().is_some_and(is_owner_only)
}
