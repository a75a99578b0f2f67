//! Collector `sockets`: TCP sockets summed by the process that owns them.
//!
//! The kernel's table names a socket by its inode; which process holds that inode is learnt from the links in
//! `/proc/PID/fd`. Only processes that moved since the last reading are looked through, and only while there
//! are sockets whose owner is unknown.
use std::collections::{BTreeMap, HashMap, HashSet};

use kernfs::{Family, Fd, ProcFs, Target, TcpSocket, TcpState};
use vocab::ProcessId;
use vocab::sample::SocketSample;

use crate::config::Bounds;
use crate::ledger::Report;
use crate::processes::{Processes, Tracked};

/// Which process owns which socket, between readings.
#[derive(Default)]
pub(crate) struct Sockets {
    owners: HashMap<u64, ProcessId>,
    unknown: HashSet<u64>,
    sockets: Vec<TcpSocket>,
    table: Vec<TcpSocket>,
    fds: Vec<Fd>,
}

impl Sockets {
    /// Reads the TCP tables of our own and of other network namespaces and sums them by owner.
    pub(crate) fn read(
        &mut self,
        proc: &mut ProcFs,
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) -> Option<Vec<SocketSample>> {
        self.read_tables(proc, processes, bounds, report)?;
        self.find_owners(proc, processes, bounds, report);
        let mut rows: BTreeMap<ProcessId, SocketSample> = BTreeMap::new();
        for socket in &self.sockets {
            if let Some(id) = self.owners.get(&socket.inode) {
                add(rows.entry(*id).or_insert_with(|| empty(*id)), socket);
            }
        }
        report.rows = rows.len();
        Some(rows.into_values().collect())
    }

    /// State of the TCP socket of that inode at the last reading.
    pub(crate) fn state(&self, inode: u64) -> Option<TcpState> {
        self.sockets.iter().find(|socket| socket.inode == inode).map(|socket| socket.state)
    }

    fn read_tables(
        &mut self,
        proc: &mut ProcFs,
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) -> Option<()> {
        self.sockets.clear();
        for family in [Family::V4, Family::V6] {
            match proc.tcp(family, &mut self.table) {
                Ok(skipped) => report.dropped += skipped as u64,
                // No IPv6 in this kernel.
                Err(error) if error.is_gone() && family == Family::V6 => continue,
                Err(error) => {
                    report.take(Err::<(), _>(error))?;
                }
            }
            keep(&mut self.sockets, &self.table, bounds.sockets, report);
        }
        for pid in foreign_namespaces(processes, bounds.network_namespaces, report) {
            for family in [Family::V4, Family::V6] {
                // The process may have ended; its namespace is read through another one next time.
                if proc.tcp_of(pid, family, &mut self.table).is_ok() {
                    keep(&mut self.sockets, &self.table, bounds.sockets, report);
                }
            }
        }
        Some(())
    }

    fn find_owners(
        &mut self,
        proc: &mut ProcFs,
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) {
        let alive: HashSet<u64> = self.sockets.iter().map(|socket| socket.inode).collect();
        let lives = |id: &ProcessId| processes.get(id.pid).is_some_and(|one| one.stat.id() == *id);
        self.owners.retain(|inode, id| alive.contains(inode) && lives(id));
        self.unknown.clear();
        self.unknown.extend(alive.iter().filter(|inode| !self.owners.contains_key(inode)));
        let mut links = 0;
        for one in processes.all() {
            if self.unknown.is_empty() {
                break;
            }
            if !one.is_unscanned || one.is_denied || one.info.is_kernel {
                continue;
            }
            if links >= bounds.descriptors {
                report.dropped += 1;
                continue;
            }
            one.is_unscanned = false;
            links += self.scan(proc, one);
        }
    }

    /// Looks through the descriptors of one process; answers how many there were.
    fn scan(&mut self, proc: &mut ProcFs, one: &Tracked) -> usize {
        if proc.fds(one.stat.pid, &mut self.fds).is_err() {
            return 1;
        }
        for fd in &self.fds {
            if let Target::Socket(inode) = fd.target
                && self.unknown.remove(&inode)
            {
                self.owners.insert(inode, one.stat.id());
            }
        }
        self.fds.len() + 1
    }
}

/// Keeps the sockets that a process holds, up to the bound. Inode 0 is one that no process holds (any more).
fn keep(all: &mut Vec<TcpSocket>, table: &[TcpSocket], bound: usize, report: &mut Report) {
    let held = table.iter().filter(|socket| socket.inode != 0);
    let room = bound.saturating_sub(all.len());
    report.dropped += held.clone().count().saturating_sub(room) as u64;
    all.extend(held.take(room));
}

/// One process of each network namespace that is not ours, at most `bound`.
fn foreign_namespaces(processes: &mut Processes, bound: usize, report: &mut Report) -> Vec<u32> {
    let own = processes.get(std::process::id()).and_then(|one| one.network_namespace);
    let mut found: BTreeMap<u64, u32> = BTreeMap::new();
    for one in processes.all() {
        let Some(namespace) = one.network_namespace.filter(|one| Some(*one) != own && own.is_some()) else {
            continue;
        };
        if found.len() < bound {
            found.entry(namespace).or_insert(one.stat.pid);
        } else if !found.contains_key(&namespace) {
            report.dropped += 1;
        }
    }
    found.into_values().collect()
}

fn empty(id: ProcessId) -> SocketSample {
    SocketSample {
        id,
        listen_ports: Vec::new(),
        accept_backlog: 0,
        established: 0,
        unread_connections: 0,
        unread_bytes: 0,
        close_wait: 0,
    }
}

fn add(row: &mut SocketSample, socket: &TcpSocket) {
    match socket.state {
        TcpState::Listen => {
            let port = socket.local.port();
            if let Err(index) = row.listen_ports.binary_search(&port) {
                row.listen_ports.insert(index, port);
            }
            let waiting = u32::try_from(socket.rx_queue_bytes).unwrap_or(u32::MAX);
            row.accept_backlog = row.accept_backlog.saturating_add(waiting);
        }
        TcpState::Established => {
            row.established += 1;
            row.unread_connections += u32::from(socket.rx_queue_bytes > 0);
            row.unread_bytes = row.unread_bytes.saturating_add(socket.rx_queue_bytes);
        }
        TcpState::CloseWait => row.close_wait += 1,
        _ => {}
    }
}

/// The word for a TCP state in tables.
pub(crate) fn state_word(state: TcpState) -> &'static str {
    match state {
        TcpState::Established => "established",
        TcpState::SynSent => "syn_sent",
        TcpState::SynRecv | TcpState::NewSynRecv => "syn_recv",
        TcpState::FinWait1 => "fin_wait_1",
        TcpState::FinWait2 => "fin_wait_2",
        TcpState::TimeWait => "time_wait",
        TcpState::Close => "close",
        TcpState::CloseWait => "close_wait",
        TcpState::LastAck => "last_ack",
        TcpState::Listen => "listen",
        TcpState::Closing => "closing",
    }
}
