//! A TCP service, an acceptor and a thread a connection; after ONSET seconds the handlers lock in both orders.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
fn main() {
    let word = |at: usize| std::env::args().nth(at).unwrap();
    let (port, onset): (u16, f64) = (word(1).parse().unwrap(), word(2).parse().unwrap());
    let (onset, start) = (Duration::from_secs_f64(onset), Instant::now());
    let locks = Arc::new([Mutex::new(0u64), Mutex::new(0u64)]);
    let count = Arc::new(AtomicU64::new(0));
    for peer in TcpListener::bind(("127.0.0.1", port)).unwrap().incoming().flatten() {
        let (locks, count) = (locks.clone(), count.clone());
        thread::spawn(move || {
            let mut lines = BufReader::new(peer.try_clone().unwrap()).lines();
            while let Some(Ok(_)) = lines.next() {
                let late = start.elapsed() >= onset;
                let turn = if late { count.fetch_add(1, Ordering::Relaxed) as usize % 2 } else { 0 };
                let mut first = locks[turn].lock().unwrap();
                if late {
                    thread::sleep(Duration::from_millis(300));
                }
                *first += *locks[1 - turn].lock().unwrap();
                std::hint::black_box((0..50_000u64).fold(0u64, |sum, one| sum.wrapping_mul(31) ^ one));
                drop(first);
                if writeln!(&peer, "ok").is_err() {
                    break;
                }
            }
        });
    }
}
