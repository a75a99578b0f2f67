//! `/proc/PID/smaps`: what each mapping of a process holds. Dear (it walks page tables): for probes only.
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes that are read at most: some 25,000 mappings. Those beyond are left out.
const READ_BYTES: u64 = 16 << 20;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 16 << 10;

/// One mapping.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// File, `[heap]`, `[stack]` or `[anon]`.
    pub(crate) name: String,
    /// Resident memory. Unit: bytes.
    pub(crate) rss_bytes: u64,
    /// Anonymous memory. Unit: bytes.
    pub(crate) anon_bytes: u64,
}

/// Hands each mapping of a process to `take`. It is read piece by piece: the text of all can be megabytes.
///
/// # Errors
/// The process ended, or its memory is not ours to read.
pub(crate) fn each(root: &Path, pid: u32, take: impl FnMut(Mapping)) -> std::io::Result<()> {
    let file = std::fs::File::open(root.join(format!("{pid}/smaps")))?;
    parse(BufReader::with_capacity(PIECE_BYTES, file.take(READ_BYTES)), take)
}

fn parse(mut text: impl BufRead, mut take: impl FnMut(Mapping)) -> std::io::Result<()> {
    let mut current: Option<Mapping> = None;
    let mut line = Vec::new();
    while text.read_until(b'\n', &mut line)? > 0 {
        let words = String::from_utf8_lossy(&line);
        if let Some(name) = header(words.trim_end_matches('\n')) {
            if let Some(done) = current.replace(Mapping { name: name.to_owned(), ..Mapping::default() }) {
                take(done);
            }
        } else if let Some(map) = &mut current {
            match words.split_once(':') {
                Some(("Rss", value)) => map.rss_bytes = kib(value),
                Some(("Anonymous", value)) => map.anon_bytes = kib(value),
                _ => {}
            }
        }
        drop(words);
        line.clear();
    }
    current.into_iter().for_each(take);
    Ok(())
}

/// The name of the mapping that this line begins; `None` for a line of figures.
fn header(line: &str) -> Option<&str> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex(start) || !is_hex(end) {
        return None;
    }
    // Rights, offset, device and inode, then padding and the name, which may hold blanks.
    let name = rest.splitn(5, ' ').nth(4).map_or("", str::trim);
    Some(if name.is_empty() { "[anon]" } else { name })
}

fn kib(value: &str) -> u64 {
    let number = value.trim().trim_end_matches(" kB").parse::<u64>();
    number.map_or(0, |kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_read_with_their_names() {
        let text = "55-56 r--p 00000000 fe:00 247282                     /usr/bin/a b\n\
            Rss:                   8 kB\nAnonymous:             4 kB\nVmFlags: rd mr\n\
            7f00-7f01 rw-p 00000000 00:00 0 \nRss:  12 kB\nAnonymous: 12 kB\nnonsense\n";
        let mut seen = Vec::new();
        let each = |map: Mapping| seen.push((map.name, map.rss_bytes, map.anon_bytes));
        parse(text.as_bytes(), each).unwrap();
        assert_eq!(seen, [("/usr/bin/a b".to_owned(), 8192, 4096), ("[anon]".to_owned(), 12288, 12288)]);
        parse("".as_bytes(), |_| panic!("nothing is there")).unwrap();
    }
}
