//! Collector `sockets`: TCP sockets summed by the process that owns them.
//!
//! The kernel's table names a socket by its inode; which process holds that inode is asked only while there are sockets
//! whose owner is unknown. The kernel's iterator of open files, where our program for it runs, tells of all of them in
//! one read. Else it is learnt from the links in `/proc/PID/fd`, and only processes that moved since the last reading are
//! looked through. Now and then all that is known is asked anew, for a socket may change hands, and sockets that nobody
//! seemed to own are looked for once more.
use std::collections::{BTreeMap, HashMap, HashSet};

use bpfload::SocketRow;
use kernfs::{Family, ProcFs, TcpSocket, TcpState};
use vocab::sample::SocketSample;
use vocab::{ProcessId, Timestamp};

use crate::cadence::Cadence;
use crate::config::Bounds;
use crate::kernel::KernelSide;
use crate::ledger::{Report, thread_cpu_us};
use crate::ports::Ports;
use crate::processes::Processes;
use crate::tcp_diag::{Socket, TcpDiag};
use crate::tracked::Tracked;

/// A socket whose owner was looked for so often is not looked for again before the owners are verified: it belongs to
/// a process that is hidden from us. By then every process was looked at, moved or not.
const MISSES_MAX: u8 = 6;

/// The search for owners is the dearest of all readings where sockets come and go or belong to nobody we see, and
/// its news can wait: a tenth of what the whole of Homeostat may use.
pub(crate) const COST_SHARE_MAX: f64 = 0.0005;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// What is asked about one TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tcp {
    pub(crate) state: TcpState,
    /// Whether this side opened the connection: nobody listens on its local port.
    pub(crate) is_outgoing: bool,
}

/// Which process owns which socket, between readings.
pub(crate) struct Sockets {
    is_live: bool,
    diag: Option<TcpDiag>,
    sockets: Vec<Socket>,
    /// Sockets of other network namespaces, which are dearer to read.
    foreign: Vec<Socket>,
    every_foreign: Cadence,
    every_verify: Cadence,
    /// By inode: who holds it, and as which descriptor.
    owners: HashMap<u64, (ProcessId, u32)>,
    unknown: HashSet<u64>,
    misses: HashMap<u64, u8>,
    /// Ports on which somebody listens.
    listening: HashSet<u16>,
    table: Vec<TcpSocket>,
    /// Who holds what, by the iterator.
    held: Vec<SocketRow>,
    pub(crate) ports: Ports,
}

impl Sockets {
    /// Asks the kernel's diagnosis where `is_live` says that this machine is observed, not a recorded tree.
    pub(crate) fn new(is_live: bool) -> Self {
        Self {
            is_live,
            diag: if is_live { TcpDiag::open() } else { None },
            sockets: Vec::new(),
            foreign: Vec::new(),
            every_foreign: Cadence::new(10.0, 5.0),
            every_verify: Cadence::new(60.0, 60.0),
            owners: HashMap::new(),
            unknown: HashSet::new(),
            misses: HashMap::new(),
            listening: HashSet::new(),
            table: Vec::new(),
            held: Vec::new(),
            ports: Ports::default(),
        }
    }

    /// Reads the TCP sockets of our own and of other network namespaces and sums them by owner.
    pub(crate) fn read(
        &mut self,
        (proc, kernel): (&mut ProcFs, Option<&mut KernelSide>),
        processes: &mut Processes,
        (bounds, at): (&Bounds, Timestamp),
        report: &mut Report,
    ) -> Option<Vec<SocketSample>> {
        let kernel = kernel.filter(|one| self.is_live && one.runs("socket_rows"));
        self.sockets.clear();
        self.read_own(proc, report)?;
        self.ports.read_range(proc);
        self.ports.count(self.sockets.iter().map(|socket| socket.port));
        if self.every_foreign.is_due(at, 1.0) {
            let before_us = thread_cpu_us();
            self.read_foreign(proc, processes, bounds, report);
            self.every_foreign.charge(at, thread_cpu_us().saturating_sub(before_us), COST_SHARE_MAX);
        }
        self.sockets.extend_from_slice(&self.foreign);
        report.dropped += self.sockets.len().saturating_sub(bounds.sockets) as u64;
        self.sockets.truncate(bounds.sockets);
        self.sockets.sort_unstable_by_key(|socket| socket.inode);
        self.listening.clear();
        let listeners = self.sockets.iter().filter(|socket| socket.state == TcpState::Listen);
        self.listening.extend(listeners.map(|socket| socket.port));
        if self.every_verify.is_due(at, 1.0) {
            if kernel.is_some() {
                self.owners.clear();
            }
            self.owners.retain(|inode, (id, fd)| proc.socket_fd(id.pid, *fd) == Ok(Some(*inode)));
            // All are looked through now, so one more look is enough.
            self.misses.values_mut().for_each(|misses| *misses = (*misses).min(MISSES_MAX - 1));
            processes.all().iter_mut().for_each(|one| one.is_unscanned = true);
        }
        self.find_owners((proc, kernel), processes, bounds, report);
        let mut rows: BTreeMap<ProcessId, SocketSample> = BTreeMap::new();
        for socket in &self.sockets {
            if let Some((id, _)) = self.owners.get(&socket.inode) {
                add(rows.entry(*id).or_insert_with(|| empty(*id)), socket);
            }
        }
        report.rows = rows.len();
        Some(rows.into_values().collect())
    }

    /// The TCP socket of that inode at the last reading.
    pub(crate) fn tcp(&self, inode: u64) -> Option<Tcp> {
        let index = self.sockets.binary_search_by_key(&inode, |socket| socket.inode).ok()?;
        let Socket { state, port, .. } = *self.sockets.get(index)?;
        Some(Tcp { state, is_outgoing: !self.listening.contains(&port) })
    }

