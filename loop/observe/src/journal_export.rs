//! The export format of systemd's journal: `NAME=value` lines, or `NAME`, a length and as many bytes for values with
//! line ends; an empty line ends an entry. Source: systemd.io/JOURNAL_EXPORT_FORMATS.

/// An entry longer than this is left out. Unit: bytes.
const ENTRY_BYTES: usize = 256 << 10;

/// The end of an entry and the first field of the next, which every entry begins with.
const BEGIN: &[u8] = b"\n\n__CURSOR=";

/// What is used of one entry; empty where a field is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub message: String,
    pub unit: String,
    /// The unit that a manager's line is about.
    pub about: String,
    pub transport: String,
    /// 0 (emergency) to 7 (debug).
    pub priority: Option<u8>,
    pub pid: Option<u32>,
    /// On CLOCK_MONOTONIC. Unit: us.
    pub monotonic_us: Option<u64>,
}

/// Takes the stream apart, however it is cut.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// What is not a whole entry yet.
    rest: Vec<u8>,
    /// The entry that is being read is too long: bytes are passed over up to the next one.
    skips: bool,
}

impl Parser {
    /// The entries that are whole with these bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Entry> {
        self.rest.extend_from_slice(bytes);
        if self.skips && !self.find_next() {
            return Vec::new();
        }
        let mut entries = Vec::new();
        let mut begin = 0;
        while let Some((entry, length)) = self.rest.get(begin..).and_then(whole_entry) {
            begin += length;
            entries.extend(entry);
        }
        self.rest.drain(..begin);
        self.skips = self.rest.len() > ENTRY_BYTES;
        if self.skips {
            self.find_next();
        }
        entries
    }

    /// Passes over what is left of an entry that was too long; whether the next one has begun.
    fn find_next(&mut self) -> bool {
        let found = self.rest.windows(BEGIN.len()).position(|bytes| bytes == BEGIN);
        // The beginning of the next one may have come in part.
        let rest = found.map_or_else(|| self.rest.len().saturating_sub(BEGIN.len() - 1), |at| at + 2);
        self.rest.drain(..rest);
        self.skips = found.is_none();
        found.is_some()
    }
}

/// The first entry of a stream and its length; `None` if it does not end yet. An empty one is no entry.
fn whole_entry(bytes: &[u8]) -> Option<(Option<Entry>, usize)> {
    let mut entry = Entry::default();
    let (mut at, mut has_fields) = (0, false);
    loop {
        let line = bytes.get(at..)?;
        let line = line.get(..line.iter().position(|byte| *byte == b'\n')?)?;
        at += line.len() + 1;
        if line.is_empty() {
            return Some((has_fields.then_some(entry), at));
        }
        has_fields = true;
        match line.iter().position(|byte| *byte == b'=') {
            Some(split) => entry.set(line.get(..split)?, line.get(split + 1..)?),
            None => {
                let length = bytes.get(at..at + 8)?;
                let length =
                    usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).unwrap_or(usize::MAX);
                let begin = at + 8;
                let end = begin.saturating_add(length);
                entry.set(line, bytes.get(begin..end)?);
                // Its line end.
                at = end + 1;
            }
        }
    }
}

impl Entry {
    fn set(&mut self, name: &[u8], value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        match name {
            b"MESSAGE" => self.message = text.replace('\n', " "),
            b"_SYSTEMD_UNIT" => self.unit = text.into_owned(),
            b"UNIT" => self.about = text.into_owned(),
            b"_TRANSPORT" => self.transport = text.into_owned(),
            b"PRIORITY" => self.priority = text.parse().ok().filter(|level| *level <= 7),
            b"_PID" => self.pid = text.parse().ok(),
            b"__MONOTONIC_TIMESTAMP" => self.monotonic_us = text.parse().ok(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] =
        b"__CURSOR=s=1;i=2\n__MONOTONIC_TIMESTAMP=7000000\n_SYSTEMD_UNIT=web.service\nPRIORITY=3\n_PID=42\nMESSAGE=a=b\n\n";

    fn binary(message: &[u8]) -> Vec<u8> {
        let mut bytes = b"MESSAGE\n".to_vec();
        bytes.extend((message.len() as u64).to_le_bytes());
        bytes.extend(message);
        bytes.extend(b"\n_PID=1\n\n");
        bytes
    }

    #[test]
    fn both_forms_are_read_wherever_the_stream_is_cut() {
        let stream = [PLAIN, &binary(b"two\nlines\n\nin one"), PLAIN].concat();
        for cut in 0..stream.len() {
            let mut parser = Parser::default();
            let mut entries = parser.take(&stream[..cut]);
            entries.extend(parser.take(&stream[cut..]));
            let messages = entries.iter().map(|one| one.message.as_str()).collect::<Vec<_>>();
            assert_eq!(messages, ["a=b", "two lines  in one", "a=b"], "cut at {cut}");
            assert_eq!(
                (entries[0].unit.as_str(), entries[0].priority, entries[0].pid),
                ("web.service", Some(3), Some(42))
            );
            assert_eq!(entries[0].monotonic_us, Some(7_000_000));
        }
    }

    #[test]
    fn an_entry_that_never_ends_is_left_out_and_the_next_one_is_read() {
        let mut parser = Parser::default();
        let long = binary(&vec![b'x'; 3 * ENTRY_BYTES]);
        let mut entries = Vec::new();
        for part in [long.as_slice(), PLAIN, PLAIN].concat().chunks(10_000) {
            entries.extend(parser.take(part));
            assert!(parser.rest.len() <= ENTRY_BYTES + 10_000);
        }
        assert_eq!(entries.last().map(|one| one.message.as_str()), Some("a=b"));
    }

    #[test]
    fn garbage_is_no_entry() {
        let mut parser = Parser::default();
        for bytes in [&b"\n\n\n"[..], b"no equals sign\n", &[0xff; 40], b"\n\n"] {
            assert!(parser.take(bytes).iter().all(|entry| entry.message.is_empty()));
        }
    }
}
