//! What the daemon and the process of the models say to each other: a u32 length, then postcard.
use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest message: a model and some.
const BYTES_MAX: u32 = crate::MODEL_BYTES_MAX as u32 + 4_096;

/// What is asked; each is answered once, in order.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Keep this model under that number.
    Load(u32, Vec<u8>),
    /// What that model says of a window.
    Score(u32, Vec<f32>),
}

/// What is answered. The first answer comes by itself, once the library is loaded or is not.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The library is loaded.
    Ready,
    /// The model is; it takes so many values.
    Loaded(u32),
    /// What it says, and the CPU time that took. Unit: us.
    Score(f32, u32),
    /// Why not.
    Refused(String),
}

pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > BYTES_MAX {
        return Err(io::Error::other("a message is too long"));
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_cut_or_long_ones_are_errors() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Request::Score(3, vec![1.5, -2.0])).unwrap();
        assert_eq!(receive::<Request>(&mut bytes.as_slice()).unwrap(), Request::Score(3, vec![1.5, -2.0]));
        assert!((0..bytes.len()).all(|end| receive::<Request>(&mut &bytes[..end]).is_err()));
        assert!(receive::<Request>(&mut &u32::MAX.to_le_bytes()[..]).is_err());
    }
}
