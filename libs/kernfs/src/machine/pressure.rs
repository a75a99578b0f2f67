//! Pressure stall information, of the machine and of a cgroup. See [`Pressure`].

use crate::bytes::{dec, fields, fraction, lines};
use crate::error::{Result, parsed};
use crate::proc_fs::ProcFs;

/// The resource that tasks wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `cpu`
    Cpu,
    /// `memory`
    Memory,
    /// `io`
    Io,
}

/// Share of time in which tasks were stalled.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stall {
    /// Mean of the last 10 s, percent of wall time, 0..=100.
    pub avg10_pct: f64,
    /// Mean of the last 60 s, percent of wall time.
    pub avg60_pct: f64,
    /// Mean of the last 300 s, percent of wall time.
    pub avg300_pct: f64,
    /// Stalled since boot or since the cgroup was made, us.
    pub total_us: u64,
}

/// The text of a pressure file.
///
/// Linux 4.20, with `CONFIG_PSI` and without `psi=0`. Source: kernel `Documentation/accounting/psi.rst`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// At least one task was stalled.
    pub some: Stall,
    /// All tasks that were not idle were stalled. Not printed for the CPU before Linux 5.13.
    pub full: Option<Stall>,
}

impl Pressure {
    /// Reads the text of a pressure file. `None` for text in any other form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut some = None;
        let mut full = None;
        for line in lines(text) {
            let mut columns = fields(line);
            match columns.next()? {
                b"some" => some = Some(stall(columns)?),
                b"full" => full = Some(stall(columns)?),
                _ => {}
            }
        }
        Some(Self { some: some?, full })
    }
}

fn stall<'a>(mut columns: impl Iterator<Item = &'a [u8]>) -> Option<Stall> {
    let mut value = |key: &str| columns.next()?.strip_prefix(key.as_bytes());
    Some(Stall {
        avg10_pct: fraction(value("avg10=")?)?,
        avg60_pct: fraction(value("avg60=")?)?,
        avg300_pct: fraction(value("avg300=")?)?,
        total_us: dec(value("total=")?)?,
    })
}

impl ProcFs {
    /// Reads `pressure/cpu`, `pressure/memory` or `pressure/io` of the machine.
    pub fn pressure(&mut self, of: Resource) -> Result<Pressure> {
        let file = match of {
            Resource::Cpu => "pressure/cpu",
            Resource::Memory => "pressure/memory",
            Resource::Io => "pressure/io",
        };
        parsed(file, Pressure::parse(self.of_machine(file)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: &str = "some avg10=0.59 avg60=0.48 avg300=0.28 total=3475783\n";

    #[test]
    fn reads_both_lines() {
        let text = format!("{SOME}full avg10=1.00 avg60=2.00 avg300=100.00 total=18446744073709551615\n");
        let pressure = Pressure::parse(text.as_bytes()).unwrap();
        let some = Stall { avg10_pct: 0.59, avg60_pct: 0.48, avg300_pct: 0.28, total_us: 3_475_783 };
        assert_eq!(pressure.some, some);
        assert_eq!(pressure.full.unwrap().total_us, u64::MAX);
        assert_eq!(Pressure::parse(SOME.as_bytes()).unwrap().full, None);
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["", "full avg10=0 avg60=0 avg300=0 total=0\n", "some avg10=0\n"] {
            assert_eq!(Pressure::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Pressure::parse(SOME.replace("0.48", "-0.48").as_bytes()), None);
    }
}
