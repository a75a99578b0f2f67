//! `/proc/net/snmp`: what the machine's TCP counted. See [`TcpCounts`].

use crate::bytes::{dec, fields, lines};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// TCP of one network namespace since boot.
///
/// Source: RFC 4022, kernel `net/ipv4/proc.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpCounts {
    /// Segments sent again, count.
    pub retransmits: u64,
    /// Segments sent with a reset, count.
    pub resets_sent: u64,
}

impl TcpCounts {
    /// Reads the text of `net/snmp`: a line of names, then one of figures. `None` for text in another form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut tcp = lines(text).filter_map(|line| line.strip_prefix(b"Tcp:"));
        let (names, figures) = (tcp.next()?, tcp.next()?);
        let of = |name: &[u8]| {
            let place = fields(names).position(|one| one == name)?;
            dec(fields(figures).nth(place)?)
        };
        Some(Self { retransmits: of(b"RetransSegs")?, resets_sent: of(b"OutRsts")? })
    }
}

impl ProcFs {
    /// Reads `net/snmp` of the caller's network namespace.
    pub fn tcp_counts(&mut self) -> Result<TcpCounts> {
        parsed("net/snmp", TcpCounts::parse(self.of_machine("net/snmp")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_name() {
        let text =
            b"Ip: A\nIp: 1\nTcp: MaxConn RetransSegs InErrs OutRsts\nTcp: -1 72 2 535\nUdp: A\nUdp: 1\n";
        assert_eq!(TcpCounts::parse(text), Some(TcpCounts { retransmits: 72, resets_sent: 535 }));
        assert_eq!(TcpCounts::parse(b"Tcp: RetransSegs\nTcp: 1\n"), None);
        assert_eq!(TcpCounts::parse(b"Tcp: RetransSegs OutRsts\n"), None);
    }
}
