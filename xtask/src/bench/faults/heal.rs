//! Services that break once, and what their clients see of it: repairs measured from outside.
//!
//! A Homeostat of the bench's own runs in `heal` and acts on the services of its own supervisor only.
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::figures::{Figure, report};
use super::super::folder::Folder;
use super::super::http::free_port;
use super::super::{Options, median, release_binary};
use super::case::{self, Case};
use super::own::{Incident, Own};
use super::program;
use super::served::{Answers, Watcher};

/// The cases; columns as in `cases.txt`.
const FILE: &str = "scenarios/programs/heals.txt";
/// What never breaks, beside them.
const NEIGHBOUR: &str = "neighbour silent service short:2 0 answers.c {port}";
/// In place of the seconds before the fault, in every run but the first: longer than any bench.
const NEVER_S: &str = "99999";

/// Runs the bench.
///
/// # Errors
/// We cannot be built, or Homeostat does not come up.
pub(in crate::bench) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let file = crate::root().join(FILE);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut cases = Case::all(&text)?;
    cases.retain(|case| case.is_wanted(options.only.as_deref()));
    let seconds =
        options.seconds.or(cases.first().map(|case| case.round.seconds)).ok_or("no case has such a name")?;
    cases.extend(Case::all(NEIGHBOUR)?);
    let binary = release_binary(options.binary.as_deref())?;
    let folder = Folder::make()?;
    let own = Own::start(&binary, folder.path(), &["--mode", "heal", "--own-services-only"])?;
    let watched = start(&own, &cases, folder.path(), &file.with_file_name(""))?;
    std::thread::sleep(Duration::from_secs(seconds));
    let incidents = own.incidents();
    let figures =
        cases.iter().zip(watched).flat_map(|(case, watcher)| tell(case, &watcher.end(), &incidents));
    let mut figures = figures.collect::<Vec<_>>();
    figures.extend(sums(&figures));
    report("heal", &figures, options.json.as_deref())
}

/// Starts all services, then the clients of each.
fn start(own: &Own, cases: &[Case], dir: &Path, sources: &Path) -> Result<Vec<Watcher>, String> {
    let (mut files, mut ports) = (Vec::new(), Vec::new());
    for case in cases {
        let port = free_port()?;
        files.push(describe(case, port, dir, sources)?);
        ports.push(port);
    }
    own.start_services(&files)?;
    Ok(cases.iter().zip(ports).map(|(case, port)| Watcher::start(case.clients, port)).collect())
}

