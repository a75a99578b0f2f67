//! ADFA-LD: system-call traces, one label a trace (`adfa/{Training,Validation,Attack}_Data_Master`).
use std::path::Path;

use super::{DataError, children, read, tokens};

/// The three parts of the set; each trace is a list of system-call numbers.
pub struct Traces {
    /// Normal traces to train on.
    pub train: Vec<Vec<u32>>,
    /// Normal traces to test on.
    pub normal: Vec<Vec<u32>>,
    /// Attack traces, one a file.
    pub attack: Vec<Vec<u32>>,
}

/// Reads `dir/adfa`, files sorted by name; attack sessions are one folder each.
pub fn load(dir: &Path) -> Result<Traces, DataError> {
    let root = dir.join("adfa");
    let mut attack = Vec::new();
    for session in children(&root.join("Attack_Data_Master"))? {
        attack.extend(folder(&session)?);
    }
    let train = folder(&root.join("Training_Data_Master"))?;
    let normal = folder(&root.join("Validation_Data_Master"))?;
    Ok(Traces { train, normal, attack })
}

fn folder(dir: &Path) -> Result<Vec<Vec<u32>>, DataError> {
    let texts = children(dir)?.iter().map(|f| read(f)).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().map(|t| tokens(t)).filter(|t| !t.is_empty()).collect())
}
