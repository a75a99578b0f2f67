//! `net/tcp` and `net/tcp6`: the TCP sockets of a network namespace. See [`TcpSocket`].

use crate::bytes::{collect, dec, fields, hex, lines, split_once};
use crate::error::Result;
use crate::proc_fs::ProcFs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `net/tcp`
    V4,
    /// `net/tcp6`
    V6,
}

/// State of a TCP socket.
///
/// Source: kernel `include/net/tcp_states.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TcpState {
    /// Data flows.
    Established = 1,
    /// A connection was asked for.
    SynSent,
    /// A request for a connection was answered.
    SynRecv,
    /// This side closed, the other has not acknowledged.
    FinWait1,
    /// This side closed, the other acknowledged.
    FinWait2,
    /// Closed, waiting for stray packets.
    TimeWait,
    /// No connection.
    Close,
    /// The other side closed; this program has not: a leak when it lasts.
    CloseWait,
    /// Closed here after the other side, not acknowledged.
    LastAck,
    /// Waits for connections.
    Listen,
    /// Both sides closed at once.
    Closing,
    /// A connection not yet taken into the accept queue.
    NewSynRecv,
}

impl TcpState {
    const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynRecv,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::NewSynRecv,
    ];

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }
}

/// One TCP socket.
///
/// Source: kernel `Documentation/networking/proc_net_tcp.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// Address and port of this side.
    pub local: SocketAddr,
    /// Address and port of the other side; all zero for none.
    pub remote: SocketAddr,
    /// State of the connection.
    pub state: TcpState,
    /// Sent or to be sent and not acknowledged, bytes.
    pub tx_queue_bytes: u64,
    /// Received and not read, bytes. For [`TcpState::Listen`] it is not bytes: connections that wait for
    /// `accept`, count.
    pub rx_queue_bytes: u64,
    /// Owner, user id.
    pub uid: u32,
    /// Inode of the socket, as in [`crate::Target::Socket`]; 0 when no process holds it.
    pub inode: u64,
}

/// Reads the text of `net/tcp` or `net/tcp6` into `sockets`; answers how many lines were in another form.
pub fn parse_tcp(text: &[u8], sockets: &mut Vec<TcpSocket>) -> usize {
    // The first line is a heading, which alone has no colon.
    collect(lines(text).filter(|line| line.contains(&b':')), sockets, parse_line)
}

fn parse_line(line: &[u8]) -> Option<TcpSocket> {
    let mut columns = fields(line);
    let local = address(columns.nth(1)?)?;
    let remote = address(columns.next()?)?;
    let state = TcpState::from_number(hex(columns.next()?)?)?;
    let (tx, rx) = split_once(columns.next()?, b':')?;
    Some(TcpSocket {
        local,
        remote,
        state,
        tx_queue_bytes: hex(tx)?,
        rx_queue_bytes: hex(rx)?,
        uid: dec(columns.nth(2)?)?,
        inode: dec(columns.nth(1)?)?,
    })
}

fn address(text: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = split_once(text, b':')?;
    // The kernel prints each 32 bits of the address, which are in network order, as a number of this machine.
    let word = |text: &[u8]| hex::<u32>(text).map(u32::to_ne_bytes);
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(ip)?).into(),
        32 => {
            let mut octets = [0; 16];
            for (to, from) in octets.chunks_exact_mut(4).zip(ip.chunks_exact(8)) {
                to.copy_from_slice(&word(from)?);
            }
            Ipv6Addr::from(octets).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, hex(port)?))
}

impl ProcFs {
    /// Reads the TCP sockets of the caller's network namespace; answers how many lines were left out.
    pub fn tcp(&mut self, family: Family, sockets: &mut Vec<TcpSocket>) -> Result<usize> {
        Ok(parse_tcp(self.of_machine(file(family))?, sockets))
    }

    /// Reads the TCP sockets of the network namespace in which a process lives.
    pub fn tcp_of(&mut self, pid: u32, family: Family, sockets: &mut Vec<TcpSocket>) -> Result<usize> {
        Ok(parse_tcp(self.all_of_pid(pid, file(family))?, sockets))
    }
}

fn file(family: Family) -> &'static str {
    match family {
        Family::V4 => "net/tcp",
        Family::V6 => "net/tcp6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn reads_both_families() {
        let text = format!(
            "{HEAD}   0: 0100007F:07E8 00000000:0000 0A 00000001:00000080 00:00000000 00000000  1000        0 1150 1 0 100\n\
                1: B80D01200000000000000000010000FF:0016 00000000000000000000000000000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 7 1 0\n\
                2: 0100007F:07E8 00000000:0000 FF 0:0 00:0 0 0 0 1\n"
        );
        let mut sockets = Vec::new();
        assert_eq!(parse_tcp(text.as_bytes(), &mut sockets), 1);
        let listener = TcpSocket {
            local: "127.0.0.1:2024".parse().unwrap(),
            remote: "0.0.0.0:0".parse().unwrap(),
            state: TcpState::Listen,
            tx_queue_bytes: 1,
            rx_queue_bytes: 128,
            uid: 1000,
            inode: 1150,
        };
        assert_eq!(sockets[0], listener);
        assert_eq!(sockets[1].local, "[2001:db8::ff00:1]:22".parse().unwrap());
        assert_eq!(sockets[1].state, TcpState::Established);
    }

    #[test]
    fn finds_a_waiting_connection_of_its_own() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let _waiting = std::net::TcpStream::connect(local).unwrap();
        let mut proc = ProcFs::open("/proc".as_ref()).unwrap();
        let mut sockets = Vec::new();
        proc.tcp_of(std::process::id(), Family::V4, &mut sockets).unwrap();
        let own = sockets.iter().find(|s| s.local == local && s.state == TcpState::Listen).unwrap();
        assert_eq!(own.rx_queue_bytes, 1);
    }
}
