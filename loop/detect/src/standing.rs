//! Threads that stand still between two looks, and what they could be waiting for.
use vocab::probe::ThreadProbe;

use crate::looks::Look;

/// Locks at which threads must stand to call them taken: one alone may be a condition that nobody signals.
pub const LOCKS_MIN: usize = 2;
/// Descriptors on which one waits for orders or new clients, not for the answer of somebody else.
const ORDERS: [&str; 7] =
    ["tcp_listen", "unix_listen", "unix_datagram", "eventfd", "signalfd", "timerfd", "inotify"];

/// Whether a thread waits at a lock without end.
pub fn waits_endlessly(one: &ThreadProbe) -> bool {
    one.wait.is_some_and(|wait| !wait.has_timeout)
}

/// Whether a thread sat in the same endless wait in the look before, and has not taken a step since.
pub fn stands_still(one: &ThreadProbe, before: &Look) -> bool {
    let address = |probe: &ThreadProbe| probe.wait.map(|wait| wait.address);
    let then = before.threads.iter().find(|then| then.thread.tid == one.thread.tid);
    waits_endlessly(one)
        && then.is_some_and(|then| {
            waits_endlessly(then)
                && address(then) == address(one)
                && then.thread.voluntary_switches == one.thread.voluntary_switches
                && then.thread.cpu_time_s >= one.thread.cpu_time_s
        })
}

/// Whether a thread waits for orders or new clients.
pub fn is_for_orders(one: &ThreadProbe) -> bool {
    one.waits_on.as_deref().is_some_and(|class| ORDERS.contains(&class))
}

/// Whether a thread slept in the same call in the look before, and has not taken a step since.
pub fn rests(one: &ThreadProbe, before: &Look) -> bool {
    let then = before.threads.iter().find(|then| then.thread.tid == one.thread.tid);
    then.is_some_and(|then| {
        then.thread.system_call == one.thread.system_call
            && then.thread.voluntary_switches.is_some()
            && then.thread.voluntary_switches == one.thread.voluntary_switches
    })
}
