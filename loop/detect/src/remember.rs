//! What each detector remembers, as bytes: a film of an incident begins with it.
use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Detector, all};

/// State that goes out as bytes and comes in again: of whatever can be serialised.
pub trait Remember {
    /// The state as bytes.
    fn save(&self) -> Vec<u8>;
    /// Takes up that state; whether the bytes are one.
    fn restore(&mut self, bytes: &[u8]) -> bool;
}

impl<T: Serialize + DeserializeOwned> Remember for T {
    fn save(&self) -> Vec<u8> {
        // Plain data always serialises.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    fn restore(&mut self, bytes: &[u8]) -> bool {
        postcard::from_bytes(bytes).map(|state| *self = state).is_ok()
    }
}

/// The states of a list of detectors, in its order.
pub fn serialize<S: Serializer>(detectors: &[Box<dyn Detector>], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(detectors.iter().map(|one| one.save()))
}

/// All detectors, each in its state.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Box<dyn Detector>>, D::Error> {
    let states = Vec::<Vec<u8>>::deserialize(from)?;
    let mut detectors = all();
    let fits = states.len() == detectors.len()
        && detectors.iter_mut().zip(&states).all(|(one, state)| one.restore(state));
    if fits { Ok(detectors) } else { Err(D::Error::custom("the state of other detectors")) }
}
