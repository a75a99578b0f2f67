//! The daemon: opens the rooms, turns the loop, closes them again.
use std::fs::File;
use std::io::BufWriter;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use act::{Act, ActConfig, GuardConfig, Ring};
use cycle::cycle::Turn;
use cycle::film::Filmed;
use cycle::models::{is_whole, newest_sound};
use cycle::recording::Header;
use cycle::replay::Recorder;
use cycle::{Cycle, Models, Start, World, rules};
use decide::LoadedRule;
use observe::{EventReader, KernelSide, Observe, ObserveConfig};
use tables::event_row;
use tables::{Store, StoreError, View};
use vocab::Timestamp;
use vocab::baseline::Baselines;
use vocab::capability::Capabilities;
use vocab::event::{Event, EventKind};
use vocab::ledger::Ledger;
use vocab::rule::Mode;

use crate::announce::Announcer;
use crate::between::Between;
use crate::budget::Budget;
use crate::config::Config;
use crate::door::{Addresses, Doors, DoorsConfig, Readers};
use crate::error::{UserError, cannot, without_number, words};
use crate::film::Films;
use crate::history::History;
use crate::journal::{self, Journal, Past};
use crate::keeper_lost::{self, Parent};
use crate::link::{Link, Source, descriptor, identity};
use crate::live::Live;
use crate::oneshot::OneShot;
use crate::options::RunOptions;
use crate::paths::Paths;
use crate::saving::Saving;
use crate::signals::Signals;
use crate::wire::{RING_ENV, Request, SOCKET_ENV};
use crate::{banner, clock};

/// Turns between two writes of what was learnt.
const LEARNT_EVERY: u64 = 60;

/// Turns after which memory is given back that was used once: program text of a question; pages of the heap, which cost
/// less to look for and come back sooner.
const TRIM_EVERY: u64 = 20;
const TRIM_HEAP_EVERY: u64 = 5;

/// All a run needs to know.
pub struct Settings {
    /// What was asked for.
    pub options: RunOptions,
    /// What the configuration says.
    pub config: Config,
    /// Where things lie.
    pub paths: Paths,
}

/// Runs the daemon until it is asked to end.
///
/// # Errors
/// Whatever keeps it from starting, for a person.
pub fn run(settings: &Settings) -> Result<ExitCode, UserError> {
    crate::trim::one_heap();
    let paging = crate::paging::take();
    let start_of_clock = clock::start();
    // First: it takes the heap of the main thread for a moment, and gives it back.
    let (kernel, events) = load_kernel(settings);
    let parent = Parent::now();
    let ring = copy_of_ring();
    let signals = Signals::take().map_err(|error| cannot("receive signals", &error))?;
    let link = open_link()?;
    let rules = load_rules(settings.config.policies.as_deref())?;
    let mut store = open_store(&settings.paths.state_dir)?;
    let mut start = remembered(settings, rules, &store);
    let (journal, past) = journal::open(&settings.paths.state_dir, &start.ledger, start_of_clock);
    start.next_ids = past.beyond(start.next_ids);
    let notices = notices(&store, &past);
    let mut observe = open_observe(&link, start_of_clock, kernel)?;
    let (act, settled, mut capabilities) = open_act(settings, &link, (journal, past), start_of_clock)?;
    capabilities.extend(observe.capabilities());
    let mut history = History::open(&settings.paths.state_dir);
    let (doors, addresses) = open_doors(settings, &link, &store, &history)?;
    // Only now: where it does not start at all, the one line that says why is enough.
    notices.iter().for_each(|notice| eprintln!("homeostat: {notice}"));
    // Last, so that nothing of the start counts against the tick.
    capabilities.extend([crate::urgency::take(), paging]);
    let act = Arc::new(Mutex::new(act));
    let between = Between::open(&act, &start, events, start_of_clock)?;
    let live = Live {
        observe,
        act: Some(act),
        between: between.clone(),
        doors: Some(doors.clone()),
        capabilities: Capabilities(capabilities),
        signals,
        clock: start_of_clock,
        parent: Some(parent),
        until: None,
        budget: Budget::default(),
        next: Instant::now(),
        settled,
        history: Some(history.health()),
        #[cfg(feature = "onnx")]
        onnx: crate::onnx_models::OnnxModels::start(&settings.paths.state_dir),
    };
    let mut after = After {
        store: &mut store,
        saving: Saving::default(),
        history: &mut history,
        films: Films::new(&settings.paths.state_dir),
        doors: &doors,
        announcer: &Announcer::start(settings.config.on_incident.clone()),
        link: &link,
        addresses: &addresses,
        mode: start.mode,
        store_trouble: None,
        between,
    };
    let ended = turn_live(live, start, settings.options.record.as_deref(), &mut after);
    history.close();
    // The loop is closed by now; what was learnt is saved.
    if ended.is_ok() && parent.is_gone() { Err(keeper_lost::succeed(ring.as_ref())) } else { ended }
}

