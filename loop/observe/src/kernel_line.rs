//! What a line of the kernel log means, and about whom it is.
use vocab::event::EventKind;

/// Whom a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Machine,
    Process(u32),
    Disk(&'a str),
    Interface(&'a str),
}

/// Words that tell what failed, wherever they stand in a line. Sources: fs/ext4/super.c, drivers/nvme/host/pci.c and
/// core.c, drivers/scsi/scsi_logging.c, drivers/ata/libata-eh.c, drivers/md/raid1.c, raid10.c and raid5.c,
/// net/sched/sch_generic.c, drivers/pci/pcie/aer.c, drivers/usb/core/hub.c, drivers/base/dd.c, the NVIDIA driver,
/// drivers/gpu/drm, arch/x86/kernel/cpu/mce, drivers/thermal/thermal_core.c, mm/memory-failure.c, drivers/edac.
const SIGNS: &[(&str, EventKind)] = &[
    ("I/O error", EventKind::IoError),
    ("-fs error", EventKind::IoError),
    ("critical medium error", EventKind::IoError),
    ("critical target error", EventKind::IoError),
    ("transport error, dev ", EventKind::IoError),
    ("timeout error, dev ", EventKind::IoError),
    ("Remounting filesystem read-only", EventKind::IoError),
    ("NETDEV WATCHDOG: ", EventKind::DeviceFailure),
    (" timeout, aborting", EventKind::DeviceFailure),
    (" timeout, reset controller", EventKind::DeviceFailure),
    ("controller is down; will reset", EventKind::DeviceFailure),
    ("Device not ready; aborting", EventKind::DeviceFailure),
    ("FAILED Result: ", EventKind::DeviceFailure),
    ("rejecting I/O to offline device", EventKind::DeviceFailure),
    ("Disk failure on ", EventKind::DeviceFailure),
    (": failed command: ", EventKind::DeviceFailure),
    (": hard resetting link", EventKind::DeviceFailure),
    ("PCIe Bus Error: severity=Uncorrect", EventKind::DeviceFailure),
    ("device descriptor read/", EventKind::DeviceFailure),
    ("device not accepting address", EventKind::DeviceFailure),
    (" failed with error -", EventKind::DeviceFailure),
    ("NVRM: Xid ", EventKind::DeviceFailure),
    ("GPU HANG", EventKind::DeviceFailure),
    ("GPU reset begin", EventKind::DeviceFailure),
    ("temperature is above threshold", EventKind::Thermal),
    ("temperature above threshold", EventKind::Thermal),
    ("critical temperature reached", EventKind::Thermal),
    ("[Hardware Error]", EventKind::HardwareError),
    ("Memory failure: ", EventKind::HardwareError),
    ("EDAC MC", EventKind::HardwareError),
    ("kernel BUG at ", EventKind::KernelFault),
];

/// Words with which a line begins when the kernel has met an error of its own. Source: arch/x86/mm/fault.c,
/// arch/x86/kernel/dumpstack.c.
const FAULTS: &[&str] = &["BUG: unable to handle ", "BUG: kernel NULL pointer dereference", "Oops: "];

/// Words that come with a machine's start and its usual course: firmware that is optional.
const HARMLESS: &[&str] = &["firmware load for", "EDAC MC: Ver:", "Giving out device"];

/// What a line of the kernel means, and about whom it is. Sources beside those of [`SIGNS`]: mm/oom_kill.c,
/// kernel/hung_task.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, arch/x86/mm/fault.c.
pub(crate) fn classify(line: &str) -> (EventKind, Subject<'_>) {
    let process = |pid: Option<u32>| pid.map_or(Subject::Machine, Subject::Process);
    if let Some((_, rest)) = line.split_once("Killed process ") {
        return (EventKind::OomKill, process(leading_number(rest)));
    }
    if let Some((head, _)) = line.split_once(" blocked for more than ") {
        return (EventKind::HungTask, process(trailing_number(head, ':')));
    }
    if line.contains("soft lockup") || line.contains("hard LOCKUP") {
        let pid = line.rsplit_once(']').and_then(|(head, _)| trailing_number(head, ':'));
        return (EventKind::Lockup, process(pid));
    }
    if line.contains("rcu") && (line.contains("detected stall") || line.contains("self-detected stall")) {
        return (EventKind::Lockup, Subject::Machine);
    }
    if FAULTS.iter().any(|words| line.starts_with(words)) {
        return (EventKind::KernelFault, Subject::Machine);
    }
    let sign = SIGNS.iter().find(|(words, _)| line.contains(words));
    if let Some((_, kind)) = sign.filter(|_| !HARMLESS.iter().any(|words| line.contains(words))) {
        return (*kind, device(line));
    }
    // `name[pid]: segfault at …`, `traps: name[pid] general protection …`
    let crash =
        [": segfault at ", " general protection", " trap "].iter().find_map(|word| line.split_once(word));
    let pid = crash.and_then(|(head, _)| trailing_number(head.strip_suffix(']')?, '['));
    (EventKind::KernelLog, process(pid))
}

fn leading_number(text: &str) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn trailing_number(text: &str, separator: char) -> Option<u32> {
    text.rsplit_once(separator)?.1.parse().ok()
}

/// The disk or network interface a line names: what stands behind these words, with so many letters of them.
fn device(line: &str) -> Subject<'_> {
    let behind = |words: &str, of_words: usize| {
        let start = line.find(words)? + words.len() - of_words;
        let rest = &line[start..];
        let end = rest.find([',', ' ', ')', ':', ']']).unwrap_or(rest.len());
        rest.get(..end).filter(|name| !name.is_empty())
    };
    if let Some(name) = behind("NETDEV WATCHDOG: ", 0) {
        return Subject::Interface(name);
    }
    let words =
        [("dev ", 0), ("(device ", 0), ("-fs (", 0), ("failure on ", 0), ("nvme nvme", 4), (": [sd", 2)];
    let mut disks = words.iter().filter_map(|(words, of_words)| behind(words, *of_words));
    disks.next().map_or(Subject::Machine, Subject::Disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    use EventKind::{
        DeviceFailure, HardwareError, HungTask, IoError, KernelFault, KernelLog, Lockup, OomKill, Thermal,
    };

    const LINES: &[(&str, EventKind, Subject<'static>)] = &[
        (
            "Out of memory: Killed process 123 (leaky) total-vm:1kB, anon-rss:2kB",
            OomKill,
            Subject::Process(123),
        ),
        ("Memory cgroup out of memory: Killed process 9 (a b) total-vm:1kB", OomKill, Subject::Process(9)),
        ("INFO: task kworker/u4:1:77 blocked for more than 120 seconds.", HungTask, Subject::Process(77)),
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [stress:55]", Lockup, Subject::Process(55)),
        ("watchdog: Watchdog detected hard LOCKUP on cpu 3", Lockup, Subject::Machine),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", Lockup, Subject::Machine),
        ("I/O error, dev sda, sector 1024 op 0x0:(READ)", IoError, Subject::Disk("sda")),
        ("Buffer I/O error on dev dm-0, logical block 7, lost page write", IoError, Subject::Disk("dm-0")),
        ("EXT4-fs error (device vda1): ext4_lookup:1: inode #2", IoError, Subject::Disk("vda1")),
        ("app[42]: segfault at 0 ip 0 sp 0 error 4 in app[1000+2000]", KernelLog, Subject::Process(42)),
        ("traps: app[43] general protection fault ip:1 sp:2", KernelLog, Subject::Process(43)),
        ("eth0: link up", KernelLog, Subject::Machine),
        ("EXT4-fs (sdb1): Remounting filesystem read-only", IoError, Subject::Disk("sdb1")),
        (
            "NETDEV WATCHDOG: eth0 (e1000e): transmit queue 0 timed out 5004 ms",
            DeviceFailure,
            Subject::Interface("eth0"),
        ),
        (
            "nvme nvme0: I/O tag 5 (1005) opcode 0x2 (Read) QID 1 timeout, aborting",
            DeviceFailure,
            Subject::Disk("nvme0"),
        ),
        (
            "nvme nvme0: controller is down; will reset: CSTS=0xffffffff",
            DeviceFailure,
            Subject::Disk("nvme0"),
        ),
        ("nvme nvme0: 4/0/0 default/read/poll queues", KernelLog, Subject::Machine),
        ("sd 2:0:0:0: [sdc] tag#7 FAILED Result: hostbyte=DID_TIME_OUT", DeviceFailure, Subject::Disk("sdc")),
        ("md/raid1:md0: Disk failure on sdb1, disabling device.", DeviceFailure, Subject::Disk("sdb1")),
        ("ata1.00: failed command: READ FPDMA QUEUED", DeviceFailure, Subject::Machine),
        (
            "pcieport 0000:00:1c.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction Layer",
            DeviceFailure,
            Subject::Machine,
        ),
        ("usb 1-4: device descriptor read/64, error -71", DeviceFailure, Subject::Machine),
        ("usb 1-4: new high-speed USB device number 7 using xhci_hcd", KernelLog, Subject::Machine),
        (
            "e1000e 0000:00:19.0: probe with driver e1000e failed with error -5",
            DeviceFailure,
            Subject::Machine,
        ),
        ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.", DeviceFailure, Subject::Machine),
        (
            "CPU3: Core temperature is above threshold, cpu clock is throttled (total events = 1)",
            Thermal,
            Subject::Machine,
        ),
        (
            "thermal thermal_zone0: acpitz: critical temperature reached, shutting down",
            Thermal,
            Subject::Machine,
        ),
        ("mce: [Hardware Error]: Machine check events logged", HardwareError, Subject::Machine),
        (
            "Memory failure: 0x12345: recovery action for dirty LRU page: Recovered",
            HardwareError,
            Subject::Machine,
        ),
        ("BUG: unable to handle page fault for address: ffffc900", KernelFault, Subject::Machine),
        ("Oops: 0002 [#1] SMP", KernelFault, Subject::Machine),
        ("", KernelLog, Subject::Machine),
    ];

    #[test]
    fn lines_are_classified_with_their_entity() {
        for (line, kind, subject) in LINES {
            assert_eq!(classify(line), (*kind, *subject), "{line}");
        }
    }
}
