//! The lines a person sees first.
use cycle::cycle::Turn;
use vocab::rule::Mode;

use crate::door::Addresses;

/// Prints what is observed, where to look, and what is missing.
pub fn print(turn: &Turn, mode: Mode, addresses: &Addresses) {
    let snapshot = &turn.snapshot;
    let (processes, cgroups) = (snapshot.processes.len(), snapshot.cgroups.len());
    let (disks, interfaces) = (snapshot.disks.len(), snapshot.interfaces.len());
    let promise = match mode {
        Mode::Observe => "observe (watches only)",
        Mode::Advise => "advise (changes nothing)",
        Mode::Heal => "heal (repairs what its rules name, proves it or takes it back)",
    };
    println!(
        "homeostat {} · observing {processes} processes, {cgroups} cgroups, {disks} disks, {interfaces} nics · mode: {promise}",
        env!("CARGO_PKG_VERSION")
    );
    println!("ebpf  {}", ebpf(turn));
    println!("page  {}", addresses.url);
    println!(
        "sql   homeostat sql \"SELECT pid, name, rss_bytes FROM processes ORDER BY rss_bytes DESC LIMIT 5\""
    );
    let missing = turn.ledger.capabilities.iter().filter(|one| !one.is_available).count();
    if missing > 0 {
        println!(
            "note  {missing} capabilities are missing here; `homeostat doctor` says which and what would bring them"
        );
    }
    println!("stop  Ctrl-C");
}

/// Whether our programs run in the kernel, and if not, why.
fn ebpf(turn: &Turn) -> String {
    let programs = &turn.snapshot.bpf_programs;
    // Some wait for their turn.
    let runs = programs.iter().filter(|one| one.is_attached || one.reason.is_none()).count();
    if runs > 0 {
        let memory = programs.iter().map(|one| one.memory_bytes).sum::<u64>();
        let size = tables::engine::human_bytes(memory as f64);
        return format!("on: {runs} of {} programs watch from inside the kernel, {size}", programs.len());
    }
    let row = turn.ledger.capabilities.iter().find(|one| one.name == "kernel_programs");
    let reason = row.and_then(|row| row.reason.as_deref()).unwrap_or("it is switched off");
    format!("off: {reason}; /proc stands in")
}
