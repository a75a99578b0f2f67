//! Floats: short decimals as integers, everything else by XOR with the value before.
//!
//! What a kernel prints as `0.12` is 12 hundredths; as an integer it compresses like a counter. The check is on bits, so
//! a negative zero, a NaN or a value with one more digit sends the chunk to XOR. XOR writes a byte `zeros << 4 | n`: the
//! number of zero bytes at the top and of bytes that follow (lowest zero bytes are left out); `00` and a varint stand for
//! a row of values equal to the one before.

use super::{DECIMAL, Effort, Scratch, XOR, ints};
use crate::bytes::{push_varint, take, take_varint};

const POWERS: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];
/// Integers up to here are exact in a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Encodes two or more values and returns the codec byte.
pub(super) fn encode(values: &[u64], effort: Effort, scratch: &mut Scratch, out: &mut Vec<u8>) -> u8 {
    let mut integers = std::mem::take(&mut scratch.integers);
    let places = (0..POWERS.len()).find(|places| as_integers(values, POWERS[*places], &mut integers));
    let codec = match places {
        Some(places) => {
            out.extend_from_slice(&[places as u8, 0]);
            let inner = out.len() - 1;
            out[inner] = ints::encode(&integers, effort, scratch, out);
            DECIMAL
        }
        None => {
            encode_xor(values, out);
            XOR
        }
    };
    scratch.integers = integers;
    codec
}

/// Whether every value is a whole number of `1 / power`, to the bit.
fn as_integers(values: &[u64], power: f64, integers: &mut Vec<u64>) -> bool {
    integers.clear();
    for bits in values {
        let scaled = (f64::from_bits(*bits) * power).round_ties_even();
        if !(scaled.abs() < EXACT && (scaled as i64 as f64 / power).to_bits() == *bits) {
            return false;
        }
        integers.push(scaled as i64 as u64);
    }
    true
}

pub(super) fn decode_decimal(bytes: &[u8], out: &mut [u64]) -> Option<()> {
    let (&[places, inner], body) = bytes.split_first_chunk()?;
    let power = *POWERS.get(usize::from(places))?;
    if inner & !ints::FLAGS != super::INTS {
        return None;
    }
    ints::decode(inner, body, out)?;
    out.iter_mut().for_each(|value| *value = (*value as i64 as f64 / power).to_bits());
    Some(())
}

fn encode_xor(values: &[u64], out: &mut Vec<u8>) {
    let mut before = 0;
    let mut at = 0;
    while at < values.len() {
        let changed = values[at] ^ before;
        if changed == 0 {
            let run = values[at..].iter().take_while(|v| **v == before).count();
            out.push(0);
            push_varint(out, run as u64 - 1);
            at += run;
            continue;
        }
        let top = changed.leading_zeros() as usize / 8;
        let low = changed.trailing_zeros() as usize / 8;
        let n = 8 - top - low;
        out.push((top << 4 | n) as u8);
        out.extend_from_slice(&changed.to_be_bytes()[top..top + n]);
        before = values[at];
        at += 1;
    }
}

pub(super) fn decode_xor(mut bytes: &[u8], out: &mut [u64]) -> Option<()> {
    let mut before = 0u64;
    let mut at = 0;
    while at < out.len() {
        let control = usize::from(take(&mut bytes, 1)?[0]);
        if control == 0 {
            let run = usize::try_from(take_varint(&mut bytes)?).ok()?.checked_add(1)?;
            let end = at.checked_add(run)?;
            out.get_mut(at..end)?.fill(before);
            at = end;
            continue;
        }
        let (top, n) = (control >> 4, control & 0xf);
        let mut word = [0; 8];
        word.get_mut(top..top + n)?.copy_from_slice(take(&mut bytes, n)?);
        before ^= u64::from_be_bytes(word);
        out[at] = before;
        at += 1;
    }
    bytes.is_empty().then_some(())
}
