//! `/proc/net/dev`: traffic of each network interface. See [`NetDev`].

use crate::bytes::{collect, dec, fields, lines};
use crate::error::Result;
use crate::name::Name;
use crate::proc_fs::ProcFs;

/// Counts of one interface since it was made; drivers may reset them.
///
/// Source: `proc_pid_net(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetDev {
    /// Name, such as `eth0`.
    pub name: Name<16>,
    /// Received, bytes.
    pub rx_bytes: u64,
    /// Received packets, count.
    pub rx_packets: u64,
    /// Bad packets received, count.
    pub rx_errors: u64,
    /// Packets dropped on the way in, count.
    pub rx_dropped: u64,
    /// Sent, bytes.
    pub tx_bytes: u64,
    /// Sent packets, count.
    pub tx_packets: u64,
    /// Packets that could not be sent, count.
    pub tx_errors: u64,
    /// Packets dropped on the way out, count.
    pub tx_dropped: u64,
    /// Times the carrier was lost while sending, count.
    pub tx_carrier: u64,
}

/// Reads the text of `net/dev` into `devs`; answers how many lines were in another form and left out.
pub fn parse_net_dev(text: &[u8], devs: &mut Vec<NetDev>) -> usize {
    // Two lines of headings, which alone hold a bar.
    collect(lines(text).filter(|line| !line.contains(&b'|')), devs, parse_line)
}

fn parse_line(line: &[u8]) -> Option<NetDev> {
    // The name of an alias holds a colon, so the last one ends it; the figures have none.
    let colon = line.iter().rposition(|b| *b == b':')?;
    let mut figures = [0u64; 16];
    let mut columns = fields(line.get(colon + 1..)?);
    for figure in &mut figures {
        *figure = dec(columns.next()?)?;
    }
    let [rx_bytes, rx_packets, rx_errors, rx_dropped, _, _, _, _, tx @ ..] = figures;
    let [tx_bytes, tx_packets, tx_errors, tx_dropped, _, _, tx_carrier, _] = tx;
    Some(NetDev {
        name: Name::new(line.get(..colon)?.trim_ascii()),
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_carrier,
    })
}

impl ProcFs {
    /// Reads `net/dev` of the caller's network namespace into `devs`; answers how many lines were left out.
    pub fn net_dev(&mut self, devs: &mut Vec<NetDev>) -> Result<usize> {
        Ok(parse_net_dev(self.of_machine("net/dev")?, devs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive       |  Transmit\n face |bytes    packets|bytes\n";

    #[test]
    fn reads_interfaces_and_aliases() {
        let text = format!(
            "{HEAD}    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  bad: 1 2\n"
        );
        let mut devs = Vec::new();
        assert_eq!(parse_net_dev(text.as_bytes(), &mut devs), 1);
        let lo = NetDev {
            name: Name::new(b"lo"),
            rx_bytes: 1,
            rx_packets: 2,
            rx_errors: 3,
            rx_dropped: 4,
            tx_bytes: 9,
            tx_packets: 10,
            tx_errors: 11,
            tx_dropped: 12,
            tx_carrier: 15,
        };
        assert_eq!(devs, [lo, NetDev { name: Name::new(b"eth0:1"), ..lo }]);
    }
}
