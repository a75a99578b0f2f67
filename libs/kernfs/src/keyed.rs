//! Declares a struct of optional counters from a table of keys: the form of `meminfo`, `vmstat`,
//! `memory.events` and other files with one `key value` a line.

/// A struct whose fields are `Option<u64>`, each with the key under which the kernel prints it; a key that this
/// kernel does not print leaves `None`.
macro_rules! keyed {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident = $key:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<u64>,)+
        }

        impl $name {
            /// Stores the value of one line; keys that are not wanted are passed over.
            fn set(&mut self, key: &[u8], value: u64) {
                $(if key == $key.as_bytes() {
                    self.$field = Some(value);
                })+
            }
        }
    };
}
pub(crate) use keyed;

/// Hands each `key value` line to `set`. `None` when a line has no key or its value is not a number.
pub(crate) fn each(text: &[u8], mut set: impl FnMut(&[u8], u64)) -> Option<()> {
    for line in crate::bytes::lines(text) {
        let mut columns = crate::bytes::fields(line);
        let (key, value) = (columns.next()?, columns.next()?);
        set(key, crate::bytes::dec(value)?);
    }
    Some(())
}
