//! Table `models`.
use alloc::string::String;

use crate::Entity;

table! {
    /// One model of normal, and why it is as large as it is.
    models => ModelRow {
        /// What it models: an entity and a quantity; `all` is the set as saved.
        name: String => None,
        /// Who it is about.
        entity: Entity => None,
        /// Quantity; NULL for the whole set.
        metric: Option<String> => None,
        /// 0: light, for every series; 1: nearest neighbours, for those that matter or are suspicious; 2: a forest on
        /// top, for the few of whom it is asked whether they are still strange; 3: a model in the ONNX format.
        tier: u8 => None,
        /// `loaded`; `unloaded`: wanted, but for its reason not there; `refused`: not used until its file changes.
        state: String => None,
        /// Raised whenever what was learnt is accepted as a good version.
        version: u64 => None,
        /// Samples it was learnt from.
        samples: u64 => Count,
        /// Memory it holds; of the set, its size when saved.
        size_bytes: u64 => Bytes,
        /// CRC-32 of the set as saved, in hexadecimal.
        checksum: Option<String> => None,
        /// Lower end of the learnt band.
        low: Option<f64> => None,
        /// Upper end of the learnt band.
        high: Option<f64> => None,
        /// What it was taken in from by `homeostat model import`; NULL if it was learnt here.
        source: Option<String> => None,
        /// Why it has this tier or lacks it, or what was done with it.
        reason: String => None,
    }
}
