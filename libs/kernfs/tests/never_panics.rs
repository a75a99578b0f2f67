//! No bytes make a parser panic: neither noise, nor kernel text with a part cut out, doubled or overwritten.

use kernfs::cgroup::{CpuUse, Limit, MemoryEvents, V2, parse_io_stat, unit_of};
use kernfs::*;
use proptest::prelude::*;

/// Hands `text` to every parser of the crate.
fn parse_with_all(text: &[u8]) {
    let _ = Stat::parse(text, 4096);
    let _ = Status::parse(text);
    let _ = Io::parse(text);
    let _ = SchedStat::parse(text);
    let _ = Limits::parse(text);
    let _ = SmapsRollup::parse(text);
    let _ = Syscall::parse(text);
    let _ = parse_wchan(text);
    let _ = Target::parse(text);
    let paths = CgroupPaths::new(text);
    let _ = (paths.v2(), paths.v1("memory"), paths.iter().count(), arguments(text).count());
    let _ = MemInfo::parse(text);
    let _ = VmStat::parse(text);
    let _ = CpuStat::default().parse_into(text);
    let _ = LoadAvg::parse(text);
    let _ = Uptime::parse(text);
    let _ = Pressure::parse(text);
    let _ = KmsgRecord::parse(text);
    let _ = unit_of(text).map(|unit| unit.display_name());
    let _ = CpuUse::parse(text);
    let _ = MemoryEvents::parse(text);
    let _ = Limit::parse(text);
    let _ = V2::default().parse_events(text);
    let _ = Name::<4>::new(text).to_string();
    let lines = text.split(|b| *b == b'\n').count();
    let rows = |skipped: usize, rows: usize| assert!(skipped + rows <= lines);
    rows(parse_maps(text, &mut Vec::new()), 0);
    rows(parse_diskstats(text, &mut Vec::new()), 0);
    rows(parse_locks(text, &mut Vec::new()), 0);
    let mut mounts = Vec::new();
    rows(parse_mounts(text, &mut mounts), 0);
    let _ = cgroup::Layout::detect(&mounts, "/sys".as_ref());
    rows(parse_net_dev(text, &mut Vec::new()), 0);
    rows(parse_swaps(text, &mut Vec::new()), 0);
    rows(parse_tcp(text, &mut Vec::new()), 0);
    rows(parse_unix(text, &mut Vec::new()), 0);
    rows(parse_io_stat(text, &mut Vec::new()), 0);
}

/// Kernel text of every form.
const TEXTS: &[&str] = &[
    "4805 (a) b) S 1 1 1 0 -1 4194304 101 5 3 0 17 23 1 2 20 -5 4 0 80522 3133440 379 1 1 1 1 0 0 0 0 0 0 0 0 0 17 1 50 2 9 0\n",
    "Name:\tcat\nUid:\t0\t0\t0\t0\nNSpid:\t4806\t1\nVmLck:\t 8 kB\nCapEff:\t000001fffeffffff\n",
    "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 7\n",
    "Max processes             96365                unlimited            processes \nMax open files  1 2 files\n",
    "9:name=systemd:/init.scope\n1:cpu,cpuacct:/\n0::/system.slice/a@b.service (deleted)\n",
    "202 0x10 0x0 0x2 0x0 0x0 0xffffffffffffffff 0x1 0x2\n",
    "7f0a10000000-7f0a10021000 r-xp 00001000 fe:01 1234    /opt/a b/lib.so (deleted)\n",
    "cpu  1 2 3 4 5 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\nctxt 5\nbtime 1\n",
    "some avg10=0.59 avg60=0.48 avg300=0.28 total=3475783\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "MemTotal:       24669008 kB\nHugePages_Total:       5\n",
    "pgfault 100\nallocstall_dma 18446744073709551615\nallocstall_normal 18446744073709551615\n",
    "0.08 0.05 0.01 1/86 4817\n",
    " 259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n",
    "36 35 98:0 / /sys/a\\040b ro - cgroup cgroup rw,name=systemd\n",
    "  sl  local\n 1: B80D01200000000000000000010000FF:0016 0100007F:0000 01 0:1 00:0 0 0 0 7 1 0\n",
    "Num RefCount\n0: 2 0 00010000 0001 01 12345 /run/a b.sock\n",
    "1: -> POSIX  ADVISORY  WRITE 1234 fe:01:789 0 EOF\n",
    "30,339,5140900,-;NET: a\\x0ab\n SUBSYSTEM=net\n",
    "face |bytes\neth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
    "/system.slice/system-my\\x2dapp.slice/my\\x2dapp@dev-a\\x2db.service",
];

#[test]
fn every_text_is_understood_by_some_parser() {
    for text in TEXTS {
        parse_with_all(text.as_bytes());
    }
    assert!(Stat::parse(TEXTS[0].as_bytes(), 4096).is_some());
    assert!(Status::parse(TEXTS[1].as_bytes()).is_some());
    assert!(Io::parse(TEXTS[2].as_bytes()).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise(text in proptest::collection::vec(any::<u8>(), 0..300)) {
        parse_with_all(&text);
    }

    #[test]
    fn spoilt_kernel_text(
        which in 0..TEXTS.len(),
        at in any::<proptest::sample::Index>(),
        cut in 0usize..20,
        insert in proptest::collection::vec(prop_oneof![
            any::<u8>(),
            proptest::sample::select(b" \n\t:,-()[]\\x0129/=.@_;".to_vec()),
        ], 0..12),
    ) {
        let mut text = TEXTS[which].as_bytes().to_vec();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, insert);
        parse_with_all(&text);
    }
}
