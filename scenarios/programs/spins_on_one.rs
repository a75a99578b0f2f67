//! A TCP service, a thread for each client; after ONSET seconds a client's thread waits for a flag without a pause.
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static IS_READY: AtomicBool = AtomicBool::new(false);

fn main() {
    let words: Vec<f64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let start = Instant::now();
    let door = TcpListener::bind(("127.0.0.1", words[0] as u16)).unwrap();
    for stream in door.incoming().flatten() {
        let onset = Duration::from_secs_f64(words[1]);
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while lines.read_line(&mut line).unwrap_or(0) > 0 {
                while start.elapsed() >= onset && !IS_READY.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                if (&stream).write_all(b"pong\n").is_err() {
                    return;
                }
            }
        });
    }
}
