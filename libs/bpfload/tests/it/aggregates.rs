//! What is counted in the kernel: scheduling, disks, file systems, TCP, software interrupts.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;

use bpfload::{Object, SchedStat};

use crate::helpers;
use crate::support::{drain, kernel_lock, load, proc_stat, same_start, until};

fn sched_of(tick: &bpfload::Tick, pid: u32) -> Option<SchedStat> {
    tick.sched.iter().find(|(key, _)| *key == pid).map(|(_, stat)| *stat)
}

#[test]
fn blocks_of_a_known_length_are_counted_as_that_length() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Sched, &["sched_switch"], |_| {}) else { return };
    let mut child = helpers::start("blocks");
    let ticks = proc_stat(child.id(), 22);
    child.wait().unwrap();
    let stat = sched_of(&drain(&mut kernel), child.id()).unwrap();
    assert!(same_start(stat.start_ns, ticks), "{} is not {ticks} ticks", stat.start_ns);
    let long = stat.blocked.slots[16..].iter().sum::<u32>(); // 33 ms and more
    // A call that the kernel skipped, for it was in one already, loses a block; seen once on a busy machine.
    assert!((18..=22).contains(&long), "20 blocks of 50 ms: {:?}", stat.blocked);
    assert!(stat.blocked.sum >= 18 * 49_000_000 && stat.memory.count() <= 2, "{stat:?}");
    assert!(sched_of(&drain(&mut kernel), child.id()).is_none(), "a drain empties the map");
}

#[test]
fn what_a_task_does_while_nobody_looks_is_not_one_long_block() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Sched, &["sched_switch"], |_| {}) else { return };
    let mut child = helpers::start("blocks");
    let seen = |kernel: &mut bpfload::Kernel| {
        until(|| sched_of(&drain(kernel), child.id()).filter(|stat| stat.blocked.count() > 0))
    };
    assert!(seen(&mut kernel).is_some(), "it blocks");
    // It is blocked nearly always: it was when nobody looked any more, and is when somebody looks again.
    kernel.detach("sched_switch");
    std::thread::sleep(std::time::Duration::from_millis(400));
    kernel.attach("sched_switch").unwrap();
    child.wait().unwrap();
    let stat = sched_of(&drain(&mut kernel), child.id()).unwrap();
    let (short, long) = stat.blocked.slots.split_at(18); // 134 ms
    assert!(short.iter().sum::<u32>() >= 3, "those after it are seen: {:?}", stat.blocked);
    assert_eq!(long.iter().sum::<u32>(), 0, "blocks of 50 ms: {:?}", stat.blocked);
}

#[test]
fn naps_are_run_queue_visits_and_no_blocks() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Sched, &["sched_switch"], |_| {}) else { return };
    let mut child = helpers::start("naps");
    child.wait().unwrap();
    let stat = sched_of(&drain(&mut kernel), child.id()).unwrap();
    // Some 320 visits, of which the short ones count sixteenfold or not at all.
    assert!((20..1200).contains(&stat.runq.count()), "{stat:?}");
    assert_eq!(stat.blocked.slots[15..].iter().sum::<u32>(), 0, "naps of 50 ms are not blocks: {stat:?}");
}

#[test]
fn two_on_one_cpu_wait_for_each_other() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut kernel) = load(Object::Sched, &["sched_switch"], |_| {}) else { return };
    let mut children = [helpers::start("spins"), helpers::start("spins")];
    children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
    let tick = drain(&mut kernel);
    for child in &children {
        let waited_ms = sched_of(&tick, child.id()).unwrap().runq.sum / 1_000_000;
        assert!(waited_ms >= 200, "two spin a second on one CPU, yet one waited only {waited_ms} ms");
    }
}

#[test]
fn a_synced_file_is_a_write_of_its_disk_and_an_fsync_of_its_process() {
    let Some(_one) = kernel_lock() else { return };
    let Some(mut block) = load(Object::Block, &["block_rq_complete"], |_| {}) else { return };
    let Some(mut fs) = load(Object::Fs, &["ext4_sync_file_enter", "ext4_sync_file_exit"], |_| {}) else {
        return;
    };
    let path = std::env::temp_dir().join(format!("bpfload-sync-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    for _ in 0..4 {
        file.write_all(&[7; 1 << 20]).unwrap();
        file.sync_all().unwrap();
    }
    let device = file.metadata().unwrap().dev();
    std::fs::remove_file(&path).unwrap();
    if libc::major(device) == 0 {
        eprintln!("skipped: {} is not on a disk", path.display());
        return;
    }
    let tick = drain(&mut block);
    let written: u64 = tick.block.iter().filter(|(key, _)| key.op == 1).map(|(_, stat)| stat.bytes.sum).sum();
    let lost = block.lost().unwrap();
    // A completion during which the kernel skipped the program is missing, and is counted.
    assert!(written >= 4 << 20 || lost.skipped > 0, "4 MiB were synced, {written} bytes were seen, {lost:?}");
    assert!(tick.block.iter().all(|(_, s)| s.latency.percentile(0.5).is_none_or(|ns| ns < 10_000_000_000)));
    let me = std::process::id();
    match drain(&mut fs).fs.iter().find(|(pid, _)| *pid == me) {
        Some((_, stat)) => assert_eq!((stat.fsync.count(), stat.errors), (4, 0)),
        None => eprintln!("skipped: {} is not on ext4", path.display()),
    }
}

#[test]
fn a_refused_connection_is_a_reset_and_a_served_one_has_a_round_trip_time() {
    let Some(_one) = kernel_lock() else { return };
    let needed = ["tcp_send_reset", "tcp_receive_reset", "tcp_destroy_sock"];
    let Some(mut kernel) = load(Object::Net, &needed, |_| {}) else { return };
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let mut byte = [0];
        let mut peer = server.accept().unwrap().0;
        peer.read_exact(&mut byte).unwrap();
        peer.write_all(&byte).unwrap();
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[1]).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(stream);
    echo.join().unwrap();
    assert!(TcpStream::connect(address).is_err(), "the listener is gone");
    let mut total = bpfload::NetStat::default();
    let seen = until(|| {
        for (_, stat) in drain(&mut kernel).net {
            total.resets_sent += stat.resets_sent;
            total.resets_received += stat.resets_received;
            total.closed += stat.closed;
            total.rtt.merge(&stat.rtt);
        }
        (total.resets_sent > 0 && total.closed > 0 && total.rtt.count() > 0).then_some(())
    });
    assert!(seen.is_some(), "{total:?}");
    assert!(total.rtt.mean().unwrap() < 1_000_000_000, "{total:?}");
}

#[test]
fn timers_run_as_software_interrupts() {
    let Some(_one) = kernel_lock() else { return };
    let sampled = |o: &mut bpfload::Options| o.sampled = vec![Object::Softirq];
    let Some(mut kernel) = load(Object::Softirq, &["softirq_entry", "softirq_exit"], sampled) else { return };
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(drain(&mut kernel).softirq.iter().map(bpfload::Hist::count).sum::<u64>(), 0, "not attached");
    kernel.set_attached(Object::Softirq, true).unwrap();
    let seen = until(|| {
        let timer = drain(&mut kernel).softirq[1];
        (timer.count() > 0).then_some(timer)
    });
    assert!(seen.unwrap().mean().unwrap() < 1_000_000_000);
}
