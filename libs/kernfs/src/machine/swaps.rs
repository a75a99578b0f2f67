//! `/proc/swaps`: swap devices and files. See [`Swap`].

use crate::bytes::{collect, dec, fields, lines, path, signed, unescape_octal};
use crate::error::Result;
use crate::name::Name;
use crate::proc_fs::ProcFs;
use std::path::PathBuf;

/// One swap device or file.
///
/// Source: `proc_swaps(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Device or file.
    pub path: PathBuf,
    /// `partition` or `file`.
    pub kind: Name<16>,
    /// Size, bytes.
    pub total_bytes: u64,
    /// In use, bytes.
    pub used_bytes: u64,
    /// Higher is used first; negative when the kernel chose.
    pub priority: i32,
}

/// Reads the text of `swaps` into `swaps`; answers how many lines were in another form and left out.
pub fn parse_swaps(text: &[u8], swaps: &mut Vec<Swap>) -> usize {
    collect(lines(text).skip_while(|line| line.starts_with(b"Filename")), swaps, parse_line)
}

fn parse_line(line: &[u8]) -> Option<Swap> {
    let mut columns = fields(line);
    let (name, kind) = (columns.next()?, columns.next()?);
    let mut kib = || dec::<u64>(columns.next()?)?.checked_mul(1024);
    let (total_bytes, used_bytes) = (kib()?, kib()?);
    let priority = signed(columns.next()?)?;
    Some(Swap { path: path(&unescape_octal(name)), kind: Name::new(kind), total_bytes, used_bytes, priority })
}

impl ProcFs {
    /// Reads `swaps` into `swaps`; answers how many lines were left out.
    pub fn swaps(&mut self, swaps: &mut Vec<Swap>) -> Result<usize> {
        Ok(parse_swaps(self.of_machine("swaps")?, swaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swap\\040file   file\t\t1024\t\t8\t\t-2\n/x file 1\n";
        let mut swaps = Vec::new();
        assert_eq!(parse_swaps(text, &mut swaps), 1);
        let expected = Swap {
            path: "/swap file".into(),
            kind: Name::new(b"file"),
            total_bytes: 1 << 20,
            used_bytes: 8192,
            priority: -2,
        };
        assert_eq!(swaps, [expected]);
    }
}