/// What the loop goes on from: the rules, and what the store remembers.
fn remembered(settings: &Settings, rules: Vec<LoadedRule>, store: &Store) -> Start {
    Start {
        rules,
        mode: settings.options.mode.or(settings.config.mode).unwrap_or_default(),
        own_services_only: settings.options.own_services_only,
        baselines: learnt(store),
        models: models(store),
        next_ids: store.next_ids(),
        ledger: store.recent(),
    }
}

/// Our programs in the kernel, unless they are not wanted, and the reader of their events.
fn load_kernel(settings: &Settings) -> (Option<KernelSide>, Option<EventReader>) {
    let mut kernel = (settings.config.ebpf != Some(false)).then(KernelSide::load);
    let events = kernel.as_mut().and_then(KernelSide::take_events);
    (kernel, events)
}

/// Turns the loop on the live machine, and writes every turn down if asked to.
fn turn_live(
    live: Live,
    start: Start,
    record: Option<&Path>,
    after: &mut After<'_>,
) -> Result<ExitCode, UserError> {
    let filmed = Filmed::new(live, start.next_ids[0]);
    match record {
        None => turn_until_end(filmed, start, after, |filmed| filmed, |_, _| Ok(())),
        Some(path) => {
            let file =
                File::create(path).map_err(|error| cannot(&format!("write {}", path.display()), &error))?;
            let recorder = Recorder::new(filmed, BufWriter::new(file), &start)
                .map_err(|error| cannot("begin the recording", &error))?;
            turn_until_end(
                recorder,
                start,
                after,
                |recorder| &mut recorder.inner,
                |recorder, turn| recorder.keep(turn).map_err(|error| cannot("go on recording", &error)),
            )
        }
    }
}

fn open_link() -> Result<Link, UserError> {
    Link::from_env(SOCKET_ENV).ok_or_else(|| cannot("start", &"the daemon is started by its keeper"))
}

/// What a person should know of how the state folder was found.
fn notices(store: &Store, past: &Past) -> Vec<String> {
    // Without a store the folder itself is of no use, which is said already.
    let past = past.notices.iter().filter(|_| !store.is_in_memory());
    store.notices().iter().chain(past).map(|notice| without_number(notice)).collect()
}

/// A second descriptor of the ring, for a keeper to be. It is never closed: that would give up the ring's lock.
fn copy_of_ring() -> Option<OwnedFd> {
    let fd = std::env::var(RING_ENV).ok()?.parse().ok()?;
    // SAFETY: the keeper left this descriptor open for us; it is borrowed for the one call.
    let ring = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_dupfd_cloexec(ring, 0).ok()
}

/// Names of the two versions of the models in the store.
const MODEL_BLOBS: [&str; 2] = ["models", "models.before"];

/// What happens with a turn after it was thought.
struct After<'a> {
    store: &'a mut Store,
    saving: Saving,
    history: &'a mut History,
    films: Films,
    doors: &'a Arc<Doors>,
    announcer: &'a Announcer,
    link: &'a Link,
    addresses: &'a Addresses,
    mode: Mode,
    store_trouble: Option<String>,
    between: Between,
}

