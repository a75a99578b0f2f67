//! Clients of the programs: threads that ask, wait for a line, and give up after a while, as clients do.
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::case::Clients;

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(200);
/// No answer is waited for longer.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Connections of a burst at most, and how long it is kept.
const HELD_MAX: usize = 100;
const HELD_FOR: Duration = Duration::from_secs(30);

/// The clients of one program; they leave when this is dropped.
pub(super) struct Crowd {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// Lets them come.
    pub(super) fn start(clients: Clients, port: u16) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (count, body): (u32, fn(SocketAddr, u32, &AtomicBool)) = match clients {
            Clients::None => (0, short),
            Clients::Short(count) => (count, short),
            Clients::Long(count) => (count, long),
            Clients::Hold(per_s) => (per_s.min(1), hold),
        };
        let per_s = if let Clients::Hold(per_s) = clients { per_s } else { 0 };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let thread = |_| {
            let ended = ended.clone();
            spawn(move || body(address, per_s, &ended))
        };
        Self { threads: (0..count).map(thread).collect(), ended }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(super) fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    Some(stream)
}

pub(super) fn ask(stream: &TcpStream) -> Option<()> {
    let mut writer = stream;
    writer.write_all(b"ping\n").ok()?;
    let mut line = String::new();
    (BufReader::new(stream).read_line(&mut line).ok()? > 0).then_some(())
}

fn short(address: SocketAddr, _: u32, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        connect(address).and_then(|stream| ask(&stream));
        sleep(PAUSE);
    }
}

fn long(address: SocketAddr, _: u32, ended: &AtomicBool) {
    let mut stream = None;
    while !ended.load(Ordering::Relaxed) {
        stream = stream.or_else(|| connect(address)).filter(|one| ask(one).is_some());
        sleep(PAUSE);
    }
}

fn hold(address: SocketAddr, per_s: u32, ended: &AtomicBool) {
    let mut held = Vec::new();
    let mut full: Option<Instant> = None;
    while !ended.load(Ordering::Relaxed) {
        if full.is_some_and(|full| full.elapsed() > HELD_FOR) {
            held.clear();
            full = None;
        }
        if held.len() < HELD_MAX {
            held.extend(connect(address).filter(|one| ask(one).is_some()));
        } else {
            full.get_or_insert_with(Instant::now);
        }
        sleep(Duration::from_secs(1) / per_s.max(1));
    }
}
