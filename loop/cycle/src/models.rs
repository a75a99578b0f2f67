//! Learnt models as bytes that can be told from damaged ones.
//!
//! Format, integers little-endian: eight bytes that say what it is, a u32 layout, the u32 CRC-32 of the rest, then the
//! rest in postcard encoding. `HOMEOMOD` is everything that was learnt, as it is saved ([`learn::Models`]); `HOMEOPCL` is
//! what is known of some entities, to be taken to another machine ([`Parcel`]).
use std::sync::Arc;

use learn::Models;
pub use learn::{CALLS, Loss, Parcel};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::packing;

const MODELS: &[u8; 8] = b"HOMEOMOD";
const PARCEL: &[u8; 8] = b"HOMEOPCL";
/// Bytes in front of what is checked.
const HEAD: usize = 16;

/// Layout of the models in either; raised whenever a field changes its meaning.
const LAYOUT: u32 = 4;

/// Bytes of a parcel at most: several times what all that can be known takes.
pub const PARCEL_BYTES_MAX: usize = 2 << 20;

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
    /// Nobody exported so much.
    #[error("they are larger than {} MiB", PARCEL_BYTES_MAX >> 20)]
    Large,
    /// They are whole, but what they say cannot be.
    #[error("{0}")]
    Unsound(&'static str),
}

/// A parcel as a door hands it out.
#[derive(Clone, Debug)]
pub struct Exported {
    /// Turn in which it was made.
    pub turn: u64,
    /// Of whom; `None` for all.
    pub name: Option<String>,
    /// Entities in it.
    pub entities: usize,
    /// Programs whose calls are in it.
    pub programs: usize,
    /// The file.
    pub bytes: Arc<Vec<u8>>,
}

impl Exported {
    /// This parcel, asked for by that name.
    pub(crate) fn of(parcel: &Parcel, name: Option<String>, turn: u64) -> Self {
        let (entities, programs) = (parcel.len(), parcel.programs());
        Self { turn, name, entities, programs, bytes: Arc::new(encode_parcel(parcel)) }
    }
}

/// Turns for which a parcel is handed out: a door may look late.
pub const HANDED_OUT: u64 = 10;

/// The parcel of this name that was made after a turn.
pub fn newest_named(parcels: &[Exported], name: Option<&str>, after: u64) -> Option<Exported> {
    parcels.iter().rev().find(|one| one.turn > after && one.name.as_deref() == name).cloned()
}

/// The models as bytes, and their checksum.
pub fn encode(models: &Models) -> (Vec<u8>, u32) {
    seal(MODELS, models)
}

/// The models again.
///
/// # Errors
/// [`ModelsError`].
pub fn decode(bytes: &[u8]) -> Result<Models, ModelsError> {
    unseal(MODELS, bytes)
}

/// Whether these are models that were saved, whole, without making them: that takes as much memory as they do.
pub fn is_whole(bytes: &[u8]) -> bool {
    payload(MODELS, bytes).is_ok()
}

/// A parcel as a file.
pub fn encode_parcel(parcel: &Parcel) -> Vec<u8> {
    seal(PARCEL, parcel).0
}

/// The parcel in a file, which may come from anywhere.
///
/// # Errors
/// [`ModelsError`].
pub fn decode_parcel(bytes: &[u8]) -> Result<Parcel, ModelsError> {
    if bytes.len() > PARCEL_BYTES_MAX {
        return Err(ModelsError::Large);
    }
    let parcel: Parcel = unseal(PARCEL, bytes)?;
    parcel.flaw().map_or(Ok(parcel), |flaw| Err(ModelsError::Unsound(flaw)))
}

/// Any bytes as the file of a parcel that is whole.
pub(crate) fn sealed(payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(PARCEL);
    bytes.extend_from_slice(payload);
    finish(bytes).0
}

fn seal(magic: &[u8; 8], what: &impl Serialize) -> (Vec<u8>, u32) {
    // Plain data always serialises.
    finish(packing::append(what, head(magic)).unwrap_or_else(|_| head(magic)))
}

/// The head, with room for the checksum.
fn head(magic: &[u8; 8]) -> Vec<u8> {
    [magic.as_slice(), &LAYOUT.to_le_bytes(), &[0; 4]].concat()
}

