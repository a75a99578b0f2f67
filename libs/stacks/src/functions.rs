//! Where the functions that probes are to stand on lie in the files of a process, and why they cannot.
use std::fs::File;
use std::path::PathBuf;

use kernfs::{Map, ProcFs};

use crate::Refusal;
use crate::image::{Image, Source};
use crate::space::{path_of, refused};

/// The mappings of code from files that a process has.
pub(crate) fn code(proc: &mut ProcFs, pid: u32) -> Result<Vec<Map>, Refusal> {
    let mut maps = proc.code_maps(pid).map_err(|error| refused(pid, &error))?;
    maps.retain(|one| one.inode != 0);
    Ok(maps)
}

/// The file of a mapping, and where in it the functions of these names begin; `None` where it cannot be opened.
pub(crate) fn exports(pid: u32, map: &Map, names: &[&str]) -> Option<(PathBuf, Vec<Option<u64>>)> {
    let file = path_of(pid, map)?;
    let image = Image::read(Source::File(File::open(&file).ok()?))?;
    Some((file, image.offsets_of(names)))
}

/// Functions cannot be watched here.
pub(crate) fn no_probes(lack: bpfload::Lack) -> Refusal {
    Refusal::NoProbes { why: lack.reason, would_bring: lack.would_bring }
}

/// What was watched cannot be read.
pub(crate) fn no_answer(error: bpfload::Error) -> Refusal {
    Refusal::NoProbes { why: error.to_string(), would_bring: "asking again".to_owned() }
}
