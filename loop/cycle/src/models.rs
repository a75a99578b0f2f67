//! Learnt models as bytes that can be told from damaged ones.
//!
//! Format, integers little-endian: the eight bytes `HOMEOMOD`, a u32 layout, the u32 CRC-32 of the rest, then
//! [`learn::Models`] in postcard encoding.
use learn::Models;

const MAGIC: &[u8; 8] = b"HOMEOMOD";

/// Layout of the models; raised whenever a field changes its meaning.
const LAYOUT: u32 = 2;

/// Why saved models cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelsError {
    /// These are other bytes.
    #[error("they are no models of Homeostat")]
    Foreign,
    /// Another version wrote them.
    #[error("they have layout {0}, this Homeostat reads layout {LAYOUT}")]
    Layout(u32),
    /// They do not match their checksum, or make no sense.
    #[error("they are damaged")]
    Damaged,
}

/// The models as bytes, and their checksum.
pub fn encode(models: &Models) -> (Vec<u8>, u32) {
    // Plain data always serialises.
    let payload = postcard::to_allocvec(models).unwrap_or_default();
    let crc = crc32fast::hash(&payload);
    let head = MAGIC.iter().copied().chain(LAYOUT.to_le_bytes()).chain(crc.to_le_bytes());
    (head.chain(payload).collect(), crc)
}

/// The models again.
///
/// # Errors
/// [`ModelsError`].
pub fn decode(bytes: &[u8]) -> Result<Models, ModelsError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ModelsError::Foreign)?;
    let (layout, rest) = rest.split_first_chunk::<4>().ok_or(ModelsError::Damaged)?;
    let layout = u32::from_le_bytes(*layout);
    if layout != LAYOUT {
        return Err(ModelsError::Layout(layout));
    }
    let (crc, payload) = rest.split_first_chunk::<4>().ok_or(ModelsError::Damaged)?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
        return Err(ModelsError::Damaged);
    }
    postcard::from_bytes(payload).map_err(|_| ModelsError::Damaged)
}

/// The newest of some saved versions that is sound, and what is wrong with those before it, in words.
pub fn newest_sound<'a>(versions: impl IntoIterator<Item = &'a [u8]>) -> (Models, Vec<String>) {
    let mut troubles = Vec::new();
    for bytes in versions {
        match decode(bytes) {
            Ok(models) => return (models, troubles),
            Err(error) => {
                troubles.push(format!("the saved models cannot be used: {error}; the version before is"));
            }
        }
    }
    if let Some(last) = troubles.last_mut() {
        *last = last.replace("the version before is", "what is normal is learnt anew");
    }
    (Models::default(), troubles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use learn::{Judgement, Learn, Opinion};
    use vocab::Timestamp;

    fn models(name: &str) -> Models {
        let mut learn = Learn::default();
        let cell = Some(("cpu_pct".to_owned(), 80.0));
        let (kind, name, at) = ("cpu_hog".to_owned(), name.to_owned(), Timestamp::from_secs(1));
        learn.judge(&Judgement { incident_id: 1, at, opinion: Opinion::Dismiss, kind, name, cell });
        learn.models().clone()
    }

    #[test]
    fn models_come_back_as_they_were() {
        let (bytes, crc) = encode(&models("web"));
        assert_eq!(decode(&bytes), Ok(models("web")));
        assert_eq!(bytes.get(12..16), Some(crc.to_le_bytes().as_slice()));
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed_and_the_version_before_is_taken() {
        let (good, _) = encode(&models("before"));
        let (bytes, _) = encode(&models("web"));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1 << (index % 8);
            assert!(decode(&damaged).is_err(), "byte {index}");
            assert!(decode(&bytes[..index]).is_err(), "cut at {index}");
            let (kept, troubles) = newest_sound([damaged.as_slice(), good.as_slice()]);
            assert_eq!((kept, troubles.len()), (models("before"), 1));
        }
        let (anew, troubles) = newest_sound([&bytes[..5], &good[..5]]);
        assert_eq!(anew, Models::default());
        assert!(troubles[1].ends_with("learnt anew"), "{troubles:?}");
        assert_eq!(newest_sound([]), (Models::default(), Vec::new()));
    }
}
