//! Keys of series: `ENTITY 0 ID` for a number, `ENTITY 0 ID TEXT` for a text.
//!
//! The entity stands first, so that all of one lies together; where a table has several rows an entity, `1` and what
//! tells them apart follow it. The id is three bytes of the checksum of `table.column`: short, because it stands in
//! every key, and the same for ever, because it follows from the name.

/// Longest text that is kept. Unit: bytes.
pub const TEXT_MAX: usize = 200;
/// Longest entity that is kept, so that no key is longer than the store takes. Unit: bytes.
pub const ENTITY_MAX: usize = 700;
const END: u8 = 0;
const QUALIFIER: char = '\u{1}';

/// The id of a column.
pub fn id_of(table: &str, column: &str) -> [u8; 3] {
    // FNV-1a; the test of `kept` fails if two columns share an id.
    let bytes = table.bytes().chain([b'.']).chain(column.bytes());
    let hash = bytes.fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    // Nothing in a key but the end of the entity is 0.
    let [a, b, c, d] = hash.to_le_bytes();
    [a ^ d | 1, b | 1, c | 1]
}

/// Adds what tells rows of one entity apart.
pub fn qualify(entity: &mut String, qualifier: &str) {
    entity.push(QUALIFIER);
    entity.push_str(qualifier);
}

/// Writes the key of a series.
pub fn write(out: &mut Vec<u8>, entity: &str, id: [u8; 3], text: &str) {
    out.clear();
    out.extend_from_slice(entity.as_bytes());
    out.push(END);
    out.extend_from_slice(&id);
    out.extend_from_slice(text.as_bytes());
}

/// A key, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The entity.
    pub entity: &'a str,
    /// What tells rows of it apart.
    pub qualifier: Option<&'a str>,
    /// The column.
    pub id: [u8; 3],
    /// The text; empty for a number.
    pub text: &'a str,
}

/// Takes a key apart; `None` for one that is not ours.
pub fn parts(key: &[u8]) -> Option<Parts<'_>> {
    let end = key.iter().position(|byte| *byte == END)?;
    let row = std::str::from_utf8(key.get(..end)?).ok()?;
    let (id, text) = key.get(end + 1..)?.split_first_chunk()?;
    let (entity, qualifier) = match row.split_once(QUALIFIER) {
        Some((entity, qualifier)) => (entity, Some(qualifier)),
        None => (row, None),
    };
    Some(Parts { entity, qualifier, id: *id, text: std::str::from_utf8(text).ok()? })
}

/// The text, cut to what is kept.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

/// The key of a number.
pub fn write_key(entity: &str, qualifier: Option<&str>, id: [u8; 3]) -> Vec<u8> {
    let mut row = entity.to_owned();
    if let Some(qualifier) = qualifier {
        qualify(&mut row, qualifier);
    }
    let mut key = Vec::new();
    write(&mut key, &row, id, "");
    key
}

/// A text as it is kept.
pub fn cut_text(text: &str) -> &str {
    cut(text, TEXT_MAX)
}