/// A service file: a shell that starts the program, so that it breaks in the first run only.
fn describe(case: &Case, port: u16, dir: &Path, sources: &Path) -> Result<PathBuf, String> {
    let words = program::words(&sources.join(&case.source), dir)?;
    let line = |is_first: bool| {
        let arguments = case.arguments.iter().map(|one| argument(one, port, is_first));
        words.iter().cloned().chain(arguments).map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    };
    let mark = dir.join(format!("{}.ran", case.name)).display().to_string();
    let script =
        format!("if [ -e '{mark}' ]; then exec {}; fi; : > '{mark}'; exec {}", line(false), line(true));
    let file = dir.join(format!("{}.toml", case.name));
    let text =
        format!("name = {:?}\ncommand = {:?}\nrestart = \"always\"\n", case.name, ["sh", "-c", &script]);
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// An argument with its places filled.
fn argument(written: &str, port: u16, is_first: bool) -> String {
    match case::place(written) {
        Some(("port", _)) => port.to_string(),
        Some(("once", seconds)) if is_first => seconds.to_owned(),
        Some(("once", _)) => NEVER_S.to_owned(),
        _ => written.to_owned(),
    }
}

/// Says what became of one service; figures of it.
fn tell(case: &Case, answers: &Answers, incidents: &[Incident]) -> Vec<Figure> {
    let culprit = format!("service:{}", case.name);
    let mine = || incidents.iter().filter(|one| one.culprit == culprit && one.is_accusation);
    let said = mine().map(|one| format!("{} {}", one.kind, one.state)).collect::<Vec<_>>().join(", ");
    let unserved_s = answers.unserved_s();
    let figure = |figure, value, unit| Figure {
        figure,
        case: case.name.clone(),
        subject: "homeostat".to_owned(),
        value,
        unit,
    };
    let word = match (case.is_twin(), healed(case, answers, mine())) {
        (true, _) if mine().next().is_none() => "left alone",
        (true, _) => "accused",
        (false, true) => "healed",
        (false, false) => "not healed",
    };
    println!(
        "{:20} {word:10} unserved {unserved_s:4.1} s, {} of {} answered  {said}",
        case.name,
        answers.answered(),
        answers.asked()
    );
    mine().for_each(|one| println!("    {}", one.sentence));
    match case.is_twin() {
        true => vec![figure("innocents_accused", f64::from(u8::from(word == "accused")), "services")],
        false => vec![
            figure("healed", f64::from(u8::from(word == "healed")), "services"),
            figure("unserved_s", unserved_s, "s"),
        ],
    }
}

/// Whether its kind was named and called repaired, and its clients say that it serves again.
fn healed<'a>(case: &Case, answers: &Answers, mut mine: impl Iterator<Item = &'a Incident>) -> bool {
    answers.serves_at_end() && mine.any(|one| one.state == "repaired" && case.expect.contains(&one.kind))
}

/// All services in three figures.
fn sums(figures: &[Figure]) -> Vec<Figure> {
    let of =
        |name: &str| figures.iter().filter(|one| one.figure == name).map(|one| one.value).collect::<Vec<_>>();
    let all = |figure, value, unit| Figure {
        figure,
        case: "all services".to_owned(),
        subject: "homeostat".to_owned(),
        value,
        unit,
    };
    let healed = of("healed");
    let mut sums = vec![
        all("healed", healed.iter().sum(), "services"),
        all("services", healed.len() as f64, "services"),
    ];
    sums.extend(median(&of("unserved_s")).map(|value| all("unserved_s", value, "s")));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_comes_in_the_first_run_only() {
        let of = |written, is_first| argument(written, 7, is_first);
        assert_eq!((of("{once:30}", true), of("{once:30}", false)), ("30".to_owned(), NEVER_S.to_owned()));
        assert_eq!((of("{port}", false), of("8", true)), ("7".to_owned(), "8".to_owned()));
    }

    #[test]
    fn healed_is_what_was_named_repaired_and_serves() {
        let case = Case::all("round 9\na stalled service short:1 0 a.c").unwrap().remove(0);
        let incident = |kind: &str, state: &str| Incident {
            kind: kind.to_owned(),
            state: state.to_owned(),
            culprit: "service:a".to_owned(),
            is_accusation: true,
            ..Incident::default()
        };
        let (right, serves) = (incident("stalled", "repaired"), Answers::made(&[(0.0, true), (9.0, true)]));
        assert!(healed(&case, &serves, [&right].into_iter()));
        assert!(!healed(&case, &Answers::made(&[(0.0, true), (9.0, false)]), [&right].into_iter()));
        assert!(!healed(&case, &serves, [&incident("stalled", "open")].into_iter()));
        assert!(!healed(&case, &serves, [&incident("cpu_hog", "repaired")].into_iter()));
        assert!(!healed(&case, &serves, [].into_iter()));
    }

    #[test]
    fn every_case_names_a_program_that_is_there_and_breaks_once() {
        let file = crate::root().join(FILE);
        for case in Case::all(&std::fs::read_to_string(&file).unwrap()).unwrap() {
            assert!(file.with_file_name(&case.source).is_file(), "{}", case.source);
            assert!(case.arguments.iter().any(|one| one.starts_with("{once:")), "{}", case.name);
        }
    }
}
