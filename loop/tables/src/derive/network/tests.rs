//! TCP of a machine with programs in the kernel, and of one without.
use vocab::kernel::{Hist, KernelSample, NetSample};
use vocab::rows::TcpSockets;
use vocab::sample::{CgroupSample, MachineSample, ProcessInfo, ProcessStat, Sample, SocketSample, TcpSample};
use vocab::{Entity, ProcessId, Timestamp};

use crate::Deriver;

fn sample(second: i64) -> Sample {
    let id = ProcessId { pid: 7, start_ticks: 70 };
    let stat = ProcessStat { pid: 7, start_ticks: 70, state: b'S', ..Default::default() };
    let info = ProcessInfo {
        id,
        name: "web".into(),
        exe: None,
        command: None,
        uid: 0,
        cgroup: Some("/web".into()),
        unit: None,
        service: None,
        is_kernel: false,
        descriptor_limits: None,
    };
    let sockets = SocketSample {
        id,
        listen_ports: Vec::new(),
        accept_backlog: 0,
        established: 3,
        unread_connections: 0,
        unread_bytes: 0,
        close_wait: 0,
        rtt_us: Some(250),
    };
    let cgroup = CgroupSample { path: "/web".into(), inode: 42, version: 2, ..Default::default() };
    Sample {
        at: Timestamp::from_secs(second),
        turn: second as u64,
        machine: MachineSample { ticks_per_second: 100, ..Default::default() },
        processes: vec![stat],
        process_infos: vec![info],
        sockets: Some(vec![sockets]),
        cgroups: Some(vec![cgroup]),
        ..Default::default()
    }
}

fn of<'a>(rows: &'a [TcpSockets], owner: &Entity) -> &'a TcpSockets {
    rows.iter().find(|row| row.owner == *owner).unwrap()
}

#[test]
fn what_the_kernel_counted_by_cgroup_stands_beside_its_sockets() {
    let round_trip = Hist { sum: 4_000_000, slots: std::array::from_fn(|slot| u32::from(slot == 12) * 2) };
    let net = |cgroup| NetSample { cgroup, retransmits: 5, round_trip, closed: 2, ..Default::default() };
    let kernel = KernelSample { net: vec![net(0), net(42), net(4_711)], ..Default::default() };
    let snapshot = Deriver::new().snapshot(&Sample { kernel: Some(kernel), ..sample(1) });
    let web = of(&snapshot.tcp_sockets, &Entity::Cgroup("/web".into()));
    assert_eq!((web.established, web.rtt_us, web.retransmits, web.closed), (3, Some(250), Some(5), Some(2)));
    assert!(web.closed_p99_us.is_some_and(|us| (2_097.0..4_195.0).contains(&us)), "{web:?}");
    // Without a socket, and of a cgroup that is gone.
    let machine = of(&snapshot.tcp_sockets, &Entity::Machine);
    assert_eq!((machine.established, machine.retransmits, machine.closed), (0, Some(10), Some(4)));
}

#[test]
fn without_it_the_machine_counts_as_a_whole() {
    let counted = |second, retransmits| {
        let mut one = sample(second);
        one.machine.tcp = Some(TcpSample { retransmits, resets_sent: 9 });
        one
    };
    let mut deriver = Deriver::new();
    assert!(deriver.snapshot(&counted(1, 70)).tcp_sockets.iter().all(|row| row.retransmits.is_none()));
    let rows = deriver.snapshot(&counted(2, 74)).tcp_sockets;
    let machine = of(&rows, &Entity::Machine);
    assert_eq!((machine.retransmits, machine.resets_sent, machine.resets_received), (Some(4), Some(0), None));
    assert_eq!(of(&rows, &Entity::Cgroup("/web".into())).retransmits, None);
}
