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
