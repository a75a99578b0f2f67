//! Integers: differences, divided by their common factor, folded, then a byte code or bit fields.

use super::{Effort, INTS, Scratch, packed, steps};
use crate::bytes::{push_varint, take_varint, unzigzag, zigzag};

/// Differences of differences instead of differences.
const SECOND: u8 = 1;
/// A common factor stands in front.
const SCALED: u8 = 2;
/// Bit fields instead of the byte code.
pub(super) const PACKED: u8 = 4;
/// All flags in a codec byte.
pub(super) const FLAGS: u8 = SECOND | SCALED | PACKED;

/// Encodes two or more values. Layout: factor where scaled, first value, first difference where second order, body.
pub(super) fn encode(values: &[u64], effort: Effort, scratch: &mut Scratch, out: &mut Vec<u8>) -> u8 {
    let Scratch { deltas, folded, seconds, trial, .. } = scratch;
    deltas.clear();
    deltas.extend(values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) as i64));
    let factor = match effort {
        Effort::Fast => 1i64 << deltas.iter().fold(0, |all, d| all | d).trailing_zeros().min(62),
        Effort::Best => common_factor(deltas),
    };
    match factor {
        1 => {}
        f if f.count_ones() == 1 => deltas.iter_mut().for_each(|d| *d >>= f.trailing_zeros()),
        f => deltas.iter_mut().for_each(|d| *d /= f),
    }
    folded.clear();
    folded.extend(deltas.iter().map(|d| zigzag(*d)));
    seconds.clear();
    seconds.extend(deltas.windows(2).map(|pair| zigzag(pair[1].wrapping_sub(pair[0]))));
    let is_second = steps::cost(seconds) + 2 < steps::cost(folded);
    let mut codec = INTS;
    if factor != 1 {
        codec |= SCALED;
        push_varint(out, factor as u64);
    }
    push_varint(out, zigzag(values[0] as i64));
    let body: &[u64] = match is_second {
        true => {
            codec |= SECOND;
            push_varint(out, folded[0]);
            seconds
        }
        false => folded,
    };
    let start = out.len();
    steps::encode(body, out);
    if effort == Effort::Best {
        trial.clear();
        packed::encode(body, trial);
        if trial.len() < out.len() - start {
            out.truncate(start);
            out.extend_from_slice(trial);
            codec |= PACKED;
        }
    }
    codec
}

/// How often a codec takes differences, and whether it divides them.
pub(super) fn order(codec: u8) -> (usize, bool) {
    (1 + usize::from(codec & SECOND != 0), codec & SCALED != 0)
}

/// The largest number that divides every difference.
fn common_factor(deltas: &[i64]) -> i64 {
    let mut factor = 0u64;
    for delta in deltas.iter().filter(|d| **d != 0) {
        let (mut a, mut b) = (delta.unsigned_abs(), factor);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        factor = a;
        if factor == 1 {
            break;
        }
    }
    // i64::MIN alone would give 2^63, which is no positive i64.
    i64::try_from(factor).unwrap_or(1).max(1)
}

/// Decodes what [`encode`] wrote.
pub(super) fn decode(codec: u8, mut bytes: &[u8], out: &mut [u64]) -> Option<()> {
    let factor = if codec & SCALED != 0 { take_varint(&mut bytes)? as i64 } else { 1 };
    let first = unzigzag(take_varint(&mut bytes)?);
    *out.first_mut()? = first as u64;
    let mut run = Run { value: first, step: 0, factor };
    let mut rest = &mut out[1..];
    let is_second = codec & SECOND != 0;
    if is_second {
        run.step = unzigzag(take_varint(&mut bytes)?).wrapping_mul(factor);
        run.value = run.value.wrapping_add(run.step);
        let (second, behind) = rest.split_first_mut()?;
        *second = run.value as u64;
        rest = behind;
    }
    match (codec & PACKED != 0, is_second) {
        (false, false) => steps::decode(bytes, rest, &mut run, Run::first),
        (false, true) => steps::decode(bytes, rest, &mut run, Run::second),
        (true, false) => packed::decode(bytes, rest, |folded| run.first(folded)),
        (true, true) => packed::decode(bytes, rest, |folded| run.second(folded)),
    }
}

/// The state of decoding: where the series is and how it moves.
struct Run {
    value: i64,
    step: i64,
    factor: i64,
}

impl Run {
    /// The next value from a folded difference.
    #[inline(always)]
    pub fn first(&mut self, folded: u64) -> u64 {
        self.value = self.value.wrapping_add(unzigzag(folded).wrapping_mul(self.factor));
        self.value as u64
    }

    /// The next value from a folded difference of differences.
    #[inline(always)]
    pub fn second(&mut self, folded: u64) -> u64 {
        self.step = self.step.wrapping_add(unzigzag(folded).wrapping_mul(self.factor));
        self.value = self.value.wrapping_add(self.step);
        self.value as u64
    }
}