    /// The sockets of our own namespace: by diagnosis, or from then on by /proc if that is refused.
    fn read_own(&mut self, proc: &mut ProcFs, report: &mut Report) -> Option<()> {
        if let Some(diag) = &mut self.diag {
            if diag.read(&mut self.sockets).is_ok() {
                return Some(());
            }
            self.diag = None;
            self.sockets.clear();
        }
        for family in FAMILIES {
            match proc.tcp(family, &mut self.table) {
                Ok(skipped) => report.dropped += skipped as u64,
                // No IPv6 in this kernel.
                Err(error) if error.is_gone() && family == Family::V6 => continue,
                Err(error) => return report.take(Err(error)),
            }
            keep(&mut self.sockets, &self.table);
        }
        Some(())
    }

    fn read_foreign(
        &mut self,
        proc: &mut ProcFs,
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) {
        self.foreign.clear();
        for pid in foreign_namespaces(processes, bounds.network_namespaces, report) {
            for family in FAMILIES {
                // The process may have ended; its namespace is read through another one next time.
                if proc.tcp_of(pid, family, &mut self.table).is_ok() {
                    keep(&mut self.foreign, &self.table);
                }
            }
        }
    }

    fn find_owners(
        &mut self,
        (proc, kernel): (&mut ProcFs, Option<&mut KernelSide>),
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) {
        let alive: HashSet<u64> = self.sockets.iter().map(|socket| socket.inode).collect();
        let lives = |id: &ProcessId| processes.get(id.pid).is_some_and(|one| one.stat.id() == *id);
        self.owners.retain(|inode, (id, _)| alive.contains(inode) && lives(id));
        self.unknown.clear();
        self.unknown.extend(alive.iter().filter(|inode| {
            !self.owners.contains_key(inode) && self.misses.get(inode).is_none_or(|n| *n < MISSES_MAX)
        }));
        if !kernel.is_some_and(|kernel| self.ask_iterator(kernel, processes, bounds)) {
            self.look_through(proc, processes, bounds, report);
        }
        self.misses.retain(|inode, _| alive.contains(inode));
        for inode in &self.unknown {
            *self.misses.entry(*inode).or_default() += 1;
        }
    }

    /// Takes the owners of unknown sockets from the kernel's iterator: the first process that holds one. False if it
    /// cannot tell of all.
    fn ask_iterator(&mut self, kernel: &mut KernelSide, processes: &Processes, bounds: &Bounds) -> bool {
        if self.unknown.is_empty() {
            return true;
        }
        let Self { held, unknown, owners, .. } = self;
        held.clear();
        let is_whole = kernel.sockets_into(held, bounds.sockets) == Ok(true);
        for row in held.iter() {
            // Of one that began since the processes were read, the next reading knows.
            if let Some(one) = processes.get(row.pid).filter(|_| unknown.remove(&row.inode)) {
                owners.insert(row.inode, (one.stat.id(), row.fd));
            }
        }
        is_whole
    }

    fn look_through(
        &mut self,
        proc: &mut ProcFs,
        processes: &mut Processes,
        bounds: &Bounds,
        report: &mut Report,
    ) {
        let mut links = 0;
        for index in self.likely_owners(processes.all()) {
            let Some(one) = processes.all().get_mut(index).filter(|_| !self.unknown.is_empty()) else {
                break;
            };
            if links >= bounds.descriptors {
                report.dropped += 1;
                continue;
            }
            one.is_unscanned = false;
            links += self.scan(proc, one);
        }
    }

    /// Processes to look through, by their place in the table: who holds sockets already first, then by how little a
    /// look costs, for the search ends with the last socket found.
    fn likely_owners(&self, processes: &[Box<Tracked>]) -> Vec<usize> {
        if self.unknown.is_empty() {
            return Vec::new();
        }
        let holders: HashSet<u32> = self.owners.values().map(|(id, _)| id.pid).collect();
        let may_own = |one: &Tracked| one.is_unscanned && !one.is_denied && !one.info.is_kernel;
        let indexes = processes.iter().enumerate().filter(|(_, one)| may_own(one));
        let mut ranked: Vec<_> = indexes
            .map(|(index, one)| (!holders.contains(&one.stat.pid), one.descriptors.unwrap_or(0), index))
            .collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, _, index)| index).collect()
    }

    /// Looks through the descriptors of one process; answers how many there were.
    fn scan(&mut self, proc: &mut ProcFs, one: &Tracked) -> usize {
        let Self { owners, unknown, .. } = self;
        let count = proc.socket_fds(one.stat.pid, |fd, inode| {
            if unknown.remove(&inode) {
                owners.insert(inode, (one.stat.id(), fd));
            }
        });
        count.unwrap_or(0) + 1
    }
}

/// Keeps the sockets that a process holds: inode 0 is one that none holds, any more or yet.
fn keep(all: &mut Vec<Socket>, table: &[TcpSocket]) {
    all.extend(table.iter().filter(|socket| socket.inode != 0).map(Socket::from));
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
        rtt_us: None,
    }
}

fn add(row: &mut SocketSample, socket: &Socket) {
    match socket.state {
        TcpState::Listen => {
            let port = socket.port;
            if let Err(index) = row.listen_ports.binary_search(&port) {
                row.listen_ports.insert(index, port);
            }
            let waiting = u32::try_from(socket.receive_queue).unwrap_or(u32::MAX);
            row.accept_backlog = row.accept_backlog.saturating_add(waiting);
        }
        TcpState::Established => {
            row.established += 1;
            row.rtt_us = row.rtt_us.max(socket.rtt_us);
            row.unread_connections += u32::from(socket.receive_queue > 0);
            row.unread_bytes = row.unread_bytes.saturating_add(socket.receive_queue);
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
