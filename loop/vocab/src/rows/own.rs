//! Table `self`.
use alloc::string::String;

table! {
    /// What Homeostat costs and sheds, one quantity a row.
    self => SelfRow {
        /// Quantity, with the collector, stage or queue it belongs to: `collector.processes`.
        name: String => None,
        /// Its value.
        value: Option<f64> => None,
        /// Its unit.
        unit: String => None,
        /// Its bound, where it has one.
        bound: Option<f64> => None,
        /// What is wrong or shed, in words.
        note: Option<String> => None,
    }
}