impl After<'_> {
    fn take(&mut self, mut turn: Turn, mode: Mode) {
        self.between.prepare(&turn.snapshot, mode);
        self.announcer.tell(&turn.change.incidents, &turn.ledger);
        let noted = turn.snapshot.events.iter().chain(&turn.change.events).filter(|event| is_of_note(event));
        let noted = noted.map(event_row).collect::<Vec<_>>();
        // A store that cannot be written keeps its rows in memory.
        let rows = self.saving.due(&turn.change.rows, turn.snapshot.at);
        let saved = self.store.save(&rows, &noted);
        self.tell_of_store(saved);
        let view = View::new(turn.snapshot.clone(), turn.ledger.clone(), turn.events.clone());
        self.history.note(&view.with_learnt(turn.learnt.clone()));
        // The doors show the rows of it, which the last turn and this one share; there may be many.
        turn.change.incidents = Vec::new();
        let turn = Arc::new(turn);
        self.doors.publish(turn.clone(), mode);
        if turn.snapshot.turn == 1 {
            // Only now does everything that the banner promises answer.
            banner::print(&turn, self.mode, self.addresses);
            // The keeper only wants to know that we came up; if it is gone, its end of the socket tells us.
            let _ = self.link.ask(&Request::Ready);
        }
        match turn.snapshot.turn {
            turn if turn % TRIM_EVERY == 1 => drop(crate::trim::trim()),
            turn if turn % TRIM_HEAP_EVERY == 1 => crate::trim::trim_heap(),
            _ => {}
        }
    }
}

impl After<'_> {
    /// Says once that the store cannot be written, and once that it can again.
    fn tell_of_store(&mut self, saved: Result<(), StoreError>) {
        let trouble = saved.err().map(|error| error.to_string());
        match (&trouble, &self.store_trouble) {
            (Some(trouble), None) => eprintln!("homeostat: {}", without_number(trouble)),
            (None, Some(_)) => eprintln!("homeostat: the store is written again"),
            _ => {}
        }
        self.store_trouble = trouble;
    }
}

/// Lines of logs are kept beyond the run only if they warn: the rest stands in memory for a while.
fn is_of_note(event: &Event) -> bool {
    let is_line = matches!(event.kind, EventKind::ServiceLog | EventKind::KernelLog);
    !is_line || event.level.is_some_and(|level| level <= 4)
}

fn turn_until_end<W: World>(
    world: W,
    start: Start,
    after: &mut After<'_>,
    filmed: impl Fn(&mut W) -> &mut Filmed<Live>,
    mut keep: impl FnMut(&mut W, &Turn) -> Result<(), UserError>,
) -> Result<ExitCode, UserError> {
    // What a film begins with, but for what is known by then.
    let of_films = Start {
        baselines: Baselines::default(),
        models: Models::default(),
        ledger: Ledger::default(),
        ..start.clone()
    };
    let mut cycle = Cycle::new(world, start).map_err(|error| cannot("set up SQL", &error))?;
    loop {
        filmed(&mut cycle.world).begin(&cycle.mind);
        let Some(turn) = cycle.turn() else { break };
        keep(&mut cycle.world, &turn)?;
        for reel in filmed(&mut cycle.world).keep(&turn) {
            after.films.take(reel, |mind| Header {
                start: of_films.clone(),
                capabilities: cycle.world.capabilities(),
                mind: Some(mind),
            });
        }
        let (number, models) = (turn.snapshot.turn, turn.models.clone());
        after.take(turn, cycle.mode());
        if let Some(models) = models {
            save_models(after.store, &models);
        }
        if number % LEARNT_EVERY == 0 {
            save_learnt(after.store, cycle.baselines());
        }
    }
    let saved = after.store.save(&after.saving.rest(), &[]);
    after.tell_of_store(saved);
    save_learnt(after.store, cycle.baselines());
    save_models(after.store, &cycle.save_models());
    Ok(ExitCode::SUCCESS)
}

/// The shipped rules and those of the user's folder.
///
/// # Errors
/// A folder that cannot be read, or a rule that cannot be used.
pub fn load_rules(folder: Option<&Path>) -> Result<Vec<LoadedRule>, UserError> {
    let mut own = Vec::new();
    if let Some(folder) = folder {
        let entries = std::fs::read_dir(folder).map_err(|error| {
            let what = format!("cannot read the rules in `{}`: {}", folder.display(), words(&error));
            UserError::new(what, "name a folder of `.toml` files; `policies` in the configuration does")
        })?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".toml") {
                let text = std::fs::read_to_string(entry.path())
                    .map_err(|error| cannot(&format!("read {}", entry.path().display()), &error))?;
                own.push((name, text));
            }
        }
    }
    own.sort();
    rules::load(&own)
        .map_err(|error| UserError::new(error.to_string(), "policies/README.md shows what a rule may say"))
}

