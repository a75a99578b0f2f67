//! Ourselves beside the tools people run: same machine, same seconds, same sampler.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::figures::{Figure, report};
use super::folder::Folder;
use super::sampler::{self, Used};
use super::subjects::{self, Count, Subject};
use super::{Options, apt, http, observe, release_binary};

/// Before the window: start-up, first full readings, first files. Unit: s.
const WARM_UP_S: u64 = 20;
/// The window without `--seconds`. Unit: s.
const SECONDS: u64 = 120;

/// Runs the bench.
///
/// # Errors
/// We cannot be built or started, or end early; a peer that does not run is only left out, and said so.
pub(super) fn run(arguments: &[&str]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    if options.install {
        apt::install()?;
    }
    let binary = release_binary(options.binary.as_deref())?;
    let seconds = options.seconds.unwrap_or(SECONDS);
    let dir = Folder::make()?;
    let (subjects, missing) = subjects::start(&binary, dir.path())?;
    missing.iter().for_each(|line| eprintln!("left out: {line}"));
    let figures = while_scraped(&subjects, || measure(&subjects, seconds))?;
    // Stopped before the folder with their files goes away.
    drop(subjects);
    report("peers", &figures, options.json.as_deref())
}

fn measure(subjects: &[Subject], seconds: u64) -> Result<Vec<Figure>, String> {
    eprintln!("{} subjects, {WARM_UP_S} s of warm-up, then {seconds} s", subjects.len());
    std::thread::sleep(Duration::from_secs(WARM_UP_S));
    let roots: Vec<u32> = subjects.iter().map(|one| one.running.pid()).collect();
    let used = sampler::watch(&roots, seconds);
    let mut figures = Vec::new();
    for (subject, used) in subjects.iter().zip(used) {
        match used {
            Some(used) => figures.extend(figures_of(subject, used)),
            None if subject.name == "homeostat" => {
                return Err("homeostat ended before the measurement did".to_owned());
            }
            None => eprintln!("left out: {}: it ended before the measurement did", subject.name),
        }
    }
    Ok(figures)
}

fn figures_of(subject: &Subject, used: Used) -> Vec<Figure> {
    let figure = |figure, value, unit| Figure {
        figure,
        case: subject.case.to_owned(),
        subject: subject.name.to_owned(),
        value,
        unit,
    };
    let mut figures = vec![
        figure("cpu_percent", used.cpu_percent, "% of a core"),
        figure("pss_mib", used.pss_mib, "MiB"),
        figure("write_kib_per_s", used.write_kib_per_s, "KiB/s"),
    ];
    figures.extend(samples_per_s(&subject.count).map(|value| figure("samples_per_s", value, "1/s")));
    figures
}

fn samples_per_s(count: &Count) -> Option<f64> {
    match count {
        Count::Scraped(port) => Some(http::sample_lines(&http::get(*port, "/metrics")?) as f64),
        Count::Netdata(port) => {
            Some(http::sample_lines(&http::get(*port, "/api/v1/allmetrics?format=prometheus")?) as f64)
        }
        Count::Observer => observe::figures_per_s().ok(),
        Count::Unknown => None,
    }
}

/// Scrapes once a second who has to be scraped while `work` is done. The scraper's own cost is nobody's.
fn while_scraped<T>(subjects: &[Subject], work: impl FnOnce() -> T) -> T {
    let ports: Vec<u16> = subjects.iter().filter_map(|one| scraped_port(&one.count)).collect();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                ports.iter().for_each(|port| drop(http::get(*port, "/metrics")));
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        let answer = work();
        is_done.store(true, Ordering::Relaxed);
        answer
    })
}

fn scraped_port(count: &Count) -> Option<u16> {
    match count {
        Count::Scraped(port) => Some(*port),
        _ => None,
    }
}
