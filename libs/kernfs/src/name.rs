//! Short kernel names held in place, so that reading a thousand of them allocates nothing.

use std::fmt;

/// At most `N` bytes of a name; the kernel does not promise that it is UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

/// Name of a task. 15 bytes for a process; a kernel worker's name in `stat` may have 63.
pub type Comm = Name<64>;

impl<const N: usize> Name<N> {
    /// Copies the first `N` bytes of `name`; the rest is dropped.
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; N];
        let len = name.len().min(N);
        bytes.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        Self { bytes, len }
    }

    /// The bytes as the kernel gave them.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl<const N: usize> Default for Name<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

/// Text for people: bytes that are not UTF-8 become U+FFFD.
impl<const N: usize> fmt::Display for Name<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl<const N: usize> fmt::Debug for Name<N> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_bytes_and_cuts_at_capacity() {
        assert_eq!(Name::<4>::new(b"abcdef").as_bytes(), b"abcd");
        assert_eq!(Name::<4>::new(b"\xff").to_string(), "\u{fffd}");
        assert_eq!(Name::<4>::default().as_bytes(), b"");
        assert_eq!(format!("{:?}", Comm::new(b"a\nb")), r#""a\nb""#);
    }
}
