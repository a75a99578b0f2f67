//! `homeostat demo`: real services with real faults in a sandbox of their own; watch it heal.
//!
//! [`plan`] draws what will happen, [`sandbox`] starts a Homeostat of its own with the services under it,
//! [`client`] measures each service from outside, [`watch`] notes what Homeostat says and what the clients
//! see. The verdict `verified` is the clients' alone.
mod client;
mod neighbour;
mod plan;
mod report;
mod sandbox;
mod service;
mod stage;
mod watch;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::error::{UserError, cannot};
use crate::signals::Signals;
use plan::Plan;
use report::Report;
use sandbox::Sandbox;
use watch::Watch;

pub use stage::main as service_main;

/// The word that makes this program a service of the demo.
pub const SERVICE_WORD: &str = "demo-service";

/// The demo ends by then, whatever happened. Unit: s.
const END_S: f64 = 115.0;

/// How often the demo looks at what Homeostat says.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub struct Demo {
    /// Draw names, order, rates and runtimes from this number; absent: another each time
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Runs the demo; exit code 1 if a fault was not healed, an innocent accused, or something left behind.
///
/// # Errors
/// The sandbox cannot be set up.
pub fn run(arguments: &Demo, is_json: bool) -> Result<ExitCode, UserError> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) ^ act::boot_ns());
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let plan = plan::draw(seed, cpus);
    let signals = Signals::take().map_err(|error| cannot("receive signals", &error))?;
    let teller = report::Teller::new(is_json);
    let mut sandbox = Sandbox::open(&plan)?;
    let played = play(&plan, &mut sandbox, &signals, &teller);
    let left_behind = sandbox.close();
    let watch = played?;
    let report = Report::new(seed, &watch, left_behind);
    teller.end(&report);
    Ok(ExitCode::from(u8::from(!report.is_good())))
}

/// Injects what is due and notes what happens, until everything is verified or the time is up.
fn play(
    plan: &Plan,
    sandbox: &mut Sandbox,
    signals: &Signals,
    teller: &report::Teller,
) -> Result<Watch, UserError> {
    sandbox.start(plan)?;
    teller.begin(plan, &sandbox.url());
    let start = Instant::now();
    let mut watch = Watch::new(plan, sandbox.clients(), start);
    while start.elapsed().as_secs_f64() < END_S && !watch.is_done() {
        if signals.is_asked_to_end() {
            return Err(UserError::new("interrupted", "everything the demo made is being removed"));
        }
        for fault in watch.due(Instant::now()) {
            sandbox.inject(&plan.victims[fault])?;
            watch.note_injected(fault, Instant::now());
            teller.injected(&plan.victims[fault]);
        }
        for news in watch.look(sandbox, Instant::now()) {
            teller.news(&news);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    watch.confirm(Instant::now());
    Ok(watch)
}