/// Puts the checksum of what follows it in its place.
fn finish(mut bytes: Vec<u8>) -> (Vec<u8>, u32) {
    let crc = crc32fast::hash(bytes.get(HEAD..).unwrap_or_default());
    bytes.iter_mut().skip(HEAD - 4).zip(crc.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    (bytes, crc)
}

fn unseal<T: DeserializeOwned>(magic: &[u8; 8], bytes: &[u8]) -> Result<T, ModelsError> {
    postcard::from_bytes(payload(magic, bytes)?).map_err(|_| ModelsError::Damaged)
}

/// What stands behind the head, if it is what the head says.
fn payload<'a>(magic: &[u8; 8], bytes: &'a [u8]) -> Result<&'a [u8], ModelsError> {
    let rest = bytes.strip_prefix(magic).ok_or(ModelsError::Foreign)?;
    let (layout, rest) = rest.split_first_chunk::<4>().ok_or(ModelsError::Damaged)?;
    let layout = u32::from_le_bytes(*layout);
    if layout != LAYOUT {
        return Err(ModelsError::Layout(layout));
    }
    let (crc, payload) = rest.split_first_chunk::<4>().ok_or(ModelsError::Damaged)?;
    if crc32fast::hash(payload) != u32::from_le_bytes(*crc) {
        return Err(ModelsError::Damaged);
    }
    Ok(payload)
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
        assert!(is_whole(&bytes) && !is_whole(&bytes[..bytes.len() - 1]));
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
    /// A look at the calls of the one process.
    fn look(turn: u32) -> vocab::probe::ProbeAnswer {
        let id = vocab::ProcessId { pid: 7, start_ticks: 7 };
        let calls = vocab::kernel::CallsSample {
            id,
            watched_s: 1.0,
            names: ["read", "write", "poll"].map(Arc::from).to_vec(),
            sequences: vec![(0..20).map(|at| (turn * at % 7 % 3) as u16).collect()],
            ..Default::default()
        };
        let result = Ok(vocab::probe::ProbeResult::Calls(calls));
        vocab::probe::ProbeAnswer {
            probe: vocab::probe::Probe::calls(id),
            at: Timestamp::from_secs(1),
            result,
        }
    }

    /// A parcel of the machine, with histories, and of the calls of a program.
    fn parcel() -> Parcel {
        let mut learn = Learn::default();
        for turn in 1..=200_u32 {
            let mut snapshot = vocab::snapshot::Snapshot {
                at: Timestamp::from_secs(i64::from(turn)),
                turn: u64::from(turn),
                interval_s: 1.0,
                answers: if turn % 5 == 0 { vec![look(turn)] } else { Vec::new() },
                ..Default::default()
            };
            snapshot.processes = vec![vocab::kit::process(7, "web")];
            snapshot.machine.cpu_idle_pct = Some(f64::from(turn * turn % 97));
            snapshot.machine.memory_available_bytes = u64::from(turn * turn % 89) << 24;
            learn.run(&snapshot, &[], &[]);
        }
        learn.parcel(None, "x86_64")
    }

    /// Numbers in no order.
    fn random(state: &mut u64) -> usize {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as usize
    }

    #[test]
    fn a_parcel_comes_back_and_no_damage_to_it_goes_unnoticed() {
        let bytes = encode_parcel(&parcel());
        assert_eq!(decode_parcel(&bytes), Ok(parcel()));
        assert!((parcel().len(), parcel().programs()) == (2, 1) && bytes.len() > 1_000);
        for index in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1 << (index % 8);
            assert!(decode_parcel(&damaged).is_err(), "byte {index}");
            assert!(decode_parcel(&bytes[..index]).is_err(), "cut at {index}");
        }
        assert_eq!(decode_parcel(&encode(&Models::default()).0), Err(ModelsError::Foreign));
        assert_eq!(decode_parcel(&vec![0; PARCEL_BYTES_MAX + 1]), Err(ModelsError::Large));
    }

    #[test]
    fn a_hostile_parcel_with_a_right_checksum_is_refused_or_does_no_harm() {
        let bytes = encode_parcel(&parcel());
        let (mut state, mut refused, mut taken) = (7, 0, 0);
        for _ in 0..600 {
            let mut payload = bytes[16..].to_vec();
            for _ in 0..1 + random(&mut state) % 4 {
                let at = random(&mut state) % payload.len().min(1 << (4 + random(&mut state) % 11));
                payload[at] = random(&mut state) as u8;
            }
            let crc = crc32fast::hash(&payload).to_le_bytes();
            let hostile: Vec<u8> = bytes[..12].iter().chain(&crc).chain(&payload).copied().collect();
            let Ok(mut parcel) = decode_parcel(&hostile) else {
                refused += 1;
                continue;
            };
            taken += 1;
            parcel.quantize();
            let mut learn = Learn::default();
            learn.take_in(&parcel, "hostile", 1);
            for turn in 2..70_u32 {
                let at = Timestamp::from_secs(i64::from(turn));
                let (processes, answers) = (vec![vocab::kit::process(7, "web")], vec![look(turn)]);
                let snapshot = vocab::snapshot::Snapshot {
                    at,
                    turn: u64::from(turn),
                    interval_s: 1.0,
                    processes,
                    answers,
                    ..Default::default()
                };
                learn.run(&snapshot, &[], &[]);
            }
            assert!(learn.learnt().models.len() < 100);
            assert_eq!(learn.parcel(None, "").flaw(), None);
        }
        assert!(refused > 30 && taken > 30, "{refused} {taken}");
    }
}
