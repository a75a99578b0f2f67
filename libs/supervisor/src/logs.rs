//! What a service writes: lines, bounded in length and number.
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;

/// Bytes of a line that are kept.
const LINE_MAX: usize = 1_024;

/// Lines kept of one service.
const LINES_MAX: usize = 64;

/// Bytes read from one stream in one turn: a service that floods its log cannot hold up the others.
const TURN_MAX: usize = 64 << 10;

/// The last lines of one service, and the ends of its pipes.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    lines: VecDeque<String>,
    pub(crate) streams: Vec<Stream>,
}

/// One pipe and the line that is not complete yet.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) pipe: File,
    partial: Vec<u8>,
}

impl Logs {
    /// Reads on from these pipes, which must not block.
    pub(crate) fn attach(&mut self, pipes: impl IntoIterator<Item = File>) {
        self.streams.extend(pipes.into_iter().map(|pipe| Stream { pipe, partial: Vec::new() }));
    }

    /// Lines that are complete now.
    pub(crate) fn read(&mut self) -> Vec<String> {
        let mut fresh = Vec::new();
        self.streams.retain_mut(|stream| stream.read(&mut fresh));
        self.lines.extend(fresh.iter().cloned());
        let excess = self.lines.len().saturating_sub(LINES_MAX);
        self.lines.drain(..excess);
        fresh
    }

    /// The last lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

impl Stream {
    /// Takes what is there; false when the other end is closed.
    fn read(&mut self, lines: &mut Vec<String>) -> bool {
        let mut buffer = [0; 4096];
        let mut total = 0;
        while total < TURN_MAX {
            match self.pipe.read(&mut buffer) {
                Ok(0) => {
                    self.end_line(lines);
                    return false;
                }
                Ok(length) => {
                    total += length;
                    self.take(&buffer[..length], lines);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn take(&mut self, bytes: &[u8], lines: &mut Vec<String>) {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line(lines);
            } else if self.partial.len() < LINE_MAX {
                self.partial.push(byte);
            }
        }
    }

    fn end_line(&mut self, lines: &mut Vec<String>) {
        if !self.partial.is_empty() {
            lines.push(String::from_utf8_lossy(&self.partial).into_owned());
            self.partial.clear();
        }
    }
}
