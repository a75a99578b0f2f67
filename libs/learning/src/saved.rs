//! Learnt state that leaves memory: which model, which layout, then the model.
use serde::{Deserialize, Serialize};

/// Layout of all models of this crate; raised whenever a field changes its meaning.
pub const LAYOUT: u32 = 2;

/// A model with what is needed to refuse it later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved<T> {
    layout: u32,
    samples: u64,
    model: T,
}

/// Why a saved model cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLayout {
    /// Layout of the saved model.
    pub found: u32,
}

impl<T> Saved<T> {
    /// Wraps a model that has learnt from this many samples.
    pub fn new(model: T, samples: u64) -> Self {
        Saved { layout: LAYOUT, samples, model }
    }

    /// Samples it has learnt from.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// The model, if this program knows its layout.
    pub fn open(self) -> Result<T, WrongLayout> {
        if self.layout == LAYOUT { Ok(self.model) } else { Err(WrongLayout { found: self.layout }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::Forecaster;
    use crate::rng::Rng;
    use crate::univariate::{Tier0, Tier1};

    fn through_bytes<T: Serialize + for<'a> Deserialize<'a>>(model: T) -> T {
        let bytes = postcard::to_allocvec(&Saved::new(model, 5)).unwrap();
        postcard::from_bytes::<Saved<T>>(&bytes).unwrap().open().unwrap()
    }

    #[test]
    fn a_restored_model_goes_on_bit_for_bit() {
        let mut rng = Rng::new(8);
        let (mut zero, mut one, mut ahead) = (Tier0::new(3.0), Tier1::new(3.0), Forecaster::new(6, 12));
        for _ in 0..1000 {
            let value = rng.normal();
            zero.push(value);
            one.push(value);
            ahead.push(value);
        }
        let (mut zero2, mut one2, mut ahead2) =
            (through_bytes(zero.clone()), through_bytes(one.clone()), through_bytes(ahead.clone()));
        for _ in 0..1000 {
            let value = rng.normal();
            assert_eq!(zero.push(value), zero2.push(value));
            assert_eq!(one.push(value), one2.push(value));
            assert_eq!(ahead.push(value), ahead2.push(value));
        }
    }

    #[test]
    fn another_layout_is_refused() {
        let saved = Saved { layout: LAYOUT + 1, samples: 0, model: 7u32 };
        assert_eq!(saved.open(), Err(WrongLayout { found: LAYOUT + 1 }));
    }
}
