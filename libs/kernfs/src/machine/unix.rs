//! `/proc/net/unix`: the local sockets of a network namespace. See [`UnixSocket`].

use crate::bytes::{collect, dec, hex, lines, path, split_once};
use crate::error::Result;
use crate::proc_fs::ProcFs;
use std::path::PathBuf;

/// One local socket.
///
/// Source: `unix(7)` and `proc_pid_net(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixSocket {
    /// Inode of the socket, as in [`crate::Target::Socket`].
    pub inode: u64,
    /// `SOCK_*`: 1 stream, 2 datagram, 5 sequential packets.
    pub kind: u32,
    /// True when it waits for connections (`SO_ACCEPTCON`).
    pub is_listening: bool,
    /// Where it is bound; an abstract name begins with `@`. `None` when it is not bound.
    pub path: Option<PathBuf>,
}

/// Flag of a listening socket (`__SO_ACCEPTCON` in `linux/net.h`).
const ACCEPT_CON: u32 = 1 << 16;

/// Reads the text of `net/unix` into `sockets`; answers how many lines were in another form and left out.
pub fn parse_unix(text: &[u8], sockets: &mut Vec<UnixSocket>) -> usize {
    collect(lines(text).skip_while(|line| line.starts_with(b"Num ")), sockets, parse_line)
}

fn parse_line(line: &[u8]) -> Option<UnixSocket> {
    // The path is the rest of the line and may hold spaces: take six columns off the front.
    let mut rest = line;
    let mut column = || {
        let (column, tail) = split_once(rest.trim_ascii_start(), b' ')?;
        rest = tail;
        Some(column)
    };
    let (_num, _references, _protocol) = (column()?, column()?, column()?);
    let (flags, kind, _state): (u32, u32, _) = (hex(column()?)?, hex(column()?)?, column()?);
    let rest = rest.trim_ascii_start();
    let (inode, name) = split_once(rest, b' ').unwrap_or((rest, b""));
    Some(UnixSocket {
        inode: dec(inode)?,
        kind,
        is_listening: flags & ACCEPT_CON != 0,
        path: (!name.is_empty()).then(|| path(name)),
    })
}

impl ProcFs {
    /// Reads `net/unix` of the caller's network namespace; answers how many lines were left out.
    pub fn unix(&mut self, sockets: &mut Vec<UnixSocket>) -> Result<usize> {
        Ok(parse_unix(self.of_machine("net/unix")?, sockets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bound_and_unbound() {
        let text = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            000000002ea2ce39: 00000003 00000000 00000000 0002 03   544\n\
            00000000b6e8dc20: 00000002 00000000 00010000 0001 01 12345 /run/a b.sock\n\
            0: 0 0 x 1 1 1\n";
        let mut sockets = Vec::new();
        assert_eq!(parse_unix(text, &mut sockets), 1);
        assert_eq!(sockets[0], UnixSocket { inode: 544, kind: 2, is_listening: false, path: None });
        let bound =
            UnixSocket { inode: 12345, kind: 1, is_listening: true, path: Some("/run/a b.sock".into()) };
        assert_eq!(sockets[1], bound);
    }
}
