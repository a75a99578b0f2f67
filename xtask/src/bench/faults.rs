//! Faults and their benign look-alikes, made by the programs of `scenarios/programs`: which are found, how soon, and
//! who is accused without guilt. Everything runs under a Homeostat of the bench's own that only advises.
mod case;
mod client;
pub(super) mod heal;
mod own;
mod program;
mod round;
mod served;

use self::case::Case;
use self::round::{Outcome, Place, Verdict};
use super::figures::{Figure, median, report};
use super::folder::Folder;
use super::{Options, release_binary};

/// The service that runs beside everything, as a case of its own.
const NEIGHBOUR: &str = "neighbour silent service short:4 0 answers.c {port}";

/// Runs the bench.
///
/// # Errors
/// We cannot be built, or Homeostat does not come up.
pub(super) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let file = crate::root().join(case::FILE);
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let cases = Case::all(&text)?;
    let neighbour = Case::all(NEIGHBOUR)?.remove(0);
    let binary = release_binary(options.binary.as_deref())?;
    let folder = Folder::make()?;
    let sources = file.with_file_name("");
    let mut figures = Vec::new();
    for (number, members) in rounds(&cases, options.only.as_deref()).into_iter().enumerate() {
        let seconds = options.seconds.unwrap_or(members[0].round.seconds);
        let record = options.record.as_ref().map(|file| format!("{file}.{number}").into());
        let dir = folder.path().join(number.to_string());
        let place = Place { binary: &binary, sources: &sources, dir, record };
        let all: Vec<&Case> = members.into_iter().chain([&neighbour]).collect();
        let outcome = place.run(&all, seconds)?;
        figures.extend(tell(&all, &outcome));
    }
    figures.extend(sums(&figures));
    report("faults", &figures, options.json.as_deref())
}

/// The cases that are wanted, with those they need, round by round.
fn rounds<'a>(cases: &'a [Case], only: Option<&str>) -> Vec<Vec<&'a Case>> {
    let is_needed = |case: &Case| cases.iter().any(|one| one.is_wanted(only) && one.needs(&case.name));
    let wanted = |case: &&Case| case.is_wanted(only) || is_needed(case);
    let mut rounds: Vec<Vec<&Case>> = Vec::new();
    for case in cases.iter().filter(wanted) {
        match rounds.last_mut().filter(|last| !case.round.is_alone && last[0].round == case.round) {
            Some(last) => last.push(case),
            None => rounds.push(vec![case]),
        }
    }
    rounds
}

/// Says at once what a round found; figures of each case.
fn tell(cases: &[&Case], outcome: &Outcome) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (case, verdict) in cases.iter().zip(&outcome.verdicts) {
        let (word, value) = judge(case, verdict);
        let kind = if case.is_twin() { "silent".to_owned() } else { case.expect.join("|") };
        let seconds = value.map_or(String::new(), |value| format!("{value:.0} s"));
        let accused = verdict.accused.iter().map(|(kind, at_s)| format!("{kind} {at_s:.0} s"));
        let noticed = verdict.noticed.iter().map(|(kind, at_s)| format!("notice {kind} {at_s:.0} s"));
        let said = accused.chain(noticed).collect::<Vec<_>>().join(", ");
        println!("{:20} {kind:17} {word:8} {seconds:>6}  {said}", case.name);
        if word != "found" && word != "right" {
            verdict.sentences.iter().for_each(|sentence| println!("    {sentence}"));
        }
        let subject = "homeostat".to_owned();
        let figure = match word {
            "found" => ("seconds_to_detect", value.unwrap_or(0.0), "s"),
            "missed" | "wrong" => ("missed", 1.0, "programs"),
            "accused" => ("innocents_accused", 1.0, "programs"),
            "right" => ("innocents_accused", 0.0, "programs"),
            _ => continue,
        };
        let case = case.name.clone();
        figures.push(Figure { figure: figure.0, case, subject, value: figure.1, unit: figure.2 });
    }
    outcome.others.iter().for_each(|other| println!("bystander accused: {other}"));
    figures.extend(outcome.others.iter().map(|_| Figure {
        figure: "innocents_accused",
        case: "bystander".to_owned(),
        subject: "homeostat".to_owned(),
        value: 1.0,
        unit: "programs",
    }));
    figures
}

/// The verdict in a word, and the seconds to it.
fn judge(case: &Case, verdict: &Verdict) -> (&'static str, Option<f64>) {
    let right = case.expect.iter().filter_map(|kind| verdict.accused.get(kind)).copied().reduce(f64::min);
    match right {
        _ if verdict.skipped.as_ref().is_some_and(|why| !why.is_empty()) => ("skipped", None),
        Some(at_s) => ("found", Some(at_s)),
        None if case.is_twin() && verdict.accused.is_empty() => ("right", None),
        None if case.is_twin() => ("accused", None),
        None if verdict.accused.is_empty() => ("missed", None),
        None => ("wrong", None),
    }
}

/// All cases in four figures.
fn sums(figures: &[Figure]) -> Vec<Figure> {
    let of =
        |name: &str| figures.iter().filter(|one| one.figure == name).map(|one| one.value).collect::<Vec<_>>();
    let all = |figure, value, unit| Figure {
        figure,
        case: "all programs".to_owned(),
        subject: "homeostat".to_owned(),
        value,
        unit,
    };
    let detected = of("seconds_to_detect");
    let (missed, accused) = (of("missed"), of("innocents_accused"));
    let mut sums = vec![
        all("found", detected.len() as f64, "programs"),
        all("missed", missed.len() as f64, "programs"),
        all("innocents_accused", accused.iter().sum(), "programs"),
        all("innocents", accused.len() as f64, "programs"),
    ];
    sums.extend(median(&detected).map(|value| all("seconds_to_detect", value, "s")));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(line: &str) -> Case {
        Case::all(line).unwrap().remove(0)
    }

    #[test]
    fn verdicts_are_words() {
        let fault = case("a deadlock|stalled plain - 0 a.c");
        let twin = case("b silent plain - 0 a.c");
        let of = |kind: &str| Verdict { accused: [(kind.to_owned(), 4.0)].into(), ..Verdict::default() };
        assert_eq!(judge(&fault, &of("stalled")), ("found", Some(4.0)));
        assert_eq!(judge(&fault, &of("memory_leak")), ("wrong", None));
        assert_eq!(judge(&fault, &Verdict::default()), ("missed", None));
        assert_eq!(judge(&twin, &Verdict::default()), ("right", None));
        assert_eq!(judge(&twin, &of("stalled")), ("accused", None));
    }

    #[test]
    fn a_case_brings_what_it_needs() {
        let text = "round 9\na deadlock plain - 0 a.c {port:b}\nb silent plain - 0 b.c\n\
                    round alone 9\nc silent plain - 0 c.c\nd silent plain - 0 d.c";
        let cases = Case::all(text).unwrap();
        let names = |only| {
            let rounds = rounds(&cases, only);
            rounds
                .iter()
                .map(|one| one.iter().map(|case| case.name.clone()).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Some("a")), ["a b"]);
        assert_eq!(names(None), ["a b", "c", "d"]);
    }
}
