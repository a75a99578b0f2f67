//! Measures the store beside its peers, in one paired run.
//!
//! `bench-store log` and `bench-store history`, each with `--json FILE`. The history bench replays a recording that
//! `bench-store record FILE [SECONDS]` makes of this machine.

mod figures;
mod history;
mod log;
mod record;
mod subjects;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use figures::Figures;
use subjects::Failure;

const USAGE: &str = "usage: bench-store log [--disk FOLDER] [--memory FOLDER] [--json FILE]
       bench-store history [--recording FILE] [--disk FOLDER] [--json FILE]
       bench-store record FILE [SECONDS]";
/// Series recorded at every instant.
const SERIES: usize = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["log", ..] => {
            let mut figures = Figures::new("log");
            let disk = option(arguments, "--disk").unwrap_or_else(|| PathBuf::from("target"));
            let memory = option(arguments, "--memory").unwrap_or_else(|| PathBuf::from("/dev/shm"));
            log::run(&disk, &memory, &mut figures)?;
            write(arguments, &figures)
        }
        ["history", ..] => {
            let mut figures = Figures::new("history");
            let disk = option(arguments, "--disk").unwrap_or_else(|| PathBuf::from("target"));
            let recording = match option(arguments, "--recording") {
                Some(recording) => recording,
                None => make_recording(&disk)?,
            };
            history::run(&recording, &disk, &mut figures)?;
            write(arguments, &figures)
        }
        ["record", file, ..] => {
            let seconds = words.get(2).map_or(Ok(3600), |word| word.parse())?;
            Ok(record::record(Path::new(file), seconds, SERIES)?)
        }
        _ => Err(USAGE.into()),
    }
}

/// The recording of an earlier run, or one made now, which takes an hour.
fn make_recording(folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join("history.rec");
    if !path.exists() {
        eprintln!("recording this machine for an hour into {}", path.display());
        let spare = folder.join("history.rec.tmp");
        record::record(&spare, 3600, SERIES)?;
        std::fs::rename(&spare, &path)?;
    }
    Ok(path)
}

fn write(arguments: &[String], figures: &Figures) -> Result<(), Failure> {
    match option(arguments, "--json") {
        Some(file) => Ok(figures.write(&file)?),
        None => Ok(()),
    }
}

/// The word after a flag.
fn option(arguments: &[String], flag: &str) -> Option<PathBuf> {
    let at = arguments.iter().position(|word| word == flag)?;
    arguments.get(at + 1).map(PathBuf::from)
}