fn open_store(dir: &Path) -> Result<Store, UserError> {
    Store::open(dir)
        .map_err(|error| UserError::new(error.to_string(), "`--state-dir DIR` names another folder"))
}

fn learnt(store: &Store) -> Baselines {
    store.blob("baselines").and_then(|bytes| postcard::from_bytes(&bytes).ok()).unwrap_or_default()
}

/// The newest saved models that are sound; what is wrong with newer ones is said.
fn models(store: &Store) -> Models {
    let versions = MODEL_BLOBS.map(|name| store.blob(name));
    let (models, troubles) = newest_sound(versions.iter().flatten().map(Vec::as_slice));
    for trouble in troubles {
        eprintln!("homeostat: {trouble}");
    }
    models
}

/// Keeps a new version, and the one before it for the day on which the new one is damaged.
fn save_models(store: &mut Store, models: &[u8]) {
    let [newest, before] = MODEL_BLOBS;
    let sound = store.blob(newest).filter(|bytes| is_whole(bytes));
    // What cannot be saved is learnt again.
    if let Some(bytes) = sound {
        let _ = store.save_blob(before, &bytes);
    }
    let _ = store.save_blob(newest, models);
}

fn save_learnt(store: &mut Store, baselines: &Baselines) {
    if let Ok(bytes) = postcard::to_allocvec(baselines) {
        // What cannot be saved is learnt again.
        let _ = store.save_blob("baselines", &bytes);
    }
}

fn open_observe(
    link: &Link,
    start_of_clock: Timestamp,
    kernel: Option<KernelSide>,
) -> Result<Observe, UserError> {
    let keeper_pid =
        rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    let services = Box::new(Source::new(link.clone(), start_of_clock));
    Observe::open(ObserveConfig { services, keeper_pid, kernel, ..ObserveConfig::default() })
        .map_err(|error| cannot("observe this machine", &error))
}

type OpenAct = (Act, Vec<vocab::action::Effect>, Vec<vocab::capability::Capability>);

fn open_act(
    settings: &Settings,
    link: &Link,
    (journal, past): (Journal, Past),
    start_of_clock: Timestamp,
) -> Result<OpenAct, UserError> {
    let ring = descriptor(RING_ENV).map(|fd: OwnedFd| Ring::from_file(fd.into()));
    let ring = ring.unwrap_or_else(Ring::memfd).map_err(|error| cannot("use the intent ring", &error))?;
    let capabilities = act::capabilities(&ring, &mut link.clone(), true);
    let keeper = rustix::process::getppid().and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
    let guard = GuardConfig {
        own: keeper.and_then(identity).into_iter().collect(),
        protected: settings.config.protected.clone(),
        ..GuardConfig::default()
    };
    let config = ActConfig {
        guard,
        capabilities: capabilities.clone(),
        services: Box::new(link.clone()),
        durable: Box::new(journal),
    };
    let (act, mut settled) = Act::open(ring, config, clock::now(start_of_clock))
        .map_err(|error| cannot("settle what an earlier run left", &error))?;
    settled.extend(past.settle(&settled));
    Ok((act, settled, capabilities))
}

fn open_doors(
    settings: &Settings,
    link: &Link,
    store: &Store,
    history: &History,
) -> Result<(Arc<Doors>, Addresses), UserError> {
    let readers = Readers {
        live: OneShot::open().ok().map(|one| Box::new(one) as Box<dyn tables::Live>),
        past: store.past(),
        history: history.reader(),
    };
    let port = settings.options.port.or(settings.config.port);
    let config = DoorsConfig { port, socket: settings.paths.socket(), readers };
    let (doors, addresses) = Doors::start(config, Arc::new(link.clone()))?;
    Ok((Arc::new(doors), addresses))
}
