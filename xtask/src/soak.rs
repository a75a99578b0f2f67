//! What takes longer than ci: demos of many seeds under load, as root and as an ordinary user, and quiet machines
//! on which nobody may be accused, a fault-free hour among them.
mod demos;
mod load;
mod mixed;
mod quiet;
pub(crate) mod work;

use std::path::PathBuf;

use quiet::Beside;

const USAGE: &str = "\
usage: cargo xtask soak [demos|idle|compile|mixed]... [--seeds N] [--minutes N] [--binary FILE] [--json FILE]

  demos     demos of N random seeds (20), as root and as an ordinary user, beside a build of Homeostat
  idle      N minutes (10) beside nothing: no incident
  compile   N minutes (10) beside a build of Homeostat: no incident
  mixed     N minutes (60) beside services, jobs and builds without a fault: no incident";

/// What is asked of a soak.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    parts: Vec<String>,
    seeds: usize,
    minutes: Option<u64>,
    binary: Option<String>,
    json: Option<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self, String> {
        let mut options = Self { parts: Vec::new(), seeds: 20, minutes: None, binary: None, json: None };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            let mut value = || rest.next().copied().ok_or(format!("{word} wants a value\n{USAGE}"));
            let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number\n{USAGE}"));
            match *word {
                "demos" | "idle" | "compile" | "mixed" => options.parts.push((*word).to_owned()),
                "--seeds" => options.seeds = number(value()?)? as usize,
                "--minutes" => options.minutes = Some(number(value()?)?),
                "--binary" => options.binary = Some(value()?.to_owned()),
                "--json" => options.json = Some(value()?.to_owned()),
                _ => return Err(USAGE.to_owned()),
            }
        }
        if options.parts.is_empty() {
            options.parts = ["demos", "idle", "compile", "mixed"].map(str::to_owned).to_vec();
        }
        Ok(options)
    }
}

/// Runs the parts that are named, or all.
///
/// # Errors
/// One of them did not end as promised, or could not be run.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let binary = binary(&options)?;
    let mut figures = Vec::new();
    let mut broken = Vec::new();
    for part in &options.parts {
        let done = match part.as_str() {
            "demos" => demos::run(&binary, options.seeds)?,
            "idle" => quiet::run(&binary, options.minutes.unwrap_or(10), Beside::Nothing)?,
            "compile" => quiet::run(&binary, options.minutes.unwrap_or(10), Beside::Build)?,
            _ => quiet::run(&binary, options.minutes.unwrap_or(60), Beside::Mixed)?,
        };
        figures.extend(done.figures);
        broken.extend(done.broken);
    }
    crate::bench::report("soak", &figures, options.json.as_deref())?;
    if broken.is_empty() { Ok(()) } else { Err(format!("not as promised:\n  {}", broken.join("\n  "))) }
}

/// What a part found.
#[derive(Debug, Default)]
struct Done {
    figures: Vec<crate::bench::Figure>,
    /// Promises that were not kept, a sentence each.
    broken: Vec<String>,
}

/// The release binary, where every user may run it.
fn binary(options: &Options) -> Result<PathBuf, String> {
    crate::bench::release_binary(options.binary.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_numbers_are_read_and_the_rest_refused() {
        let options = Options::parse(&["demos", "--seeds", "3", "idle"]).unwrap();
        assert_eq!((options.parts.len(), options.seeds, options.minutes), (2, 3, None));
        assert_eq!(Options::parse(&[]).unwrap().parts, ["demos", "idle", "compile", "mixed"]);
        for wrong in [&["--seeds"][..], &["--seeds", "x"], &["nosuch"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
