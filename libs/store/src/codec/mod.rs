//! The lossless codec of series: bits in, fewer bytes out, the same bits back.
//!
//! A chunk is encoded on its own. Integers become differences (or differences of differences), divided by what they
//! have in common, folded to unsigned and written as [`steps`], a byte code with runs, or as [`packed`] bit fields.
//! Floats that are short decimals become integers; the others are XORed with their predecessor. Compaction also tries
//! `pco` and keeps whatever is smallest. The codec byte says which was used; it is stored beside the payload.
//!
//! Decoding takes untrusted bytes: it returns `None` where they do not describe exactly the promised number of values.

mod floats;
mod ints;
mod packed;
mod steps;
mod summary;
#[cfg(test)]
mod tests;

use crate::bytes::{push_varint, take_varint, unzigzag, zigzag};

pub use summary::Summary;

/// What the 64 bits of a value mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A signed integer.
    Int,
    /// An IEEE 754 double.
    Float,
}

/// How hard to look for a small encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// One pass that must keep up with sampling.
    Fast,
    /// Every codec, smallest wins; for compaction.
    Best,
}

/// One value, repeated.
const CONSTANT: u8 = 0x01;
/// The `pco` crate's format.
const PCO: u8 = 0x02;
/// Values from which on `pco` is tried: it describes the values first, and to learn them takes it some 20 us.
const PCO_FROM: usize = 512;
/// Own encodings shorter than this are not tried against it.
const PCO_BYTES: usize = 96;
/// Integers as differences; the low bits are [`ints`] flags.
const INTS: u8 = 0x10;
/// Floats by XOR.
const XOR: u8 = 0x20;
/// Floats that are decimals, then an integer codec.
const DECIMAL: u8 = 0x21;

/// Decimal and `pco` chunks hold other codecs' ideas of size; this keeps damaged counts from asking for much memory.
pub const CHUNK_MAX: usize = 1 << 16;

/// Memory that encoding uses again and again.
#[derive(Default)]
pub struct Scratch {
    deltas: Vec<i64>,
    folded: Vec<u64>,
    seconds: Vec<u64>,
    integers: Vec<u64>,
    trial: Vec<u8>,
    check: Vec<u64>,
}

/// Appends the encoding of `values` (raw bits) to `out` and returns the codec byte.
///
/// Shape: 1 to [`CHUNK_MAX`] values; none encodes to nothing.
pub fn encode(kind: Kind, values: &[u64], effort: Effort, scratch: &mut Scratch, out: &mut Vec<u8>) -> u8 {
    let Some(&first) = values.first() else { return CONSTANT };
    if values.iter().all(|value| *value == first) {
        match kind {
            Kind::Int => push_varint(out, zigzag(first as i64)),
            Kind::Float => out.extend_from_slice(&first.to_le_bytes()),
        }
        return CONSTANT;
    }
    let start = out.len();
    let codec = match kind {
        Kind::Int => ints::encode(values, effort, scratch, out),
        Kind::Float => floats::encode(values, effort, scratch, out),
    };
    match effort {
        Effort::Fast => codec,
        Effort::Best if values.len() >= PCO_FROM && out.len() - start >= PCO_BYTES => {
            try_pco(kind, values, codec, start, scratch, out)
        }
        Effort::Best => codec,
    }
}

/// Replaces what stands behind `start` by pco's encoding where that is smaller and gives the same bits back.
fn try_pco(
    kind: Kind,
    values: &[u64],
    codec: u8,
    start: usize,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> u8 {
    let config = match (kind, ints::order(codec)) {
        (Kind::Int, (order, false)) => pco::ChunkConfig::default()
            .with_mode_spec(pco::ModeSpec::Classic)
            .with_delta_spec(pco::DeltaSpec::TryConsecutive(order)),
        _ => pco::ChunkConfig::default(),
    };
    let tried = match kind {
        Kind::Int => {
            let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
            pco::standalone::simple_compress(&values, &config)
        }
        Kind::Float => {
            let values: Vec<f64> = values.iter().map(|v| f64::from_bits(*v)).collect();
            pco::standalone::simple_compress(&values, &config)
        }
    };
    let Ok(bytes) = tried else { return codec };
    if bytes.len() >= out.len() - start {
        return codec;
    }
    scratch.check.clear();
    scratch.check.resize(values.len(), 0);
    if decode_pco(kind, &bytes, &mut scratch.check).is_none() || scratch.check != values {
        return codec;
    }
    out.truncate(start);
    out.extend_from_slice(&bytes);
    PCO
}

/// Decodes exactly `out.len()` values.
pub fn decode(kind: Kind, codec: u8, mut bytes: &[u8], out: &mut [u64]) -> Option<()> {
    match codec {
        CONSTANT => {
            let value = match kind {
                Kind::Int => unzigzag(take_varint(&mut bytes)?) as u64,
                Kind::Float => u64::from_le_bytes(bytes.try_into().ok()?),
            };
            out.fill(value);
            Some(())
        }
        PCO => decode_pco(kind, bytes, out),
        XOR => floats::decode_xor(bytes, out),
        DECIMAL => floats::decode_decimal(bytes, out),
        _ if codec & !ints::FLAGS == INTS => ints::decode(codec, bytes, out),
        _ => None,
    }
}

fn decode_pco(kind: Kind, bytes: &[u8], out: &mut [u64]) -> Option<()> {
    let progress = match kind {
        Kind::Int => {
            let mut values = vec![0i64; out.len()];
            let progress = pco::standalone::simple_decompress_into(bytes, &mut values).ok()?;
            out.iter_mut().zip(&values).for_each(|(to, from)| *to = *from as u64);
            progress
        }
        Kind::Float => {
            let mut values = vec![0f64; out.len()];
            let progress = pco::standalone::simple_decompress_into(bytes, &mut values).ok()?;
            out.iter_mut().zip(&values).for_each(|(to, from)| *to = from.to_bits());
            progress
        }
    };
    (progress.n_processed == out.len() && progress.finished).then_some(())
}

/// Name of a codec byte, for a person.
pub fn name(codec: u8) -> &'static str {
    match codec {
        CONSTANT => "constant",
        PCO => "pco",
        XOR => "xor",
        DECIMAL => "decimal",
        _ if codec & !ints::FLAGS == INTS => match codec & ints::PACKED {
            0 => "steps",
            _ => "packed",
        },
        _ => "unknown",
    }
}

/// Whether a codec byte means one value, repeated.
pub(crate) fn is_constant(codec: u8) -> bool {
    codec == CONSTANT
}
