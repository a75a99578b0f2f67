//! What daemon and keeper say to each other: one message a packet, postcard inside.
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use supervisor::{ServiceConfig, Status};
use vocab::Timestamp;

/// Descriptor of the daemon's end of the socket, in its environment.
pub const SOCKET_ENV: &str = "HOMEOSTAT_KEEPER_SOCKET";

/// Descriptor of the intent ring, in the daemon's environment.
pub const RING_ENV: &str = "HOMEOSTAT_RING";

/// Descriptor of a counter, in the daemon's environment: it is readable when there is something to ask for.
pub const NEWS_ENV: &str = "HOMEOSTAT_KEEPER_NEWS";

/// Largest packet: below the kernel's default socket buffer.
const PACKET_MAX: usize = 128 << 10;

/// The daemon asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The doors are open: the daemon has started.
    Ready,
    /// How the services are, and what happened since the last time.
    Look,
    /// How the services are.
    List,
    /// Start a service.
    Start(Box<ServiceConfig>),
    /// Stop one.
    Stop(String),
    /// Stop and start one.
    Restart(String),
    /// Set the least wait before its next start after a failure. Unit: s.
    SetBackOffMin(String, f64),
    /// The last lines it wrote.
    Lines(String),
}

/// The keeper answers each request once, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It was done.
    Done,
    /// The services, and what happened.
    Services(Vec<Status>, Vec<Told>),
    /// Lines of one service.
    Lines(Vec<String>),
    /// It was not done, and why.
    Refused(String),
}

/// Something that happened to a service, with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When, on the clock of the keeper: time since boot. Unit: ns.
    pub boot_ns: u64,
    /// To which service.
    pub service: String,
    /// What.
    pub what: ToldKind,
}

/// Kinds of happenings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToldKind {
    /// It was started as this process.
    Started(u32),
    /// It ended.
    Ended {
        /// Exit code.
        code: Option<i32>,
        /// Signal.
        signal: Option<i32>,
        /// Whether by itself, as a failure.
        is_failure: bool,
    },
    /// It could not be started.
    Refused(String),
    /// It wrote a line.
    Line(String),
}

/// Sends one message; never waits for room.
///
/// # Errors
/// The other end is gone, or does not read.
pub fn put(socket: impl AsFd, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(io::Error::other)?;
    send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Takes one message; `None` when there is none within `wait_ms`.
///
/// # Errors
/// The other end is gone, or sent something else.
pub fn take<T: DeserializeOwned>(socket: &OwnedFd, wait_ms: i32) -> io::Result<Option<T>> {
    if !is_readable(socket, wait_ms)? {
        return Ok(None);
    }
    // Its length first: packets are short, and whoever keeps the largest one in mind keeps that memory, too.
    let (_, length) = recv(socket, &mut [0_u8; 0], RecvFlags::DONTWAIT | RecvFlags::PEEK | RecvFlags::TRUNC)?;
    let mut buffer = vec![0; length.clamp(1, PACKET_MAX)];
    let (length, _) = recv(socket, &mut buffer, RecvFlags::DONTWAIT)?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(buffer.get(..length).unwrap_or_default()).map(Some).map_err(io::Error::other)
}

fn is_readable(socket: &OwnedFd, wait_ms: i32) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let until = Instant::now() + Duration::from_millis(wait_ms.max(0).unsigned_abs().into());
    loop {
        let mut fds = [PollFd::new(socket, PollFlags::IN)];
        let wait = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match poll(&mut fds, wait.as_ref()) {
            // A signal ends the wait for nothing.
            Err(rustix::io::Errno::INTR) => {}
            Ok(count) => return Ok(count > 0),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Wall clock at which a boot-time instant lay.
pub fn wall(boot_ns: u64, now: Timestamp, now_boot_ns: u64) -> Timestamp {
    let ago = i64::try_from(now_boot_ns.saturating_sub(boot_ns)).unwrap_or(0);
    Timestamp(now.0.saturating_sub(ago))
}
