//! Why no change was planned: it would be wrong, or the machine could not even be read.

/// Why no change was planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It would be wrong or of no use.
    Refused(String),
    /// The machine would not even be read.
    Failed(String),
}

impl Trouble {
    /// The sentence for a person.
    pub(crate) fn into_sentence(self) -> String {
        match self {
            Self::Refused(sentence) | Self::Failed(sentence) => sentence,
        }
    }
}
