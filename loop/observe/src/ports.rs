//! How many of the local ports that the kernel gives to connections are held.
use std::ops::RangeInclusive;

use kernfs::ProcFs;

/// Readings of the sockets between two of the range.
const RANGE_EVERY: u32 = 60;

/// Ports of the range that were held at the last reading, and the range.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    range: Option<RangeInclusive<u16>>,
    /// A bit a port.
    held: Vec<u64>,
    count: Option<u32>,
    readings: u32,
}

impl Ports {
    /// Reads the range, now and then.
    ///
    /// Source: ip_local_port_range in Documentation/networking/ip-sysctl.rst.
    pub(crate) fn read_range(&mut self, proc: &mut ProcFs) {
        if self.readings.is_multiple_of(RANGE_EVERY) {
            self.range = proc.sysctl("net/ipv4/ip_local_port_range").ok().and_then(range);
        }
        self.readings = self.readings.wrapping_add(1);
    }

    /// Counts each port of the range once, however many sockets share it.
    pub(crate) fn count(&mut self, ports: impl Iterator<Item = u16>) {
        let Some(range) = &self.range else { return self.count = None };
        self.held.clear();
        self.held.resize(1 << 10, 0);
        for port in ports.filter(|port| range.contains(port)) {
            if let Some(word) = self.held.get_mut(usize::from(port >> 6)) {
                *word |= 1 << (port & 63);
            }
        }
        self.count = Some(self.held.iter().map(|word| word.count_ones()).sum());
    }

    /// Ports held, and ports there are.
    pub(crate) fn held(&self) -> (Option<u32>, Option<u32>) {
        let all = self.range.as_ref().map(|range| u32::from(*range.end()) - u32::from(*range.start()) + 1);
        (self.count, all)
    }
}

fn range(text: &[u8]) -> Option<RangeInclusive<u16>> {
    let mut bounds = std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(str::parse);
    let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_of_the_range_counts_once() {
        let mut ports = Ports { range: range(b"32768\t60999"), ..Ports::default() };
        ports.count([80, 32_767, 32_768, 60_999, 60_999, 61_000].into_iter());
        assert_eq!(ports.held(), (Some(2), Some(28_232)));
        ports.count([40_000].into_iter());
        assert_eq!(ports.held(), (Some(1), Some(28_232)));
    }

    #[test]
    fn without_a_range_nothing_is_known() {
        assert_eq!((range(b""), range(b"9\t5"), range(b"1\t70000")), (None, None, None));
        let mut ports = Ports::default();
        ports.count([40_000].into_iter());
        assert_eq!(ports.held(), (None, None));
    }
}
