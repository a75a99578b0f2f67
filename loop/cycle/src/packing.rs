//! Much as packed bytes, without ever holding it whole: pieces are packed as they come.
//!
//! Format, integers little-endian: a u32 0, then for each piece a u32 length and so many bytes: the u32 length of the
//! piece and its block of LZ4.
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Bytes that are packed at a time: LZ4 looks no further back.
const PIECE: usize = 64 << 10;
/// What stands first: no packing of a whole begins with its length 0.
const IN_PIECES: u32 = 0;
/// Longest whole that a reader accepts, and pieces of it: far beyond a tick of the largest machine we bound ourselves to.
pub(crate) const WHOLE_MAX: u32 = 64 << 20;
const PIECES_MAX: usize = WHOLE_MAX as usize / PIECE;

/// Where postcard writes. One type for what is packed and what is not: each makes a copy of every serialiser.
struct Writing {
    /// What was written and is not packed yet.
    plain: Vec<u8>,
    /// `None` where nothing is to be packed.
    packed: Option<Vec<u8>>,
}

impl Writing {
    fn end_piece(&mut self) {
        let Some(packed) = &mut self.packed else { return };
        let block = lz4_flex::block::compress_prepend_size(&self.plain);
        // A piece is short.
        packed.extend_from_slice(&(block.len() as u32).to_le_bytes());
        packed.extend_from_slice(&block);
        self.plain.clear();
    }
}

impl Flavor for Writing {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, mut bytes: &[u8]) -> postcard::Result<()> {
        while self.packed.is_some() && self.plain.len() + bytes.len() > PIECE {
            let (now, later) = bytes.split_at(PIECE - self.plain.len());
            self.plain.extend_from_slice(now);
            self.end_piece();
            bytes = later;
        }
        self.plain.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Vec<u8>> {
        self.end_piece();
        Ok(self.packed.unwrap_or(self.plain))
    }
}

/// Packs a value.
pub(crate) fn pack(value: &impl Serialize) -> Vec<u8> {
    let packed = Some(IN_PIECES.to_le_bytes().to_vec());
    // Plain data always serialises; what does not is refused by its reader.
    postcard::serialize_with_flavor(value, Writing { plain: Vec::with_capacity(PIECE), packed })
        .unwrap_or_default()
}

/// Appends a value as it is.
pub(crate) fn append(value: &impl Serialize, to: Vec<u8>) -> postcard::Result<Vec<u8>> {
    postcard::serialize_with_flavor(value, Writing { plain: to, packed: None })
}

/// The bytes of a value that was packed, in pieces or, as earlier versions did, whole; `None` of anything else.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let Some(mut rest) = packed.strip_prefix(&IN_PIECES.to_le_bytes()) else {
        return unpack_whole(packed);
    };
    let mut bytes = Vec::new();
    for _ in 0..PIECES_MAX {
        let Some((length, behind)) = rest.split_first_chunk() else { break };
        let (block, next) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let is_piece =
            block.first_chunk().is_some_and(|length| u32::from_le_bytes(*length) as usize <= PIECE);
        bytes.extend(is_piece.then(|| unpack_whole(block)).flatten()?);
        rest = next;
    }
    rest.is_empty().then_some(bytes)
}

/// What was packed in one, unless it is longer than any turn can be or no such bytes.
pub(crate) fn unpack_whole(packed: &[u8]) -> Option<Vec<u8>> {
    let length = packed.first_chunk().map(|length| u32::from_le_bytes(*length))?;
    (length <= WHOLE_MAX).then(|| lz4_flex::block::decompress_size_prepended(packed).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_in_pieces_comes_back_and_so_does_what_was_packed_whole() {
        for count in [0, 1, PIECE - 3, PIECE - 2, PIECE, 5 * PIECE + 7] {
            let value: Vec<u8> = (0..count).map(|n| (n * n % 251) as u8).collect();
            let plain = postcard::to_allocvec(&value).unwrap();
            let packed = pack(&value);
            assert_eq!(append(&value, vec![7]).unwrap(), [[7].as_slice(), &plain].concat());
            assert_eq!(unpack(&packed), Some(plain.clone()), "{count}");
            assert_eq!(unpack(&lz4_flex::block::compress_prepend_size(&plain)), Some(plain), "{count} whole");
            assert!(
                (1..packed.len())
                    .filter(|end| end % 97 == 0)
                    .all(|end| unpack(&packed[..end]) != unpack(&packed))
            );
        }
    }

    #[test]
    fn what_says_that_it_is_larger_than_a_piece_is_refused() {
        let mut packed = IN_PIECES.to_le_bytes().to_vec();
        let block = lz4_flex::block::compress_prepend_size(&vec![0; PIECE + 1]);
        packed.extend_from_slice(&(block.len() as u32).to_le_bytes());
        packed.extend_from_slice(&block);
        assert_eq!(unpack(&packed), None);
    }
}
