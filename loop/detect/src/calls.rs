//! What a thread that sleeps is waiting for, by the number of its system call. The only numbers of a processor
//! architecture in this crate: on one that is not listed, no call is known and nothing is claimed from it.

/// What a system call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// For a lock, a condition or a semaphore: futex.
    Lock,
    /// For new clients: accept.
    Clients,
    /// For time to pass or for a signal.
    Time,
    /// For a child to end.
    Child,
    /// For any of several descriptors: poll, select, epoll.
    Events,
    /// For something else: data, a device.
    Other,
}

#[cfg(target_arch = "x86_64")]
const CALLS: &[(Waits, &[i64])] = &[
    (Waits::Lock, &[202, 449]),
    (Waits::Clients, &[43, 288]),
    (Waits::Time, &[34, 35, 128, 130, 219, 230]),
    (Waits::Child, &[61, 247]),
    (Waits::Events, &[7, 23, 232, 270, 271, 281, 441]),
];
#[cfg(target_arch = "aarch64")]
const CALLS: &[(Waits, &[i64])] = &[
    (Waits::Lock, &[98, 449]),
    (Waits::Clients, &[202, 242]),
    (Waits::Time, &[101, 115, 128, 133, 137]),
    (Waits::Child, &[95, 260]),
    (Waits::Events, &[22, 72, 73, 441]),
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const CALLS: &[(Waits, &[i64])] = &[];

/// What that call waits for.
pub fn waits(call: i64) -> Waits {
    CALLS.iter().find(|(_, numbers)| numbers.contains(&call)).map_or(Waits::Other, |(waits, _)| *waits)
}
