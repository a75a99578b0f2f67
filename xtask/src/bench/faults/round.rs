//! One round: a Homeostat of its own, some programs beside it, and what it says of each.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::http::free_port;
use super::super::processes;
use super::super::started::Started;
use super::case::{self, Case, Clients};
use super::client::Crowd;
use super::own::{Incident, Own};
use super::program;

/// Homeostat sees the machine without the programs, but for the neighbour, for so long first.
const BEFORE: Duration = Duration::from_secs(12);
/// A fault that was found goes on for so long, for other kinds to show that accuse it too.
const AFTER: Duration = Duration::from_secs(6);

/// What became of one case.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Kinds it was accused of, with the time from the fault. Unit: s.
    pub(super) accused: BTreeMap<String, f64>,
    /// The same of what was no more than a notice.
    pub(super) noticed: BTreeMap<String, f64>,
    pub(super) sentences: Vec<String>,
    /// Why it did not run.
    pub(super) skipped: Option<String>,
}

/// What a round leaves.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) verdicts: Vec<Verdict>,
    /// Accusations of processes that are none of the cases.
    pub(super) others: Vec<String>,
}

/// A case while it runs.
struct Running<'a> {
    case: &'a Case,
    start: Instant,
    process: Option<Started>,
    pids: BTreeSet<u32>,
    crowd: Option<Crowd>,
    found: Option<Instant>,
    verdict: Verdict,
}

/// Where a round takes its programs from and puts its files.
pub(super) struct Place<'a> {
    pub(super) binary: &'a Path,
    pub(super) sources: &'a Path,
    pub(super) dir: PathBuf,
    pub(super) record: Option<PathBuf>,
}

impl Place<'_> {
    /// Runs these cases together until every fault is found, or for `seconds` at most; twins live that long.
    pub(super) fn run(&self, cases: &[&Case], seconds: u64) -> Result<Outcome, String> {
        std::fs::create_dir_all(&self.dir).map_err(|error| error.to_string())?;
        let ports = cases.iter().map(|case| Ok((case.name.as_str(), free_port()?)));
        let ports = ports.collect::<Result<BTreeMap<_, _>, String>>()?;
        let record = self.record.as_deref().map(|file| file.display().to_string());
        let words = ["--mode", "advise"].into_iter().chain(record.iter().flat_map(|file| ["--record", file]));
        let own = Own::start(self.binary, &self.dir, &words.collect::<Vec<_>>())?;
        // The last one is the neighbour: it is there before, as a victim whose healthy days are known.
        let (neighbour, members) = cases.split_last().ok_or("a round without cases")?;
        let beside = self.start(&own, &[*neighbour], &ports)?;
        std::thread::sleep(BEFORE);
        let mut running = self.start(&own, members, &ports)?;
        running.extend(beside);
        let mut outcome = Outcome::default();
        let end = Instant::now() + Duration::from_secs(seconds);
        let has_twins = members.iter().any(|case| case.is_twin());
        while Instant::now() < end {
            std::thread::sleep(Duration::from_secs(1));
            look(&own, &mut running, &mut outcome.others);
            running.iter_mut().for_each(|one| one.end_if_found(&own));
            if !has_twins && running.iter().all(Running::is_over) {
                break;
            }
        }
        outcome.verdicts = running.into_iter().map(|one| one.verdict).collect();
        Ok(outcome)
    }

    fn start<'a>(
        &self,
        own: &Own,
        cases: &[&'a Case],
        ports: &BTreeMap<&str, u16>,
    ) -> Result<Vec<Running<'a>>, String> {
        let mut running = Vec::new();
        let mut files = Vec::new();
        // What has to be compiled is compiled before the first one starts.
        let commands: Vec<_> = cases.iter().map(|case| self.command(case, ports)).collect();
        for (case, words) in cases.iter().zip(commands) {
            let mut one = Running::new(case);
            match words {
                Err(why) => one.verdict.skipped = Some(why),
                Ok(words) if case.is_service => files.push(self.describe(case, &words)?),
                Ok(words) => {
                    let mut command = Command::new(&words[0]);
                    command
                        .args(&words[1..])
                        .env("HOMEOSTAT", self.binary)
                        .env("HOMEOSTAT_STATE", &own.state);
                    let log = self.dir.join(format!("{}.log", case.name));
                    one.process = Some(Started::start(&mut command, &log)?);
                }
            }
            running.push(one);
        }
        if !files.is_empty() {
            own.start_services(&files)?;
        }
        // A server needs a moment before its clients come.
        std::thread::sleep(Duration::from_millis(700));
        for one in &mut running {
            if one.process.is_none() {
                one.start = Instant::now();
            }
            if one.verdict.skipped.is_none() && one.case.clients != Clients::None {
                one.crowd = Some(Crowd::start(one.case.clients, ports[one.case.name.as_str()]));
            }
        }
        Ok(running)
    }

    fn command(&self, case: &Case, ports: &BTreeMap<&str, u16>) -> Result<Vec<String>, String> {
        let built = self.dir.with_file_name("built");
        std::fs::create_dir_all(&built).map_err(|error| error.to_string())?;
        let mut words = program::words(&self.sources.join(&case.source), &built)?;
        for argument in &case.arguments {
            match case::place(argument) {
                None => words.push(argument.clone()),
                Some(("port", "")) => words.push(ports[case.name.as_str()].to_string()),
                Some(("port", other)) => {
                    words.push(ports.get(other).ok_or(format!("{other} does not run"))?.to_string());
                }
                Some(("bin", file)) => words.extend(program::words(&self.sources.join(file), &built)?),
                Some((unknown, _)) => return Err(format!("no place is called {unknown}")),
            }
        }
        Ok(words)
    }

    fn describe(&self, case: &Case, words: &[String]) -> Result<PathBuf, String> {
        let file = self.dir.join(format!("{}.toml", case.name));
        let text = format!("name = {:?}\ncommand = {words:?}\nrestart = \"always\"\n", case.name);
        std::fs::write(&file, text).map_err(|error| error.to_string())?;
        Ok(file)
    }
}

