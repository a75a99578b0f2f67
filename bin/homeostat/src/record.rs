//! `record` and `replay`: what the machine said, kept; and thought through again.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use cycle::recording::Thought;
use cycle::replay::{Recorder, Replayed, replay as think_again};
use cycle::{Cycle, Start};
use observe::{Observe, ObserveConfig};
use serde_json::{Value as Json, json};
use vocab::capability::Capabilities;
use vocab::incident::IncidentState;
use vocab::rule::Mode;

use crate::between::Between;
use crate::budget::Budget;
use crate::clock;
use crate::daemon::load_rules;
use crate::error::{Exit, UserError, cannot, words as error_words};
use crate::film;
use crate::live::Live;
use crate::output::Format;
use crate::signals::Signals;

/// Options of `record`.
#[derive(Args, Clone, Debug)]
pub struct Record {
    /// File to write
    file: PathBuf,
    /// Stop after so many seconds; absent: at Ctrl-C
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Options of `replay`.
#[derive(Args, Clone, Debug)]
pub struct Replay {
    /// Recording to read, or the number of an incident: its film
    file: PathBuf,
    /// Decide under the rules of this folder instead of those in the recording
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    /// Print only what differs from what was thought then; exit code 1 if anything does
    #[arg(long)]
    diff: bool,
}

/// Watches this machine, changes nothing, and writes every turn down.
///
/// # Errors
/// The file cannot be written, or the machine not observed.
pub fn record(arguments: &Record, policies: Option<&Path>, format: Format) -> Result<Exit, UserError> {
    let start = Start { rules: load_rules(policies)?, mode: Mode::Advise, ..Start::default() };
    let live = watcher(arguments.seconds)?;
    let file = File::create(&arguments.file).map_err(|error| {
        let what = format!("cannot write `{}`: {}", arguments.file.display(), error_words(&error));
        UserError::new(what, "name a file in a folder that you may write")
    })?;
    let recorder = Recorder::new(live, BufWriter::new(file), &start);
    let recorder = recorder.map_err(|error| cannot("begin the recording", &error))?;
    let mut cycle = Cycle::new(recorder, start).map_err(|error| cannot("set up SQL", &error))?;
    let (mut turns, mut teller) = (0_u64, Teller::new(format));
    while let Some(turn) = cycle.turn() {
        cycle.world.keep(&turn).map_err(|error| cannot("go on recording", &error))?;
        turns = turn.snapshot.turn;
        teller.tell(turns, &Thought::of(&turn.change));
    }
    eprintln!("{turns} turns recorded in {}", arguments.file.display());
    Ok(Exit::Ok)
}

/// A world that only watches.
fn watcher(seconds: Option<u64>) -> Result<Live, UserError> {
    let signals = Signals::take().map_err(|error| cannot("receive signals", &error))?;
    let mut observe = Observe::open(ObserveConfig::default());
    let capabilities = observe.as_mut().map(Observe::capabilities).unwrap_or_default();
    Ok(Live {
        observe: observe.map_err(|error| cannot("observe this machine", &error))?,
        act: None,
        between: Between::nothing(),
        doors: None,
        capabilities: Capabilities(capabilities),
        signals,
        clock: clock::start(),
        parent: None,
        until: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        budget: Budget::default(),
        next: Instant::now(),
        settled: Vec::new(),
        history: None,
        #[cfg(feature = "onnx")]
        onnx: None,
    })
}

/// Thinks a recording through again.
///
/// # Errors
/// It cannot be read, or the rules not be used.
pub fn replay(arguments: &Replay, state_dir: &Path, format: Format) -> Result<Exit, UserError> {
    let incident = arguments.file.to_str().and_then(|word| word.parse().ok());
    let film =
        incident.filter(|_| !arguments.file.exists()).map(|incident| film::path_of(state_dir, incident));
    let path = film.as_ref().unwrap_or(&arguments.file);
    let wrong = |what: &str, error: &dyn std::fmt::Display| {
        let what = format!("cannot {what} `{}`: {error}", path.display());
        UserError::new(what, "`homeostat record FILE` writes a recording")
    };
    let file = File::open(path).map_err(|error| wrong("read", &error_words(&error)))?;
    let rules = arguments.rules.as_deref().map(|folder| load_rules(Some(folder))).transpose()?;
    let began = Instant::now();
    let replayed = think_again(BufReader::new(file), rules).map_err(|error| wrong("replay", &error))?;
    let took_s = began.elapsed().as_secs_f64();
    let differing = replayed.differences().count();
    print(arguments, &replayed, format);
    if let Some(trouble) = &replayed.trouble {
        eprintln!("homeostat: {trouble}");
    }
    let speed = if took_s > 0.0 { replayed.recorded_s / took_s } else { 0.0 };
    eprintln!(
        "{} turns of {:.0} s thought through in {took_s:.2} s, {speed:.0} times real time; {differing} turns differ from the recording",
        replayed.turns, replayed.recorded_s
    );
    Ok(if differing == 0 { Exit::Ok } else { Exit::No })
}

fn print(arguments: &Replay, replayed: &Replayed, format: Format) {
    let mut teller = Teller::new(format);
    for (turn, then, now) in &replayed.thoughts {
        if !arguments.diff {
            teller.tell(*turn, now);
        } else if then != now {
            println!("{}", json!({"turn": turn, "then": words(then), "now": words(now)}));
        }
    }
}

/// Tells what the stages said, turn by turn.
struct Teller {
    format: Format,
    /// Where each incident stood when it was last told of: a sentence with a new figure in it is no news.
    told: BTreeMap<u64, IncidentState>,
}

impl Teller {
    const fn new(format: Format) -> Self {
        Self { format, told: BTreeMap::new() }
    }

    /// One turn; nothing if the stages were silent.
    fn tell(&mut self, turn: u64, thought: &Thought) {
        if *thought == Thought::default() {
            return;
        }
        if self.format == Format::Json {
            println!("{}", json!({"turn": turn, "thought": words(thought)}));
            return;
        }
        for incident in &thought.incidents {
            if self.told.insert(incident.id, incident.state) != Some(incident.state) {
                println!("turn {turn}: incident {} {}: {}", incident.id, incident.state, incident.sentence);
            }
        }
        tell_rest(turn, thought);
    }
}

fn tell_rest(turn: u64, thought: &Thought) {
    for decision in &thought.decisions {
        println!("turn {turn}: decision {}: {}", decision.id, decision.sentence);
    }
    for event in &thought.events {
        println!("turn {turn}: {}: {}", event.kind.as_str(), event.message);
    }
    for outcome in &thought.outcomes {
        println!("turn {turn}: action {} {}: {}", outcome.action_id, outcome.kind, outcome.sentence);
    }
}

fn words(thought: &Thought) -> Json {
    serde_json::to_value(thought).unwrap_or(Json::Null)
}
