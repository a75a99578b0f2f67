//! Models in the ONNX format: the files in STATE/models/onnx, run as learn wishes, in a thread that no turn waits for.
//!
//! `NAME.onnx` is a model; `NAME.toml` beside it says `series = "machine.cpu_busy_pct"` and, for one that foretells the next
//! value instead of saying how strange the last ones are, `gives = "forecast"`.
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use onnx::{Failure, MODEL_BYTES_MAX, Worker};
use serde::Deserialize;
use vocab::onnx::{OnnxAsk, OnnxFile, OnnxSample, OnnxScore, OnnxWishes};

use crate::shared::lock;

/// The first argument of the process that runs the models.
pub const SERVICE_WORD: &str = "__onnx";
/// Files known at most.
const FILES_MAX: usize = 16;
/// Time between two looks at the folder, and two tries to start the process.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Turns between two tellings of what there is.
const TELL_EVERY: u64 = 60;
/// Longest description. Unit: bytes.
const TEXT_MAX: u64 = 4_096;

/// That process.
pub fn service_main() -> ExitCode {
    match onnx::serve(&mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The turn's side.
pub struct OnnxModels {
    wishes: SyncSender<OnnxWishes>,
    news: Arc<Mutex<News>>,
    told: Option<(Vec<OnnxFile>, Option<String>)>,
}

/// What the thread found.
#[derive(Default)]
struct News {
    files: Vec<OnnxFile>,
    trouble: Option<String>,
    scores: Vec<OnnxScore>,
}

impl OnnxModels {
    /// Looks into the folder below `state`, from a thread of its own; `None` if there can be none.
    pub fn start(state: &Path) -> Option<Self> {
        let (wishes, orders) = sync_channel(1);
        let news = Arc::new(Mutex::new(News::default()));
        let mut keeper = Keeper {
            folder: state.join("models").join("onnx"),
            files: BTreeMap::new(),
            worker: None,
            trouble: None,
            next_look: None,
            number: 0,
        };
        let shared = news.clone();
        std::thread::Builder::new()
            .name("onnx".to_owned())
            .spawn(move || keeper.run(&orders, &shared))
            .ok()?;
        Some(Self { wishes, news, told: None })
    }

    /// Passes on what is wished; who is busy hears the next wish.
    pub fn wish(&self, wishes: &OnnxWishes) {
        let _ = self.wishes.try_send(wishes.clone());
    }

    /// What came since the turn before.
    pub fn said(&mut self, turn: u64) -> Option<OnnxSample> {
        let mut news = lock(&self.news);
        let scores = std::mem::take(&mut news.scores);
        let now = (news.files.clone(), news.trouble.clone());
        drop(news);
        let is_news = self.told.as_ref() != Some(&now) || turn.is_multiple_of(TELL_EVERY);
        if !is_news && scores.is_empty() {
            return None;
        }
        self.told = Some(now.clone());
        let (files, trouble) = now;
        Some(OnnxSample { files: is_news.then_some(files), trouble, scores })
    }
}

/// One file.
struct Known {
    file: OnnxFile,
    /// When it and its description were changed.
    changed: [Option<SystemTime>; 2],
    number: u32,
}

/// The thread's side.
struct Keeper {
    folder: PathBuf,
    files: BTreeMap<String, Known>,
    worker: Option<Worker>,
    trouble: Option<String>,
    next_look: Option<Instant>,
    number: u32,
}

/// What a description says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    series: String,
    #[serde(default)]
    gives: Gives,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Gives {
    #[default]
    Score,
    Forecast,
}

impl Keeper {
    fn run(&mut self, orders: &Receiver<OnnxWishes>, news: &Mutex<News>) {
        loop {
            let wishes = match orders.recv_timeout(LOOK_EVERY) {
                Ok(wishes) => wishes,
                Err(RecvTimeoutError::Timeout) => OnnxWishes::default(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let is_due = self.next_look.is_none_or(|at| Instant::now() >= at);
            if is_due {
                self.next_look = Some(Instant::now() + LOOK_EVERY);
                self.look();
            }
            self.unload(&wishes);
            self.load(&wishes, is_due);
            let scores: Vec<OnnxScore> = wishes.ask.into_iter().filter_map(|ask| self.ask(ask)).collect();
            let mut news = lock(news);
            news.files = self.files.values().map(|one| one.file.clone()).collect();
            news.trouble.clone_from(&self.trouble);
            news.scores.extend(scores);
            // Nobody took them: the loop stands still.
            let excess = news.scores.len().saturating_sub(FILES_MAX);
            news.scores.drain(..excess);
        }
    }

    /// Which files there are; one that is new or changed begins anew.
    fn look(&mut self) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |path: PathBuf| {
            let is_model = path.extension().is_some_and(|extension| extension == "onnx");
            path.file_stem().filter(|_| is_model)?.to_str().map(str::to_owned)
        };
        let mut names: Vec<String> = entries.filter_map(|entry| name(entry.path())).collect();
        names.sort();
        names.truncate(FILES_MAX);
        self.files.retain(|name, _| names.contains(name));
        for name in names {
            let paths = ["onnx", "toml"].map(|extension| self.folder.join(format!("{name}.{extension}")));
            let changed =
                [0, 1].map(|at| std::fs::metadata(&paths[at]).and_then(|file| file.modified()).ok());
            if self.files.get(&name).is_none_or(|one| one.changed != changed) {
                self.number += 1;
                let known = Known { file: describe(&name, &paths), changed, number: self.number };
                self.files.insert(name, known);
            }
        }
    }

    /// Ends the process when nothing is to be loaded, or what is loaded must go: all memory comes back.
    fn unload(&mut self, wishes: &OnnxWishes) {
        let stays = |one: &Known| one.file.window.is_none() || wishes.load.contains(&one.file.name);
        if wishes.load.is_empty() || !self.files.values().all(stays) {
            self.end();
        }
    }

    fn end(&mut self) {
        self.worker = None;
        self.files.values_mut().for_each(|one| one.file.window = None);
    }

    /// Loads what is wished and not there; starts the process for it if `is_due`.
    fn load(&mut self, wishes: &OnnxWishes, is_due: bool) {
        for name in &wishes.load {
            let is_missing = |one: &Known| one.file.window.is_none() && one.file.refusal.is_none();
            let Some(one) = self.files.get(&**name).filter(|one| is_missing(one)) else { continue };
            let number = one.number;
            if self.worker.is_none() && is_due {
                let started = Worker::start(Command::new("/proc/self/exe").arg(SERVICE_WORD));
                self.trouble = started.as_ref().err().cloned();
                self.worker = started.ok();
            }
            let Some(worker) = &mut self.worker else { return };
            let path = self.folder.join(format!("{name}.onnx"));
            let loaded = match read(&path, MODEL_BYTES_MAX) {
                Ok(model) => worker.load(number, model),
                Err(why) => Err(Failure::Refused(why)),
            };
            match loaded {
                Ok(window) => {
                    if let Some(one) = self.files.get_mut(&**name) {
                        one.file.window = Some(window as u32);
                    }
                }
                Err(failure) => self.refuse(name, failure),
            }
        }
    }

    fn ask(&mut self, ask: OnnxAsk) -> Option<OnnxScore> {
        let OnnxAsk { name, turn, values } = ask;
        let number = self.files.get(&*name).filter(|one| one.file.window.is_some())?.number;
        match self.worker.as_mut()?.score(number, values) {
            Ok(value) => Some(OnnxScore { name, turn, value }),
            Err(failure) => {
                self.refuse(&name, failure);
                None
            }
        }
    }

    /// Does not use it any more.
    fn refuse(&mut self, name: &str, failure: Failure) {
        let why = match failure {
            Failure::Refused(why) => why,
            Failure::Ended(why) => {
                self.end();
                why
            }
        };
        if let Some(one) = self.files.get_mut(name) {
            (one.file.refusal, one.file.window) = (Some(why), None);
        }
    }
}

/// A file as it is found.
fn describe(name: &str, [model, description]: &[PathBuf; 2]) -> OnnxFile {
    let size_bytes = std::fs::metadata(model).map_or(0, |file| file.len());
    let text = read(description, TEXT_MAX)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is no text".to_owned()))
        .and_then(|text| toml::from_str::<Description>(&text).map_err(|error| error.message().to_owned()));
    let refusal = match &text {
        Err(why) => Some(format!("`{name}.toml` beside it must say `series = \"...\"`: {why}")),
        Ok(_) if size_bytes > MODEL_BYTES_MAX => {
            Some(format!("it is larger than {} MiB", MODEL_BYTES_MAX >> 20))
        }
        Ok(_) => None,
    };
    let (series, gives) = text.map(|one| (one.series, one.gives)).unwrap_or_default();
    OnnxFile {
        name: Arc::from(name),
        series: Arc::from(series),
        forecasts: gives == Gives::Forecast,
        size_bytes,
        window: None,
        refusal,
    }
}

/// A file that may be as long as that.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most { Err(format!("it is larger than {most} bytes")) } else { Ok(bytes) }
}