impl<'a> Running<'a> {
    fn new(case: &'a Case) -> Self {
        let verdict = Verdict::default();
        let (start, pids) = (Instant::now(), BTreeSet::new());
        Self { case, start, process: None, pids, crowd: None, found: None, verdict }
    }

    fn is_it(&self, incident: &Incident) -> bool {
        let is_service = incident.culprit.strip_prefix("service:") == Some(&*self.case.name);
        is_service || incident.pids.iter().any(|pid| self.pids.contains(pid))
    }

    fn take(&mut self, incident: &Incident) {
        let after_s = self.start.elapsed().as_secs_f64() - self.case.onset_s;
        let list = if incident.is_accusation { &mut self.verdict.accused } else { &mut self.verdict.noticed };
        if !list.contains_key(&incident.kind) {
            list.insert(incident.kind.clone(), after_s);
            self.verdict.sentences.push(incident.sentence.clone());
        }
        if incident.is_accusation && self.case.expect.contains(&incident.kind) {
            self.found.get_or_insert_with(Instant::now);
        }
    }

    fn is_over(&self) -> bool {
        self.verdict.skipped.is_some()
            || self.case.is_twin()
            || self.found.is_some_and(|found| found.elapsed() >= AFTER)
    }

    /// A fault that is known need not fill the machine any further.
    fn end_if_found(&mut self, own: &Own) {
        let is_found = self.found.is_some_and(|found| found.elapsed() >= AFTER);
        if is_found && self.verdict.skipped.is_none() && !self.case.is_twin() {
            self.crowd = None;
            match self.process.take() {
                Some(process) => drop(process),
                None if self.case.is_service => own.stop_service(&self.case.name),
                None => return,
            }
            // Stopped once.
            self.verdict.skipped = Some(String::new());
        }
    }
}

/// Reads the incidents and gives each to its case.
fn look(own: &Own, running: &mut [Running<'_>], others: &mut Vec<String>) {
    let all = processes::all();
    for one in running.iter_mut() {
        if let Some(process) = &one.process {
            one.pids.extend(processes::tree(&all, process.pid()));
        }
    }
    for incident in own.incidents() {
        if let Some(one) = running.iter_mut().find(|one| one.is_it(&incident)) {
            one.take(&incident);
        } else if incident.is_accusation {
            let said = format!("#{} {}: {}", incident.id, incident.kind, incident.sentence);
            if !others.iter().any(|other| other.starts_with(&format!("#{} ", incident.id))) {
                others.push(said);
            }
        }
    }
}
