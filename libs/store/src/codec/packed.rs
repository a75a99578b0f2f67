//! Bit fields: groups of 64 values, each group in the width of its largest.
//!
//! A group is a byte with the width (0 to 64), then its values, lowest bit first, padded to a byte.

use crate::bytes::take;

const GROUP: usize = 64;

/// Appends all values.
pub(super) fn encode(values: &[u64], out: &mut Vec<u8>) {
    for group in values.chunks(GROUP) {
        let width = 64 - group.iter().fold(0, |all, v| all | v).leading_zeros();
        out.push(width as u8);
        let (mut word, mut filled) = (0u128, 0);
        for value in group {
            word |= u128::from(*value) << filled;
            filled += width;
            while filled >= 8 {
                out.push(word as u8);
                word >>= 8;
                filled -= 8;
            }
        }
        if filled > 0 {
            out.push(word as u8);
        }
    }
}

/// Fills `out` by applying `next` to every value; all bytes must be used up.
#[inline(always)]
pub(super) fn decode(mut bytes: &[u8], out: &mut [u64], mut next: impl FnMut(u64) -> u64) -> Option<()> {
    for group in out.chunks_mut(GROUP) {
        let width = usize::from(take(&mut bytes, 1)?[0]);
        if width > 64 {
            return None;
        }
        let packed = take(&mut bytes, (group.len() * width).div_ceil(8))?;
        let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        for (n, value) in group.iter_mut().enumerate() {
            *value = next(field(packed, n * width) & mask);
        }
    }
    bytes.is_empty().then_some(())
}

/// The 64 bits that begin at a bit offset; zeros behind the end.
#[inline(always)]
fn field(packed: &[u8], bit: usize) -> u64 {
    let at = bit / 8;
    let mut word = [0; 16];
    match packed.get(at..at + 16) {
        Some(whole) => word.copy_from_slice(whole),
        None => {
            let rest = packed.get(at..).unwrap_or(&[]);
            let n = rest.len().min(16);
            word[..n].copy_from_slice(&rest[..n]);
        }
    }
    (u128::from_le_bytes(word) >> (bit % 8)) as u64
}
