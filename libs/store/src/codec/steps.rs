//! The byte code of folded differences: small ones take one byte, a row of zeros takes one or two.
//!
//! First byte: `00..9F` the values 0 to 159. `A0..BE` 2 to 32 zeros. `BF` 33 or more zeros, a varint says how many more.
//! `C0..EF` two bytes, 160 to 12,447. `F0..F6` three bytes, 12,448 to 471,199. `F7+n` a value in `n` little-endian
//! bytes, 1 to 8. The length is known from the first byte, so decoding has one branch a value.

use crate::bytes::{push_varint, take, take_varint};

const ONE: u64 = 160;
const TWO: u64 = ONE + 0x30 * 256;
const THREE: u64 = TWO + 7 * 65_536;
const RUN_MAX: usize = 32;

/// About how many bytes [`encode`] would write.
pub(super) fn cost(values: &[u64]) -> usize {
    let bytes = |v: u64| {
        usize::from(v > 0)
            + usize::from(v >= ONE)
            + usize::from(v >= TWO)
            + 2 * usize::from(v >= THREE)
            + 2 * usize::from(v >> 32 != 0)
    };
    let starts = values.windows(2).filter(|pair| pair[1] == 0 && pair[0] != 0).count();
    values.iter().map(|v| bytes(*v)).sum::<usize>() + starts
}

/// Appends the code of all values.
pub(super) fn encode(values: &[u64], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < values.len() {
        let value = values[at];
        if value == 0 {
            let run = values[at..].iter().take_while(|v| **v == 0).count();
            push_zeros(run, out);
            at += run;
            continue;
        }
        at += 1;
        push(value, out);
    }
}

fn push_zeros(run: usize, out: &mut Vec<u8>) {
    match run {
        1 => out.push(0),
        2..=RUN_MAX => out.push(0xA0 + (run - 2) as u8),
        _ => {
            out.push(0xBF);
            push_varint(out, (run - RUN_MAX - 1) as u64);
        }
    }
}

fn push(value: u64, out: &mut Vec<u8>) {
    if value < ONE {
        out.push(value as u8);
    } else if value < TWO {
        let value = value - ONE;
        out.extend_from_slice(&[0xC0 + (value >> 8) as u8, value as u8]);
    } else if value < THREE {
        let value = value - TWO;
        out.extend_from_slice(&[0xF0 + (value >> 16) as u8, (value >> 8) as u8, value as u8]);
    } else {
        let n = 8 - value.leading_zeros() as usize / 8;
        out.push(0xF7 + n as u8);
        out.extend_from_slice(&value.to_le_bytes()[..n]);
    }
}

/// Fills `out` by applying `next` to every folded value, from where `run` stands; all bytes must be used up.
#[inline(always)]
pub(super) fn decode<R>(
    mut bytes: &[u8],
    out: &mut [u64],
    run: &mut R,
    next: impl Fn(&mut R, u64) -> u64,
) -> Option<()> {
    let mut at = 0;
    while at < out.len() {
        let (&byte, rest) = bytes.split_first()?;
        bytes = rest;
        if byte < ONE as u8 {
            out[at] = next(run, u64::from(byte));
            at += 1;
            continue;
        }
        let folded = match byte {
            0xA0..=0xBF => {
                let zeros = match byte {
                    0xBF => usize::try_from(take_varint(&mut bytes)?).ok()?.checked_add(RUN_MAX + 1)?,
                    _ => usize::from(byte - 0xA0) + 2,
                };
                let end = at.checked_add(zeros)?;
                out.get_mut(at..end)?.iter_mut().for_each(|value| *value = next(run, 0));
                at = end;
                continue;
            }
            0xC0..=0xEF => {
                let low = take(&mut bytes, 1)?;
                (u64::from(byte - 0xC0) << 8 | u64::from(low[0])) + ONE
            }
            0xF0..=0xF6 => {
                let low = take(&mut bytes, 2)?;
                (u64::from(byte - 0xF0) << 16 | u64::from(low[0]) << 8 | u64::from(low[1])) + TWO
            }
            _ => {
                let n = usize::from(byte - 0xF7);
                let mut word = [0; 8];
                word.get_mut(..n)?.copy_from_slice(take(&mut bytes, n)?);
                u64::from_le_bytes(word)
            }
        };
        out[at] = next(run, folded);
        at += 1;
    }
    bytes.is_empty().then_some(())
}
