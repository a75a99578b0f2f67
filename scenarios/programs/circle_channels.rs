//! Two threads that hand each other messages over channels with room for one, and both send before they receive.
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

fn stage(own: Receiver<u64>, other: SyncSender<u64>, calm: Duration) {
    let start = Instant::now();
    loop {
        let copies = if start.elapsed() < calm { 1 } else { 4 };
        for _ in 0..copies {
            other.send(1).unwrap();
        }
        own.recv().unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

fn main() {
    let calm = Duration::from_secs(std::env::args().nth(1).and_then(|one| one.parse().ok()).unwrap_or(10));
    let (to_a, a) = sync_channel(1);
    let (to_b, b) = sync_channel(1);
    let first = thread::spawn(move || stage(a, to_b, calm));
    let second = thread::spawn(move || stage(b, to_a, calm));
    first.join().unwrap();
    second.join().unwrap();
}
