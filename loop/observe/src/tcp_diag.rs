//! TCP sockets by the kernel's socket diagnosis (netlink), as `ss` asks for them.
//!
//! It leaves out the sockets that no process holds and formats no text: on a machine with a large connection
//! table it costs 0.14 ms where `/proc/net/tcp` costs 5. A kernel that has it as a module loads it when asked.
//! Source: sock_diag(7), linux/inet_diag.h.
use kernfs::{Family, TcpSocket, TcpState};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`: the older question, whose answer holds the sockets of both families. The kernel walks its
/// table of connections once for it, not once a family; on a machine with much memory that table is long.
const OF_ALL: u16 = 18;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const FLAGS: u16 = 0x301;
/// The kernel refuses.
const ERROR: u16 = 2;
/// The answer is complete.
const DONE: u16 = 3;
const HEADER_BYTES: usize = 16;
/// The attribute that holds a `struct tcp_info`, and the bit that asks for it.
const INFO: u16 = 2;
const WITH_INFO: u8 = 1 << (INFO - 1);
/// Size of a `struct inet_diag_msg`, after which attributes follow; where `tcpi_rtt` stands in a `struct tcp_info`.
const MESSAGE_BYTES: usize = 72;
const RTT_AT: usize = 68;
/// The families after a refusal of the question for both.
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
const REQUEST_BYTES: usize = 72;
const REQUEST_ALL_BYTES: usize = 76;
/// Room for one answer of many sockets; the kernel fills at most 32 KiB.
const ANSWER_BYTES: usize = 64 << 10;

/// What is kept of a TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) state: TcpState,
    /// Port of this side.
    pub(crate) port: u16,
    /// Bytes received and not read; of a listening socket the connections that wait.
    pub(crate) receive_queue: u64,
    pub(crate) inode: u64,
    /// Smoothed round trip; `None` where it was not measured, or not asked for.
    pub(crate) rtt_us: Option<u32>,
}

impl From<&TcpSocket> for Socket {
    fn from(one: &TcpSocket) -> Self {
        let (state, port) = (one.state, one.local.port());
        Self { state, port, receive_queue: one.rx_queue_bytes, inode: one.inode, rtt_us: None }
    }
}

/// An open connection to the diagnosis.
pub(crate) struct TcpDiag {
    fd: OwnedFd,
    answer: Vec<u8>,
    /// The kernel answers for both families at once, as far as we know.
    is_at_once: bool,
}

impl TcpDiag {
    /// Connects; `None` where the kernel or a sandbox refuses.
    pub(crate) fn open() -> Option<Self> {
        let kind = Some(netlink::SOCK_DIAG);
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, kind);
        Some(Self { fd: fd.ok()?, answer: vec![0; ANSWER_BYTES], is_at_once: true })
    }

    /// Adds the sockets of our own network namespace that a process holds.
    pub(crate) fn read(&mut self, into: &mut Vec<Socket>) -> Result<(), Errno> {
        let before = into.len();
        if self.is_at_once {
            if self.ask(&request_all(), into).is_ok() {
                return Ok(());
            }
            self.is_at_once = false;
            into.truncate(before);
        }
        FAMILIES.iter().try_for_each(|family| self.ask(&request(*family), into))
    }

    fn ask(&mut self, request: &[u8], into: &mut Vec<Socket>) -> Result<(), Errno> {
        rustix::net::send(&self.fd, request, SendFlags::empty())?;
        loop {
            let (len, _) = rustix::net::recv(&self.fd, &mut self.answer[..], RecvFlags::DONTWAIT)?;
            if read_answer(self.answer.get(..len).unwrap_or_default(), into)? {
                return Ok(());
            }
        }
    }
}

fn request(family: Family) -> [u8; REQUEST_BYTES] {
    let family = match family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    let mut out = [0; REQUEST_BYTES];
    put(&mut out, 0, &(REQUEST_BYTES as u32).to_ne_bytes());
    put(&mut out, 4, &BY_FAMILY.to_ne_bytes());
    put(&mut out, 6, &FLAGS.to_ne_bytes());
    put(&mut out, 16, &family.as_raw().to_ne_bytes()[..1]);
    put(&mut out, 17, &[6, WITH_INFO]);
    put(&mut out, 20, &states().to_ne_bytes());
    out
}

/// A `struct inet_diag_req` of no family: 4 bytes, a socket of 48 that names none, states, bits.
fn request_all() -> [u8; REQUEST_ALL_BYTES] {
    let mut out = [0; REQUEST_ALL_BYTES];
    put(&mut out, 0, &(REQUEST_ALL_BYTES as u32).to_ne_bytes());
    put(&mut out, 4, &OF_ALL.to_ne_bytes());
    put(&mut out, 6, &FLAGS.to_ne_bytes());
    put(&mut out, 19, &[WITH_INFO]);
    put(&mut out, 68, &states().to_ne_bytes());
    out
}

/// All states but those of sockets that belong to nobody.
fn states() -> u32 {
    let nobodys = [TcpState::TimeWait, TcpState::SynRecv, TcpState::NewSynRecv];
    nobodys.iter().fold(0xfff_u32 << 1, |mask, state| mask & !(1 << *state as u32))
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in out.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// Reads one datagram; true when it was the last.
fn read_answer(mut bytes: &[u8], into: &mut Vec<Socket>) -> Result<bool, Errno> {
    while let (Some(len), Some(kind)) = (u32_at(bytes, 0), u16_at(bytes, 4)) {
        let len = usize::try_from(len).map_err(|_| Errno::PROTO)?;
        let message = bytes.get(HEADER_BYTES..len).ok_or(Errno::PROTO)?;
        match kind {
            DONE => return Ok(true),
            ERROR => {
                return Err(Errno::from_raw_os_error(
                    u32_at(message, 0).map_or(0, u32::cast_signed).wrapping_neg(),
                ));
            }
            _ => into.extend(socket(message).filter(|one| one.inode != 0)),
        }
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// A `struct inet_diag_msg`: state at 1, port at 4 in network order, receive queue at 56, inode at 68.
fn socket(message: &[u8]) -> Option<Socket> {
    let state = match message.get(1)? {
        1 => TcpState::Established,
        2 => TcpState::SynSent,
        4 => TcpState::FinWait1,
        5 => TcpState::FinWait2,
        7 => TcpState::Close,
        8 => TcpState::CloseWait,
        9 => TcpState::LastAck,
        10 => TcpState::Listen,
        11 => TcpState::Closing,
        _ => return None,
    };
    let port = u16::from_be(u16_at(message, 4)?);
    let (receive_queue, inode) = (u64::from(u32_at(message, 56)?), u64::from(u32_at(message, 68)?));
    let rtt_us = (state == TcpState::Established).then(|| round_trip(message)).flatten();
    Some(Socket { state, port, receive_queue, inode, rtt_us })
}

/// The smoothed round trip among the attributes of a message. Unit: us.
fn round_trip(message: &[u8]) -> Option<u32> {
    let mut rest = message.get(MESSAGE_BYTES..)?;
    loop {
        let (len, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let attribute = rest.get(4..len)?;
        if kind == INFO {
            return u32_at(attribute, RTT_AT).filter(|us| *us > 0);
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_that_waits_and_one_with_unread_bytes_are_seen() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut first = TcpStream::connect(address).unwrap();
        let (_accepted, _) = listener.accept().unwrap();
        let _second = TcpStream::connect(address).unwrap();
        first.write_all(b"hello").unwrap();
        let Some(mut diag) = TcpDiag::open() else {
            println!("skipped: no socket diagnosis here");
            return;
        };
        let mut sockets = Vec::new();
        diag.read(&mut sockets).unwrap();
        let ours: Vec<_> = sockets.iter().filter(|one| one.port == address.port()).collect();
        let listens = ours.iter().find(|one| one.state == TcpState::Listen).unwrap();
        assert_eq!(listens.receive_queue, 1);
        assert!(ours.iter().any(|one| one.state == TcpState::Established && one.receive_queue == 5));
        let measured = ours.iter().filter_map(|one| one.rtt_us).collect::<Vec<_>>();
        assert!(!measured.is_empty() && measured.iter().all(|us| *us < 10_000_000), "{measured:?}");
    }

    #[test]
    fn one_question_answers_as_two_do() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let v6 = TcpListener::bind("[::1]:0").ok();
        let ports = [Some(&v4), v6.as_ref()].map(|one| one.map(|one| one.local_addr().unwrap().port()));
        let Some(mut diag) = TcpDiag::open() else {
            println!("skipped: no socket diagnosis here");
            return;
        };
        let (mut at_once, mut one_by_one) = (Vec::new(), Vec::new());
        diag.read(&mut at_once).unwrap();
        assert!(diag.is_at_once, "this kernel answers for both");
        diag.is_at_once = false;
        diag.read(&mut one_by_one).unwrap();
        // Other sockets of the machine come and go; ours stand.
        for port in ports.into_iter().flatten() {
            let ours =
                |all: &[Socket]| all.iter().filter(|one| one.port == port).copied().collect::<Vec<_>>();
            assert_eq!(ours(&at_once), ours(&one_by_one));
            assert_eq!(ours(&at_once).len(), 1);
        }
    }

    #[test]
    fn a_broken_answer_is_refused() {
        let mut sockets = Vec::new();
        assert_eq!(read_answer(&[], &mut sockets), Ok(false));
        assert!(read_answer(&[255; 20], &mut sockets).is_err());
        assert!(read_answer(&[4, 0, 0, 0, 20, 0, 0, 0], &mut sockets).is_err());
        // Attributes of no length, and cut ones.
        assert_eq!(round_trip(&[0; MESSAGE_BYTES + 8]), None);
        assert_eq!(round_trip(&[&[0; MESSAGE_BYTES][..], &[200, 0, 2, 0, 9]].concat()), None);
        assert!(sockets.is_empty());
    }
}
